"""A served model against bare calls of onnxruntime, LitServe beside it; memory; hostile uploads.

    python benchmarks/serving.py [--quick]

The model is SqueezeNet of the test data (VARIEGATE_DATA), or the one that SERVED_MODEL names, with
its card beside it and a mean (LitServe's script applies that and the size, no more).
"""

import concurrent.futures
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from harness import PEERS, Claim, Result, number, python_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import served
from servers import free_port
from variegate.codecs import decode
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.serving.settings import processors

CONNECTIONS = (1, 8, 64)
TURNS, TURN_S = 3, 5.0
REQUESTS, HOSTILE_S = 20_000, 120.0
METHOD = """
Photos of 640 pixels as JPEG, in forms, from 1, 8 and 64 connections kept alive, by a load generator
of plain sockets in a process of its own, on the processors that the server has (`peers/load.py`).
Bare: the same decoding, preprocessing and calls of onnxruntime in a loop, on one thread for each
processor; for one connection, all threads for one image. LitServe decodes with simplejpeg, has one
worker a processor, checks no limits, and makes no log of requests. Contenders take turns of
{seconds:g} seconds; the median turn counts. Every answer is compared with the model's own.
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    turns, seconds = (1, 3.0) if quick else (TURNS, TURN_S)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model, photos = material(place)
        good = requests(place / "good", model, photos, hostile=False)
        mixed = requests(place / "mixed", model, photos, hostile=True)
        rows, claims = speed(model, photos, good, turns, seconds)
        more_rows, more_claims = endurance(model, good, mixed, quick=quick)
    method = METHOD.format(seconds=seconds)
    head = ("contender", "connections", "images a second", "p50, ms", "p99, ms")
    return Result("A served model", method, head, rows + more_rows, claims + more_claims)


def material(place: Path) -> tuple[Path, list[bytes]]:
    """Return the model, and photos."""
    data = Path(os.environ.get("VARIEGATE_DATA") or Path(__file__).parents[2] / "shared/data")
    named = os.environ.get("SERVED_MODEL")
    model = Path(named) if named else served.squeezenet(data, place / "model")
    files = sorted(data.glob("coco_mini/images/val2017/*.jpg"))[:20]
    return model, [path.read_bytes() for path in files]


def requests(folder: Path, model: Path, photos: list[bytes], *, hostile: bool) -> Path:
    """Write requests and what has to be answered; one in twenty is hostile, if so wanted."""
    folder.mkdir()
    predictor = OnnxPredictor(model, ModelCard.load(card_path(model)))
    for index, data in enumerate(photos):
        (answer,) = predictor.predict([decode(data)])
        name = json.dumps(predictor.classes[int(answer.probabilities.argmax())])
        body, headers = served.form(("a.jpg", data), top="1")
        write(folder / f"{index:03}", body, headers["Content-Type"], 200, name)
    if hostile:
        photo = photos[0]
        text = "application/octet-stream"
        bad = (
            (b"", text, 400),
            (b"no image", text, 415),
            (photo[: len(photo) // 2], text, 400),
            (served.claiming(20_000, 10_000), text, 413),
            (b"--x\r\nbroken", "multipart/form-data; boundary=x", 400),
        )
        # Five kinds, each once among a hundred requests.
        for turn, (body, kind, status) in enumerate(bad):
            for index, data in enumerate(photos[:19]):
                (answer,) = predictor.predict([decode(data)])
                name = json.dumps(predictor.classes[int(answer.probabilities.argmax())])
                form, headers = served.form(("a.jpg", data), top="1")
                kind_of_form = headers["Content-Type"]
                write(folder / f"t{turn}-{index:03}", form, kind_of_form, 200, name)
            write(folder / f"t{turn}-bad", body, kind, status, '"error"')
        for path in folder.glob("[0-9]*"):
            path.unlink()
    return folder


def write(path: Path, body: bytes, kind: str, status: int, text: str) -> None:
    head = (
        f"POST /classify HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    path.with_suffix(".request").write_bytes(head.encode() + body)
    path.with_suffix(".expect").write_text(f"{status}\n{text}")


def load(url: str, connections: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Let the load generator run."""
    command = [sys.executable, str(PEERS / "load.py"), url, str(connections), str(seconds)]
    done = subprocess.run([*command, str(folder)], capture_output=True, check=True)
    return dict(json.loads(done.stdout))


