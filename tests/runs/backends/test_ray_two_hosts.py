"""A Ray cluster of two hosts: network namespaces that see nothing but each other."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import jobs
from variegate import Options, augment

pytest.importorskip("ray", reason="Ray is not installed: pip install 'variegate[ray]'")
pytestmark = pytest.mark.xdist_group("ray")

# Of the block for documentation: no real network has them.
HEAD, WORKER = "198.51.100.1", "198.51.100.2"
PORT = 6399


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable between them."""
    names = tuple(f"variegate-{os.getpid()}-{end}" for end in "ab")
    cable = [f"vg{os.getpid() % 100_000}{end}" for end in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for name, end, address in zip(names, cable, (HEAD, WORKER), strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        remove(names)
        pytest.skip(f"no network namespaces here: {said.decode().strip()}")
    yield names
    remove(names)


def remove(names: tuple[str, ...]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def there(name: str, *command: object) -> list[str]:
    """Return a command as it is run on a host."""
    return ["ip", "netns", "exec", name, sys.executable, "-m", *map(str, command)]


@pytest.fixture
def cluster(hosts, tmp_path) -> Iterator[dict[str, str]]:
    """A node on each host; gives the environment of programs."""
    environment = os.environ | {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # or they starve beside other tests
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_timeout_ms": "2000",
    }
    common = ["--num-cpus=1", f"--object-store-memory={80 << 20}", "--block"]
    ray = ["ray.scripts.scripts", "start"]
    head = [*ray, "--head", f"--node-ip-address={HEAD}", f"--port={PORT}"]
    head += ["--include-dashboard=false", *common]
    worker = [*ray, f"--address={HEAD}:{PORT}", f"--node-ip-address={WORKER}", *common]
    started = []
    try:
        for name, command in zip(hosts, (head, worker), strict=True):
            with (tmp_path / f"{len(started)}.log").open("wb") as log:
                process = subprocess.Popen(
                    there(name, *command),
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
            started.append(process)
            wait_for_node(name, process, tmp_path / f"{len(started) - 1}.log")
        yield environment
    finally:
        for name in hosts:
            end_all(name)
        for process in started:
            process.wait(timeout=30)
        # By which other programs on this machine would look for a cluster that is no more.
        note = Path("/tmp/ray/ray_current_cluster")
        if note.exists() and HEAD in note.read_text():
            note.unlink()


def wait_for_node(name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while "Ray runtime started" not in log.read_text(errors="replace"):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def end_all(name: str) -> None:
    """Kill all that runs on a host."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for pid in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_two_hosts_and_a_cable_that_is_cut(hosts, cluster, tmp_path):
    source = jobs.draw_set(tmp_path / "in", 60)
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    local = augment(source, tmp_path / "local", recipe=jobs.recipe(), options=Options(workers=2))
    arguments = ["variegate", "augment", source, tmp_path / "out", "--json", "--shard-size", 1]
    arguments += ["--recipe", tmp_path / "recipe.yaml", "--backend", "ray"]
    arguments += ["--address", f"{HEAD}:{PORT}"]
    refused = subprocess.run(
        there(hosts[0], *arguments), env=cluster, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert f"the cluster has other machines ({WORKER})" in refused.stderr
    assert not (tmp_path / "out").exists()

    running = subprocess.Popen(
        there(hosts[0], *arguments, "--shared-folder"),
        env=cluster,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = wait_for_work_on(hosts[1], tmp_path / "out", running)
    ip("-n", hosts[1], "link", "set", cable_of(hosts[1]), "down")
    said, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    assert seen < 60
    assert json.loads(said)["digest"] == local.digest
    assert jobs.tree(tmp_path / "out") == jobs.tree(tmp_path / "local")


def wait_for_work_on(name: str, output: Path, running: "subprocess.Popen[str]") -> int:
    """Wait until a host's Ray worker has a process of ours, and some is done; return how much."""
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
        programs = [command_line(int(pid)) for pid in found.stdout.split()]
        done = len(list(output.glob(".variegate/parts/*")))
        # Workers are forked from the program of this name.
        if done > 5 and any("variegate.runs.backends.fork_server" in one for one in programs):
            return done
        time.sleep(0.01)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cable_of(name: str) -> str:
    shown = subprocess.run(["ip", "-n", name, "-j", "link"], capture_output=True, check=True)
    return next(one["ifname"] for one in json.loads(shown.stdout) if one["ifname"] != "lo")
