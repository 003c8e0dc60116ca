"""Contact sheets and strips: bounded, complete, and showing what was made."""

import numpy as np
import pytest

from variegate.datasets.samples import draw_image
from variegate.reports import Cell, SheetRow, contact_sheet, strip
from variegate.reports.canvas import BACKGROUND, PANEL, thumbnail, width_of, wrap
from variegate.reports.sheet import HIGHEST, WIDEST
from variegate.seeding import generator
from variegate.transforms import all_transforms, find_transform

PHOTO = draw_image(generator(3, "reports"), label="led", size=(96, 128)).image


def plain(color: tuple[int, int, int], size: tuple[int, int] = (80, 120)) -> np.ndarray:
    return np.full((*size, 3), color, np.uint8)


def shows(sheet: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((sheet == color).all(-1).sum())


def test_sheet_shows_every_image_whole():
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    cells = [Cell(plain(color), "a caption") for color in colors]
    sheet = contact_sheet(
        [SheetRow(tuple(cells[:2])), SheetRow(tuple(cells[2:]))], title="four colors"
    )
    for color in colors:
        assert shows(sheet, color) == 80 * 120


def test_sheet_has_room_for_missing_images():
    sheet = contact_sheet([SheetRow((None, Cell(plain((255, 0, 0)), "x")))], title="one")
    assert shows(sheet, (255, 0, 0)) == 80 * 120
    assert shows(sheet, PANEL) > 0


@pytest.mark.parametrize("size", [(3000, 20), (20, 3000), (1, 1), (4000, 6000)])
def test_images_of_any_shape_fit(size):
    sheet = contact_sheet([SheetRow((Cell(plain((255, 0, 0), size), "x"),) * 3)], title="shapes")
    assert sheet.shape[0] < 700
    assert shows(sheet, (255, 0, 0)) > 0


@pytest.mark.parametrize(("rows", "columns"), [(40, 25), (1, 25), (40, 2), (1, 1)])
def test_sheet_is_bounded_and_of_few_images_not_large(rows, columns):
    cell = Cell(PHOTO, "rotate -12.3°, contrast x1.16, gaussian noise 0.039, speckle 0.12")
    row = SheetRow((cell,) * columns)
    sheet = contact_sheet([row] * rows, title="many", header=["source"] * columns)
    assert sheet.shape[0] <= HIGHEST
    assert sheet.shape[1] <= WIDEST
    assert (sheet[0, 0] == BACKGROUND).all()
    assert (sheet[-1, -1] == BACKGROUND).all()


def test_odd_names_do_not_end_the_program():
    contact_sheet([SheetRow((Cell(PHOTO, "caf\udce9 猫 \x00 \n\n é"),))], title="猫 \udce9")


def test_text_is_broken_at_spaces_and_shortened_at_last():
    text = "rotate -12.3°, contrast x1.16, gaussian noise 0.039, speckle 0.12, flip horizontal"
    lines = wrap(text, width=150, size=13, lines=3)
    assert len(lines) == 3
    assert all(width_of(line, 13) <= 150 for line in lines)
    assert text.startswith(lines[0])
    assert lines[-1].endswith("...")
    assert wrap("short", width=150, size=13, lines=3) == ["short"]
    assert wrap("w" * 200, width=150, size=13, lines=1)[0].endswith("...")


def test_tiny_images_are_enlarged_pixel_by_pixel():
    tiny = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)
    sheet = contact_sheet([SheetRow((Cell(tiny, "two pixels"),))], title="tiny")
    assert shows(sheet, (255, 0, 0)) == shows(sheet, (0, 255, 0)) == 60 * 60


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_thumbnail_of_every_kind_is_rgb(channels):
    image = np.full((300, 200, *channels), 128, np.uint8)
    small = thumbnail(image, (100, 100))
    assert small.shape == (100, 67, 3)
    if channels != (4,):
        assert (small == 128).all()


def test_transparent_images_lie_on_a_checkerboard():
    assert len(np.unique(thumbnail(np.zeros((50, 50, 4), np.uint8), (50, 50)))) == 2


@pytest.mark.parametrize("name", all_transforms())
def test_strip_of_every_transform_begins_with_the_source(name):
    transform = find_transform(name)
    sheet = strip(transform, PHOTO)
    height, width = PHOTO.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (4, 4, 3))[:, :, 0]
    first = (windows == PHOTO[:4, :4]).all(axis=(2, 3, 4))
    places = [
        (y, x)
        for y, x in zip(*np.nonzero(first), strict=True)
        if np.array_equal(sheet[y : y + height, x : x + width], PHOTO)
    ]
    assert len(places) >= max(1, len(transform.axes))
    assert min(x for _, x in places) < width


def test_strip_has_a_row_for_each_axis():
    one, four = strip(find_transform("fog"), PHOTO), strip(find_transform("shear"), PHOTO)
    assert four.shape[1] == one.shape[1]
    assert four.shape[0] > 3 * (one.shape[0] - 100)


def test_strip_is_the_same_again_and_grows_stronger():
    fog = find_transform("fog")
    sheet = strip(fog, PHOTO)
    assert np.array_equal(sheet, strip(fog, PHOTO))
    assert not np.array_equal(sheet, strip(fog, PHOTO, seed=8))
