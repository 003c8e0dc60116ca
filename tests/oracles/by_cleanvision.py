"""What CleanVision says of a folder of images: JSON, its issues by file. Run in its environment."""

import json
import sys
from pathlib import Path

from cleanvision import Imagelab


def main(folder: str) -> None:
    """Print the issues."""
    lab = Imagelab(data_path=folder)
    wanted = ("dark", "light", "blurry", "odd_size", "odd_aspect_ratio", "low_information")
    lab.find_issues({name: {} for name in wanted}, n_jobs=1, verbose=False)
    found = {
        Path(file).name: [name for name in wanted if row[f"is_{name}_issue"]]
        for file, row in lab.issues.iterrows()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
