"""How the images and the masks of a set are paired, found by looking at names."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, product

from variegate.formats.mask_pairs.pairs import Affixes, Pairing, shared_part, split_key, swapped
from variegate.formats.scan import Survey, leave_unsaid
from variegate.storage import Storage

# What people call the folders; of several that fit, the first.
_IMAGES = (
    *("images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "leftimg8bit"),
    *("inputs", "input", "rgb", "original", "originals", "orig", "frames", "image_2"),
)
_MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "annots", "annot", "ann"),
    *("gtfine", "gt", "groundtruth", "ground_truth", "ground-truth", "segmentations"),
    *("segmentation", "segs", "seg", "semantic", "targets", "mattes", "matte", "soft"),
    *("alphas", "alpha", "trimaps", "instances", "instance"),
)
# As in PNGImages and PedMasks.
_IMAGE_ENDS = ("images", "imgs", "image", "img")
_MASK_ENDS = ("masks", "mask", "labels", "gt")
# A folder beside another of the same name: ``train`` and ``trainannot``.
_SISTERS = (
    *("annot", "_annot", "_masks", "_mask", "_labels", "_label", "_gt", "_seg", "-masks", "-mask"),
    *("-labels", "masks", "labels", "_mattes", "_alpha"),
)
_IMAGE_PREFIXES = ("", "image_", "img_", "image-", "img-")
_IMAGE_SUFFIXES = ("", "_image", "_img", "_leftimg8bit", "_sat", "_rgb", "_orig", "-image")
_MASK_PREFIXES = ("", "gt_", "mask_", "label_", "seg_", "mask-", "gt-")
_MASK_SUFFIXES = (
    *("", "_mask", "-mask", ".mask", "_masks", "_gt", "-gt", "_label", "_labels", "_seg"),
    *("_segmentation", "_gtfine_labelids", "_gtfine_labeltrainids", "_gtfine_instanceids"),
    *("_instances", "_instance", "_semantic", "_labelmap"),
    *("_labelids", "_annotation", "_matte", "_alpha", "_l", "mask"),
)
# Without a folder of their own, masks must be called so.
_MASK_SUFFIXES_IN_ONE_FOLDER = (
    *("_mask", "-mask", ".mask", "_masks", "_gt", "-gt", "_label", "_seg", "_segmentation"),
    *("_matte", "_alpha"),
)
_SOFT = frozenset(("mattes", "matte", "soft", "alphas", "alpha"))
_SAMPLE = 400
# As deep as a survey looks.
_DEPTH = 4
_MOST_RUNS = 12
_MOST_FOLDERS = 2_000
# This share of the sampled images must have a mask.
_PAIRED = 0.5

Folder = tuple[str, ...]
Folders = tuple[tuple[str, str], ...]
Names = set[tuple[str, str]]
"""Folder below the sample's, and stem."""


def find_pairing(survey: Survey, storage: Storage, *, chosen: bool) -> Pairing | str:
    """Return the rule of a set, but for its extensions, or why there is none."""
    share = 0.0 if chosen else _PAIRED
    rival = None
    for folders, example in _candidates(survey):
        if found := _affixes(survey, storage, folders, example, share):
            soft = any(_is_soft(masks) for _, masks in folders) or _is_soft(found[1][1])
            return Pairing(folders=folders, image=found[0], mask=found[1], soft=soft)
        rival = rival or folders[0]
    if pairing := _in_one_folder(survey, storage, share):
        return pairing
    if rival:
        return f"the names in {rival[0] or 'the folder'!r} and {rival[1]!r} do not match"
    return "no masks stand beside the images"


def other_masks(survey: Survey, pairing: Pairing) -> list[str]:
    """Return further folders that look like masks of the same images."""
    others = {folders[0][1] for folders, _ in _candidates(survey)}
    own = {masks for _, masks in pairing.folders}
    return sorted(other for other in others if not any(_overlap(other, one) for one in own))


def is_mask_folder(name: str) -> bool:
    """Say whether a folder is called as masks are."""
    return name.lower() in _MASKS


def _overlap(one: str, other: str) -> bool:
    return one.endswith(other) or other.endswith(one) if one and other else True


def _is_soft(name: str) -> bool:
    return name.lower().rpartition("/")[2].lstrip("_-.") in _SOFT


def _candidates(survey: Survey) -> list[tuple[Folders, str]]:
    """Return pairs of folders that hold alike folders, the best first, each with an example."""
    folders = survey.tally.folders
    ranked = []
    for order, pairs in enumerate(_possible(folders)):
        total, largest, example = 0, 0, ""
        for folder, count in islice(folders.items(), _MOST_FOLDERS):
            path = "/".join(folder)
            if swapped(path, pairs, backwards=True) is not None:
                continue
            other = swapped(path, pairs)
            twin = None if other is None else tuple(other.split("/"))[:_DEPTH]
            if twin is not None and twin in folders:
                total += min(count, folders[twin])
                if count > largest:
                    largest, example = count, path
        if total:
            length = sum(one.count("/") + other.count("/") for one, other in pairs)
            ranked.append(((-total, length, order), pairs, example))
    return [(pairs, example) for _, pairs, example in sorted(ranked)]


