"""The command line: one file a command. It uses the public API, and only it prints.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 something
was found wrong (`verify`) or went wrong unexpectedly, 2 the call has to be corrected, 3 images were
quarantined and `--strict` was given, 130 interrupted.

Heavy imports are inside the commands, so that `variegate --help` answers at once.
"""

import importlib
import pkgutil

from variegate.cli.application import app, main

__all__ = ["app", "main"]

# Importing a command enters it into the application.
for _module in pkgutil.iter_modules(__path__):
    if _module.name != "demo":
        importlib.import_module(f"{__name__}.{_module.name}")
