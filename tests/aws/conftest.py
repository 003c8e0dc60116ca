"""S3 and SQS as a process on loopback, and the function as `sam build` makes it."""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from lambda_host import Function

from variegate.aws.project import write_project
from variegate.errors import InputError
from variegate.plugins import Plugin, load_plugin
from variegate.recipes import Recipe
from variegate.storage import open_storage
from variegate.transforms.base import TRANSFORMS

ROOT = Path(__file__).parents[2]
SAM, LAMBDA = ROOT / ".venv-aws", ROOT / ".venv-lambda"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def needed(folder: Path, program: str) -> Path:
    """Return a program of an environment that `make test` sets up."""
    path = folder / "bin" / program
    if not path.exists():
        reason = f"no {path.relative_to(ROOT)} here; `make {folder.name}/.ready` sets it up"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def sam() -> Path:
    """The program `sam`."""
    return needed(SAM, "sam")


@pytest.fixture(scope="session")
def cfn_lint() -> Path:
    """The program `cfn-lint`."""
    return needed(SAM, "cfn-lint")


@pytest.fixture(scope="session")
def lambda_python() -> Path:
    """An interpreter that has what Lambda's runtime has, and nothing else."""
    return needed(LAMBDA, "python")


def run_sam(sam: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run sam, which takes `python` and `make` from the search path, and reaches nothing."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **CREDENTIALS,
        "SAM_CLI_TELEMETRY": "0",
        "PYTHON": sys.executable,
        "HOME": str(folder),
    }
    return subprocess.run(
        [sam, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def for_this_python(folder: Path) -> None:
    """Have a project built for this interpreter, with the libraries of Lambda's newer systems.

    Lambda's Python 3.11 lives on an older one, for which there are no wheels of the versions that
    are here; then nothing could be compared byte by byte.
    """
    code, template = folder / "function", folder / "template.yaml"
    template.write_text(template.read_text().replace("python3.13", f"python{PYTHON}"))
    (code / "runtime.txt").write_text(PYTHON)
    packing = code / "variegate/aws/packing.py"
    text = packing.read_text()
    assert '"3.11": _OLD' in text
    packing.write_text(text.replace('"3.11": _OLD', f'"3.11": _OLD, "{PYTHON}": _NEW'))


TEXT = """
seed: 7
variants:
  sample:
    n: 2
    k_min: 1
    k_max: 3
    steps:
      - flip
      - brightness: {amount: [-0.2, 0.2]}
      - rotate: {angle_degrees: [-20, 20]}
      - gaussian_noise: {sigma: [0.02, 0.05]}
"""
FRAGILE = """
import os
import numpy as np
from variegate.ops.color import Lut
from variegate.transforms import Transform

class Fragile(Transform):
    name = "fragile"

    def parameters(self, rng):
        return {"darkest": int(rng.integers(20, 80))}

    @classmethod
    def operation(cls, parameters, size):
        if size == (13, 13):
            os.kill(os.getpid(), 9)
        return Lut.of(np.linspace(parameters["darkest"], 255, 256))
"""
PLUGIN = Plugin("fragile.py", hashlib.sha256(FRAGILE.encode()).hexdigest(), FRAGILE)


@pytest.fixture
def fragile() -> Iterator[None]:
    """The plug-in's transform in this process, too, for this test."""
    before = dict(TRANSFORMS)
    load_plugin(PLUGIN)
    yield
    _forget(before)


def _forget(before: dict[str, Any]) -> None:
    TRANSFORMS.clear()
    TRANSFORMS.update(before)
    sys.modules.pop(f"variegate_plugin_{PLUGIN.sha256[:16]}", None)


@pytest.fixture(scope="session")
def artefact(sam: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the function that `sam build` made, with a recipe and a plug-in packed in."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder, Recipe.parse(TEXT), plugins=(PLUGIN,), python="3.13")
    for_this_python(folder)
    done = run_sam(sam, "build", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / ".aws-sam" / "build" / "AugmentFunction"


@dataclass(frozen=True)
class Cloud:
    """A small AWS: two buckets, a queue that S3 tells of new objects, and its dead letters.

    Attributes:
        url: of all services.
        s3, sqs: clients.
        input, output: names of buckets.
        arrivals, dead: URLs of queues.
    """

    url: str
    s3: Any
    sqs: Any
    input: str
    output: str
    arrivals: str
    dead: str

    @property
    def environment(self) -> dict[str, str]:
        """What programs need to reach it."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def function_settings(self, **changes: str) -> dict[str, str]:
        """What the template tells the function."""
        return {
            "VARIEGATE_INPUT": f"s3://{self.input}/pictures/",
            "VARIEGATE_OUTPUT": f"s3://{self.output}/variants/",
            "VARIEGATE_DEAD_LETTERS": self.dead,
            "VARIEGATE_MOST_TRIES": "3",
            **self.environment,
            **changes,
        }

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.input, Key=key, Body=data)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def get(self, bucket: str, key: str) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def dead_letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while some := self.sqs.receive_message(
            QueueUrl=self.dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += some
        return found


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """moto's server, which is S3, SQS, SNS and CloudFormation."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
                break
            assert process.poll() is None, "moto's server did not start"
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cloud(moto_url: str, request: pytest.FixtureRequest) -> Cloud:
    """Two new buckets with their queues, wired as the template wires them."""
    try:
        open_storage("s3://bucket")
    except InputError as error:
        pytest.skip(str(error))
    client = {
        name: boto3.client(
            name,
            endpoint_url=moto_url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        for name in ("s3", "sqs")
    }
    s3, sqs = client["s3"], client["sqs"]
    name = f"t{os.urandom(6).hex()}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = f'{{"deadLetterTargetArn": "{arn["Attributes"]["QueueArn"]}", "maxReceiveCount": 3}}'
    arrivals = sqs.create_queue(
        QueueName=f"{name}-arrivals",
        Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "600"},
    )["QueueUrl"]
    s3.create_bucket(Bucket=f"{name}-in")
    s3.create_bucket(Bucket=f"{name}-out")
    attributes = sqs.get_queue_attributes(QueueUrl=arrivals, AttributeNames=["QueueArn"])
    s3.put_bucket_notification_configuration(
        Bucket=f"{name}-in",
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": attributes["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "pictures/"}]}},
                }
            ]
        },
    )
    return Cloud(moto_url, s3, sqs, f"{name}-in", f"{name}-out", arrivals, dead)


Start = Callable[..., Function]


@pytest.fixture
def start(lambda_python: Path, tmp_path: Path) -> Iterator[Start]:
    """Start functions, which end with the test."""
    running: list[Function] = []

    def begin(artefact: Path, environment: dict[str, str], **options: Any) -> Function:
        log = tmp_path / f"function-{len(running)}.log"
        running.append(Function(lambda_python, artefact, environment, log, **options))
        return running[-1]

    yield begin
    for one in running:
        one.stop()
