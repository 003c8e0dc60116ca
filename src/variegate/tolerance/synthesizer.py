"""Synthesis with a model at hand: of the variants that are drawn, those that a filter lets pass.

The variants of a source are its candidates, in the order of their numbers. As many are made as are
wanted, the model is asked about the files as they will be written, and compared with the labels,
moved along; for those that are refused the next candidates are made, until there are no more. So
what comes out depends on the source alone, not on the number of workers.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Self

from variegate.codecs import decode
from variegate.formats import Item, Source
from variegate.models.predictors.base import Prediction, PredictionError, Predictor
from variegate.models.predictors.checks import Failure, predict_each
from variegate.models.predictors.spec import open_spec
from variegate.models.scorers import SCORERS, Scorer
from variegate.models.truths import truth
from variegate.runs.augmenter import Augmenter
from variegate.runs.render import Rendered
from variegate.runs.variant_choice import wanted_of
from variegate.runs.worker import Result
from variegate.storage.json import dumped
from variegate.tolerance.measure import ErrorMeasure, measure

#: The job's options: how results are judged, and by which model.
FILTER, MODEL = "filter", "model"
_BATCH = 32
_NO_TRUTH = "it has no label that the model's answer could be compared with"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFilter:
    """Which results are kept, by what a model says to them.

    Attributes:
        min_error, max_error: bounds of the difference from the labels; None for none.
        retries: for each result that is wanted, at most this number of further draws.
        difference: how it is measured; see `variegate.tolerance.measure`.
    """

    min_error: float | None = None
    max_error: float | None = None
    retries: int = 10
    difference: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether anything is refused at all."""
        return self.min_error is not None or self.max_error is not None

    @property
    def draws(self) -> int:
        """Of each result that is wanted."""
        return 1 + (self.retries if self.refuses else 0)

    def passes(self, error: float | None) -> bool:
        """Whether a result is kept; without an answer only where nothing is refused."""
        if error is None or not self.refuses:
            return not self.refuses
        low = 0.0 if self.min_error is None else self.min_error
        high = 1.0 if self.max_error is None else self.max_error
        return low <= error <= high

    def words(self) -> str:
        """Return what is kept."""
        bounds = [f"of at least {self.min_error:g}"] if self.min_error is not None else []
        bounds += [f"of at most {self.max_error:g}"] if self.max_error is not None else []
        return f"a predicted error {' and '.join(bounds)}"

    def to_json(self, predictor: Predictor) -> dict[str, Any]:
        """Return the job's option: all that decides, the identity of the model included.

        Raises:
            UsageError: there is no such difference.
        """
        measured = measure(predictor, self.difference)
        return {**asdict(self), "identity": predictor.identity, "measure": measured.identity}

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the filter that `to_json` tells of."""
        return cls(**{one.name: data[one.name] for one in fields(cls)})


@dataclass(frozen=True, slots=True)
class Judged:
    """A result, and what the model says to it.

    Attributes:
        done: the result.
        error: how wrong the model is; None where it gave no answer.
        says: in a few words.
    """

    done: Rendered
    error: float | None
    says: str


@dataclass(slots=True)
class _Turns:
    """The numbers of the candidates, as many at a time as are still wanted."""

    wanted: int
    candidates: int
    kept: int = 0

    def __iter__(self) -> Iterator[Collection[int]]:
        start = 0
        while start < self.candidates and self.kept < self.wanted:
            stop = min(self.candidates, start + min(_BATCH, self.wanted - self.kept))
            yield range(start, stop)
            start = stop


@dataclass(slots=True)
class _Pending:
    """A result that is not handed out yet, for refused ones may follow that belong to it."""

    result: Result
    refused: list[Judged] = field(default_factory=list)

    def finished(self) -> Result:
        if not self.refused:
            return self.result
        columns = {**self.result.columns, "rejected": _as_text(self.refused)}
        return replace(self.result, columns=columns)


@dataclass(frozen=True, slots=True)
class Synthesizer(Augmenter):
    """Makes variants of every training image, and keeps those that a filter lets pass."""

    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        if self._is_copied(source):
            yield self._copied(source, data)
            return
        if not (wanted := wanted_of(self._quota, self.recipe, source)):
            return
        turns = _Turns(wanted, min(self.recipe.count(), wanted * self._filter.draws))
        file_format = self._format(source, data)
        pending: _Pending | None = None
        refused = list[Judged]()
        for made in self.renderer.in_turns(source, data, file_format, turns):
            judged = self._judged(source, made)
            if judged is None:
                yield self._nothing(source, _NO_TRUTH, [])
                return
            for one in judged:
                if not self._filter.passes(one.error):
                    refused.append(one)
                    continue
                turns.kept += 1
                if pending is not None:
                    yield pending.finished()
                pending = _Pending(self._kept(source, one, file_format, turns.kept == 1), refused)
                refused = []
        if pending is None:
            draws = f"none of {len(refused):,} draws has {self._filter.words()}"
            yield self._nothing(source, draws, refused)
        else:
            pending.refused += refused
            yield pending.finished()

    @property
    def _filter(self) -> ErrorFilter:
        return ErrorFilter.of_json(self.options[FILTER])

    @property
    def _quota(self) -> Mapping[str, Any]:
        """Without a quota every source gets one result."""
        return {"quota": (1, 0), **self.options}

    def _judged(self, source: Source, made: Sequence[Rendered]) -> list[Judged] | None:
        """Ask the model about results; None where it is not known what it should say."""
        told = json.dumps(self.options[MODEL], sort_keys=True)
        asked = _asked(told, self._filter.difference)
        expected = [self._truth(source, one, asked.predictor) for one in made]
        # As they will be read: encoding them may have changed the answer.
        images = [decode(one.encoded, limits=self.limits) for one in made]
        answers = predict_each(asked.predictor, images)
        judged = []
        for one, wanted, answer in zip(made, expected, answers, strict=True):
            if wanted is None:
                return None
            judged.append(asked.judged(one, wanted, answer))
        return judged

    def _truth(self, source: Source, done: Rendered, predictor: Predictor) -> Prediction | None:
        return truth(
            predictor.task,
            predictor.classes,
            done.size,
            labels=done.labels,
            targets=self.targets_as_written(source, done),
        )

    def _kept(self, source: Source, one: Judged, file_format: str, first: bool) -> Result:
        result = self._made(source, one.done, file_format, tells=first)
        told = {"predicted": one.says or None, "predicted_error": one.error}
        return replace(result, columns={**result.columns, **told})

    def _nothing(self, source: Source, reason: str, refused: Sequence[Judged]) -> Result:
        """Return what says that a source gave nothing, and why."""
        columns: dict[str, Any] = {"reason": reason, "height": None, "width": None}
        if refused:
            columns["rejected"] = _as_text(refused)
        item = Item(key=source.key, split=source.split, label=source.label, size=(0, 0))
        return Result(item=item, content=None, sidecars=(), status="skipped", columns=columns)


def _as_text(refused: Sequence[Judged]) -> str:
    """Return what the manifest says of results that were refused."""
    return dumped(
        [
            {
                "variant": one.done.variant.index,
                "error": one.error,
                "predicted": one.says,
                "operations": [drawn.to_json() for drawn in one.done.variant.drawn],
            }
            for one in refused
        ]
    ).decode()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model that is open, and how its answers are measured."""

    predictor: Predictor
    measure: ErrorMeasure
    scorer: Scorer

    def judged(self, done: Rendered, expected: Prediction, answer: Prediction | Failure) -> Judged:
        if isinstance(answer, Failure):
            return Judged(done, None, f"no answer: {answer.reason}")
        try:
            error = round(float(self.measure(expected, answer)), 6)
        except PredictionError as fault:
            return Judged(done, None, f"no answer: {fault}")
        return Judged(done, error, self.scorer.text(answer))


@lru_cache(maxsize=2)
def _asked(text: str, difference: str | None) -> _Asked:
    """Open a model, once in a process."""
    predictor = open_spec(json.loads(text))
    scorer: Scorer = SCORERS[predictor.task](predictor.classes, len(predictor.classes))
    return _Asked(predictor, measure(predictor, difference), scorer)
