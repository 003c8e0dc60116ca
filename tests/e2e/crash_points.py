"""Kills a run at every single change that it makes to the file system, and continues it.

Run as a program: `python crash_points.py SOURCE OUTPUT ZIPPED`. Each run is a fork of this process,
which has imported everything and done nothing. An audit hook sees every file that is opened for
writing, renamed or removed, and every folder made or removed, and kills the process just before
the n-th of them: for n from the first to the last. Prints the number of points as JSON.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pyarrow.json
import pyarrow.parquet

import jobs
from variegate import Options, augment

assert pyarrow.json
assert pyarrow.parquet

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")


def run(source: Path, output: Path, *, killed_at: int = 0) -> int:
    """Run in a fork; return the number of changes it made, 0 if it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if event not in _CHANGES or str(output) not in str(arguments[0]):
                return
            if event == "open" and not (
                isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            ):
                return
            seen += 1
            if seen == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        augment(
            source, output, recipe=jobs.recipe(jobs.TWO), options=Options(workers=0, shard_size=2)
        )
        os.write(writing, str(seen).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return int(text or 0)


def state(output: Path) -> dict[str, str]:
    """Return the digests of all that an output, and what stands beside it, consists of."""
    files = sorted(path for path in output.parent.rglob("*") if path.is_file())
    return {
        str(path.relative_to(output.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def main() -> None:
    source, output = Path(sys.argv[1]), Path(sys.argv[2])
    changes = run(source, output)
    wanted = state(output)
    for point in range(1, changes + 1):
        shutil.rmtree(output.parent)
        output.parent.mkdir()
        assert not run(source, output, killed_at=point), f"point {point} was not reached"
        run(source, output)
        found = state(output)
        assert found == wanted, f"killed at point {point}: {set(found) ^ set(wanted)}"
        assert run(source, output) == 0, f"killed at point {point}: still not finished"
    print(json.dumps({"points": changes, "files": len(wanted)}))


if __name__ == "__main__":
    main()
