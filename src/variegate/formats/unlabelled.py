"""A bunch of pictures without labels."""

from dataclasses import dataclass
from typing import ClassVar

from variegate.formats.base import Layout
from variegate.formats.survey import Survey
from variegate.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled(Layout):
    """No file has a label."""

    name: ClassVar[str] = "unlabelled"

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Layout | str:
        tops = sorted({*survey.groups, *survey.stray_folders})
        if not chosen and (len(tops) > 1 or (tops and survey.direct.total())):
            return "the folders may mean something"
        return cls(
            root="".join(f"{part}/" for part in survey.root),
            split_folders=survey.split_folders,
            classes=(),
            pictures=survey.pictures,
        )

    @property
    def heading(self) -> str:
        return "no labels"

    def label(self, key: str) -> str | None:
        return None
