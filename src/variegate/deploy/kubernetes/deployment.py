"""One user's run on Kubernetes: the files in `deploy/kubernetes`, with their buckets and recipe."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import yaml

from variegate.deploy.files import deployment_files
from variegate.deploy.kubernetes.kustomize import Resource, build
from variegate.errors import UsageError
from variegate.storage import SCHEMES, check_apart

RECIPE = "/etc/variegate/recipe.yaml"

# From here on the overlay for many workers is the one to start from.
_MANY = 50

# As many more may join as there were in the beginning, times this.
_GROWTH = {"2": 5, "200": 2}

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*:[\w][\w.-]{0,127}")
_ANNOTATION = re.compile(r"([\w.-]+/)?[\w.-]+")


def default_image() -> str:
    """Return the image that the files name."""
    return f"variegate:{version('variegate')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is to run where.

    Attributes:
        source, output: buckets, such as ``s3://raw/photos``.
        recipe: YAML text.
        kind: "job" for one run, "cluster" for a cluster that stays.
        name: of the RayJob or RayCluster.
        namespace: where it lives; it must exist.
        image: with a version tag.
        workers: how many to start with.
        max_workers: how many there may become; None for a sensible number.
        endpoint: URL of an S3-compatible store.
        annotations: of the service account, such as the cloud's role.
        arguments: further ones of `variegate augment`.
    """

    source: str
    output: str
    recipe: str
    kind: Literal["job", "cluster"] = "job"
    name: str = "variegate"
    namespace: str = "variegate"
    image: str = field(default_factory=default_image)
    workers: int = 2
    max_workers: int | None = None
    endpoint: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """What the job runs."""
        augment = ["variegate", "augment", self.source, self.output, *self.arguments]
        return [*augment, "--recipe", RECIPE, "--backend", "ray", "--address", "auto"]

    def check(self) -> None:
        """Look at all that can be wrong.

        Raises:
            UsageError: something is.
        """
        for place in (self.source, self.output):
            if place.partition("://")[0] not in SCHEMES:
                schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
                raise UsageError(
                    f"{place}: expected a bucket ({schemes}), which all pods can reach, "
                    "got something else"
                )
        check_apart(self.source, self.output)
        for what, name in (("name", self.name), ("namespace", self.namespace)):
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"{what}: expected lower-case letters, digits and dashes, got {name!r}"
                )
        if not _IMAGE.fullmatch(self.image) or self.image.endswith(":latest"):
            raise UsageError(
                f"image: expected a name with a version tag, such as {default_image()}, "
                f"got {self.image!r}; all nodes must run the same version"
            )
        for key in self.annotations:
            if not _ANNOTATION.fullmatch(key):
                raise UsageError(f"annotation: expected KEY=VALUE, got the key {key!r}")
        if self.max_workers is not None and self.max_workers < self.workers:
            raise UsageError(
                f"max_workers: expected at least the {self.workers:,} to start with, "
                f"got {self.max_workers:,}"
            )

    def resources(self) -> list[Resource]:
        """Return all that is to be applied.

        Raises:
            UsageError: something is wrong.
        """
        self.check()
        size = "200" if self.workers >= _MANY else "2"
        found = build(deployment_files("kubernetes") / "overlays" / f"{self.kind}-{size}")
        for one in found:
            one["metadata"]["namespace"] = self.namespace
            if one["kind"] == "ConfigMap":
                one["data"] = {Path(RECIPE).name: self.recipe}
            elif one["kind"] == "ServiceAccount" and self.annotations:
                one["metadata"]["annotations"] = dict(self.annotations)
            elif one["kind"] in ("RayJob", "RayCluster"):
                one["metadata"]["name"] = self.name
                self._settle(one["spec"], self.max_workers or self.workers * _GROWTH[size])
        return found

    def _settle(self, spec: dict[str, Any], most: int) -> None:
        cluster = spec.get("rayClusterSpec", spec)
        if "entrypoint" in spec:
            spec["entrypoint"] = shlex.join(self.command)
        (group,) = cluster["workerGroupSpecs"]
        group.update(replicas=self.workers, maxReplicas=most)
        for container in _containers(spec):
            container["image"] = self.image
            if self.endpoint is not None and "env" in container:
                container["env"].append({"name": "AWS_ENDPOINT_URL", "value": self.endpoint})

    def yaml(self) -> str:
        """Return all that is to be applied as YAML documents."""
        return yaml.dump_all(
            self.resources(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the containers of all pods in a resource."""
    if isinstance(value, dict):
        yield from value.get("containers", ())
        for one in value.values():
            yield from _containers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _containers(one)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
