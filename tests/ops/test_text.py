"""Text is drawn where and as large as it says, and hides what lies below."""

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object
from variegate.ops.text import TextOverlay
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (200, 300)
BLACK = np.zeros((*SIZE, 3), np.uint8)
WHITE = (255, 255, 255)


def test_text_lies_within_the_image_in_the_corner_that_was_drawn():
    for place in ((0.0, 0.0), (1.0, 1.0), (0.5, 0.2)):
        done = TextOverlay(30, ("HELLO", "12:30"), place, WHITE).apply_image(BLACK)
        x1, y1, x2, y2 = labelled.bounds(done[..., 0])
        assert 30 < y2 - y1 < 75
        assert 60 < x2 - x1 < 110
        if place == (0.0, 0.0):
            assert x1 < 10
            assert y1 < 15
        if place == (1.0, 1.0):
            assert x2 > 290
            assert y2 > 180


def test_letters_grow_with_the_height():
    heights = []
    for height in (15, 30, 60):
        done = TextOverlay(height, ("H",), (0.5, 0.5), WHITE).apply_image(BLACK)
        _, y1, _, y2 = labelled.bounds(done[..., 0])
        heights.append(y2 - y1)
        assert 0.6 < heights[-1] / height < 0.85
    assert heights == sorted(heights)


def test_what_is_too_wide_is_cut_and_nothing_else_changes():
    image = generator(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    op = TextOverlay(60, ("A very long line of text",) * 12, (0.3, 0.3), (1, 2, 3))
    done = op.apply_image(image)
    assert done.shape == image.shape
    assert (done == (1, 2, 3)).all(axis=-1).sum() > 100
    seen = op.visible((40, 50))
    assert (done[~seen].astype(int) - (1, 2, 3)).max() < 128


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_opacity_is_the_share_of_the_color(channels):
    image = np.full((*SIZE, *channels), 100, np.uint8)
    done = TextOverlay(80, ("I",), (0.5, 0.5), WHITE, opacity=0.4).apply_image(image)
    assert done.reshape(*SIZE, -1)[..., 0].max() == 162
    if channels == (4,):
        assert (done[..., 3] == 100).all()


def test_what_lies_under_the_letters_counts_as_hidden():
    op = TextOverlay(100, ("MMMM",), (0.0, 0.0), WHITE)
    white = op.apply_image(BLACK)[..., 0] > 127
    assert np.array_equal(~white, op.visible(SIZE))
    y, x = np.argwhere(white)[200]
    known = Annotation(
        objects=(
            Object(
                category="a",
                box=(10.0, 20.0, 200.0, 90.0),
                keypoints=((x + 0.5, y + 0.5, 2), (299.0, 199.0, 2)),
            ),
        )
    )
    _, changed, _ = labelled.through(op, known, BLACK)
    assert [seen for *_, seen in changed.objects[0].keypoints] == [1, 2]
    share = 1 - np.count_nonzero(white[20:90, 10:200]) / (70 * 190)
    targets = op.apply_targets(labelled.read(known, SIZE), SIZE)
    assert targets.visible[0] == pytest.approx(share, abs=0.01)
    faint = TextOverlay(100, ("MMMM",), (0.0, 0.0), WHITE, opacity=0.4)
    assert faint.visible(SIZE).all()


@pytest.mark.parametrize("level", [0, 30, 120, 128, 200, 255])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_drawn_colors_can_be_read_on_anything(level, channels):
    image = np.full((96, 96, *channels), level, np.uint8)
    for seed in range(8):
        op = find_transform("text_overlay")(opacity=1, height=0.2).draw(generator(seed), (96, 96))
        change = np.abs(op.apply_image(image).astype(int) - level)
        assert change.max() > 50


def test_own_texts_and_colors_are_kept():
    transform = find_transform("text_overlay")(texts=("(c) ACME",), lines=2, color=(9, 8, 7))
    drawn = transform.parameters(generator(1))
    assert drawn["lines"] == ["(c) ACME", "(c) ACME"]
    assert drawn["color"] == [9, 8, 7]
    op = transform.operation(drawn, SIZE)
    assert not op.readable
    lines = {
        line
        for seed in range(20)
        for line in find_transform("text_overlay")().parameters(generator(seed))["lines"]
    }
    assert len(lines) > 20
