"""A stack: its parameters, checked; made by `sam`, inspected and deleted through boto3."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any

import yaml

from variegate.deploy.aws.lookup import with_remedy
from variegate.deploy.aws.notifications import stop_telling
from variegate.deploy.aws.settings import check_places
from variegate.deploy.files import deployment_files
from variegate.errors import UsageError, did_you_mean

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")

# The descriptor: sam may write what it wants, but not between results.
_STANDARD_ERROR = 2

# SQS must not show a message again while a call may still be at work on it.
_VISIBILITY = 6


class _TemplateLoader(yaml.SafeLoader):
    """Reads what CloudFormation adds to YAML as plain values."""


def _plain(loader: _TemplateLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return str(node.value)


_TemplateLoader.add_multi_constructor("!", _plain)


def known_parameters(deployment: str = "augment") -> dict[str, dict[str, Any]]:
    """Return the parameters of a deployment's template."""
    text = (deployment_files("aws") / deployment / "template.yaml").read_text(encoding="utf-8")
    found = yaml.load(text, _TemplateLoader)  # noqa: S506  (a SafeLoader)
    return dict(found["Parameters"])


def check_stack_name(name: str) -> None:
    """Make sure that CloudFormation takes a name.

    Raises:
        UsageError: it does not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"stack {name!r}: expected a letter, then letters, digits and hyphens, 128 at most"
        )


def all_parameters(deployment: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return all parameters of a template, those that are not given as they are there.

    Raises:
        UsageError: one is unknown, missing, or not what the template allows.
    """
    known = known_parameters(deployment)
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"parameter {name!r}: unknown{did_you_mean(name, known)}")
        _check_value(name, value, known[name])
    found = {name: str(one["Default"]) for name, one in known.items() if "Default" in one}
    found |= given
    if found.get("MonthlyBudget", "0") != "0" and not found["AlarmEmail"]:
        raise UsageError("parameter MonthlyBudget: needs an address to tell, --alarm-email")
    if missing := known.keys() - found.keys():
        raise UsageError(f"parameters missing: {', '.join(sorted(missing))}")
    return found


def checked_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Return all parameters of `deploy augment`, those that are not given as they are there.

    Raises:
        UsageError: one is unknown, missing, or not what the template allows.
    """
    found = all_parameters("augment", given)
    least = _VISIBILITY * int(found["Timeout"])
    if "QueueVisibility" not in given:
        found["QueueVisibility"] = str(max(least, int(found["QueueVisibility"])))
    if int(found["QueueVisibility"]) < least:
        raise UsageError(
            f"parameter QueueVisibility: expected at least {_VISIBILITY} times Timeout, "
            f"{least}, got {found['QueueVisibility']}"
        )
    both = int(found["Concurrency"]) + int(found["RunConcurrency"])
    if "ReservedConcurrency" not in given:
        found["ReservedConcurrency"] = str(both)
    if int(found["ReservedConcurrency"]) < both:
        raise UsageError(
            "parameter ReservedConcurrency: expected at least Concurrency and RunConcurrency "
            f"together, {both}, got {found['ReservedConcurrency']}"
        )
    check_places(f"s3://{found['InputBucketName']}", f"s3://{found['OutputBucketName']}")
    return found


def _check_value(name: str, value: str, rule: dict[str, Any]) -> None:
    place = f"parameter {name}: expected"
    if "AllowedValues" in rule and value not in map(str, rule["AllowedValues"]):
        allowed = ", ".join(map(str, rule["AllowedValues"]))
        raise UsageError(f"{place} one of {allowed}, got {value!r}")
    if "AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value):
        raise UsageError(f"{place} {rule['ConstraintDescription']}, got {value!r}")
    if "MaxLength" in rule and len(value) > rule["MaxLength"]:
        raise UsageError(f"{place} at most {rule['MaxLength']:,} letters, got {len(value):,}")
    if rule["Type"] == "Number" and "MinValue" in rule:
        low, high = int(rule["MinValue"]), int(rule["MaxValue"])
        if not re.fullmatch(r"\d+", value) or not low <= int(value) <= high:
            raise UsageError(f"{place} a whole number {low} to {high}, got {value!r}")


def deploy_command(
    stack: str,
    parameters: Mapping[str, str],
    region: str | None,
    *,
    image: bool,
    tags: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the arguments of sam that make or change a stack."""
    pairs = [f"{name}={_quoted(value)}" for name, value in parameters.items()]
    return [
        *("deploy", "--stack-name", stack, "--resolve-s3", "--capabilities", "CAPABILITY_IAM"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
        *(("--resolve-image-repos",) if image else ()),
        *(("--region", region) if region else ()),
        *(("--tags", *(f"{name}={_quoted(one)}" for name, one in tags.items())) if tags else ()),
        *("--parameter-overrides", *pairs),
    ]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if re.search(r"[\s\"'\\=]", value) or not value else value


def find_sam() -> str:
    """Return the path of the program.

    Raises:
        UsageError: there is none.
    """
    program = shutil.which("sam")
    if program is None:
        raise UsageError(
            "sam is not installed, or not on the PATH: pip install aws-sam-cli (in an environment "
            "of its own), or take what --print shows to where it is"
        )
    return program


def sam(*arguments: str, folder: Path) -> None:
    """Run sam, whose words go to standard error.

    Raises:
        UsageError: there is no sam, or it fails.
    """
    program = find_sam()
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        # The function is packed by this Python, whatever sam's own is.
        env={**environ, "PYTHON": sys.executable, "SAM_CLI_TELEMETRY": "0"},
        stdout=_STANDARD_ERROR,
        check=False,
    )
    if done.returncode != 0:
        raise UsageError(f"sam {arguments[0]} failed; what it says stands above")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a stack.

    Attributes:
        name: of the bucket.
        objects: how many there are, older versions included.
        bytes: of all of them.
        more: whether there are more than were counted.
    """

    name: str
    objects: int
    bytes: int
    more: bool


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stack consists of.

    Attributes:
        buckets: that it created, and which stay when the stack goes.
        used: names of buckets that were there before it; nothing is done to them.
        arrivals: ARN of the queue that a bucket may tell; "" for none.
        others: (kind, name) of everything else, which goes with it.
    """

    buckets: tuple[Bucket, ...]
    used: tuple[str, ...]
    arrivals: str
    others: tuple[tuple[str, str], ...]


