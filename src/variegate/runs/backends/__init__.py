"""Where shards are run. Each back end is one file with a `Backend`.

Here they have their names. A package of somebody else's brings its own by an entry point of the
group ``variegate.backends``.
"""

import importlib
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import entry_points

from variegate.errors import RecipeError, did_you_mean
from variegate.runs.backends.base import Backend

__all__ = ["BACKENDS", "Backend", "backend_names", "make_backend"]

# Imported when one is chosen: some need packages that are not always there.
BACKENDS = {
    "local": "variegate.runs.backends.local:LocalBackend",
    "ray": "variegate.runs.backends.ray:RayBackend",
    "lambda": "variegate.runs.backends.aws_lambda:LambdaBackend",
}


def backend_names() -> dict[str, str]:
    """Return where the class of every back end is, "module:Class", by the back end's name."""
    others = {plugin.name: plugin.value for plugin in entry_points(group="variegate.backends")}
    return others | BACKENDS


def make_backend(name: str, options: Mapping[str, object]) -> Backend:
    """Return a back end with options, checked; those that are None keep their defaults.

    Raises:
        RecipeError: there is no such back end, or it has no such option.
        UsageError: it needs a package that is not installed.
    """
    # To look for others takes some milliseconds.
    known = BACKENDS if name in BACKENDS else backend_names()
    if name not in known:
        raise RecipeError(
            f"backend: expected one of {', '.join(known)}, got {name!r}{did_you_mean(name, known)}"
        )
    module, _, kind = known[name].partition(":")
    made = getattr(importlib.import_module(module), kind)
    given = {option: value for option, value in options.items() if value is not None}
    own = [field.name for field in fields(made)]
    for option in given:
        if option not in own:
            raise RecipeError(
                f"{option}: the back end {name!r} has no such option; it has {', '.join(own)}"
                f"{did_you_mean(option, own)}"
            )
    backend: Backend = made(**given)
    backend.check()
    return backend
