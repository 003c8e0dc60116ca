"""`--backend lambda`: shards of a bucket, sent to the built function, and what may go wrong."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from lambda_host import FunctionError, endpoint

from jobs import components, draw_noise
from variegate import Options, augment, read_manifest, verify
from variegate.errors import RecipeError, UsageError
from variegate.recipes.recipe import Recipe
from variegate.runs.backends import aws_lambda, make_backend
from variegate.runs.job import Job, Shard

TWO = "variants: {each: [flip, {brightness: {amount: 0.2}}]}"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(aws_lambda, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def there(cloud, monkeypatch):
    """The small AWS, as this process sees it."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return cloud


def on_lambda(url, monkeypatch, **options):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
    named = {"function": "augment", "concurrency": 2}
    return Options(backend="lambda", backend_options=named, **options)


def put_all(cloud, images):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: cloud.put(f"images/{one[0]}", one[1]), images.items()))


def places(cloud, name="run"):
    return f"s3://{cloud.input}/images", f"s3://{cloud.output}/variants/{name}"


def test_components_by_chain_have_the_same_manifest_as_here(
    artefact, there, start, tmp_path, monkeypatch, data_dir
):
    source = components(data_dir, tmp_path / "in", every=25)
    (source / "notes.txt").write_bytes(b"no image")
    put_all(there, {path.name: path.read_bytes() for path in source.iterdir()})
    recipe = Recipe.load("chain").model_copy(update={"seed": 7})
    here = augment(source, tmp_path / "out", recipe=recipe)
    function = start(artefact, there.function_settings())
    with endpoint(function) as url:
        options = on_lambda(url, monkeypatch, shard_size=3)
        summary = augment(*places(there), recipe=recipe, options=options)
    assert summary.counts == here.counts
    assert summary.digest == here.digest
    assert verify(places(there)[1]).ok
    # Each shard went to the function once.
    assert function.calls == 4


def test_throttling_and_lost_answers_cost_time_only(artefact, there, start, tmp_path, monkeypatch):
    images = {f"{i}.jpg": draw_noise(tmp_path / f"in/{i}.jpg").read_bytes() for i in range(8)}
    put_all(there, images)
    here = augment(tmp_path / "in", tmp_path / "out", recipe=Recipe.parse(TWO))
    function = start(artefact, there.function_settings())
    faults = itertools.islice(itertools.cycle([429, 500, 0, 503]), 24)
    with endpoint(function, faults) as url:
        options = on_lambda(url, monkeypatch, shard_size=1)
        summary = augment(*places(there), recipe=Recipe.parse(TWO), options=options)
    assert summary.digest == here.digest
    assert function.calls == 8


def test_source_that_kills_the_function_is_found_and_quarantined(
    artefact, there, start, tmp_path, monkeypatch
):
    images = {f"{i}.jpg": draw_noise(tmp_path / f"in/{i}.jpg").read_bytes() for i in range(7)}
    put_all(there, images)
    function = start(artefact, there.function_settings())
    inner = function.call

    def dying(event):
        if "3.jpg" in [one["key"] for one in event["shard"]["sources"]]:
            raise FunctionError("Runtime exited with error: signal: killed")
        return inner(event)

    monkeypatch.setattr(function, "call", dying)
    with endpoint(function) as url:
        options = on_lambda(url, monkeypatch, shard_size=7)
        summary = augment(*places(there), recipe=Recipe.parse(TWO), options=options)
    assert (summary.counts.augmented, summary.counts.quarantined) == (6, 1)
    (row,) = read_manifest(
        places(there)[1], columns=["key", "reason"], where={"status": ["quarantined"]}
    ).to_pylist()
    assert row["key"] == "3.jpg"
    assert "the function failed on it 2 times (Error: Runtime exited" in row["reason"]


