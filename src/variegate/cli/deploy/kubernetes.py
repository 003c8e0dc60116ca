"""variegate deploy kubernetes: a run on a Ray cluster that Kubernetes makes for it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show_raw, tell
from variegate.cli.deploy.group import deploy
from variegate.cli.options import Preset, RecipeFile, Seed, chosen_recipe, recipe_name, whole
from variegate.errors import UsageError

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
    recipe: RecipeFile = None,
    preset: Preset = None,
    seed: Seed = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="NAME:TAG",
            help="Container image, built from deploy/kubernetes/Dockerfile.",
        ),
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAME", help="It must exist.")
    ] = "variegate",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the RayJob or RayCluster.")
    ] = "variegate",
    kind: Annotated[
        Kind,
        typer.Option("--kind", help="job for one run, cluster for one that stays."),
    ] = Kind.job,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", parser=whole(1), help="Pods to start with.")
    ] = 2,
    max_workers: Annotated[
        int | None,
        typer.Option("--max-workers", metavar="N", parser=whole(1), help="Pods there may become."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="URL", help="Of an S3-compatible store."),
    ] = None,
    annotations: Annotated[
        list[str] | None,
        typer.Option(
            "--annotation",
            metavar="KEY=VALUE",
            help="Of the service account: the cloud's role. May be repeated.",
        ),
    ] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Show what would be applied; touch nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Run augment on a Ray cluster in Kubernetes, from bucket to bucket.

    Needs the KubeRay operator in the cluster. Keys of the store are read from a secret called
    variegate-credentials, if there is one; none stand in what is applied.
    """
    from variegate.deploy.kubernetes import kubectl
    from variegate.deploy.kubernetes.deployment import Deployment, default_image

    chosen_recipe(recipe, preset, seed)
    made = Deployment(
        source=source,
        output=output,
        recipe=_recipe_text(recipe, recipe_name(recipe, preset)),
        kind=kind.value,
        name=name,
        namespace=namespace,
        image=image or default_image(),
        workers=workers,
        max_workers=max_workers,
        endpoint=endpoint,
        annotations=dict(_pair(one) for one in annotations or ()),
        arguments=() if seed is None else ("--seed", str(seed)),
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


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--annotation: expected KEY=VALUE, got {text!r}")
    return key, value


def _words(made: "Deployment", context: str) -> str:
    what = "a run" if made.kind == "job" else "a cluster"
    return (
        f"{what} called {made.name} with {made.workers:,} workers ({made.image}), in namespace "
        f"{made.namespace} of {context}: {made.source} to {made.output}"
    )
