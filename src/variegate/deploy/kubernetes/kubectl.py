"""kubectl, which talks to the cluster."""

import shutil
import subprocess

from variegate.errors import UsageError


def context() -> str:
    """Return the name of the cluster that kubectl talks to.

    Raises:
        UsageError: there is no kubectl, or it knows no cluster.
    """
    return _run("config", "current-context").strip()


def apply(documents: str) -> str:
    """Apply YAML documents; return what kubectl says.

    Raises:
        UsageError: it cannot, or the cluster refuses them.
    """
    return _run("apply", "-f", "-", given=documents)


def _run(*arguments: str, given: str = "") -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise UsageError(
            "kubectl is not installed, or not on the PATH: install it, or take what --print shows "
            "to where it is"
        )
    done = subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        reason = said[-1].removeprefix("error: ") if said else f"exit code {done.returncode}"
        raise UsageError(f"kubectl {arguments[0]}: {reason}")
    return done.stdout
