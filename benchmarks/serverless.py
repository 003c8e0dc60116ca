"""The functions on Lambda: size and cold start of both; memory and time of the one of a bucket."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np

import photos
from harness import Claim, Result, number
from variegate.codecs import encode
from variegate.deploy.aws import cost
from variegate.deploy.aws.classify import DeployedModel, write_classify_project
from variegate.deploy.aws.package import LIMIT
from variegate.deploy.aws.project import write_project
from variegate.models.card import card_path
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "deploy" / "aws")]

# The small Lambda that the tests drive the functions with, and a model.
from lambda_host import Sandbox  # noqa: E402
from small_aws import CREDENTIALS, LAMBDA, for_this_python, free_port  # noqa: E402

import served  # noqa: E402

STARTS, CALLS = 7, 5
LARGE, USUAL = (3_000, 4_000), (1_200, 1_600)
RECIPE = """
seed: 7
variants:
  sample:
    n: 4
    k_min: 2
    k_max: 4
    steps:
      - rotate: {angle_degrees: [-20, 20]}
      - scale: {factor: [0.8, 1.25]}
      - brightness: {amount: [-0.2, 0.2]}
      - saturation: {factor: [0.6, 1.5]}
      - gaussian_blur: {sigma: [0.001, 0.003]}
      - gaussian_noise: {sigma: [0.02, 0.06]}
      - perspective: {amount: [0.02, 0.06]}
