"""kubectl, which talks to the cluster."""

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from variegate.deploy.kubernetes.resources import RUN
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.deploy.kubernetes.deployment import Deployment

KUBERAY = "1.6"
"""The oldest KubeRay that knows all that is applied."""

# The youngest field that is applied. Its definition is looked for, not the operator's version:
# Helm leaves old definitions in place when it brings the operator up to date, and this much anybody
# may see.
_YOUNGEST_FIELD = "rayjobs.spec.preRunningDeadlineSeconds"

_INSTALL = (
    "helm repo add kuberay https://ray-project.github.io/kuberay-helm/ && "
    "helm install kuberay-operator kuberay/kuberay-operator --version 1.7.0 "
    "--namespace ray-system --create-namespace"
)


def context() -> str:
    """Return the name of the cluster that kubectl talks to.

    Raises:
        UsageError: there is no kubectl, or it knows no cluster.
    """
    return _run("config", "current-context").strip()


def check_operator() -> None:
    """Make sure that the cluster's KubeRay knows all that is applied.

    An unknown field would be dropped without a word.

    Raises:
        UsageError: there is none, it is too old, or the cluster cannot be asked.
    """
    refused = _asked("explain", _YOUNGEST_FIELD, "--api-version=ray.io/v1")[1]
    if "does not exist" in refused:
        raise UsageError(
            f"the cluster's definitions of KubeRay are older than {KUBERAY}, and would drop parts "
            "of what is applied; bring the definitions (CRDs) and the operator up to date: "
            "docs/ray_and_kubernetes.md"
        )
    if "couldn't find resource" in refused.lower() or "have a resource type" in refused:
        raise UsageError(
            f"the cluster has no KubeRay operator, which is needed ({KUBERAY} or later): {_INSTALL}"
        )
    if refused:
        raise UsageError(f"kubectl explain: {refused}")


def check_free(made: "Deployment") -> None:
    """Make sure that what is applied overwrites no other run.

    Raises:
        UsageError: it would, or the cluster cannot be asked.
    """
    kinds = (f"rayjobs.ray.io/{made.called}", f"rayclusters.ray.io/{made.called}")
    place = ("--namespace", made.namespace)
    text = _run("get", *kinds, *place, "--ignore-not-found", "--output=json")
    found = json.loads(text) if text.strip() else {"items": []}
    for one in found.get("items", [found]):
        if made.kind == "cluster" and _is_same_cluster(one, made):
            continue
        kind, state = one["kind"], _state(one)
        raise UsageError(
            f"{made.namespace} has a {kind} called {made.called} already{state}; delete it "
            f"(kubectl -n {made.namespace} delete {kind.lower()} {made.called}) to run again, "
            "which resumes, or choose another --name"
        )


def _is_same_cluster(one: dict[str, Any], made: "Deployment") -> bool:
    """Tell whether it is the user's own cluster, of which the size may be changed."""
    marks = one["metadata"].get("annotations", {})
    return one["kind"] == "RayCluster" and marks.get(RUN) == made.digest


def _state(one: dict[str, Any]) -> str:
    status = one.get("status", {})
    words = [status.get("jobStatus"), status.get("jobDeploymentStatus"), status.get("reason")]
    said = ", ".join(word for word in words if word)
    return f" ({said})" if said else ""


def apply(documents: str) -> str:
    """Apply YAML documents; return what kubectl says.

    Raises:
        UsageError: it cannot, or the cluster refuses them.
    """
    return _run("apply", "-f", "-", given=documents)


def _run(*arguments: str, given: str = "") -> str:
    said, refused = _asked(*arguments, given=given)
    if refused:
        raise UsageError(f"kubectl {arguments[0]}: {refused}")
    return said


def _asked(*arguments: str, given: str = "") -> tuple[str, str]:
    """Return what kubectl says, and why it refuses, if it does."""
    program = shutil.which("kubectl")
    if program is None:
        raise UsageError(
            "kubectl is not installed, or not on the PATH: install it, or take what --print shows "
            "to where it is"
        )
    done = subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return done.stdout, ""
    said = done.stderr.strip().splitlines()
    return "", said[-1].removeprefix("error: ") if said else f"exit code {done.returncode}"
