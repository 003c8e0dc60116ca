"""Every format keeps what formats promise; see `variegate.testing.FormatSuite`."""

from importlib.metadata import EntryPoint

from variegate import formats
from variegate.formats import FORMATS, all_formats, detect
from variegate.formats.classes import ClassFolders
from variegate.storage import open_storage
from variegate.testing import FormatSuite


class TestFormats(FormatSuite):
    """All of the suite, tried on all of them."""


class Numbered(ClassFolders):
    """A format of somebody else: folders of classes that are numbers."""

    name = "numbered"


def test_a_package_brings_a_format_of_its_own(tmp_path, monkeypatch):
    plugin = EntryPoint("numbered", f"{__name__}:Numbered", "variegate.formats")
    monkeypatch.setattr(EntryPoint, "load", lambda _: Numbered)
    monkeypatch.setattr(formats.registry, "entry_points", lambda **_: [plugin])
    all_formats.cache_clear()
    try:
        assert set(all_formats()) == {*FORMATS, Numbered}
        (tmp_path / "7").mkdir()
        (tmp_path / "7/a.jpg").touch()
        assert isinstance(detect(open_storage(tmp_path), name="numbered"), Numbered)
    finally:
        all_formats.cache_clear()
