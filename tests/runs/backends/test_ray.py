"""A Ray cluster of three nodes, as real processes on loopback, makes the same files as one machine.

Starting one takes many seconds, so all tests share it.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import jobs
import servers
from tolerances import known_tolerance
from variegate import Options, Recipe, augment, verify
from variegate.errors import InputError, OutputError, RecipeError, UsageError
from variegate.models.predictors import NamedModel
from variegate.runs import manifest
from variegate.runs.backends import base, make_backend, ray
from variegate.runs.job import Job
from variegate.storage import open_storage
from variegate.tolerance.synthesis import Synthesis, synthesize
from variegate.tolerance.synthesizer import ErrorFilter

pytest.importorskip("ray", reason="Ray is not installed: pip install 'variegate[ray]'")
pytestmark = [
    pytest.mark.xdist_group("ray"),
    # Ray's own, of which there are many.
    pytest.mark.filterwarnings("ignore"),
]

# What is in an image decides what becomes of the process that decodes it.
FAULT = """
import os, signal, sys, time
if sys.argv[0] == "-c" and sys.orig_argv[-1].startswith("["):
    import variegate.runs.render
    whole = variegate.runs.render.decode

    def decode(data, **options):
        if b"kills its own process" in data:
            os.kill(os.getpid(), signal.SIGSEGV)
        if b"kills Ray's process" in data:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return whole(data, **options)

    variegate.runs.render.decode = decode
"""

Rays = Callable[..., Options]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator["object"]:
    """Three nodes of one processor each."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "sitecustomize.py").write_text(FAULT)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", jobs.search_path(folder))
    patch.setenv("RAY_AUTH_MODE", "disabled")
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("RAY_worker_niceness", "0")  # or they starve beside other tests
    # What the machines of a cluster have from their service account.
    for name, value in servers.CREDENTIALS.items():
        patch.setenv(name, value)
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
    started = Cluster(initialize_head=True, head_node_args=node)
    for _ in range(2):
        started.add_node(**{**node, "include_dashboard": None})
    yield started
    started.shutdown()
    patch.undo()


@pytest.fixture
def on_ray(cluster) -> Rays:
    def options(**more: object) -> Options:
        size = more.pop("shard_size", 3)
        given = {"address": cluster.address, **more}
        return Options(backend="ray", shard_size=size, backend_options=given)

    return options


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return jobs.draw_set(tmp_path_factory.mktemp("set") / "in", 60)


@pytest.fixture(scope="module")
def reference(source, tmp_path_factory) -> tuple[dict[str, str], str]:
    output = tmp_path_factory.mktemp("reference") / "out"
    summary = augment(source, output, recipe=jobs.recipe(), options=Options(workers=2))
    return jobs.tree(output), summary.digest


def test_the_same_files_as_on_one_machine(source, reference, on_ray, tmp_path):
    told = []
    summary = augment(
        source,
        tmp_path / "out",
        recipe=jobs.recipe(),
        options=on_ray(concurrency=2, cpus_per_task=0.5, memory_per_task=50),
        on_progress=lambda progress: told.append(progress.counts.sources),
    )
    assert summary.digest == reference[1]
    assert jobs.tree(tmp_path / "out") == reference[0]
    assert told == sorted(told)
    assert len(set(told)) > 10
    assert told[-1] == 60


def test_synthesis_with_a_filter_makes_the_same_as_one_machine(source, on_ray, tmp_path):
    model = tmp_path / "model.py"
    # What it says depends on the image alone, and it is wrong about some.
    model.write_text("def predict(images):\n    return [int(one.sum()) % 2 for one in images]\n")
    wanted = Synthesis(
        realism=0,
        count=30,
        model=NamedModel(predict=f"{model}:predict"),
        filter=ErrorFilter(max_error=0.5, retries=8),
    )
    found = known_tolerance(("brightness+", "rotate+", "jpeg"))
    here, there = (
        synthesize(source, tmp_path / name, found, synthesis=wanted, options=options)
        for name, options in (("here", Options(workers=2, shard_size=3)), ("there", on_ray()))
    )
    assert here.rejected
    assert there.run.digest == here.run.digest
    assert (there.made, there.rejected) == (here.made, here.rejected)


def test_from_bucket_to_bucket(data_dir, on_ray, tmp_path, monkeypatch):
    source = jobs.components(data_dir, tmp_path / "in", every=25)
    recipe = Recipe.load("chain").model_copy(update={"seed": 7})
    here = augment(source, tmp_path / "out", recipe=recipe)
    assert (here.counts.outputs, here.counts.quarantined) == (640, 1)
    with servers.moto() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        s3 = servers.s3_client(url)
        for name in ("raw", "more"):
            s3.create_bucket(Bucket=name)
        for path in source.iterdir():
            s3.upload_file(str(path), "raw", f"parts/{path.name}")
        there = augment("s3://raw/parts", "s3://more/chain", recipe=recipe, options=on_ray())
        assert there.counts == here.counts
        assert there.digest == here.digest
        assert verify("s3://more/chain").ok
        listed = open_storage("s3://more/").list()
        assert {entry.key.split("/")[0] for entry in listed} == {"chain"}


def test_nodes_and_processes_that_are_killed(source, reference, cluster, on_ray, tmp_path):
    lost = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    done = []

    def strike(progress):
        # While this runs no task is given out, so it never waits for one: the next call tries.
        outputs = progress.counts.outputs
        if outputs > 24 and not done:
            if any(killed(worker) for worker, _ in at_work(cluster)):
                done.append("worker")
        elif outputs > 72 and len(done) == 1:
            if any(killed(process) for _, process in at_work(cluster)):
                done.append("worker process")
        elif outputs > 120 and len(done) == 2:
            cluster.remove_node(lost, allow_graceful=False)
            done.append("node")

    summary = augment(
        source,
        tmp_path / "out",
        recipe=jobs.recipe(),
        options=on_ray(shard_size=1),
        on_progress=strike,
    )
    assert done == ["worker", "worker process", "node"]
    assert summary.counts.quarantined == 0
    assert summary.digest == reference[1]
    assert jobs.tree(tmp_path / "out") == reference[0]


