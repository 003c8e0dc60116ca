"""A list of what another format cannot represent, counted in one pass over the sources."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.formats import Source
from variegate.formats.base import counted
from variegate.formats.conversion.capabilities import Capabilities
from variegate.formats.conversion.filenames import kind_by_extension, own_extension

# Names of fields that are counted one by one.
_MOST_FIELDS = 40

# kind -> whether it is data loss, what is counted, and the sentence.
_OBJECTS, _IMAGES = ("object", "objects"), ("image", "images")
_CATEGORIES, _CLASSES = ("category", "categories"), ("class", "classes")
LOSSES: dict[str, tuple[bool, tuple[str, str], str]] = {
    "objects": (True, _OBJECTS, "{n}"),
    "only boxes": (True, _OBJECTS, "{n} of which only a box is known"),
    "only points": (True, _OBJECTS, "{n} of which only keypoints are known"),
    "masks boxed": (True, _OBJECTS, "masks of {n}: only the boxes around them are kept"),
    "polygons boxed": (True, _OBJECTS, "polygons of {n}: only the boxes around them are kept"),
    "oriented boxes boxed": (True, _OBJECTS, "oriented boxes of {n} become axis-aligned"),
    "painted": (
        True,
        _OBJECTS,
        "outlines of {n} are painted into masks of classes: where one ends is not kept",
    ),
    "pointed": (True, _OBJECTS, "boxes and outlines of {n}: only their keypoints are kept"),
    "keypoints": (True, _OBJECTS, "keypoints of {n}"),
    "labels": (True, _IMAGES, "classes of {n}"),
    "further labels": (True, _IMAGES, "all but the largest of several classes of {n}"),
    "semantic masks": (True, _IMAGES, "semantic masks of {n}"),
    "soft masks": (True, _IMAGES, "soft masks of {n}"),
    "captions": (True, _IMAGES, "captions of {n}"),
    "areas": (
        False,
        _IMAGES,
        "semantic masks of {n} become objects, one for each connected area of a class",
    ),
    "one class": (True, _OBJECTS, "classes of {n}: its masks number objects of one class"),
    "traced": (False, _OBJECTS, "masks of {n} become polygons along the edges of their pixels"),
    "filled": (False, _OBJECTS, "polygons of {n} become masks of whole pixels"),
    "outlined": (False, _OBJECTS, "oriented boxes of {n} become polygons of four points"),
    "boxes beside": (False, _OBJECTS, "boxes of {n} that are not those around their outlines"),
    "keypoint names": (False, _CATEGORIES, "names of the keypoints of {n}"),
    "mask names": (False, _CLASSES, "names of {n} of the semantic masks"),
    "empty": (False, _IMAGES, "{n} without objects that no table will name"),
    "object fields": (False, _OBJECTS, "{name!r} of {n}"),
    "image fields": (False, _IMAGES, "{name!r} of {n}"),
    "unknown": (False, _IMAGES, "{n} of which nothing is known, there as without objects"),
    "unsplit": (False, _IMAGES, "{n} in no split, beside others that are in one"),
    "encoded": (False, _IMAGES, "{n} encoded anew, as PNG: readers may not open {name}"),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that changes, or that the new format cannot represent.

    Attributes:
        text: in words, with the number.
        kind: one of `LOSSES`.
        count: how often.
        grave: it is data loss, which has to be allowed.
    """

    text: str
    kind: str
    count: int
    grave: bool


@dataclass(slots=True)
class LossTally:
    """Counts losses while sources go by; memory does not grow with them.

    Attributes:
        fit: of the new format.
        found: (kind, name) -> how often.
        categories: of objects and images, those that the format did not know included.
        objects: how many there are.
        splits: images by split ("" for none).
        encoded: images that become PNG, by extension.
        painted: whether there will be masks of the objects' classes.
    """

    fit: Capabilities
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    categories: set[str] = field(default_factory=set)
    objects: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    encoded: Counter[str] = field(default_factory=Counter)
    painted: bool = False

    def add(self, source: Source) -> None:
        """Count one source."""
        if not is_carried(source):
            return
        self.splits[source.split or ""] += 1
        # Each once for an image or object, and fields not without end.
        for kind, name in self.fit.losses(source):
            known = (kind, name) in self.found or len(self.found) < _MOST_FIELDS
            self.found[kind, name if known else "..."] += 1
        self.categories |= source.shares.keys()
        annotation, outcomes = source.annotation or Annotation(), {"lost"}
        for one in annotation.objects:
            self.objects += 1
            self.categories.add(one.category)
            outcomes.add(self.fit.outcome(one, free=annotation.mask_file is None))
        self.painted = self.painted or "painted" in outcomes
        if outcomes == {"lost"} and not self.fit.writer.names_empty:
            self.found["empty", ""] += 1
        if extension := self._not_opened(source.key):
            self.encoded[extension] += 1

    def _not_opened(self, key: str) -> str | None:
        """Return the extension of an image whose kind the format's readers do not open."""
        kinds, extension = self.fit.writer.kinds, own_extension(key).lower()
        return (
            extension if kinds is not None and kind_by_extension(extension) not in kinds else None
        )

    def losses(
        self, skeletons: Mapping[str, Skeleton], mask_names: Sequence[str]
    ) -> tuple[Loss, ...]:
        """Return all of them, data loss first.

        Args:
            skeletons: of the set.
            mask_names: of the values of its semantic masks.
        """
        found = self.found.copy()
        if len(self.splits) > 1 and self.splits[""]:
            found["unsplit", ""] = self.splits[""]
        holds = self.fit.holds
        if skeletons and "keypoints" in holds and "keypoint names" not in holds:
            found["keypoint names", ""] = len(skeletons)
        if self.fit.writer.one_class and len(self.categories) > 1:
            found["one class", ""] = self.objects
        if mask_names and "semantic masks" in holds and "mask names" not in holds:
            found["mask names", ""] = len(mask_names)
        if self.encoded:
            names = ", ".join(extension or "no extension" for extension in sorted(self.encoded))
            found["encoded", names] = self.encoded.total()
        order = list(LOSSES)
        ranked = sorted(found.items(), key=lambda one: (order.index(one[0][0]), -one[1], one[0][1]))
        return tuple(_loss(kind, name, count) for (kind, name), count in ranked if count)


def is_carried(source: Source) -> bool:
    """Say whether a source is taken for an image that goes into the new set."""
    if not source.seems_usable:
        return False
    # A file without an extension may be anything, unless the set says something of it.
    return bool(own_extension(source.key) or source.annotation or source.label)


def _loss(kind: str, name: str, count: int) -> Loss:
    grave, words, sentence = LOSSES[kind]
    return Loss(sentence.format(n=counted(count, *words), name=name), kind, count, grave)
