"""What can be drawn. Every file of this folder holds one family; a new one is found by itself.

A file is imported when one of its transforms is asked for, or all of them are: what a recipe names
takes a fifth of the time.

Third parties add transforms by an entry point of the group ``variegate.transforms`` that names a
module; importing it enters its `Transform` classes.
"""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from variegate.errors import RecipeError, did_you_mean
from variegate.transforms.base import FAMILIES, TRANSFORMS, Axis, Parameters, Transform

__all__ = ["Axis", "Parameters", "Transform", "all_transforms", "find_transform"]

# Where transforms are. What is not here is found, too, once all files have been looked at.
_NAMES = {
    "adaptation": "fourier_adaptation histogram_match",
    "adaptive": "autocontrast clahe equalize",
    "blur": "defocus gaussian_blur glass_blur median_blur motion_blur sharpen zoom_blur",
    "canvas": "center_crop longest_side pad resize shortest_side square",
    "chain_mix": "chain_mix",
    "color": "blue brightness channel_shuffle contrast exposure gamma grayscale green hue invert "
    "posterize red saturation sepia solarize temperature",
    "compression": "video_compression webp",
    "control_points": "piecewise_affine thin_plate",
    "enhance": "gain sharpness",
    "erasure": "random_erasing",
    "fields": "elastic grid_distort lens wave",
    "geometry": "affine flip perspective random_crop rotate rotate90 scale shear translate "
    "transpose zoom",
    "grid_shuffle": "grid_shuffle",
    "jitter": "color_jitter stain_jitter tone_curve",
    "light": "illumination plasma_brightness plasma_shadow vignette",
    "mixing": "copy_paste cutmix mixup mosaic",
    "noise": "gaussian_noise iso_noise poisson_noise salt_pepper speckle",
    "occlusion": "cutout grid_dropout pixel_dropout superpixels",
    "optics": "chromatic_aberration ringing",
    "resolution": "downscale jpeg",
    "safe_crop": "safe_crop",
    "text": "text_overlay",
    "weather": "fog frost rain shadow snow spatter sun_flare",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def find_transform(name: str) -> type[Transform]:
    """Return the transform class of that name.

    Raises:
        RecipeError: there is none.
    """
    # Built-in ones first: every draw asks for its transform.
    if (kind := TRANSFORMS.get(name)) is not None:
        return kind
    if name in _HOMES:
        _load(_HOMES[name])
        return TRANSFORMS[name]
    _load_all()
    if (family := FAMILIES.get(name.partition(".")[0])) is not None and "." in name:
        return family(name)
    if name not in TRANSFORMS:
        _load_plugins()
    if name not in TRANSFORMS:
        raise RecipeError(f"unknown transform {name!r}{did_you_mean(name, TRANSFORMS)}")
    return TRANSFORMS[name]


def all_transforms() -> dict[str, type[Transform]]:
    """Return every transform by its name, in the order of their names."""
    _load_all()
    _load_plugins()
    return dict(sorted(TRANSFORMS.items()))


@cache
def _load_all() -> None:
    for module in pkgutil.iter_modules(__path__):
        _load(module.name)


def _load(module: str) -> None:
    # Somebody else's transform keeps a name that it has taken.
    taken = dict(TRANSFORMS)
    importlib.import_module(f"{__name__}.{module}")
    TRANSFORMS.update(taken)


@cache
def _load_plugins() -> None:
    # Once: to look for entry points takes 2 ms, and every drawn axis asks for its transform.
    for plugin in entry_points(group="variegate.transforms"):
        plugin.load()