def bare(model: Path, photos: list[bytes], connections: int, seconds: float) -> float:
    """Return images a second of decoding and bare calls."""
    alone = connections == 1
    threads = 1 if alone else processors()
    predictor = OnnxPredictor(
        model, ModelCard.load(card_path(model)), threads=processors() if alone else 1
    )
    ends = time.perf_counter() + seconds

    def loop(first: int) -> int:
        for count in itertools.count():
            if time.perf_counter() > ends:
                return count
            predictor.predict([decode(photos[(first + count) % len(photos)])])
        raise AssertionError

    predictor.predict([decode(photos[0])])
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(loop, range(threads))) / seconds


@contextlib.contextmanager
def litserve(model: Path) -> Iterator[str]:
    """Run LitServe; yield its URL."""
    port = free_port()
    arguments = (model, card_path(model), port, processors())
    process = subprocess.Popen(
        [python_of("litserve"), str(PEERS / "with_litserve.py"), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                if served.ask(f"http://127.0.0.1:{port}", "/health").status == 200:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def speed(
    model: Path, photos: list[bytes], good: Path, turns: int, seconds: float
) -> tuple[list[tuple[str, ...]], list[Claim]]:
    """Compare contenders; return rows and claims."""
    names = ("bare", "variegate", "LitServe")
    found: dict[tuple[str, int], list[dict[str, Any]]] = {
        key: [] for key in itertools.product(names, CONNECTIONS)
    }
    litserve_good = good.parent / "litserve"
    litserve_good.mkdir()
    for path in good.iterdir():
        (litserve_good / path.name).write_bytes(path.read_bytes())
    with served.server(model, "--queue", 128) as (own, _), litserve(model) as theirs:
        for connections in CONNECTIONS:
            for _ in range(turns):
                rate = bare(model, photos, connections, seconds)
                found["bare", connections].append({"per_second": rate})
                for name, url, asked in (
                    ("variegate", own, good),
                    ("LitServe", theirs, litserve_good),
                ):
                    told = load(url, connections, seconds, asked)
                    assert not told["wrong"], told
                    found[name, connections].append(told)
    rows, claims = [], []
    for connections in CONNECTIONS:
        for name in names:
            results = found[name, connections]
            times = (
                [number(1000 * median(one[at] for one in results)) for at in ("p50", "p99")]
                if name != "bare"
                else ["", ""]
            )
            rate = number(median(one["per_second"] for one in results))
            rows.append((name, str(connections), rate, *times))
        share = median(
            own["per_second"] / plain["per_second"]
            for own, plain in zip(
                found["variegate", connections], found["bare", connections], strict=True
            )
        )
        claims.append(Claim.at_least(f"of bare calls, {connections} connections", 0.9, share))
    return rows, claims


def endurance(
    model: Path, good: Path, mixed: Path, *, quick: bool
) -> tuple[list[tuple[str, ...]], list[Claim]]:
    """Ask many times, and with hostile uploads; return rows and claims."""
    with served.server(model, "--queue", 128) as (url, process):
        load(url, 8, 5.0, good)
        before, asked = memory(process.pid), 0
        while asked < (200 if quick else REQUESTS):
            asked += load(url, 8, 2.0 if quick else 60.0, good)["answers"]
        after = memory(process.pid)
        told = load(url, 64, 5.0 if quick else HOSTILE_S, mixed)
        assert process.poll() is None
        last = memory(process.pid)
    rows = [
        (
            "variegate, 5% hostile",
            "64",
            number(told["per_second"]),
            *(number(1000 * told[at]) for at in ("p50", "p99")),
        ),
    ]
    claims = [
        Claim.at_most(f"growth over {asked:,} requests", 20, (after - before) / 2**20, " MB"),
        Claim.at_most("growth with hostile uploads", 60, (last - after) / 2**20, " MB"),
        Claim.at_most("wrong answers with hostile uploads", 0, told["wrong"]),
    ]
    return rows, claims


def memory(pid: int) -> int:
    """Return the memory of a process, bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


if __name__ == "__main__":
    print(run(quick="--quick" in sys.argv).markdown())
