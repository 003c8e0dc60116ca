"""What became of every image of an upload: figures by category, split and label that add up."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from variegate.datasets.upload.selection import UploadImage

UPLOADED, PRESENT = "uploaded", "present"
DUPLICATE, CONFLICT = "duplicate", "conflict"
UNUSABLE, FAILED = "unusable", "failed"
STATES = {
    UPLOADED: "stored by this upload, now or before it was interrupted",
    PRESENT: "were in the project already",
    DUPLICATE: "the same bytes as another image here, with the same label",
    CONFLICT: "the same bytes as another image here, in another split or with other labels",
    UNUSABLE: "cannot be uploaded",
    FAILED: "refused by the service; the same command tries them again",
}
# Of each kind of problem; the log has all refusals.
_EXAMPLES = 5


@dataclass(frozen=True, slots=True, order=True)
class UploadGroup:
    """Images that go to one place with one label.

    Attributes:
        category: "training", "testing" or "split".
        split: as the dataset has it; "" for none.
        label: "" for none.
    """

    category: str
    split: str
    label: str


@dataclass(slots=True)
class UploadSummary:
    """What an upload did.

    Attributes:
        place: of the dataset.
        endpoint: of the service.
        project: its number, where it is known.
        dry_run: nothing was sent.
        groups: images by group and state.
        boxes: that were uploaded, in all.
        sent_bytes: of the files that were sent by this command.
        requests: that were answered, of this command.
        notes: what should be known, one sentence each.
        examples: a few images for each state that is a problem, with the reason.
        log: where it is written down what was sent.
        elapsed_s: seconds, of this command.
    """

    place: str
    endpoint: str
    project: str | None = None
    dry_run: bool = False
    groups: dict[UploadGroup, Counter[str]] = field(default_factory=dict)
    boxes: int = 0
    sent_bytes: int = 0
    requests: int = 0
    notes: list[str] = field(default_factory=list)
    examples: dict[str, list[str]] = field(default_factory=dict)
    log: str | None = None
    elapsed_s: float = 0.0

    def count(self, part: UploadImage, state: str, example: str | None = None) -> None:
        """Count an image."""
        group = UploadGroup(part.category, part.split or "", part.label or "")
        self.groups.setdefault(group, Counter())[state] += 1
        if example is not None:
            shown = self.examples.setdefault(state, [])
            if len(shown) < _EXAMPLES:
                shown.append(example)

    @property
    def totals(self) -> Counter[str]:
        """Images by state."""
        total: Counter[str] = Counter()
        for states in self.groups.values():
            total.update(states)
        return total

    @property
    def images(self) -> int:
        """How many there are; the sum of all states."""
        return self.totals.total()

    @property
    def is_whole(self) -> bool:
        """Whether every image is in the project, as far as it can be."""
        totals = self.totals
        return not (totals[UNUSABLE] or totals[FAILED] or totals[CONFLICT])

    def rows(self) -> Iterator[tuple[UploadGroup, Counter[str]]]:
        """Yield the figures of each group, in order."""
        yield from sorted(self.groups.items())

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "place": self.place,
            "endpoint": self.endpoint,
            "project": self.project,
            "dry_run": self.dry_run,
            "images": self.images,
            "states": {state: self.totals[state] for state in STATES},
            "groups": [
                {
                    "category": group.category,
                    "split": group.split or None,
                    "label": group.label or None,
                    "images": states.total(),
                    **{state: states[state] for state in STATES},
                }
                for group, states in self.rows()
            ],
            "boxes": self.boxes,
            "sent_bytes": self.sent_bytes,
            "requests": self.requests,
            "notes": self.notes,
            "examples": self.examples,
            "log": self.log,
            "elapsed_s": round(self.elapsed_s, 3),
        }
