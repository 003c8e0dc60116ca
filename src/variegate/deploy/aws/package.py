"""What `sam build` runs: the function's libraries, made small enough for Lambda.

python -m variegate.deploy.aws.package SOURCE TARGET

Only the standard library and pip are needed, and no Docker: the wheels are those of Lambda's
system, whatever this one is. They are 300 MB unpacked, and Lambda takes 250; tests, headers and the
symbols that only debuggers read are left out.
"""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

from variegate.deploy.aws.hollow import drop_unneeded, hollow, is_shared_library

# Lambda's limit for a function that comes as a zip file, unpacked, in bytes.
LIMIT = 250 * 1024 * 1024

#: Python -> what its runtime can load: 3.11 lives on Amazon Linux 2, the others on 2023.
_OLD = ("manylinux_2_26_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_NEW = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_27_x86_64", *_OLD[1:])
RUNTIMES = {"3.11": _OLD, "3.12": _NEW, "3.13": _NEW}

REQUIREMENTS = "requirements.txt"
RUNTIME = "runtime.txt"
# What the function does without, a line each: "delete PATTERN" or "hollow PATTERN" of paths.
NEEDLESS = "needless.txt"

_NEEDLESS_FOLDERS = ("tests", "__pycache__", "bin")
_NEEDLESS_EXTENSIONS = (".pyi", ".pxd", ".h", ".a", ".lib", ".pyc")

# Of an ELF file: see "man 5 elf". All of it is little-endian here.
_PROGRAM_HEADERS, _SECTIONS = 32, 40
_PROGRAM_COUNTS, _SECTION_COUNTS = 54, 58


def pack(source: Path, target: Path) -> int:
    """Put the function's files and libraries into `target`; return their size in bytes.

    Raises:
        SystemExit: pip fails, or it is larger than Lambda takes.
    """
    runtime = (source / RUNTIME).read_text().strip()
    _install(source / REQUIREMENTS, target, runtime)
    needless = shutil.ignore_patterns(
        *_NEEDLESS_FOLDERS, "Makefile", "Dockerfile", RUNTIME, NEEDLESS
    )
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=needless)
    if (source / NEEDLESS).is_file():
        _leave_out(target, (source / NEEDLESS).read_text().splitlines())
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and path.name in _NEEDLESS_FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in _NEEDLESS_EXTENSIONS:
            path.unlink()
        elif path.is_file() and ".so" in path.suffixes:
            strip(path)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if size > LIMIT:
        sys.exit(
            f"the function is {size:,} bytes, and Lambda takes {LIMIT:,}; "
            "deploy it as a container image (--image)"
        )
    return size


def _install(requirements: Path, target: Path, runtime: str) -> None:
    platforms = [part for one in RUNTIMES[runtime] for part in ("--platform", one)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--disable-pip-version-check", "--only-binary=:all:", "--target", str(target)),
            *("--python-version", runtime, "--implementation", "cp", *platforms),
            *("--requirement", str(requirements)),
        ],
        check=False,
    )
    if done.returncode != 0:
        sys.exit("the function's libraries cannot be had; what pip says stands above")


def _leave_out(target: Path, lines: list[str]) -> None:
    """Delete or hollow what the function does without."""
    for line in lines:
        how, _, pattern = line.partition(" ")
        for path in sorted(target.glob(pattern)):
            if how == "hollow" and path.is_file() and is_shared_library(path):
                hollow(path)
            elif how == "delete" and path.is_dir():
                shutil.rmtree(path)
            elif how == "delete":
                path.unlink()
    drop_unneeded(target)


def strip(path: Path) -> None:
    """Cut off what a shared library does not need to be loaded: symbols for debuggers.

    What is loaded lies in segments; the table of sections and all behind the last segment are for
    linkers and debuggers. (The tool `strip` is not on every machine, and not for ELF on a Mac.)
    """
    data = bytearray(path.read_bytes())
    if data[:6] != b"\x7fELF\x02\x01":
        return
    (table,) = struct.unpack_from("<Q", data, _PROGRAM_HEADERS)
    entry, count = struct.unpack_from("<HH", data, _PROGRAM_COUNTS)
    end = table + entry * count
    for index in range(count):
        _, _, start, _, _, size = struct.unpack_from("<IIQQQQ", data, table + index * entry)
        end = max(end, start + size)
    struct.pack_into("<Q", data, _SECTIONS, 0)
    struct.pack_into("<HHH", data, _SECTION_COUNTS, 0, 0, 0)
    path.write_bytes(data[:end])


if __name__ == "__main__":
    made = pack(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stderr.write(f"the function is {made:,} bytes, of {LIMIT:,} that Lambda takes\n")
