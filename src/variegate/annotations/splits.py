"""Names of splits: what "train", "training_set", "seg_train" and "val2017" mean."""

import re
from collections.abc import Iterator
from functools import lru_cache

SPLITS = ("train", "val", "test")
_WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
# What may stand beside the word in a name that means nothing but the split.
_BESIDE = (
    *("set", "sets", "subset", "dataset", "datasets", "data", "split", "folder", "dir", "part"),
    *("image", "images", "img", "imgs", "pic", "pics", "photo", "photos"),
    *("file", "files", "sample", "samples", "examples", "frame", "frames", "jpg", "jpeg", "png"),
    *("obj", "object", "objects", "seg", "segmentation", "det", "detection", "cls", "instance"),
    *("instances", "panoptic", "semantic", "stuff", "keypoints", "captions", "person", "persons"),
    *("label", "labels", "labeled", "labelled", "annotation", "annotations", "annot"),
    *("mask", "masks", "gt", "stage", "phase", "year", "version", "my", "the", "final"),
    *("original", "orig", "raw", "rgb", "resized", "cropped", "clean", "full", "all", "new"),
)
# No word of one list begins like a word of the other, and what fits is never given back: so a
# hostile name costs no more than its length.
_AROUND = f"(?>{'|'.join(sorted(_BESIDE, key=len, reverse=True))})*+"
_NAME = re.compile(f"{_AROUND}({'|'.join(sorted(_WORDS, key=len, reverse=True))}){_AROUND}")
_NUMBERS = re.compile(r"(?<![a-z])v\d+|[\W\d_]+")
# Words of which one knows that they are splits, but not which.
_UNSURE = {
    *("trainval", "trainvaltest", "traintest", "valtest", "testval", "eval", "evaluation"),
    *("holdout", "heldout", "unseen", "minival", "trainextra", "finetune", "finetuning"),
}


# As above, with a word that leaves open which.
_UNSURE_NAME = re.compile(f"{_AROUND}({'|'.join(sorted(_UNSURE, key=len, reverse=True))}){_AROUND}")


@lru_cache(4096)
def canonical_split(name: str) -> str | None:
    """Return "train", "val" or "test" for a name that means one of them and nothing else.

    In any case and with any separators: "Train", "training_set", "obj_train_data", "val2017",
    "ValidationImages". Two of them ("train_val") are none, nor is a word with more to it
    ("train_station").
    """
    found = _NAME.fullmatch(_NUMBERS.sub("", name.lower()))
    return _WORDS[found[1]] if found else None


def split_words(name: str) -> set[str]:
    """Return the splits that single words of a name may stand for, "?" for an uncertain one."""
    found = set()
    for word in words_of(name):
        if _UNSURE_NAME.fullmatch(word):
            found.add("?")
        elif split := canonical_split(word):
            found.add(split)
    return found


def words_of(name: str) -> Iterator[str]:
    """Yield the words of a name, in lower case: "trainA_2017" has "train" and "a"."""
    for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+", name):
        yield word.lower()
