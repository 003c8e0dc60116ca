"""For the tests of what is applied to Kubernetes: definitions, and ways through resources."""

import copy
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from typer.main import get_command

from variegate.cli import app

# Kubernetes' version whose definitions the files are held against.
VERSION = "1.31"

# The definitions have 2 MB; the loader in Python takes half a minute for them.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def definitions(data_dir: Path) -> dict[str, jsonschema.Draft202012Validator]:
    """Return validators of KubeRay's kinds, which take no unknown field."""
    found = {}
    for path in (data_dir / "schemas").glob("*.yaml"):
        definition = yaml.load(path.read_text(), _LOADER)["spec"]
        (schema,) = (
            one["schema"]["openAPIV3Schema"]
            for one in definition["versions"]
            if one["name"] == "v1"
        )
        found[definition["names"]["kind"]] = jsonschema.Draft202012Validator(strict(schema))
    return found


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that forbids what it does not name, as the API server drops or refuses it."""
    schema = copy.deepcopy(schema)

    def close(node):
        if isinstance(node, dict):
            if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
                node.setdefault("additionalProperties", False)
            if node.pop("x-kubernetes-int-or-string", False):
                node.pop("type", None)
                node["anyOf"] = [{"type": "integer"}, {"type": "string"}]
            for one in node.values():
                close(one)
        elif isinstance(node, list):
            for one in node:
                close(one)

    close(schema)
    # These the API server fills in and checks by itself.
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def check(resource: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Raise where a resource is not as its definition has it."""
    if resource["kind"] in definitions:
        definitions[resource["kind"]].validate(resource)
    else:
        kubernetes_validate.validate(resource, VERSION, strict=True)


def pods(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the pods' specs in a resource."""
    waiting = [resource]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "containers" in node:
                yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def clusters(resources: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the clusters' specs in resources."""
    for one in resources:
        if one["kind"] in ("RayJob", "RayCluster"):
            yield one["spec"].get("rayClusterSpec", one["spec"])


def assert_parses(entrypoint: str) -> dict[str, object]:
    """Parse a line as the command line does; nothing is run."""
    program, *arguments = shlex.split(entrypoint)
    assert program == "variegate"
    group = get_command(app)
    name, command, rest = group.resolve_command(group.make_context("variegate", []), arguments)
    return command.make_context(name, list(rest)).params
