"""Transforms of the user's own, in one Python file: ``--plugin mine.py``.

The file defines subclasses of `variegate.transforms.Transform` with a `name`; recipes use them
like any other. Its text travels with the job, so that every worker has it, wherever it runs; its
digest is in the record of the output, so that nobody takes another version for the same.
"""

import hashlib
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self

from variegate.errors import RecipeError
from variegate.transforms import all_transforms
from variegate.transforms.base import TRANSFORMS, Transform

# Name of a transform -> name of the plugin file that brought it.
_OWNERS: dict[str, str] = {}

# Name of a plugin's module -> the transforms that it brought.
_BROUGHT: dict[str, dict[str, type[Transform]]] = {}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A file with transforms.

    Attributes:
        name: the file's, without its folders.
        sha256: digest of its text, hexadecimal.
        text: Python; None where the worker has a copy of its own and takes no other.
    """

    name: str
    sha256: str
    text: str | None = None

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a plugin file; nothing in it is run.

        Raises:
            RecipeError: there is no such file, or it is not text.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise RecipeError(f"{path}: cannot be read as a plugin ({reason})") from error
        return cls(Path(path).name, hashlib.sha256(text.encode()).hexdigest(), text)


def load_plugins(paths: Iterable[str | Path]) -> tuple[Plugin, ...]:
    """Read and load plugin files; return them as a job carries them.

    Raises:
        RecipeError: one cannot be read or loaded.
    """
    plugins = tuple(Plugin.read(path) for path in paths)
    for plugin in plugins:
        load_plugin(plugin)
    return plugins


def load_plugin(plugin: Plugin) -> None:
    """Run a plugin's text, which enters its transforms; once in a process.

    Raises:
        RecipeError: it fails, brings no transform, or one whose name is taken.
    """
    name = f"variegate_plugin_{plugin.sha256[:16]}"
    if name in sys.modules:
        # Another version of the file may have come since, as in a notebook.
        TRANSFORMS.update(_BROUGHT[name])
        return
    if plugin.text is None:
        raise RecipeError(
            f"{plugin.name}: this worker has no plugin with the digest {plugin.sha256[:12]}...; "
            "pack the same file into it"
        )
    before = all_transforms()
    module = ModuleType(name)
    module.__file__ = plugin.name
    sys.modules[name] = module
    try:
        exec(compile(plugin.text, plugin.name, "exec"), module.__dict__)
        _BROUGHT[name] = _check_names(plugin, before)
    except BaseException as error:
        del sys.modules[name]
        TRANSFORMS.clear()
        TRANSFORMS.update(before)
        if isinstance(error, RecipeError) or not isinstance(error, Exception):
            raise
        raise RecipeError(f"{plugin.name}: {_fault(plugin.name, error)}") from error


def _check_names(plugin: Plugin, before: dict[str, type[Transform]]) -> dict[str, type[Transform]]:
    """Return what a plugin brought, if its names are its own."""
    brought = {name: kind for name, kind in TRANSFORMS.items() if before.get(name) is not kind}
    if not brought:
        raise RecipeError(
            f"{plugin.name}: brings no transform; define a subclass of "
            "variegate.transforms.Transform with a name"
        )
    for name in brought:
        # An edited file may come again, as in a notebook.
        if name in before and _OWNERS.get(name) != plugin.name:
            raise RecipeError(
                f"{plugin.name}: its transform {name!r} has a name that is already taken; "
                "choose another"
            )
    _OWNERS.update(dict.fromkeys(brought, plugin.name))
    return brought


def _fault(file: str, error: Exception) -> str:
    """Say what went wrong in a plugin, and in which line of it."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: not valid Python: {error.msg}"
    lines = [
        one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == file
    ]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"
