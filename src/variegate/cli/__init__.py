"""The command line: one file a command. It uses the public API, and only it prints.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 something
was found wrong (`verify`) or went wrong unexpectedly, 2 the call has to be corrected, 3 images were
quarantined and `--strict` was given, 130 interrupted.

Heavy imports are inside the commands, so that `variegate --help` answers at once.
"""

from variegate.cli import (
    augment,
    convert,
    deploy,
    destroy,
    inspect,
    plan,
    preview,
    rebuild,
    recipe,
    sample,
    status,
    transforms,
    verify,
    watch,
)
from variegate.cli.application import app, main

__all__ = [
    "app",
    "augment",
    "convert",
    "deploy",
    "destroy",
    "inspect",
    "main",
    "plan",
    "preview",
    "rebuild",
    "recipe",
    "sample",
    "status",
    "transforms",
    "verify",
    "watch",
]
