"""Contact sheets of what each contender of the whole job wrote, to be looked at: is it the same?

Run it after `run.py whole_job`; the sheets stand in `.work/sheets`.
"""

from pathlib import Path

import cv2
import numpy as np

from harness import WORK

PHOTOS, VARIANTS = 5, 10


def main() -> None:
    """Write a sheet for each folder of results."""
    (WORK / "sheets").mkdir(exist_ok=True)
    for folder in sorted((WORK / "outputs").iterdir()):
        files = sorted(path for path in folder.rglob("*.jpg") if path.is_file())
        if len(files) < PHOTOS * VARIANTS:
            continue
        wanted = files[: PHOTOS * VARIANTS]
        sheet = WORK / "sheets" / f"{folder.name.rpartition(', ')[0]}.png"
        cv2.imwrite(str(sheet), _sheet(wanted))
        kilobytes = np.mean([path.stat().st_size for path in files]) / 1000
        print(f"{sheet.name}: {len(files)} files of {kilobytes:.0f} KB on average")


def _sheet(files: list[Path]) -> np.ndarray:
    small = [cv2.resize(cv2.imread(str(file)), (160, 120)) for file in files]
    rows = [np.hstack(small[i : i + VARIANTS]) for i in range(0, len(small), VARIANTS)]
    return np.vstack(rows)


if __name__ == "__main__":
    main()
