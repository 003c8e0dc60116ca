"""Recipes and requirements as YAML: no key twice, and errors in one sentence."""

from typing import Any

import yaml

from variegate.errors import RecipeError
from variegate.recipes.recipe import DEEPEST


def parse_yaml(text: str, *, where: str) -> object:
    """Return what a YAML text says; no key may stand there twice.

    Args:
        text: of the file.
        where: what errors call it.

    Raises:
        RecipeError: it is not valid YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not valid YAML: {_one_line(error)}") from error
    except ValueError as error:
        # What looks like a number or a date to YAML, and is none.
        raise RecipeError(f"{where}: not valid YAML: {error}; use quotes for text") from error
    except RecursionError as error:
        raise RecipeError(f"{where}: nested more than {DEEPEST} deep") from error


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys: the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = repr(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key} appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)
