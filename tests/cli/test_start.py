"""The command line begins with workers, where it will need some."""

import pytest

from variegate import cli


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("augment in out", True),
        ("augment in out --workers 2 --seed 7", True),
        ("--debug augment in out", True),
        ("augment in out --workers 0", False),
        ("augment in out --workers=0", False),
        ("augment in out --backend ray", False),
        ("augment in out --backend=lambda", False),
        ("augment in out -b ray", False),
        ("augment --help", False),
        ("inspect in", False),
        ("", False),
    ],
)
def test_workers_begin_before_the_line_is_read(line, expected):
    assert cli._will_run(line.split()) == expected
