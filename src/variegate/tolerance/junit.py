"""Checked limits as JUnit XML, which continuous integration shows."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from variegate.errors import OutputError
from variegate.storage import printable
from variegate.tolerance.requirements import CheckedLimit


def write_junit(path: str | Path, checked: Sequence[CheckedLimit], *, suite: str) -> None:
    """Write a test suite with a case for each limit.

    Args:
        path: of the file.
        checked: limits; those that are not kept are failures.
        suite: its name: of the model, and on what.

    Raises:
        OutputError: it cannot be written.
    """
    failures = sum(not one.kept for one in checked)
    counts = {"tests": str(len(checked)), "failures": str(failures), "errors": "0"}
    root = ET.Element("testsuites", counts)
    inner = ET.SubElement(root, "testsuite", {"name": printable(suite), **counts})
    for one in checked:
        names = {"classname": "variegate.tolerance", "name": printable(one.required)}
        case = ET.SubElement(inner, "testcase", names)
        told = printable(one.found)
        if one.kept:
            ET.SubElement(case, "system-out").text = told
        else:
            told = f"{one.outcome}: {told}"
            failure = {"message": told, "type": one.outcome.replace(" ", "-")}
            ET.SubElement(case, "failure", failure).text = told
    ET.indent(root)
    try:
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