def at_work(cluster) -> Iterator[tuple[int, int]]:
    """Give the workers of Ray that are at work on a task, each with a process of ours."""
    for node in cluster.list_all_nodes():
        raylet = node.all_processes["raylet"][0].process.pid
        for pid in jobs.children(raylet):
            if title(pid).startswith("ray::") and "IDLE" not in title(pid):
                yield from ((pid, process) for process in jobs.children(pid))


def killed(pid: int) -> bool:
    """Kill a process; False where it had ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_images_that_kill_their_processes(on_ray, tmp_path, monkeypatch):
    # Each repetition starts processes.
    monkeypatch.setattr(ray, "_RETRIES", (0, 0, 0))
    for number in range(24):
        jobs.draw_noise(tmp_path / f"in/{number:02}.jpg")
    for name, word in (("05", b"kills its own process"), ("17", b"kills Ray's process")):
        path = tmp_path / f"in/{name}.jpg"
        path.write_bytes(path.read_bytes() + word)
    summary = augment(
        tmp_path / "in",
        tmp_path / "out",
        recipe=jobs.recipe(jobs.TWO),
        options=on_ray(shard_size=4),
    )
    assert (summary.counts.augmented, summary.counts.quarantined) == (22, 2)
    rows = manifest.rows(open_storage(tmp_path / "out"))
    assert {row.key: row.reason for row in rows if row.status == "quarantined"} == {
        "05.jpg": "the worker process died on it 2 times (killed by SIGSEGV)",
        "17.jpg": "the Ray worker that was given it died every time",
    }
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 44


INTERRUPTED = "run the same command again to resume"


def test_an_interrupt_says_how_to_go_on(source, reference, cluster, tmp_path):
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    arguments = ["augment", source, tmp_path / "out", "--recipe", tmp_path / "recipe.yaml"]
    arguments += ["--backend", "ray", "--address", cluster.address, "--shard-size", 1]
    command = [sys.executable, "-m", "variegate", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "out").glob(".variegate/parts/*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        words = process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert INTERRUPTED in words
    assert "Traceback" not in words
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "(resumed)" in done.stdout
    assert jobs.tree(tmp_path / "out") == reference[0]


def test_the_command_line_says_no_more_than_it_does_locally(source, cluster, tmp_path):
    arguments = ["augment", source, tmp_path / "out", "--limit", 4, "--workers", 2]
    command = [sys.executable, "-m", "variegate", *map(str, arguments)]
    local = subprocess.run(command, capture_output=True, text=True, check=True)
    command[-2:] = ["--backend", "ray", "--address", cluster.address]
    command[command.index(str(tmp_path / "out"))] = str(tmp_path / "2")
    there = subprocess.run(command, capture_output=True, text=True, check=True)
    # On a machine that is slow enough, either says how far it is.
    said, wanted = (
        re.sub(r"^[\d,]+ of 4 inputs, .*\n", "", one.stderr, flags=re.MULTILINE)
        for one in (there, local)
    )
    assert said.replace(str(tmp_path / "2"), str(tmp_path / "out")) == wanted


def test_nodes_with_other_libraries_are_refused(source, on_ray, tmp_path, monkeypatch):
    other = ray.machine()
    other["versions"]["opencv-python-headless"] = "4.12.0.88"
    monkeypatch.setattr(ray, "machine", lambda: other)
    with pytest.raises(InputError, match=r"node .* not make the same bytes: opencv.*4\.12.*here"):
        augment(source, tmp_path / "out", recipe=jobs.recipe(), options=on_ray())


def test_other_machines_need_a_place_they_all_see(source, cluster, on_ray, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "_own_addresses", lambda _: {"192.0.2.99"})
    with pytest.raises(OutputError, match=r"in: the cluster has other machines .*--shared-folder"):
        augment(source, tmp_path / "out", recipe=jobs.recipe(), options=on_ray())
    assert not (tmp_path / "out").exists()
    backend = make_backend("ray", {"address": cluster.address})
    with backend.opened(Job(recipe={}, input="s3://raw", output="s3://more")) as opened:
        assert opened.parallel == 3
    shared = on_ray(shared_folder=True, shard_size=20)
    augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=shared)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"address": "127.0.0.2:9"}, UsageError, r"no Ray cluster answers at 127.0.0.2:9 \(Conn"),
        ({"address": "ray://127.0.0.2:9"}, UsageError, "ray job submit"),
        ({"address": "here"}, UsageError, "expected 'host:port' or 'auto', got 'here'"),
        ({"concurrency": 0}, RecipeError, "concurrency: expected at least 1, got 0"),
        ({"cpus_per_task": 0.0}, RecipeError, "cpus_per_task: expected more than 0, got 0"),
        ({"memory_per_task": 0}, RecipeError, "memory_per_task: expected at least 1, got 0"),
        ({"adress": "auto"}, RecipeError, "no such option; .* did you mean 'address'"),
    ],
)
def test_options_that_cannot_be(options, error, sentence, tmp_path):
    source = jobs.draw_set(tmp_path / "in", 1)
    with pytest.raises(error, match=sentence):
        augment(source, tmp_path / "out", options=Options(backend="ray", backend_options=options))
    assert not (tmp_path / "out").exists()


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'variegate\[ray\]'"):
        make_backend("ray", {})
