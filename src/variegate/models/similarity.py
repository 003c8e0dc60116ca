"""How much two images resemble each other, without any training.

An image is described by where its edges run (histograms of gradient directions in 8 x 8 cells,
softly pooled and normalised around each cell, after Dalal and Triggs, CVPR 2005), and by its coarse
colors. The edges are what makes an image recognisable; the colors tell flat images apart. How far
that carries is measured in benchmarks/similarity.py.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, check_image
from variegate.models.preprocessing import Preprocessing

Floats = npt.NDArray[np.float32]

_SIDE, _CELLS, _DIRECTIONS = 96, 8, 8
_INPUT = Preprocessing(size=(_SIDE, _SIDE), scale=1 / 255)
# Gradients below are noise, of values from 0 to 1.
_NOISE = 0.02
# Of colors beside edges.
_COLOR_WEIGHT = 0.35


def features(image: Image) -> Floats:
    """Describe an image: a vector of length 1."""
    pixels = _INPUT.apply([check_image(image)])[0].transpose(1, 2, 0)
    edges = _edges(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    colors = _colors(pixels)
    whole = np.concatenate([edges, _COLOR_WEIGHT * colors])
    return np.asarray(whole / max(float(np.linalg.norm(whole)), 1e-6), np.float32)


def similarity(one: Image, other: Image) -> float:
    """Return how much two images resemble each other, 0 to 1 (the same)."""
    return float(np.clip(features(one) @ features(other), 0, 1))


def _edges(gray: Floats) -> Floats:
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.0)
    right = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.25)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.25)
    strength = np.maximum(np.hypot(right, down) - _NOISE, 0)
    # Light on dark and dark on light are the same edge.
    turn = (np.arctan2(down, right) % np.pi) / np.pi * _DIRECTIONS
    maps = []
    for number in range(_DIRECTIONS):
        away = np.abs((turn - number + _DIRECTIONS / 2) % _DIRECTIONS - _DIRECTIONS / 2)
        share = strength * np.maximum(0, 1 - away).astype(np.float32)
        pooled = cv2.GaussianBlur(share, (0, 0), _SIDE / _CELLS / 2)
        maps.append(cv2.resize(pooled, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA))
    cells = np.sqrt(np.stack(maps, axis=2))
    # Contrast differs from place to place: a cell counts relative to those around it.
    around = cv2.GaussianBlur((cells**2).sum(axis=2), (0, 0), 1.5)
    cells /= np.sqrt(around + 1e-4)[:, :, None]
    flat = cells.ravel()
    flat = flat - flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def _colors(pixels: Floats) -> Floats:
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    small = cv2.resize(lab, (4, 4), interpolation=cv2.INTER_AREA)
    flat = (small - np.array([50, 0, 0], np.float32)).ravel()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def features_of(images: Sequence[Image]) -> Floats:
    """Describe images, (N, D)."""
    return np.stack([features(one) for one in images])
