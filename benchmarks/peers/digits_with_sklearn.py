"""Writes the 1,797 handwritten digits that scikit-learn brings along: digits_with_sklearn.py FILE.

FILE is an .npz of `images`, (1797, 8, 8) uint8, 0 to 16, and `labels`, (1797,).
"""

import sys

import numpy as np
from sklearn.datasets import load_digits


def main() -> None:
    digits = load_digits()
    np.savez(sys.argv[1], images=digits.images.astype(np.uint8), labels=digits.target)


if __name__ == "__main__":
    main()
