"""Back ends have names, and options that are checked before anything is read."""

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

import jobs
from variegate import Options, augment
from variegate.errors import RecipeError
from variegate.runs import backends
from variegate.runs.backends import BACKENDS, Backend, backend_names, make_backend
from variegate.runs.backends.local import LocalBackend
from variegate.runs.worker import run_shard


@pytest.mark.parametrize("name", BACKENDS)
def test_every_back_end_is_made_without_options(name):
    assert isinstance(make_backend(name, {}), Backend)


def test_options_that_are_none_keep_their_defaults():
    assert make_backend("local", {"workers": 3, "silence_limit_s": None}) == LocalBackend(workers=3)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("locl", {}, r"backend: expected one of .*local.*, got 'locl'; did you mean 'local'"),
        ("local", {"wrokers": 3}, r"wrokers: the back end 'local' has no such .* mean 'workers'"),
        ("local", {"workers": -1}, r"workers: expected at least 0, got -1"),
        ("local", {"silence_limit_s": 0}, r"silence_limit_s: expected a positive number"),
    ],
)
def test_slips(name, options, sentence):
    with pytest.raises(RecipeError, match=sentence):
        make_backend(name, options)


def test_nothing_is_written_where_an_option_is_wrong(tmp_path):
    source = jobs.draw_set(tmp_path / "in", 1)
    with pytest.raises(RecipeError, match="no such option"):
        augment(source, tmp_path / "out", options=Options(backend_options={"adress": "here"}))
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class OneByOne(Backend):
    """A back end of somebody else."""

    @contextmanager
    def opened(self, job):
        yield _Opened(job)


@dataclass
class _Opened:
    job: object
    parallel: int = 3

    def run(self, shards, on_progress):
        for shard in shards:
            yield run_shard(self.job, shard, on_progress=on_progress)


def test_a_package_brings_a_back_end_of_its_own(tmp_path, monkeypatch):
    plugin = EntryPoint("one-by-one", f"{__name__}:OneByOne", "variegate.backends")
    monkeypatch.setattr(backends, "entry_points", lambda **_: [plugin])
    assert "one-by-one" in backend_names()
    source = jobs.draw_set(tmp_path / "in", 5)
    there = augment(
        source, tmp_path / "1", recipe=jobs.recipe(), options=Options(backend="one-by-one")
    )
    here = augment(source, tmp_path / "2", recipe=jobs.recipe(), options=Options(workers=0))
    assert there.digest == here.digest
