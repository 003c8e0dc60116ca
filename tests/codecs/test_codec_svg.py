"""SVG is drawn from what is in the file, and nothing else, on every machine alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from variegate.codecs import decode, probe
from variegate.errors import DecodeError, LimitError, UnsupportedError

pytest.importorskip("resvg_py")

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(body: str, root: str = 'width="40" height="30"') -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {root}>{body}</svg>'.encode()


@pytest.mark.parametrize(
    ("root", "size"),
    [
        ('width="40" height="30"', (30, 40)),
        ('width="40px" height="7.5pt"', (10, 40)),
        ('width="1in" height="25.4mm"', (96, 96)),
        ('viewBox="0 0 50 20"', (20, 50)),
        ('viewBox="5,5,50,20"', (20, 50)),
        ('width="100%" height="100%" viewBox="0 0 50 20"', (20, 50)),
        ('width="100" viewBox="0 0 50 20"', (40, 100)),
        ('height="40" viewBox="0 0 50 20"', (40, 100)),
        ('width="20.4" height="10.6"', (11, 20)),
        ('width="0.2" height="0.2"', (1, 1)),
    ],
)
def test_size(root: str, size: tuple[int, int]) -> None:
    data = svg('<rect width="1000" height="1000" fill="#123456"/>', root)
    header = probe(data)
    assert (header.height, header.width) == size
    image = decode(data)
    assert image.shape == (*size, 3)
    if min(size) > 1:
        assert image[size[0] // 2, size[1] // 2].tolist() == [0x12, 0x34, 0x56]


@pytest.mark.parametrize("root", ["", 'width="0" height="5"', 'width="x"', 'viewBox="0 0"'])
def test_without_a_size_there_is_nothing_to_draw(root: str) -> None:
    with pytest.raises(DecodeError, match="no size to draw it at"):
        probe(svg("<g/>", root))


def test_drawing_matches_geometry() -> None:
    body = (
        '<defs><g id="a"><rect width="10" height="10"/></g></defs>'
        f'<use {XLINK} xlink:href="#a" x="5" y="5" fill="#ff0000"/>'
        '<use href="#a" x="25" y="15" fill="#0000ff" opacity="0.5"/>'
    )
    image = decode(svg(body), keep_alpha=True)
    expected = np.zeros((30, 40, 4))
    expected[5:15, 5:15] = (255, 0, 0, 255)
    expected[15:25, 25:35] = (0, 0, 255, 128)
    np.testing.assert_array_equal(image[..., 3], expected[..., 3])
    shown = expected[..., 3] > 0
    np.testing.assert_array_equal(image[shown], expected[shown])
    assert decode(svg(body))[0, 0].tolist() == [255, 255, 255]


def test_prefixed_and_foreign_names() -> None:
    data = (
        b"<?xml version='1.0' encoding='utf-8'?><!-- made by hand -->"
        b"<s:svg xmlns:s='http://www.w3.org/2000/svg' xmlns:i='inkscape' width='8' height='8'>"
        b"<i:view zoom='2'/><s:metadata><i:x>hello</i:x></s:metadata>"
        b"<s:rect width='8' height='8' fill='#00ff00' i:label='x'/></s:svg>"
    )
    assert decode(data)[4, 4].tolist() == [0, 255, 0]
    assert (decode(data.decode().replace("utf-8", "utf-16").encode("utf-16")) == decode(data)).all()


def test_harmless_entities_are_read() -> None:
    """Illustrator declares its name spaces so."""
    data = (
        b"<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'svg11.dtd' ["
        b"<!ENTITY ns 'http://www.w3.org/2000/svg'>]>"
        b"<svg xmlns='&ns;' width='8' height='8'><rect width='8' height='8' fill='#00f'/></svg>"
    )
    assert decode(data)[4, 4].tolist() == [0, 0, 255]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.png"
    Image.new("RGB", (20, 20), (1, 200, 3)).save(file)
    return file


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "secret.png", "http://127.0.0.1:9/a"])
@pytest.mark.parametrize("element", ["image", "feImage"])
@pytest.mark.parametrize("attribute", ["href", "xlink:href"])
def test_other_files_are_refused(
    form: str, element: str, attribute: str, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(secret.parent)
    reference = form.format(path=secret)
    tag = f'<{element} {XLINK} {attribute}="{reference}" width="20" height="20"/>'
    if element == "feImage":
        tag = f'<filter id="f">{tag}</filter><rect width="20" height="20" filter="url(#f)"/>'
    with pytest.raises(UnsupportedError, match="that holds images"):
        decode(svg(tag))


def test_other_files_do_not_show_through_any_reference(secret: Path) -> None:
    """resvg by itself reads a file that an absolute path names; none is opened here."""
    outside = [
        f'<use href="{secret}"/>',
        f'<use href="{secret}#a"/>',
        f'<rect width="40" height="30" fill="url({secret}#a)"/>',
        f"<style>rect {{ fill: url({secret}); }} @import url({secret});</style>",
        f'<rect width="40" height="30" style="mask: url(file://{secret}#m)"/>',
        f'<a href="{secret}"><rect width="4" height="4"/></a>',
        '<script href="x.js">1</script>',
    ]
    for body in outside:
        image = decode(svg(body))
        assert not (image == (1, 200, 3)).all(-1).any(), body


def test_embedded_images_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="that holds images"):
        decode(svg('<image href="data:image/png;base64,iVBORw0KGgo=" width="9" height="9"/>'))


def test_external_entities_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<rect width='8' height='8'/>")
    data = (
        f"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY e SYSTEM 'file://{tmp_path}/a.txt'>]>"
        "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'>&e;</svg>"
    )
    with pytest.raises(DecodeError, match="corrupt SVG: undefined entity"):
        decode(data.encode())


def test_text_is_refused() -> None:
    """It would come out in other fonts, or not at all, on another machine."""
    with pytest.raises(UnsupportedError, match="convert its text to paths"):
        decode(svg('<text x="1" y="20">Hi <tspan>there</tspan></text>'))
    decode(svg('<text x="1" y="20"> </text>'))


CIRCLES = {
    "use": '<g id="a"><use href="#a"/></g>',
    "pattern": '<pattern id="p" href="#p"/><path d="M0 0L9 9L0 9" fill="url(#p)"/>',
    "mask": '<rect width="9" height="9" mask="url(#m)"/><mask id="m" mask="url(#m)"/>',
}


@pytest.mark.parametrize("name", CIRCLES)
def test_references_in_a_circle_end(name: str) -> None:
    assert decode(svg(CIRCLES[name])).shape == (30, 40, 3)


def test_two_groups_that_use_each_other_are_an_error() -> None:
    body = '<use href="#b"/><g id="b"><use href="#c"/></g><g id="c"><use href="#b"/></g>'
    with pytest.raises(DecodeError, match="nodes limit reached"):
        decode(svg(body))


def test_what_would_end_the_process_ends_only_its_own() -> None:
    """The library asks for 149 GiB, and aborts."""
    pattern = (
        '<pattern id="p" width="200000" height="200000" patternUnits="userSpaceOnUse">'
        '<rect width="200000" height="200000" fill="red"/></pattern>'
        '<rect width="40" height="30" fill="url(#p)"/>'
    )
    with pytest.raises(LimitError, match="takes more than 128 MiB or 60 s to draw"):
        decode(svg(pattern))


def test_layers_upon_layers_stay_within_the_memory() -> None:
    body = '<g opacity=".5">' * 150 + '<rect x="-9999" width="99999" height="99999"/>'
    with pytest.raises(LimitError, match="to draw"):
        decode(svg(body + "</g>" * 150, 'width="900" height="900"'))


@pytest.mark.parametrize("data", [b"<svg", b"<svg></g>", b"<?xml version='1.0'?><!-- <svg --><a/>"])
def test_broken_files(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)
