"""Splits the problems on standard input with StratifiedGroupKFold, as often as seeds are asked for.

Input: JSON list of {"labels": ..., "groups": ..., "folds": ...}, one label and group an image.
Output: JSON list, for each problem a list of lists: the fold of each image, by attempt; first as
the class does it without shuffling, then with each seed.
"""

import json
import sys

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

SEEDS = 10


def folds_of(problem: dict, **options: object) -> list[int]:
    labels, groups = np.array(problem["labels"]), np.array(problem["groups"])
    found = np.zeros(len(labels), int)
    splitter = StratifiedGroupKFold(problem["folds"], **options)
    for number, (_, test) in enumerate(splitter.split(labels, labels, groups)):
        found[test] = number
    return found.tolist()


def main() -> None:
    answers = [
        [
            folds_of(problem),
            *(folds_of(problem, shuffle=True, random_state=seed) for seed in range(SEEDS)),
        ]
        for problem in json.load(sys.stdin)
    ]
    json.dump(answers, sys.stdout)


main()
