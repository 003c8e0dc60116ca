"""As much of kustomize as the files in `deploy/kubernetes` use, so that nobody has to install it.

`build` gives what `kubectl kustomize` gives for them (a test compares the two). A field that is not
known here is an error, not passed over.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from variegate.errors import UsageError

Resource = dict[str, Any]

_KNOWN = {
    *("apiVersion", "kind", "resources", "patches", "namespace"),
    *("configMapGenerator", "generatorOptions"),
}


def build(folder: Path) -> list[Resource]:
    """Return the resources that a folder with a ``kustomization.yaml`` stands for.

    Raises:
        UsageError: it uses what is not known here.
    """
    rules = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := rules.keys() - _KNOWN:
        raise UsageError(
            f"{folder}: {', '.join(sorted(unknown))}: not known to variegate; "
            "render it with kubectl kustomize"
        )
    found = [one for name in rules.get("resources", ()) for one in _resources(folder / name)]
    found += _config_maps(folder, rules)
    for patch in rules.get("patches", ()):
        wanted = patch["target"]
        for one in found:
            if one["kind"] == wanted["kind"] and one["metadata"]["name"] == wanted["name"]:
                for operation in yaml.safe_load(patch["patch"]):
                    _change(one, operation)
    if namespace := rules.get("namespace"):
        for one in found:
            one["metadata"]["namespace"] = namespace
    return found


def _resources(path: Path) -> Iterator[Resource]:
    if path.is_dir():
        yield from build(path)
    else:
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            # Anchors in the file share what is to be changed in one place.
            yield _unshared(one)


def _unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unshared(one) for key, one in value.items()}
    return [_unshared(one) for one in value] if isinstance(value, list) else value


def _config_maps(folder: Path, rules: dict[str, Any]) -> Iterator[Resource]:
    options = rules.get("generatorOptions", {})
    for one in rules.get("configMapGenerator", ()):
        if not options.get("disableNameSuffixHash") or one.keys() != {"name", "files"}:
            raise UsageError(f"{folder}: only config maps of files, without a hash, are known here")
        data = {name: (folder / name).read_text(encoding="utf-8") for name in one["files"]}
        metadata = {"name": one["name"], "labels": dict(options.get("labels", {}))}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _change(resource: Resource, operation: dict[str, Any]) -> None:
    """Replace what stands at a place (JSON Patch, RFC 6902, as far as it is used)."""
    if operation["op"] != "replace":
        raise UsageError(f"patch operation {operation['op']!r}: only 'replace' is known here")
    place: Any = resource
    *way, last = operation["path"].strip("/").split("/")
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    if last not in place:
        raise UsageError(f"patch: nothing to replace at {operation['path']}")
    place[last] = _unshared(operation["value"])