"""
METHOD = """
The function as it is packed for Lambda, in an interpreter with only its own files (and Lambda's
own `awslambdaric` and boto3), without compiled files, as on Lambda; driven through a Runtime API on
loopback. Cold start: from the start of the process to the answer to a first message, a test event
of S3, with all settings and the recipe read; median of {starts}. Memory: the peak of the process
(`VmHWM`) for photos of 12 megapixels from and to a store on loopback (moto), four random variants
each. The function that classifies is packed with SqueezeNet; its start ends with the answer to an
event of API Gateway with a photo. Lambda's CPUs differ from this one, and its disk is slower
(`benchmarks/serverless.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder, store() as url:
        artefact, size = packed(Path(folder))
        starts = [cold_start(artefact, url, Path(folder)) for _ in range(2 if quick else STARTS)]
        large = work(artefact, url, Path(folder), LARGE, quick=quick)
        usual = work(artefact, url, Path(folder), USUAL, quick=quick)
        classifier, classifier_size = packed_classifier(Path(folder))
        first = [first_answer(classifier, Path(folder)) for _ in range(2 if quick else STARTS)]
    rows = [
        ("size, unpacked, MB", number(size / 2**20)),
        ("cold start, s", f"{median(starts):.2f} ({min(starts):.2f} to {max(starts):.2f})"),
        ("memory after the start, MB", number(large.idle / 2**20)),
        ("memory, 12 megapixels, MB", number(large.most / 2**20)),
        ("seconds, 12 megapixels, 4 variants", f"{large.seconds:.2f}"),
        ("memory, 2 megapixels, MB", number(usual.most / 2**20)),
        ("seconds, 2 megapixels, 4 variants", f"{usual.seconds:.2f}"),
    ]
    rows += [
        ("classify: size, unpacked, MB", number(classifier_size / 2**20)),
        ("classify: cold start, s", f"{median(first):.2f} ({min(first):.2f} to {max(first):.2f})"),
    ]
    for megapixels, name in ((12, "12"), (2, "2")):
        taken = cost.trial(Recipe.parse(RECIPE), megapixels)
        items = cost.bill(taken, 250_000, memory_mb=1769)
        once = sum(one.usd for one in items if not one.monthly)
        rows.append((f"a million variants at {name} megapixels, USD", f"{once:.2f}"))
    claims = [
        Claim.at_most("cold start", 2, median(starts), " s"),
        Claim.at_most("memory, 12 megapixels, 4 variants", 512, large.most / 2**20, " MB"),
        Claim.at_most("size, unpacked", LIMIT / 2**20, size / 2**20, " MB"),
        Claim.at_most("classify: cold start", 3, median(first), " s"),
        Claim.at_most("classify: size, unpacked", LIMIT / 2**20, classifier_size / 2**20, " MB"),
    ]
    method = METHOD.format(starts=STARTS)
    return Result("The functions on Lambda", method, ("figure", ""), rows, claims)


def packed(folder: Path) -> tuple[Path, int]:
    """Pack the function; return its folder and its size in bytes."""
    write_project(folder / "project", Recipe.parse(RECIPE), python="3.13")
    return built(folder / "project", folder / "artefact")


def packed_classifier(folder: Path) -> tuple[Path, int]:
    """Pack the function that classifies; return its folder and its size in bytes."""
    model = served.squeezenet(photos.data(), folder / "model")
    write_classify_project(folder / "classify", DeployedModel(model, card_path(model)))
    return built(folder / "classify", folder / "classifier")


def built(project: Path, target: Path) -> tuple[Path, int]:
    """Make what Lambda gets of a project; return its folder and its size in bytes."""
    for_this_python(project)
    code = project / "function"
    # As the function's Makefile does it.
    command = [sys.executable, "-m", "variegate.deploy.aws.package", ".", str(target)]
    subprocess.run(command, cwd=code, env=without_path(), check=True)
    return target, sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@contextlib.contextmanager
def store() -> Iterator[str]:
    """Start moto's server with two buckets; yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}"
    try:
        for name in ("in", "out"):
            for _ in range(300):
                with contextlib.suppress(OSError):
                    put(f"{url}/bench-{name}", b"")
                    break
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def put(url: str, data: bytes) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=data, headers=headers, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


def sandbox(artefact: Path, url: str, folder: Path) -> Sandbox:
    settings = {
        "VARIEGATE_INPUT": "s3://bench-in/images/",
        "VARIEGATE_OUTPUT": "s3://bench-out/variants/",
        "AWS_ENDPOINT_URL": url,
        "OPENBLAS_NUM_THREADS": "1",
        **CREDENTIALS,
    }
    python = LAMBDA / "bin" / "python"
    return Sandbox(python, artefact, settings, folder / "log", 120.0)


def message(key: str | None) -> dict[str, object]:
    body = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "bench-in"}, "object": {"key": key}},
            }
        ]
    }
    record = {
        "messageId": "1",
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


def cold_start(artefact: Path, url: str, folder: Path) -> float:
    """Return the seconds until a first message is answered: of an image that is gone."""
    begun = time.monotonic()
    one = sandbox(artefact, url, folder)
    try:
        assert one.call(message("images/gone.jpg")) == {"batchItemFailures": []}
        return time.monotonic() - begun
    finally:
        one.stop()


def first_answer(artefact: Path, folder: Path) -> float:
    """Return the seconds until a first photo is classified."""
    sent = min(photos.data().glob("coco_mini/images/val2017/*.jpg")).read_bytes()
    event = {
        "version": "2.0",
        "rawPath": "/classify",
        "rawQueryString": "",
        "headers": {"host": "bench", "content-type": "image/jpeg"},
        "requestContext": {"http": {"method": "POST", "path": "/classify", "sourceIp": "::1"}},
        "body": base64.b64encode(sent).decode(),
        "isBase64Encoded": True,
    }
    begun = time.monotonic()
    python, log = LAMBDA / "bin" / "python", folder / "classify.log"
    one = Sandbox(python, artefact, {**CREDENTIALS}, log, 120.0, "entry.handler")
    try:
        assert one.call(event)["statusCode"] == 200
        return time.monotonic() - begun
    finally:
        one.stop()


class Work:
    """What images took: bytes of memory at the start and at most, seconds each."""

    def __init__(self, idle: int, most: int, seconds: float) -> None:
        self.idle, self.most, self.seconds = idle, most, seconds


def work(artefact: Path, url: str, folder: Path, size: tuple[int, int], *, quick: bool) -> Work:
    """Send photos of (height, width) `size` through one process."""
    one = sandbox(artefact, url, folder)
    try:
        one.call(message("images/gone.jpg"))
        idle, times = peak(one), []
        for number_of in range(2 if quick else CALLS):
            key = f"images/{size[1]}-{number_of}.jpg"
            data = photo(size, number_of)
            put(f"{url}/bench-in/{key}", data)
            begun = time.monotonic()
            assert one.call(message(key)) == {"batchItemFailures": []}
            times.append(time.monotonic() - begun)
        return Work(idle, peak(one), median(times))
    finally:
        one.stop()


def peak(one: Sandbox) -> int:
    """Return the most memory that the process has had, bytes."""
    lines = Path(f"/proc/{one.process.pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith("VmHWM"))
    return int(found.split()[1]) * 1024


def photo(size: tuple[int, int], seed: int) -> bytes:
    """Draw a JPEG with the detail of a photo."""
    rng = generator(seed, "photo")
    coarse = rng.integers(0, 256, (size[0] // 16, size[1] // 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 12, (*size, 1), dtype=np.uint8)
    return encode(cv2.add(image, np.repeat(grain, 3, axis=2)), format="jpeg", quality=90)


if __name__ == "__main__":
    print(run(quick="--quick" in sys.argv).markdown())