def test_a_stopped_run_goes_on(artefact, there, start, tmp_path, monkeypatch):
    images = {f"{i}.jpg": draw_noise(tmp_path / f"in/{i}.jpg").read_bytes() for i in range(6)}
    put_all(there, images)
    here = augment(tmp_path / "in", tmp_path / "out", recipe=Recipe.parse(TWO))
    function = start(artefact, there.function_settings())

    def stop(progress):
        if progress.counts.sources >= 2:
            raise KeyboardInterrupt

    with endpoint(function) as url:
        options = on_lambda(url, monkeypatch, shard_size=1)
        with pytest.raises(KeyboardInterrupt):
            augment(*places(there), recipe=Recipe.parse(TWO), options=options, on_progress=stop)
        before = function.calls
        summary = augment(*places(there), recipe=Recipe.parse(TWO), options=options)
    assert summary.continued
    assert before < 6
    assert function.calls == 6
    assert summary.digest == here.digest


def test_function_refuses_other_places_plugins_and_libraries(artefact, there, start, monkeypatch):
    there.put("images/a.jpg", b"x")
    function = start(artefact, there.function_settings(), size=1)
    with endpoint(function) as url:
        options = on_lambda(url, monkeypatch)
        with pytest.raises(UsageError, match=r"not in .*the place of this function"):
            augment(
                places(there)[0],
                f"s3://{there.output}/elsewhere",
                recipe=Recipe.parse(TWO),
                options=options,
            )
        monkeypatch.setattr(
            aws_lambda, "machine", lambda: {"versions": {"numpy": "1.0"}, "processor": "x AVX2"}
        )
        with pytest.raises(UsageError, match="would not make the same bytes: numpy"):
            augment(*places(there), recipe=Recipe.parse(TWO), options=options)
    assert not there.keys(there.output, "elsewhere/a")


def test_what_cannot_work_is_said_before_anything_is_written(there, tmp_path, monkeypatch):
    draw_noise(tmp_path / "in/a.jpg")
    there.put("images/a.jpg", b"x")
    with pytest.raises(RecipeError, match="expected the name of a function"):
        augment(*places(there), recipe=Recipe.parse(TWO), options=Options(backend="lambda"))
    options = on_lambda("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(UsageError, match=r"sees buckets only"):
        augment(tmp_path / "in", tmp_path / "out", recipe=Recipe.parse(TWO), options=options)
    with pytest.raises(UsageError, match="the function augment cannot be called"):
        augment(*places(there), recipe=Recipe.parse(TWO), options=options)
    assert not (tmp_path / "out").exists()
    assert there.keys(there.output) == []


def test_annotation_that_no_call_can_hold_is_quarantined(there, tmp_path, monkeypatch):
    source = {"key": "a.jpg", "size": 10, "label": "x" * 6_000_000}
    job = Job(
        recipe=Recipe.parse(TWO).to_data(),
        input=places(there)[0],
        output=places(there)[1],
    )
    shard = Shard.from_json({"start": 0, "sources": [source]})
    caller = aws_lambda._Caller(make_backend("lambda", {"function": "f"}), job, None)
    (report,) = caller._settle(shard)
    assert report.counts.quarantined == 1


def test_large_sources_go_in_calls_of_their_own(there):
    job = Job(recipe=Recipe.parse(TWO).to_data(), input="s3://a", output="s3://b")
    sizes = [10 << 20, 10 << 20, 20 << 20, 40 << 20, 1, 1]
    sources = [{"key": f"{i}.jpg", "size": size} for i, size in enumerate(sizes)]
    shard = Shard.from_json({"start": 5, "sources": sources})
    caller = aws_lambda._Caller(make_backend("lambda", {"function": "f"}), job, None)
    cut = [(one.start, one.stop) for one in caller._calls([shard])]
    assert cut == [(5, 7), (7, 8), (8, 9), (9, 11)]


def test_run_does_not_take_what_is_for_messages(artefact, there, start, tmp_path, monkeypatch):
    put_all(there, {"0.jpg": draw_noise(tmp_path / "in/0.jpg").read_bytes()})
    with endpoint(start(artefact, there.function_settings()), share=1) as url:
        options = on_lambda(url, monkeypatch)
        with pytest.raises(UsageError, match=r"has 1 calls at a time for runs.*RunConcurrency=2"):
            augment(*places(there), recipe=Recipe.parse(TWO), options=options)