# Objects that are counted: enough to know that it is a lot.
_COUNTED = 100_000


# What tells a deployment's stack from others.
_OWN = {
    "augment": {"Arrivals", "DeadLetters"},
    "classify": {"ClassifyFunction", "HttpApi"},
}


class Stack:
    """A stack that is there.

    Raises:
        UsageError: boto3 is missing, or it cannot reach AWS.
    """

    def __init__(self, name: str, region: str | None = None) -> None:
        check_stack_name(name)
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise UsageError("this needs boto3: pip install 'variegate[aws]'") from error
        self.name = name
        self._faults = (BotoCoreError, ClientError)
        with self._asked("AWS cannot be reached"):
            self._stacks = boto3.client("cloudformation", region_name=region)
            self._s3 = boto3.client("s3", region_name=region)
            self._sqs = boto3.client("sqs", region_name=region)

    @contextmanager
    def _asked(self, about: str) -> Iterator[None]:
        """Turn what boto3 raises inside the block into a `UsageError`."""
        try:
            yield
        except self._faults as error:
            raise UsageError(f"{about}: {with_remedy(error)}") from error

    def resources(self) -> Resources:
        """Say what the stack consists of.

        Raises:
            UsageError: there is no such stack, or it is not one of variegate.
        """
        with self._asked(f"stack {self.name}"):
            pages = self._stacks.get_paginator("list_stack_resources").paginate(StackName=self.name)
            found = [one for page in pages for one in page["StackResourceSummaries"]]
        logical = {one["LogicalResourceId"] for one in found}
        if not any(own <= logical for own in _OWN.values()):
            raise UsageError(f"stack {self.name}: not one that `variegate deploy` made")
        kind, place = "ResourceType", "PhysicalResourceId"
        buckets = [one[place] for one in found if one[kind] == "AWS::S3::Bucket"]
        return Resources(
            tuple(self._bucket(name) for name in buckets),
            self._used(),
            self._arrivals(found),
            tuple((one[kind], one.get(place, "")) for one in found if one[place] not in buckets),
        )

    def _used(self) -> tuple[str, ...]:
        """Return the buckets that the stack did not create."""
        with self._asked(f"stack {self.name}"):
            (found,) = self._stacks.describe_stacks(StackName=self.name)["Stacks"]
        given = {
            one["ParameterKey"]: one.get("ParameterValue", "")
            for one in found.get("Parameters", [])
        }
        return tuple(
            given[f"{kind}BucketName"]
            for kind in ("Input", "Output")
            if given.get(f"Create{kind}Bucket") == "no"
        )

    def _arrivals(self, found: list[dict[str, Any]]) -> str:
        for one in found:
            if one["LogicalResourceId"] == "Arrivals" and one.get("PhysicalResourceId"):
                with self._asked(f"stack {self.name}"):
                    told = self._sqs.get_queue_attributes(
                        QueueUrl=one["PhysicalResourceId"], AttributeNames=["QueueArn"]
                    )
                return str(told["Attributes"]["QueueArn"])
        return ""

    def stop_telling(self, found: Resources) -> None:
        """Have buckets that stay tell the queue no more; whom else they tell, they go on telling.

        Raises:
            UsageError: AWS does not do it.
        """
        for bucket in found.buckets if found.arrivals else ():
            stop_telling(self._s3, bucket.name, found.arrivals)

    def _bucket(self, name: str) -> Bucket:
        objects = size = 0
        for page in self._versions(name):
            objects += len(page)
            size += sum(one.get("Size", 0) for one in page)
            if objects >= _COUNTED:
                break
        return Bucket(name, objects, size, more=objects >= _COUNTED)

    def _versions(self, bucket: str) -> Iterator[list[dict[str, Any]]]:
        with self._asked(f"bucket {bucket}"):
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                yield page.get("Versions", []) + page.get("DeleteMarkers", [])

    def delete(self) -> None:
        """Delete the stack, and wait for it; the buckets stay.

        Raises:
            UsageError: AWS does not do it.
        """
        with self._asked(f"stack {self.name}"):
            self._stacks.delete_stack(StackName=self.name)
            self._stacks.get_waiter("stack_delete_complete").wait(StackName=self.name)

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket and all that is in it, older versions included.

        Raises:
            UsageError: AWS does not do it.
        """
        with self._asked(f"bucket {name}"):
            for page in self._versions(name):
                doomed = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in page]
                if doomed:
                    self._s3.delete_objects(Bucket=name, Delete={"Objects": doomed, "Quiet": True})
            self._s3.delete_bucket(Bucket=name)
