"""variegate deploy kubernetes: a run on a Ray cluster that Kubernetes makes for it."""

import shlex
from enum import StrEnum
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show_raw, tell
from variegate.cli.deploy.group import deploy
from variegate.cli.deploy.passed_options import (
    PassedOptions,
    check_passed,
    passed_arguments,
)
from variegate.cli.options import Endpoint, PluginRecipe, Yes, option, pairs, whole
from variegate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from variegate.deploy.kubernetes.deployment import Deployment

_PODS = "Pods"
_SECURITY = "Access"


class Kind(StrEnum):
    """What is made."""

    job = "job"
    cluster = "cluster"


@command(
    "kubernetes",
    "variegate deploy kubernetes s3://raw s3://more --print",
    "variegate deploy kubernetes s3://raw s3://more --preset chain --workers 200",
    "variegate deploy kubernetes s3://raw s3://more --format coco --limit 100 --worker-cpus 8",
    to=deploy,
)
def kubernetes(
    source: Annotated[str, typer.Argument(metavar="IN", help="Bucket of images.")],
    output: Annotated[str, typer.Argument(metavar="OUT", help="Bucket of results.")],
    *,
    image: Annotated[
        str | None,
        option(
            "--image",
            "Container image, built from deploy/kubernetes/Dockerfile.",
            metavar="NAME:TAG|NAME@sha256:DIGEST",
        ),
    ] = None,
    namespace: Annotated[
        str, option("--namespace -n", "Namespace; it must exist.", metavar="NAME")
    ] = "variegate",
    name: Annotated[
        str,
        option(
            "--name",
            "Name of all that is made. Default: one of its own for every run.",
            metavar="NAME",
            show_default=False,
        ),
    ] = "",
    kind: Annotated[
        Kind, option("--kind", "job for one run, cluster for one that stays.")
    ] = Kind.job,
    workers: Annotated[
        int, option("--workers", "Worker pods to start with.", _PODS, "N", parser=whole(1))
    ] = 2,
    max_workers: Annotated[
        int | None,
        option("--max-workers", "Upper limit of worker pods.", _PODS, "N", parser=whole(1)),
    ] = None,
    worker_cpus: Annotated[
        int, option("--worker-cpus", "CPUs of a worker pod.", _PODS, "N", parser=whole(1))
    ] = 4,
    worker_gigabytes: Annotated[
        int | None,
        option(
            "--worker-gigabytes",
            "Memory of a worker pod. Default: 2 GB a CPU.",
            _PODS,
            "N",
            parser=whole(1),
        ),
    ] = None,
    start_within: Annotated[
        int,
        option(
            "--start-within",
            "Give up when the cluster is not ready within N minutes.",
            _PODS,
            "N",
            parser=whole(1),
        ),
    ] = 60,
    end_within: Annotated[
        int,
        option(
            "--end-within",
            "Give up when the run is not done within N hours.",
            _PODS,
            "N",
            parser=whole(1, 24 * 365),
        ),
    ] = 168,
    priority_class: Annotated[
        str | None, option("--priority-class", "Priority class of the pods.", _PODS, "NAME")
    ] = None,
    endpoint: Endpoint = None,
    egress: Annotated[
        list[str] | None,
        option(
            "--egress",
            "Network that pods may connect to: the store's and that of Kubernetes' API. "
            "Repeatable. Default: all, on ports for TLS only.",
            _SECURITY,
            "CIDR",
        ),
    ] = None,
    annotations: Annotated[
        list[str] | None,
        option(
            "--annotation",
            "Annotation of the service account, such as the cloud's role. Repeatable.",
            _SECURITY,
            "KEY=VALUE",
        ),
    ] = None,
    service_account: Annotated[
        str | None,
        option(
            "--service-account",
            "Service account that exists. Default: make one.",
            _SECURITY,
            "NAME",
        ),
    ] = None,
    secret: Annotated[
        str, option("--secret", "Secret with the store's keys, if there is one.", _SECURITY, "NAME")
    ] = "variegate-credentials",
    pull_secrets: Annotated[
        list[str] | None,
        option("--pull-secret", "Secret to fetch the image with. Repeatable.", _SECURITY, "NAME"),
    ] = None,
    recipe: PluginRecipe,
    passed: PassedOptions,
    only_print: Annotated[
        bool, option("--print", "Show what would be applied; change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Run augment on a Ray cluster in Kubernetes, from bucket to bucket.

    Needs the KubeRay operator, 1.6 or later, in the cluster. Credentials of the store are read from
    a secret, if there is one; none are part of what is applied.
    """
    from variegate.deploy.kubernetes import kubectl
    from variegate.deploy.kubernetes.deployment import FOLDER, Deployment, default_image

    recipe.load()
    check_passed(passed)
    arguments, files = passed_arguments(recipe, passed, FOLDER)
    made = Deployment(
        source=source,
        output=output,
        recipe=_recipe_text(recipe.recipe, recipe.name),
        kind=kind.value,
        name=name,
        namespace=namespace,
        image=image or default_image(),
        workers=workers,
        max_workers=max_workers,
        worker_cpus=worker_cpus,
        worker_gigabytes=worker_gigabytes,
        start_within_s=start_within * 60,
        end_within_s=end_within * 3600,
        endpoint=endpoint,
        egress=tuple(egress or ()),
        annotations=pairs(annotations, "--annotation"),
        service_account=service_account,
        secret=secret,
        pull_secrets=tuple(pull_secrets or ()),
        priority_class=priority_class,
        files=_texts(files),
        arguments=tuple(arguments),
    )
    documents = made.yaml()
    if only_print:
        show_raw(documents)
        return
    context = kubectl.context()
    kubectl.check_operator()
    kubectl.check_free(made)
    tell(_words(made, context))
    if not yes and not typer.confirm("Apply?", err=True):
        note("nothing was applied; --print shows what would be")
        return
    show_raw(kubectl.apply(documents))
    for one in _next_steps(made):
        note(one)


def _recipe_text(file: Path | None, name: str) -> str:
    from variegate.recipes.recipe import preset_text

    return preset_text(name) if file is None else file.read_text(encoding="utf-8")


def _texts(files: "Mapping[str, Path]") -> dict[str, str]:
    """Read files that go with the run.

    Raises:
        UsageError: one cannot be read as text.
    """
    try:
        return {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"a file that goes with the run cannot be read: {reason}") from error


def _words(made: "Deployment", context: str) -> str:
    from variegate.deploy.kubernetes.resources import quota

    what = "a run" if made.kind == "job" else "a cluster"
    most = quota(made.resources(), made.most_workers)
    return (
        f"{what} called {made.called} with {made.workers:,} workers ({made.image}), in namespace "
        f"{made.namespace} of {context}: {made.source} to {made.output}\n"
        f"with all of its {made.most_workers:,} workers it takes {most['pods']:,.0f} pods, "
        f"{most['cpu']:,.1f} CPUs, {ceil(most['memory']):,} GiB of memory and "
        f"{ceil(most['ephemeral-storage']):,} GiB of disk"
    )


def _next_steps(made: "Deployment") -> list[str]:
    """Return commands that the user will want."""
    kubectl = f"kubectl -n {made.namespace}"
    progress = f"progress:  variegate status {shlex.quote(made.output)} --watch"
    instance = f"app.kubernetes.io/instance={made.called}"
    delete = f"delete:    {kubectl} delete {{}},cm,sa,netpol,pdb -l {instance}"
    if made.kind == "job":
        return [
            progress,
            f"log:       {kubectl} logs -f -l job-name={made.called}",
            f"record:    {kubectl} describe rayjob {made.called}",
            delete.format("rayjob"),
        ]
    head = f"svc/{made.called}-head-svc -c ray-head"
    submit = f"ray job submit --address http://localhost:8265 -- {shlex.join(made.command)}"
    return [
        f"run:       {kubectl} exec {head} -- {submit}",
        progress,
        delete.format("raycluster"),
    ]
