"""What every back end promises: whoever does the work, the same files come out."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from variegate.codecs import encode
from variegate.datasets.augment import augment
from variegate.datasets.samples import draw_images
from variegate.errors import RecipeError
from variegate.recipes.recipe import Recipe
from variegate.runs.backends import backend_names, make_backend
from variegate.runs.output import read_manifest
from variegate.runs.run import Options, Progress, Summary
from variegate.runs.verify import verify

_RECIPE = Recipe.parse("""
seed: 5
variants:
  sample:
    n: 3
    k_min: 1
    k_max: 2
    steps: [flip, rotate, brightness, gaussian_noise]
""")
_COUNT = 11


def files_of(output: Path) -> dict[str, str]:
    """Return the digests of an output's files, its own records aside."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file() and ".variegate" not in path.parts
    }


class BackendSuite:
    """Subclass it as ``Test...`` in a test module.

    A back end that needs something to be there, such as a cluster, is tried in a subclass of its
    own, whose `options` (which may be a property) say where it is.
    """

    name: ClassVar[str | None] = None
    """Of the back end; None for all that are found and that can be used without options."""
    options: ClassVar[Mapping[str, object]] = {}
    """Those of the back end, by name."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Try every test with every back end."""
        if "backend" not in metafunc.fixturenames:
            return
        names = [self.name] if self.name is not None else list(backend_names())
        metafunc.parametrize("backend", names)

    @pytest.fixture
    def images(self, tmp_path: Path) -> Path:
        """A small dataset with one broken image."""
        folder = tmp_path / "images"
        for key, one in draw_images(_COUNT - 1, size=(40, 56)):
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(encode(one.image, format="jpeg"))
        broken = sorted(folder.rglob("*.jpg"))[3]
        (folder / "chip/broken.jpg").write_bytes(broken.read_bytes()[:200])
        return folder

    def run(
        self, backend: str, images: Path, output: Path, told: list[Progress] | None = None
    ) -> Summary:
        """Augment the dataset with a back end."""
        options = Options(shard_size=2, backend=backend, backend_options=self.options)
        notes = told if told is not None else []
        return augment(images, output, recipe=_RECIPE, options=options, on_progress=notes.append)

    def here(self, images: Path, output: Path) -> Summary:
        """Augment the dataset in this process."""
        options = Options(shard_size=2, workers=0)
        return augment(images, output, recipe=_RECIPE, options=options)

    def test_options_are_checked_before_anything_is_done(self, backend: str) -> None:
        with pytest.raises(RecipeError, match="no such option"):
            make_backend(backend, {"no_such_option": 1})
        made = make_backend(backend, self.options)
        assert made == make_backend(backend, {**self.options, "silence_limit_s": None})

    def test_the_same_files_as_in_this_process(
        self, backend: str, images: Path, tmp_path: Path
    ) -> None:
        expected = self.here(images, tmp_path / "here")
        found = self.run(backend, images, tmp_path / "there")
        assert found.digest == expected.digest
        assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
        assert verify(tmp_path / "there").ok

    def test_one_broken_image_costs_one_image(
        self, backend: str, images: Path, tmp_path: Path
    ) -> None:
        counts = self.run(backend, images, tmp_path / "out").counts
        assert (counts.augmented, counts.quarantined, counts.skipped) == (_COUNT - 1, 1, 0)
        assert counts.outputs == (_COUNT - 1) * _RECIPE.count()
        rows = read_manifest(tmp_path / "out", where={"status": ["quarantined"]}).to_pylist()
        assert [row["key"] for row in rows] == ["chip/broken.jpg"]
        assert rows[0]["reason"]

    def test_progress_grows_and_ends_with_all(
        self, backend: str, images: Path, tmp_path: Path
    ) -> None:
        told: list[Progress] = []
        summary = self.run(backend, images, tmp_path / "out", told)
        sources = [one.counts.sources for one in told]
        assert sources == sorted(sources)
        assert told[-1].counts == summary.counts
        assert {one.total for one in told} == {_COUNT}

    def test_an_interrupted_run_is_resumed(
        self, backend: str, images: Path, tmp_path: Path
    ) -> None:
        expected = self.here(images, tmp_path / "here")
        output = tmp_path / "out"

        def interrupt(progress: Progress) -> None:
            if progress.counts.sources >= _COUNT // 2:
                raise KeyboardInterrupt

        options = Options(shard_size=2, workers=0)
        with pytest.raises(KeyboardInterrupt):
            augment(images, output, recipe=_RECIPE, options=options, on_progress=interrupt)
        found = self.run(backend, images, output)
        assert found.continued
        assert found.digest == expected.digest
        assert files_of(output) == files_of(tmp_path / "here")
