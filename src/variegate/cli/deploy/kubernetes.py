"""variegate deploy kubernetes: a run on a Ray cluster that Kubernetes makes for it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show_raw, tell
from variegate.cli.deploy.group import deploy
from variegate.cli.options import RecipeChoice, Yes, option, pairs, whole

if TYPE_CHECKING:
    from pathlib import Path

    from variegate.deploy.kubernetes.deployment import Deployment


class Kind(StrEnum):
    """What is made."""

    job = "job"
    cluster = "cluster"


@command(
    "kubernetes",
    "variegate deploy kubernetes s3://raw s3://more --print",
    "variegate deploy kubernetes s3://raw s3://more --preset chain --workers 200",
    to=deploy,
)
def kubernetes(
    source: Annotated[str, typer.Argument(metavar="IN", help="Bucket of images.")],
    output: Annotated[str, typer.Argument(metavar="OUT", help="Bucket of results.")],
    *,
    recipe: RecipeChoice,
    image: Annotated[
        str | None,
        option(
            "--image",
            "Container image, built from deploy/kubernetes/Dockerfile.",
            metavar="NAME:TAG",
        ),
    ] = None,
    namespace: Annotated[
        str, option("--namespace -n", "Namespace; it must exist.", metavar="NAME")
    ] = "variegate",
    name: Annotated[
        str, option("--name", "Name of the RayJob or RayCluster.", metavar="NAME")
    ] = "variegate",
    kind: Annotated[
        Kind, option("--kind", "job for one run, cluster for one that stays.")
    ] = Kind.job,
    workers: Annotated[
        int, option("--workers", "Worker pods to start with.", metavar="N", parser=whole(1))
    ] = 2,
    max_workers: Annotated[
        int | None,
        option("--max-workers", "Upper limit of worker pods.", metavar="N", parser=whole(1)),
    ] = None,
    endpoint: Annotated[
        str | None,
        option("--endpoint", "Endpoint URL of an S3-compatible store.", metavar="URL"),
    ] = None,
    annotations: Annotated[
        list[str] | None,
        option(
            "--annotation",
            "Annotation of the service account, such as the cloud's role. Repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    only_print: Annotated[
        bool, option("--print", "Show what would be applied; change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Run augment on a Ray cluster in Kubernetes, from bucket to bucket.

    Needs the KubeRay operator in the cluster. Credentials of the store are read from a secret
    named variegate-credentials, if there is one; none are part of what is applied.
    """
    from variegate.deploy.kubernetes import kubectl
    from variegate.deploy.kubernetes.deployment import Deployment, default_image

    recipe.load()
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
        endpoint=endpoint,
        annotations=pairs(annotations, "--annotation"),
        arguments=() if recipe.seed is None else ("--seed", str(recipe.seed)),
    )
    documents = made.yaml()
    if only_print:
        show_raw(documents)
        return
    context = kubectl.context()
    tell(_words(made, context))
    if not yes:
        typer.confirm("Apply?", abort=True, err=True)
    show_raw(kubectl.apply(documents))
    if kind is Kind.job:
        note(f"progress:  variegate status {output} --watch")


def _recipe_text(file: "Path | None", name: str) -> str:
    from variegate.recipes.recipe import preset_text

    return preset_text(name) if file is None else file.read_text(encoding="utf-8")


def _words(made: "Deployment", context: str) -> str:
    what = "a run" if made.kind == "job" else "a cluster"
    return (
        f"{what} called {made.name} with {made.workers:,} workers ({made.image}), in namespace "
        f"{made.namespace} of {context}: {made.source} to {made.output}"
    )
