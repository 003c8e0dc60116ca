"""The command line: one file a command. It uses the public API, and only it prints.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 something
was found wrong (`verify`) or went wrong unexpectedly, 2 the call has to be corrected, 3 images were
quarantined and `--strict` was given, 130 interrupted.

Heavy imports are inside the commands, so that `variegate --help` answers at once.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from variegate.cli.application import app

__all__ = ["app", "main"]

# The command that is run for a small dataset, too, where its start is felt.
_RUNS = "augment"


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'variegate.cli' has no attribute {name!r}")
    from variegate.cli import application

    # Importing a command enters it into the application.
    for module in pkgutil.iter_modules(__path__):
        if module.name != "demo":
            importlib.import_module(f"{__name__}.{module.name}")
    globals()[name] = application.app
    return application.app


def main() -> None:
    """Run the command line."""
    with ExitStack() as begun:
        if _will_run(sys.argv[1:]):
            # While workers start: all commands are imported, and what a run needs.
            from variegate.runs.launch import early_workers
            from variegate.runs.options import Options

            begun.enter_context(early_workers(Options()))
            # The others would take a tenth of a second, and are not asked for.
            importlib.import_module(f"{__name__}.{_RUNS}")
        else:
            __getattr__("app")
        from variegate.cli import application

        application.main()


def _will_run(arguments: Sequence[str]) -> bool:
    """Say whether a command line has workers augment, as far as can be told so early."""
    given = [one for one in arguments if one != "--debug"]
    no_workers = ("-h", "--help", "-b", "--backend", "-w0", "--workers=0", "0")
    return given[:1] == [_RUNS] and not any(
        one in no_workers or one.startswith("--backend=") for one in given
    )
