"""The first images of a run: where they all fail in one step of the recipe, the run stops.

Judged by the order of the listing, not by what is done first, so that the same run always ends in
the same way.
"""

from collections import Counter

from variegate.errors import InputError, RecipeError
from variegate.recipes.policies import steps_of
from variegate.recipes.recipe import Recipe
from variegate.recipes.steps import failed_step
from variegate.runs import manifest
from variegate.runs.rows import Row
from variegate.storage import Storage, printable

FIRST_IMAGES = 50


class FirstFailures:
    """Looks at the parts of a manifest as they come, until the first images are known."""

    def __init__(self, recipe: Recipe, target: Storage) -> None:
        self._target = target
        self._parts: dict[int, tuple[int, str]] = {}
        self._reached = 0
        self._steps: Counter[str] = Counter()
        self._reason = ""
        self._settled = not any(True for _ in steps_of(recipe.policy))

    def look(self, start: int, stop: int, key: str) -> None:
        """Look at the sources numbered `start` to before `stop`, whose part is called `key`.

        Raises:
            RecipeError: the first images all failed in the same step.
        """
        if self._settled:
            return
        self._parts[start] = (stop, key)
        while self._reached in self._parts and not self._settled:
            stop, key = self._parts.pop(self._reached)
            try:
                rows = list(manifest.read_part(self._target, key))
            except InputError:
                # Another run of this job was quicker, and has deleted the parts.
                self._settled = True
                return
            for row in rows:
                if row.source >= self._reached:
                    self._judge(row)
                if self._settled:
                    return
            self._reached = stop

    def _judge(self, row: Row) -> None:
        if row.status == "output":
            self._settled = True
        elif row.status == "quarantined" and (step := failed_step(row.reason or "")):
            self._steps[step] += 1
            self._reason = self._reason or f"{printable(row.key)}: {row.reason}"
            self._settled = len(self._steps) > 1
            if self._steps[step] == FIRST_IMAGES and not self._settled:
                raise RecipeError(
                    f"step {step}: it failed on each of the first {FIRST_IMAGES} images "
                    f"({self._reason}); change or remove it, and delete "
                    f"{printable(self._target.url)} or choose another output"
                )
