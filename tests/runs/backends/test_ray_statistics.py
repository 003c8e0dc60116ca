"""Means and deviations on a Ray cluster are those of another library, to the last digit."""

import numpy as np
import pytest
from PIL import Image

import variegate

pytest.importorskip("ray", reason="Ray is not installed: pip install 'variegate[ray]'")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]


def test_means_on_ray_are_those_of_another_library(data_dir, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    place = data_dir / "nuclei_instances"
    found = variegate.stats(place, backend="ray")
    pixels = []
    for path in sorted(place.glob("*/images/*.png")):
        with Image.open(path) as image:
            pixels.append(np.array(image.convert("RGB")).reshape(-1, 3))
    whole = np.concatenate(pixels).astype(np.float64) / 255
    assert found.channels.mean == pytest.approx(whole.mean(axis=0).tolist(), rel=1e-9)
    assert found.channels.std == pytest.approx(whole.std(axis=0).tolist(), rel=1e-9)
    assert found.channels == variegate.stats(place, workers=2).channels
