"""The options of `augment` that a deployment passes on to the run it makes.

They are not listed: whatever option `augment` has, the deployment has, too, unless it is named in
`ELSEWHERE`. A test fails where an option is in neither.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from variegate.cli.application import app, expanded_parameters
from variegate.cli.augment import augment
from variegate.cli.options import PluginRecipe, RunInput
from variegate.errors import UsageError

ELSEWHERE = {
    "source": "an argument of the deployment itself",
    "output": "an argument of the deployment itself",
    "recipe": "its text is deployed",
    "preset": "its text is deployed",
    "endpoint": "an environment variable of the nodes",
    "workers": "the number of nodes, here",
    "backend": "always ray",
    "address": "always that of the cluster",
    "shared_folder": "only buckets are reached by all nodes",
    "function": "for the back end lambda",
    "notify": "a secret: VARIEGATE_NOTIFY in the secret that holds the keys",
    "metrics": "no node exporter reads the files of a pod",
    "as_json": "about what is shown at the end",
    "shard_size": "hidden: for measurements",
}
"""What is not passed on, and why."""

_RECIPE = {one.name for one in fields(PluginRecipe)}


class Passed:
    """The options of `augment` that its recipe does not have: a field each."""


def _passed_on() -> Iterator[tuple[str, Any, Any]]:
    for one in expanded_parameters(augment)[0]:
        if one.name not in ELSEWHERE and one.name not in _RECIPE:
            default = None if one.default is inspect.Parameter.empty else one.default
            yield one.name, one.annotation, field(default=default, kw_only=True)


if TYPE_CHECKING:
    PassedOptions = Passed
else:
    PassedOptions = make_dataclass("PassedOptions", _passed_on(), bases=(Passed,), frozen=True)


def passed_arguments(
    recipe: PluginRecipe, passed: Passed, folder: str
) -> tuple[list[str], dict[str, Path]]:
    """Return arguments for `augment`, and the files that they name.

    Args:
        recipe, passed: what the user has given.
        folder: where the files will stand for `augment`.

    Raises:
        UsageError: two files have one name.
    """
    arguments: list[str] = []
    files: dict[str, Path] = {}

    def text(value: object) -> str:
        if not isinstance(value, Path):
            return str(value)
        if files.setdefault(value.name, value) != value:
            raise UsageError(
                f"{files[value.name]} and {value}: expected different names, because both go "
                "into one folder; rename one of them"
            )
        return f"{folder}/{value.name}"

    given = {**vars(recipe), **vars(passed)}
    for name, flag in _flags():
        value = given[name]
        if isinstance(value, bool):
            arguments += [flag] if value else []
        elif value is not None:
            for one in value if isinstance(value, list) else [value]:
                # One argument: a value may begin with a dash.
                arguments.append(f"{flag}={text(one)}")
    return arguments, files


def check_passed(passed: Passed) -> None:
    """Look at what can be known to be wrong before there is a run.

    Raises:
        UsageError: it is.
    """
    from variegate.formats import all_formats
    from variegate.formats.detection import asked_format

    given = vars(passed)
    inputs = {one.name: given[one.name] for one in fields(RunInput) if one.name in given}
    options = RunInput(**inputs).options()
    asked_format(all_formats(), options.format, options.label_pattern)


def augment_options() -> Mapping[str, Any]:
    """Return the parser's options and arguments of `augment`, by the names of their parameters."""
    group: Any = get_command(app)
    return {one.name: one for one in group.commands["augment"].params if one.name != "help"}


def _flags() -> Iterator[tuple[str, str]]:
    for name, one in augment_options().items():
        if name not in ELSEWHERE:
            yield name, next(flag for flag in one.opts if flag.startswith("--"))
