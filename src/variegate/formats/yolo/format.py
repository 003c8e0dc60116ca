"""YOLO: a text file of numbers for each image, a line for each object.

``images/train/7.jpg`` and ``labels/train/7.txt``, ``train/images/7.jpg`` and
``train/labels/7.txt``, or both in one folder; beside them data.yaml (ultralytics), obj.data and
obj.names (Darknet), or classes.txt. An image without a label file shows nothing to detect.

What the lines hold (see `lines`) is told by data.yaml, where it says so (``kpt_shape``,
``task``), and by the lines.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import ClassVar, Self

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.annotations.checks import Problems, shown, without_duplicates
from variegate.errors import InputError, LimitError
from variegate.formats.base import NotThisFormat, Recognised, named
from variegate.formats.hints import Hints
from variegate.formats.image_size import image_size
from variegate.formats.paired import PairedFormat, folder_said
from variegate.formats.pairing import Listed, Pairs, find_pairs, parts_of, rivals
from variegate.formats.scan import Survey
from variegate.formats.yolo.classes import Classes, read_classes
from variegate.formats.yolo.config import Config, is_config, read_config
from variegate.formats.yolo.lines import TASKS, Grammar, Task, are_scored, guess_task
from variegate.formats.yolo.splits import Splits, read_splits
from variegate.formats.yolo.writer import YoloWriter, flip_of
from variegate.storage import Storage, printable

_FILE_LIMIT = 1 << 26
# So many label files are looked at to tell what they hold; where no file names the classes, all.
_LOOKED_AT = 1000
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d*\.?\d+(?![\w.])")
# Numbers of a box.
_BOX = 4
_HEADINGS: dict[Task, str] = {
    "detect": "YOLO boxes",
    "segment": "YOLO polygons",
    "obb": "YOLO oriented boxes",
    "pose": "YOLO keypoints",
    "dota": "DOTA oriented boxes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Yolo(PairedFormat):
    """See `variegate.formats.yolo.lines` for what is read and written.

    Attributes:
        grammar: how lines are read.
        own: folder of labels -> the same, of those that number classes in another way.
        encoding: of label files, as the user says.
        found: which image belongs to which split.
        files: keys of the configuration, the list of classes and the lists of images -> what
            they are.
    """

    name: ClassVar[str] = "yolo"
    takes: ClassVar[frozenset[str]] = frozenset(("classes", "encoding", "images", "pairs"))
    kind: ClassVar[str] = "label file"
    without: ClassVar[str] = "nothing to detect"
    guesses_without: ClassVar[bool] = True
    choosable: ClassVar[bool] = True

    grammar: Grammar
    own: Mapping[str, Grammar]
    encoding: str | None
    found: Splits
    files: Mapping[str, str]

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        if not survey.others[".txt"]:
            return NotThisFormat("there are no .txt files")
        within = folder_said(survey.hints)
        listed = Listed.of(storage, extension=".txt", keep=is_config, within=within)
        found = rivals(listed) if survey.labels is None else []
        if found and not chosen:
            return NotThisFormat(
                f"several folders have labels for the same images ({named(found)}); "
                f"choose one: --format yolo:{found[0].strip('/')}",
                noteworthy=True,
            )
        labels = survey.labels or (found[0] if found else None)
        if labels is not None:
            top = f"{labels.strip('/')}/"
            kept = {at: stems for at, stems in listed.annotations.items() if at.startswith(top)}
            listed.annotations = kept
        pairs = find_pairs(listed, ".txt", within=within)
        if not pairs.folders:
            where = "" if within is None else f" in {printable(within)!r}"
            return NotThisFormat(f"no .txt file has the name of an image{where}")
        if not chosen and (reason := pairs.doubt(listed)):
            return NotThisFormat(reason, noteworthy=True)
        result = cls._of(storage, listed, pairs, survey.hints)
        if isinstance(result, NotThisFormat) or labels is None:
            return result
        result = replace(result, labels_from=labels.strip("/"))
        if not found:
            return result
        note = (
            f"labels are taken from {found[0]!r}; there are others for the same images in "
            f"{named(found[1:])}: choose with --format yolo:FOLDER"
        )
        return replace(result, notes=(note, *result.notes))

    @classmethod
    def _of(
        cls, storage: Storage, listed: Listed, pairs: Pairs, hints: Hints
    ) -> Self | NotThisFormat:
        texts = _lines(storage, pairs.present(listed), hints.encoding)
        sample = list(islice(texts, _LOOKED_AT))
        guess = guess_task(chain(*sample))
        empty = not any(map(str.strip, chain(*sample)))
        if guess is None and not (empty and listed.others):
            reason = "the .txt files beside the images hold no numbers as YOLO has them"
            return NotThisFormat(reason, question=_question(reason, chain(*sample)))
        config = read_config(storage, listed.others, pairs.folders.values(), hints.encoding)
        task, keypoints = guess or ("detect", None)
        task, keypoints = _settled(task, keypoints, config)
        known = Classes()
        if task != "dota":
            known = read_classes(
                storage,
                config.lists,
                pairs.folders,
                config=(config.key or "", config.names),
                others=config.others,
                said=hints.classes,
                encoding=hints.encoding,
            )
        names = known.names
        if not names:
            names = _names_by_lines((*sample, *texts), task)
        splits = read_splits(storage, listed, config, hints.splits)
        skeletons = _skeletons(config, keypoints, names.values(), hints)
        order = sorted(names)
        classes = tuple(names[number] for number in order)
        files = _files(config, splits)
        grammar = Grammar(task, names, keypoints, scored=are_scored(chain(*sample)))
        dataset_format = cls(
            root=pairs.root(*files),
            classes=classes,
            skeletons=skeletons,
            pairs=pairs,
            grammar=grammar,
            own={at: replace(grammar, names=one) for at, one in known.own.items()},
            encoding=hints.encoding,
            said=hints.splits,
            found=splits,
            files=files,
            template=YoloWriter(
                classes=classes,
                skeletons=skeletons,
                task=task,
                numbers=() if order == list(range(len(order))) else tuple(order),
                keypoints=keypoints,
                flip=config.flip if not hints.pairs else flip_of(skeletons),
                folders=pairs.folders,
                config=config.key or "",
                class_lists=config.lists or _said_list(pairs.root(*files), config, hints),
                splits=splits.places,
                lists=splits.lists,
                extra=config.extra,
            ),
        )
        unpaired = dataset_format.unpaired(listed, known=files)
        notes = (*config.problems, *known.problems, *splits.notes, *unpaired)
        return dataset_format.with_counts(listed, notes)

    @property
    def heading(self) -> str:
        return _HEADINGS[self.grammar.task]

    def split_of(self, folder: str, stem: str) -> str | None:
        return self.found.of(folder, stem)

    def other_role(self, key: str) -> str | None:
        return self.files.get(key)

    def read(self, storage: Storage, image: str, where: str, problems: Problems) -> Annotation:
        size = image_size(storage, image)
        if size is None:
            raise InputError("the size of the image, which its labels need, cannot be read")
        if not storage.exists(where):
            return Annotation(size=size, extra={"no_file": True})
        text = _text(storage, where, self.encoding)
        if self.grammar.task == "dota" and "\ufffd" in text:
            raise InputError(f"{where}: not in UTF-8; say its encoding, such as --encoding gbk")
        grammar = self.own.get(parts_of(where)[0], self.grammar)
        found, header = grammar.read(text, size, problems)
        return Annotation(
            size=size,
            objects=without_duplicates(found, problems),
            extra={"header": header} if header else {},
        )


def _text(storage: Storage, key: str, encoding: str | None) -> str:
    # Numbers are the same in every encoding; only those of DOTA stand beside names.
    return storage.read(key, limit=_FILE_LIMIT).decode(encoding or "utf-8-sig", "replace")


def _lines(storage: Storage, keys: Iterable[str], encoding: str | None) -> Iterator[Sequence[str]]:
    for key in keys:
        with suppress(LimitError, InputError):
            yield _text(storage, key, encoding).splitlines()


def _settled(
    task: Task, keypoints: tuple[int, int] | None, config: Config
) -> tuple[Task, tuple[int, int] | None]:
    """Return the task that the configuration says, or else the one that was guessed."""
    if config.keypoints and task != "dota":
        return "pose", config.keypoints
    said = next((known for known in TASKS if known == config.task), None)
    return (said, None) if said and said != "pose" else (task, keypoints)


def _names_by_lines(texts: Iterable[Sequence[str]], task: Task) -> dict[int, str]:
    """Return the classes where no file names them: in DOTA by name, otherwise by number."""
    place = 8 if task == "dota" else 0
    split = (line.split() for lines in texts for line in lines)
    words = {parts[place] for parts in split if len(parts) > (place or 4)}
    words = {word for word in words if "\ufffd" not in word}
    if task == "dota":
        return dict(enumerate(sorted(words)))
    return {
        int(word): word for word in words if word.isascii() and word.isdigit() and len(word) < 7
    }


def _skeletons(
    config: Config, keypoints: tuple[int, int] | None, names: Iterable[str], hints: Hints
) -> dict[str, Skeleton]:
    if keypoints is None:
        return {}
    points = config.point_names or tuple(str(i) for i in range(keypoints[0]))
    if hints.pairs:
        hints.check_pairs(points)
    pairs = tuple((i, j) for i, j in enumerate(config.flip) if i < j)
    is_said = config.flip and not hints.pairs
    skeleton = Skeleton(points, pairs) if is_said else Skeleton.of(points, given=hints.pairs)
    return dict.fromkeys(names, skeleton)


def _said_list(root: str, config: Config, hints: Hints) -> tuple[str, ...]:
    """Return the list to write of classes that the user names and no file does."""
    return (f"{root}classes.txt",) if hints.classes and config.key is None else ()


def _files(config: Config, splits: Splits) -> dict[str, str]:
    files = dict.fromkeys(splits.lists, "a list of images")
    if config.key:
        files[config.key] = "the description of the dataset"
    files |= dict.fromkeys(config.others, "a description of a part of the dataset")
    return {**files, **dict.fromkeys(config.lists, "a list of classes")}


def _question(reason: str, lines: Iterable[str]) -> str | None:
    """Return what to ask where lines hold numbers in another way, so that they may be labels."""
    filled = [line for line in lines if line.strip()]
    numeric = sum(len(_NUMBER.findall(line)) >= _BOX for line in filled)
    if not numeric or numeric < len(filled) / 2:
        return None
    return (
        f"{reason}, such as {shown(filled[0].strip())}: expected the number of a class and shares "
        "of the image, with spaces between; write them so, or go on without labels with --format "
        "unlabelled"
    )
