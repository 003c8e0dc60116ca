"""The log of a proof: every run, once, so that a killed proof continues.

One line for each run, appended and never changed: a digest of all that decides the run, and what
the model answered. So a run of other images, another arm or another design is never found.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from variegate.errors import OutputError
from variegate.storage import printable
from variegate.training.proof import Setting

_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRun:
    """A run: one arm, learned and judged once.

    Attributes:
        arm: its name.
        fold: that is held out, from 1 on; of the search the first.
        seed: number of the seed.
        setting: learning rate and decay.
        search: judged on the first fold's validation part, to choose a setting.
    """

    arm: str
    fold: int
    seed: int
    setting: Setting
    search: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a model answered to the images that were held out, in their order.

    Attributes:
        answers: numbers of classes; -1 where it could not be trained.
        sure: probability of the answer.
        own: probability of the right class.
        corrupted: of those images that were corrupted, share of right answers.
        corruptions: share of right answers by corruption.
        losses: in training, by epoch.
    """

    answers: list[int]
    sure: list[float]
    own: list[float]
    corrupted: list[float] = field(default_factory=list)
    corruptions: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)

    @property
    def log_loss(self) -> float:
        """Mean cross entropy."""
        return -sum(math.log(max(one, 1e-12)) for one in self.own) / max(1, len(self.own))


def digest(*parts: object) -> str:
    """Return what tells parts from others."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class RunLog:
    """Runs by the digest of what decides them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, RunOutcome] = {}

    def read(self) -> None:
        """Read what is there; a torn last line is not counted."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                try:
                    one = json.loads(line)
                    found = RunOutcome(**one["outcome"])
                    self._known[one["identity"]] = found
                except (ValueError, TypeError, KeyError):
                    # The last line of a proof that was killed.
                    continue

    def get(self, identity: str) -> RunOutcome | None:
        """Return a run that was kept."""
        return self._known.get(identity)

    def add(self, identity: str, run: ProofRun, outcome: RunOutcome) -> RunOutcome:
        """Keep a run; on return it is in the file. Returns it as it will be read again.

        Raises:
            OutputError: it cannot be written.
        """
        told = asdict(outcome)
        for name in ("sure", "own", "corrupted", "losses"):
            told[name] = [round(one, _DIGITS) for one in told[name]]
        told["corruptions"] = _rounded(outcome.corruptions)
        line = json.dumps({"identity": identity, **asdict(run), "outcome": told})
        try:
            with self._path.open("ab") as file:
                # A line that was cut off ends before this one.
                file.write(f"\n{line}\n".encode() if self._cut_off() else f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{printable(str(self._path))}: cannot be written ({error.strerror}); free some "
                "space and run the same command again to resume"
            ) from error
        kept = RunOutcome(**told)
        self._known[identity] = kept
        return kept

    def _cut_off(self) -> bool:
        if not (size := self._path.stat().st_size):
            return False
        with self._path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) != b"\n"


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in values.items()}
