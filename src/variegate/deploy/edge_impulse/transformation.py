"""The transformation block: files or directories of an organization through a recipe.

    python -m variegate.deploy.edge_impulse.transformation --in-directory IN --out-directory OUT

Beside the variants it writes `ei-metadata.json`: what the audit of the input found, as checks that
data filters of the platform can use (`metadata->ei_check = 1`).
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from variegate.datasets.augment import augment
from variegate.datasets.prepare.audit import Audit, audit
from variegate.datasets.prepare.flags import FLAGS
from variegate.deploy.edge_impulse.arguments import (
    parsed,
    parser,
    progress,
    recipe_of,
    run_block,
    say,
    switch,
)
from variegate.errors import InputError, UsageError
from variegate.runs.manifest import FOLDER, MANIFEST
from variegate.runs.run import Options, Summary

METADATA = "ei-metadata.json"
_OWN_MANIFEST = "variegate-manifest.parquet"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the block; return its exit code."""
    made = parser("Make variants of the images of a file or directory.")
    made.add_argument("--in-file", type=Path)
    made.add_argument("--in-directory", type=Path)
    made.add_argument("--audit", type=switch, default=True)
    made.add_argument("--allow-leaks", type=switch, default=False)
    given = parsed(made, arguments)
    return run_block(lambda: _transform(given))


def _transform(given: argparse.Namespace) -> None:
    if given.out_directory is None or (given.in_file is None) == (given.in_directory is None):
        raise UsageError("expected --out-directory, and one of --in-file and --in-directory")
    if given.metadata:
        _check_metadata(given.metadata)
    recipe = recipe_of(given)
    given.out_directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        source = _source(given, work)
        # Variants of what tests a model would test it on itself.
        untouched = given.upload_category == "testing"
        if untouched:
            say("for testing: images are copied, and no variants made")
            copied = _copy(source, given.out_directory, images_only=True)
            say(f"{copied:,} files in {given.out_directory}")
            told = {"variegate_files": str(copied)}
        else:
            if given.upload_category == "split":
                say("note: with the category split, variants of one image may be in both parts")
            made = augment(
                source,
                work / "made",
                recipe=recipe,
                options=Options(),
                allow_leaks=given.allow_leaks,
                on_progress=progress(),
            )
            told = _told(made, given)
            _copy(work / "made", given.out_directory, images_only=bool(given.upload_category))
            say(f"{made.counts.outputs:,} files in {given.out_directory}")
            if not made.counts.outputs:
                raise InputError(f"{source}: none of its images can be used")
        if given.audit:
            told |= checks_of(audit(source, work / "audit"))
    text = json.dumps({"version": 1, "action": "add", "metadata": told}, indent=2)
    (given.out_directory / METADATA).write_text(text, encoding="utf-8")


def _check_metadata(text: str) -> None:
    try:
        known = isinstance(json.loads(text), dict)
    except ValueError:
        known = False
    if not known:
        say("note: --metadata is no JSON object; it is passed over")


def _source(given: argparse.Namespace, work: Path) -> Path:
    """Return the folder of the input; a single file gets one of its own.

    Raises:
        InputError: there is no such file or directory.
    """
    path: Path = given.in_file or given.in_directory
    if given.in_directory is not None:
        if not path.is_dir():
            raise InputError(f"--in-directory {path}: is no directory")
        out = given.out_directory.resolve()
        if path.resolve() not in out.parents:
            return path

        # As in the platform's own example, /data and /data/out: what an earlier call wrote there
        # is no input.
        def results(at: str, names: list[str]) -> list[str]:
            return [one for one in names if (Path(at) / one).resolve() == out]

        return Path(shutil.copytree(path, work / "in", ignore=results))
    if not path.is_file():
        raise InputError(f"--in-file {path}: is no file")
    folder = work / "in"
    folder.mkdir()
    shutil.copyfile(path, folder / path.name)
    return folder


def _told(made: Summary, given: argparse.Namespace) -> dict[str, str]:
    counts = made.counts
    return {
        "variegate_images": str(counts.augmented + counts.copied),
        "variegate_files": str(counts.outputs),
        "variegate_quarantined": str(counts.quarantined),
        "variegate_recipe": "own" if given.recipe.strip() else given.preset,
        "variegate_seed": str(given.seed),
        "variegate_digest": made.digest,
    }


def checks_of(found: Audit) -> dict[str, str]:
    """Return what an audit found, as checks: "1" where nothing is wrong, else "0"."""
    checks = {f"not_{name.replace(' ', '_').replace('-', '_')}": name for name in FLAGS}
    passed = {key: not found.flags.get(name, 0) for key, name in checks.items()}
    passed["decoded"] = not found.quarantined
    passed["no_duplicates"] = not found.groups
    told = {f"ei_check_{key}": str(int(ok)) for key, ok in passed.items()}
    return {"ei_check": str(int(all(passed.values()))), **told}


def _copy(source: Path, target: Path, *, images_only: bool) -> int:
    """Copy results to where the platform takes them from; return how many.

    Args:
        source: an output of variegate, or a folder of images.
        target: the platform's folder.
        images_only: leave out what a project does not take: annotation files and the manifest.
    """
    from variegate.formats.scan import seems_image

    count = 0
    for file in sorted(source.rglob("*")):
        inside = file.relative_to(source)
        if not file.is_file() or inside.parts[0] == FOLDER:
            continue
        if images_only and not seems_image(file.name):
            continue
        name = _OWN_MANIFEST if str(inside) == MANIFEST else inside
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / name)
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