def _possible(folders: Iterable[Folder]) -> Iterator[Folders]:
    """Yield pairs of folders whose names say that they may belong together."""
    images, masks = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    parts = set()
    for folder in folders:
        for place, part in enumerate(folder):
            parts.add(part)
            for words, runs in ((_IMAGES, images), (_MASKS, masks)):
                if (order := _order(part.lower(), words)) is not None:
                    runs[order, part] += 1
                    if place:
                        runs[order, f"{folder[place - 1]}/{part}"] += 1
    for mask, image in product(_common(masks), _common(images)):
        yield ((image, mask),)
    for suffix in _SISTERS:
        sisters = {part: _sister(part, suffix, parts) for part in parts}
        if pairs := tuple(sorted((one, other) for one, other in sisters.items() if other)):
            yield pairs[:_MOST_RUNS]
    for ends in product(_IMAGE_ENDS, _MASK_ENDS):
        twins = {part: _twin(part, *ends, parts) for part in parts}
        if pairs := tuple(sorted((one, other) for one, other in twins.items() if other)):
            yield pairs[:_MOST_RUNS]
    yield from ((("", run),) for run in _common(masks) if "/" not in run)


def _order(name: str, words: tuple[str, ...]) -> int | None:
    """Return how usual a name is; those that only end in a usual word come last."""
    if name in words:
        return words.index(name)
    ends = _IMAGE_ENDS[:2] if words is _IMAGES else _MASK_ENDS[:1]
    return len(words) if name.endswith(ends) else None


def _common(runs: Counter[tuple[int, str]]) -> list[str]:
    most = sorted(run for run, _ in runs.most_common(_MOST_RUNS))
    return [name for _, name in most]


def _sister(part: str, suffix: str, parts: set[str]) -> str | None:
    return next((p for p in (part + suffix, part + suffix.title()) if p in parts), None)


def _twin(part: str, image: str, mask: str, parts: set[str]) -> str | None:
    """Return the folder that is called alike but for its end: train_images and train_masks."""
    head, end = part[: -len(image)], part[-len(image) :]
    if not head or end.lower() != image:
        return None
    return next((p for p in (head + mask, head + mask.title()) if p in parts), None)


def _affixes(
    survey: Survey, storage: Storage, folders: Folders, example: str, share: float
) -> tuple[Affixes, Affixes] | None:
    """Return what is added to the names of images and of masks, if enough of them pair."""
    other = swapped(example, folders)
    if other is None:
        return None
    images = _sample(survey, storage, example, without=other)
    masks = _sample(survey, storage, other, without=example)
    return _best(
        images,
        masks,
        product(_IMAGE_PREFIXES, _IMAGE_SUFFIXES),
        product(_MASK_PREFIXES, _MASK_SUFFIXES),
        share,
    )


def _sample(survey: Survey, storage: Storage, folder: str, *, without: str) -> Names:
    """Return some names below a folder, but not those in another one inside of it."""
    below = f"{folder}/" if folder else ""
    inner = f"{without}/" if without.startswith(below) else None
    keys = (
        entry.key
        for entry in storage.list(folder, on_skip=leave_unsaid)
        if survey.is_image(entry.key) and not (inner and entry.key.startswith(inner))
    )
    names = (split_key(key[len(below) :]) for key in islice(keys, _SAMPLE))
    return {(place, stem) for place, stem, _ in names}


def _best(
    images: Names,
    masks: Names,
    image_options: Iterable[Affixes],
    mask_options: Iterable[Affixes],
    share: float,
) -> tuple[Affixes, Affixes] | None:
    """Return the affixes under which the most names pair."""
    ours = [found for option in image_options if (found := _stripped(images, option))]
    theirs = [found for option in mask_options if (found := _stripped(masks, option))]
    best, most = None, 0
    for (affixes, names), (mask_affixes, mask_names) in product(ours, theirs):
        if (count := len(names & mask_names)) > most:
            best, most = (affixes, mask_affixes), count
    return best if most and most >= share * len(images) else None


def _stripped(names: Names, option: Affixes) -> tuple[Affixes, Names] | None:
    """Return affixes as they are spelled, and the names that have them, without."""
    prefix, suffix = option
    for _, stem in sorted(names):
        lower = stem.lower()
        if lower.startswith(prefix) and lower.endswith(suffix):
            spelled = stem[: len(prefix)], stem[len(stem) - len(suffix) :]
            break
    else:
        return None
    shared = ((place, shared_part(stem, spelled)) for place, stem in names)
    return spelled, {(place, part) for place, part in shared if part}


def _in_one_folder(survey: Survey, storage: Storage, share: float) -> Pairing | None:
    """Find masks that stand beside their images, told by their names only."""
    names = _sample(survey, storage, "", without="\0")
    best, most = None, 0
    for suffix, own in product(_MASK_SUFFIXES_IN_ONE_FOLDER, _IMAGE_SUFFIXES):
        masks = {name for name in names if name[1].lower().endswith(suffix)}
        found = _best(names - masks, masks, [("", own)], [("", suffix)], share)
        if found and len(masks) > most:
            best, most = found, len(masks)
    if best is None:
        return None
    return Pairing(folders=(("", ""),), image=best[0], mask=best[1], soft=_is_soft(best[1][1]))
