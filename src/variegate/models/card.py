"""The card of a model: what it must be given and what it answers, a JSON file beside the model.

`train` writes one, `tolerance`, `evaluate` and `serve` read it. The card of `bird.onnx` is
`bird.card.json`.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from variegate.errors import InputError
from variegate.models.preprocessing import Preprocessing
from variegate.validation import Spec, sentence

Task = Literal["classification", "boxes", "semantic", "instances", "keypoints"]


class ModelOutput(Spec):
    """What a model answers.

    Attributes:
        name: of the output; None where there is one, or all are needed.
        kind: how it is to be read. "probabilities" and "logits" are those of classes, of the image
            or of each pixel; others name what decodes the raw answer, such as "fastestdet".
        min_score: boxes and masks of a lower score are dropped; of a single mask: the probability
            from which on a pixel belongs to it.
        max_overlap: of two boxes of a class that overlap more (IoU) the surer one is kept, where
            the model leaves that to others.
        max_objects: of an image.
    """

    name: str | None = None
    kind: str = "logits"
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    max_overlap: Annotated[float, Field(ge=0, le=1)] = 0.45
    max_objects: Annotated[int, Field(ge=1, le=10_000)] = 100


class ModelCard(Spec):
    """All that is needed to ask a model, and to understand its answer.

    Attributes:
        version: of this format.
        task: what the model is for.
        input: how an image becomes what the model takes.
        output: how its answer is read.
        classes: their names, in the order of the answer.
        description: in the words of who made it.
        made_with: what a program that wrote the card says of how the model came about: digest of
            the data, split, recipe, accuracy. Nothing here changes an answer.
    """

    version: Literal[1] = 1
    task: Task = "classification"
    input: Preprocessing
    output: ModelOutput = ModelOutput()
    classes: tuple[str, ...] = ()
    description: str = ""
    made_with: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            twice = next(one for one in self.classes if self.classes.count(one) > 1)
            raise ValueError(f"classes: {twice!r} appears twice")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a card.

        Raises:
            InputError: there is none, or it is not valid.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise InputError(f"{path}: not a JSON file ({error})") from error
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{path}: {sentence(error, cls)}") from error

    def changed_output(self, kind: str) -> Self:
        """Return a card whose answers are read in another way."""
        return self.model_copy(update={"output": self.output.model_copy(update={"kind": kind})})

    def save(self, path: Path) -> None:
        """Write the card as indented JSON, without what is as usual."""
        data = self.model_dump(mode="json", exclude_defaults=True) | {"version": self.version}
        path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def card_path(model: Path) -> Path:
    """Return where the card of a model file is: `bird.card.json` beside `bird.onnx`."""
    return model.with_suffix(".card.json")
