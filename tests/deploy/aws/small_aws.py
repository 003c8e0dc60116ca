"""What the tests of AWS share: where programs are, a plug-in, and a small AWS of a few clients."""

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from variegate.recipes.plugins import Plugin

ROOT = Path(__file__).parents[3]


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
    packing = code / "variegate/deploy/aws/package.py"
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
            "VARIEGATE_INPUT": f"s3://{self.input}/images/",
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


def moto_mapping(name: str) -> str:
    """Make what brings messages to a function, in moto; return its id.

    Its queue is one of its own: moto would take messages out for a function that does nothing.
    """
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("a.py", "")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    functions, sqs = boto3.client("lambda"), boto3.client("sqs")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="a.b",
        Code={"ZipFile": code.getvalue()},
    )
    url = sqs.create_queue(QueueName=f"{name}-mapped")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    made = functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=queue["Attributes"]["QueueArn"]
    )
    return str(made["UUID"])


def mapping_state(mapping: str) -> str:
    """Return the state of what brings messages to a function."""
    return str(boto3.client("lambda").get_event_source_mapping(UUID=mapping)["State"])
