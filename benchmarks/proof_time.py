"""How long `variegate prove --quick` takes on the electronic components, and what it takes."""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from harness import HERE, Claim, Result, number
from photos import data

TURNS = 3
PARTS = "electronic_components/electronic-components-png-original.zip"
# torchvision's own weights, as its hub has them.
WEIGHTS = "mobilenet_v2-b0353104.pth"
METHOD = """
`variegate prove --quick` on the 250 photos of electronic components with three recipes (`workshop`,
`light`, TrivialAugment) beside none: four arms, 5 folds x 2 seeds, four variants of each photo,
a search over four decays, MobileNetV2 at 96 pixels. From the start of the command to its end, with
the report; {turns} runs, the median counts. The weights are torchvision's, found in PROOF_WEIGHTS
or in the environment of the benchmark `duplicates` (`benchmarks/proof_time.py`).
"""
# torchvision's wheel asks for operators that a torch for CPUs alone has not; nothing calls them.
COMMAND = """
import sys
import torch
kept = torch.library.Library("torchvision", "FRAGMENT")
if not hasattr(torch.ops.torchvision, "nms"):
    kept.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    kept.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from variegate.cli import main
sys.exit(main())
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    walls, used = [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(1 if quick else TURNS):
            before, begun = processor(), time.monotonic()
            prove(Path(folder) / str(turn))
            walls.append(time.monotonic() - begun)
            used.append(processor() - before)
    rows = [
        ("seconds", f"{median(walls):.1f} ({min(walls):.1f} to {max(walls):.1f})"),
        ("seconds of processor time", number(median(used))),
    ]
    claims = [Claim.at_most("prove --quick on the components", 90, median(walls), " s")]
    method = METHOD.format(turns=len(walls))
    return Result("A quick proof", method, ("figure", ""), rows, claims)


def prove(output: Path) -> None:
    """Run the command."""
    arguments = ["prove", str(data() / PARTS), str(output), "--quick", "--weights", weights()]
    for recipe in ("workshop", "light"):
        arguments += ["--recipe", recipe]
    command = [sys.executable, "-c", COMMAND, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert re.search("no difference|it helps|it harms", done.stdout), done.stdout


def processor() -> float:
    """Return the processor seconds of the programs that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def weights() -> str:
    """Return the file of weights."""
    named = os.environ.get("PROOF_WEIGHTS")
    found = [Path(named)] if named else sorted((HERE / ".venvs/imagededup").rglob(WEIGHTS))
    if not found:
        raise SystemExit(f"no {WEIGHTS}: name it in PROOF_WEIGHTS, or run duplicates.py first")
    return str(found[0])


if __name__ == "__main__":
    print(run(quick="--quick" in sys.argv).markdown())
