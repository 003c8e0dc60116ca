"""S3 and SQS as a process on loopback, and the function as `sam build` makes it."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from lambda_host import Function
from small_aws import (
    LAMBDA,
    PLUGIN,
    SAM,
    TEXT,
    Cloud,
    for_this_python,
    needed,
    run_sam,
)

import servers
from variegate.deploy.aws.project import write_project
from variegate.recipes.plugins import load_plugin
from variegate.recipes.recipe import Recipe
from variegate.transforms.base import TRANSFORMS


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
def artefact(sam: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the function that `sam build` made, with a recipe and a plug-in packed in.

    It is made once, by whichever of the processes that run tests comes first.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder = shared / "function"
    built = folder / ".aws-sam" / "build" / "AugmentFunction"
    with (shared / "function.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "function.built").exists():
            write_project(folder, Recipe.parse(TEXT), plugins=(PLUGIN,), python="3.13")
            for_this_python(folder)
            done = run_sam(sam, "build", folder=folder)
            assert done.returncode == 0, done.stderr
            (shared / "function.built").touch()
    return built


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """moto's server, which is S3, SQS, SNS and CloudFormation."""
    with servers.moto() as url:
        yield url


@pytest.fixture
def cloud(moto_url: str, request: pytest.FixtureRequest) -> Cloud:
    """Two new buckets with their queues, wired as the template wires them."""
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
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "images/"}]}},
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
