"""What every format promises: what it writes it reads again, and a run keeps what it says."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from variegate.annotations.annotation import Annotation
from variegate.codecs import encode
from variegate.datasets.augment import augment
from variegate.datasets.convert import convert
from variegate.datasets.samples import DrawnCoco, draw_images
from variegate.formats import DatasetFormat, Source, all_formats, detect
from variegate.formats.writer import WRITERS, writer_from_json, writer_to_json
from variegate.recipes.recipe import Recipe
from variegate.runs.manifest import rows
from variegate.runs.run import Options
from variegate.runs.verify import verify
from variegate.storage import (
    Entry,
    OnSkip,
    PassingStorage,
    Snapshot,
    Storage,
    key_from_text,
    log_skip,
    open_storage,
)

_COUNT = 5
_SIZE = (96, 128)
_HERE = Options(workers=0)
_SHAPES = frozenset(("boxes", "polygons", "instance masks", "semantic masks", "keypoints"))


class ListingCounter(PassingStorage):
    """Counts how often another storage is listed."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.listings = 0

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        self.listings += 1
        return super().list(prefix, on_skip=on_skip)


def draw_objects(folder: Path) -> Path:
    """Write a COCO dataset of boxes, outlines and keypoints, split in two."""
    for split, seed in (("train", 1), ("val", 2)):
        known = DrawnCoco()
        (folder / split).mkdir(parents=True)
        drawn = draw_images(_COUNT, seed=seed, size=_SIZE, objects=2)
        for number, (_, one) in enumerate(drawn):
            name = f"{split}-{number}.png"
            (folder / split / name).write_bytes(encode(one.image, format="png"))
            known.add(name, one)
        (folder / split / "_annotations.coco.json").write_text(json.dumps(known.to_json()))
    return folder


def draw_classes(folder: Path) -> Path:
    """Write a folder per class, split in two."""
    for split, seed in (("train", 1), ("val", 2)):
        for number, (key, one) in enumerate(draw_images(_COUNT, seed=seed, size=_SIZE)):
            path = folder / split / key.partition("/")[0] / f"{split}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(one.image, format="png"))
    return folder


def described(source: Source) -> tuple[Any, ...]:
    """Return what is known of an image, without the names of files and without coordinates."""
    objects = source.annotation.objects if source.annotation else ()
    categories = sorted(one.category for one in objects)
    return source.split or "", sorted(source.shares.items()), categories


def boxes(sources: list[Source], *, mirrored: bool = False) -> list[tuple[Any, ...]]:
    """Return (split, category, x1, y1, x2, y2) of every box, ordered.

    Args:
        sources: the images.
        mirrored: as those for training would be left to right.
    """
    found = []
    split = any(one.split for one in sources)
    for source in sources:
        for one in source.annotation.objects if source.annotation else ():
            if one.box is None:
                continue
            x1, y1, x2, y2 = one.box
            if mirrored and (source.split == "train" or not split):
                x1, x2 = _SIZE[1] - x2, _SIZE[1] - x1
            found.append((source.split or "", one.category, x1, y1, x2, y2))
    return sorted(found)


def images(place: Path, kind: type[DatasetFormat]) -> list[Source]:
    """Return the images of a dataset."""
    storage = open_storage(place)
    found = detect(storage, name=kind.name)
    return [one for one in found.sources(storage) if one.seems_usable]


class FormatSuite:
    """Subclass it as ``Test...`` in a test module."""

    kinds: ClassVar[Sequence[type[DatasetFormat]] | None] = None
    """Those to be tried; None for all that are found."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Try every test with every format."""
        if "kind" in metafunc.fixturenames:
            kinds = list(all_formats()) if self.kinds is None else list(self.kinds)
            metafunc.parametrize("kind", kinds, ids=[kind.name for kind in kinds])

    def dataset(self, kind: type[DatasetFormat], folder: Path) -> Path:
        """Return a small dataset of a format; to be overridden where `convert` cannot write it."""
        make = draw_objects if WRITERS[kind.name].holds & _SHAPES else draw_classes
        drawn, written = make(folder / "drawn"), folder / "dataset"
        convert(drawn, written, to=kind.name, allow_loss=True, options=_HERE)
        return written

    @pytest.fixture
    def folder(self, kind: type[DatasetFormat], tmp_path: Path) -> Path:
        """A small dataset of the format."""
        return self.dataset(kind, tmp_path)

    def test_it_is_detected_and_can_be_chosen(
        self, kind: type[DatasetFormat], folder: Path
    ) -> None:
        storage = open_storage(folder)
        found, chosen = detect(storage), detect(storage, name=kind.name)
        assert isinstance(found, kind)
        assert isinstance(chosen, kind)
        assert list(found.sources(storage)) == list(chosen.sources(storage))
        assert detect(storage, name=chosen.option).option == chosen.option
        assert chosen.heading in chosen.description

    def test_every_file_is_a_source_in_the_order_of_the_listing(
        self, kind: type[DatasetFormat], folder: Path
    ) -> None:
        storage = open_storage(folder)
        found = detect(storage, name=kind.name)
        sources = list(found.sources(storage))
        assert [one.key for one in sources] == [entry.key for entry in storage.list()]
        usable = Counter(one.split or "" for one in sources if one.seems_usable)
        assert usable.total() == 2 * _COUNT
        assert usable == Counter({name: n for name, n in found.images.items() if n})

    def test_its_writer_survives_json(self, kind: type[DatasetFormat], folder: Path) -> None:
        writer = detect(open_storage(folder), name=kind.name).writer()
        assert writer_from_json(json.loads(json.dumps(writer_to_json(writer)))) == writer

    def test_the_input_is_listed_once(self, kind: type[DatasetFormat], folder: Path) -> None:
        counter = ListingCounter(open_storage(folder))
        with Snapshot(counter) as snapshot:
            list(detect(snapshot, name=kind.name).sources(snapshot))
        assert counter.listings == 1

    @pytest.mark.parametrize("mirrored", [False, True], ids=["as it is", "mirrored"])
    def test_what_a_run_writes_is_read_as_it_was(
        self, kind: type[DatasetFormat], folder: Path, tmp_path: Path, mirrored: bool
    ) -> None:
        before = images(folder, kind)
        step = {"flip": {"axis": "horizontal"}} if mirrored else "source"
        recipe = Recipe.from_data({"variants": step})
        augment(folder, tmp_path / "out", recipe=recipe, options=_HERE)
        assert verify(tmp_path / "out").ok
        after = images(tmp_path / "out", kind)
        assert sorted(map(described, after)) == sorted(map(described, before))
        expected, found = boxes(before, mirrored=mirrored), boxes(after)
        assert [one[:2] for one in found] == [one[:2] for one in expected]
        # Some formats have whole pixels; an outline has the last word on the box around it.
        for one, other in zip(found, expected, strict=True):
            assert one[2:] == pytest.approx(other[2:], abs=1.0)

    def test_sidecar_files_are_among_those_declared(
        self, kind: type[DatasetFormat], folder: Path, tmp_path: Path
    ) -> None:
        augment(folder, tmp_path / "out", recipe="workshop", options=_HERE)
        writer = detect(open_storage(folder), name=kind.name).writer()
        for row in rows(open_storage(tmp_path / "out")):
            if row.output is not None:
                annotation = Annotation.from_json(json.loads(row.annotation or "{}"))
                declared = writer.sidecar_keys(row.output, annotation)
                assert {key_from_text(key) for key in row.sidecar_digests} <= declared
