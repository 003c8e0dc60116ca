"""One user's run on Kubernetes: the files in `deploy/kubernetes`, with their buckets and recipe."""

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal

import yaml

from variegate.deploy.files import deployment_files
from variegate.deploy.kubernetes.kustomize import Resource, build
from variegate.deploy.kubernetes.resources import settle
from variegate.errors import UsageError
from variegate.storage import SCHEMES, check_apart

FOLDER = "/etc/variegate"
"""Where the recipe and the files of the user stand in the head's container."""

RECIPE_FILE = "recipe.yaml"

SECRET = "variegate-credentials"

# From here on the overlay for many workers is the one to start from.
_MANY = 50

# As many more may join as there were in the beginning, times this.
_GROWTH = {"2": 5, "200": 2}

# etcd takes no larger ConfigMap than 1 MiB.
_MOST_BYTES = 1_000_000

# KubeRay takes no longer name of a RayJob, and names services after it.
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_IMAGE = re.compile(
    r"(?P<name>[\w.-]+(:\d+)?(/[\w.-]+)*?)"
    r"(?P<tag>:[\w][\w.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
_ANNOTATION = re.compile(r"([\w.-]+/)?[\w.-]+")
_FILE = re.compile(r"[-.\w]{1,253}", re.ASCII)


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
        name: of everything that is made; "" for one of its own for every run.
        namespace: where it lives; it must exist.
        image: with a version tag or a digest.
        workers: how many to start with.
        max_workers: how many there may become; None for a sensible number.
        worker_cpus: CPUs of a worker.
        worker_gigabytes: memory of a worker; None for two a CPU.
        start_within_s: a run whose cluster is not there by then has failed.
        end_within_s: a run that takes longer has failed.
        endpoint: URL of an S3-compatible store.
        egress: networks (CIDR) of the store and of Kubernetes' API; () for all.
        annotations: of the service account, such as the cloud's role.
        service_account: one that exists; None to make one.
        secret: with the store's keys, if there is one of that name.
        pull_secrets: with which the image is fetched.
        priority_class: of the pods.
        files: name and text of files that the arguments name.
        arguments: further ones of `variegate augment`.
    """

    source: str
    output: str
    recipe: str
    kind: Literal["job", "cluster"] = "job"
    name: str = ""
    namespace: str = "variegate"
    image: str = field(default_factory=default_image)
    workers: int = 2
    max_workers: int | None = None
    worker_cpus: int = 4
    worker_gigabytes: int | None = None
    start_within_s: int = 3600
    end_within_s: int = 7 * 24 * 3600
    endpoint: str | None = None
    egress: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    secret: str = SECRET
    pull_secrets: tuple[str, ...] = ()
    priority_class: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """What the job runs."""
        augment = ["variegate", "augment", self.source, self.output, *self.arguments]
        return [*augment, f"--recipe={FOLDER}/{RECIPE_FILE}", "--backend=ray", "--address=auto"]

    @property
    def digest(self) -> str:
        """What tells this run from others: its kind, its command and its files."""
        told = json.dumps([self.kind, self.command, self.recipe, dict(self.files)]).encode()
        return hashlib.sha256(told).hexdigest()[:8]

    @property
    def called(self) -> str:
        """The name of everything that is made."""
        return self.name or f"variegate-{self.digest}"

    @property
    def size(self) -> str:
        """Which overlay is the one to start from."""
        return "200" if self.workers >= _MANY else "2"

    @property
    def most_workers(self) -> int:
        """How many workers there may become."""
        return self.max_workers or self.workers * _GROWTH[self.size]

    @property
    def texts(self) -> dict[str, str]:
        """The files in the head's container."""
        return {RECIPE_FILE: self.recipe, **self.files}

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
        self._check_names()
        self._check_image()
        self._check_files()
        for one in self.egress:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise UsageError(
                    f"egress: expected a network such as 10.0.0.0/8, got {one!r}"
                ) from None
        if self.max_workers is not None and self.max_workers < self.workers:
            raise UsageError(
                f"max_workers: expected at least the {self.workers:,} to start with, "
                f"got {self.max_workers:,}"
            )

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self.called):
            raise UsageError(
                "name: expected at most 47 lower-case letters, digits and dashes, a letter first, "
                f"got {self.name!r}"
            )
        if not _NAMESPACE.fullmatch(self.namespace):
            raise UsageError(
                f"namespace: expected lower-case letters, digits and dashes, got {self.namespace!r}"
            )
        others = [
            ("service_account", self.service_account),
            ("priority_class", self.priority_class),
            ("secret", self.secret),
            *(("pull_secret", one) for one in self.pull_secrets),
        ]
        for what, name in others:
            if name is not None and not _OBJECT.fullmatch(name):
                raise UsageError(
                    f"{what}: expected lower-case letters, digits, dots and dashes, got {name!r}"
                )
        for key in self.annotations:
            if not _ANNOTATION.fullmatch(key):
                raise UsageError(f"annotation: expected KEY=VALUE, got the key {key!r}")
        if self.annotations and self.service_account is not None:
            raise UsageError(
                "annotation: expected a service account that is made, got one that exists "
                f"({self.service_account}); annotate it with kubectl, or leave one of them out"
            )

    def _check_image(self) -> None:
        found = _IMAGE.fullmatch(self.image)
        if not found or not (found["tag"] or found["digest"]) or self.image.endswith(":latest"):
            raise UsageError(
                f"image: expected a name with a version tag, such as {default_image()}, or with a "
                f"digest, name@sha256:..., got {self.image!r}; all nodes must run the same version"
            )

    def _check_files(self) -> None:
        for name in self.files:
            if not _FILE.fullmatch(name) or name == RECIPE_FILE:
                raise UsageError(
                    f"{name}: expected a file name of letters, digits, dots and dashes, other than "
                    f"{RECIPE_FILE}; rename it"
                )
        size = sum(len(one.encode()) for one in self.texts.values())
        if size > _MOST_BYTES:
            raise UsageError(
                f"the recipe and the files with it have {size:,} bytes, and Kubernetes takes at "
                f"most {_MOST_BYTES:,}; put large ones into the image"
            )

    def resources(self) -> list[Resource]:
        """Return all that is to be applied.

        Raises:
            UsageError: something is wrong.
        """
        self.check()
        overlay = deployment_files("kubernetes") / "overlays" / f"{self.kind}-{self.size}"
        return settle(build(overlay), self)

    def yaml(self) -> str:
        """Return all that is to be applied as YAML documents."""
        return yaml.dump_all(
            self.resources(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
