"""variegate.torch in PyTorch's loader: FOLDER ITEMS."""

import sys

import epochs
import torch

import variegate

RECIPE = """
variants:
  each:
    draws: {draws}
    steps:
      - sequence:
          - flip: {{p: 0.5}}
          - rotate: {{angle_degrees: [-15, 15]}}
          - scale: {{factor: [0.9, 1.1]}}
          - translate: {{x: [-0.05, 0.05], y: [-0.05, 0.05]}}
          - shear: {{x_degrees: [-5, 5]}}
          - brightness: {{amount: [-0.2, 0.2]}}
          - contrast: {{factor: [0.7, 1.4]}}
          - saturation: {{factor: [0.7, 1.4]}}
"""


def main() -> None:
    """Take turns."""
    items = variegate.torch.dataset(
        sys.argv[1],
        recipe=variegate.Recipe.parse(RECIPE.format(draws=epochs.DRAWS)),
        split=None,
        size=epochs.SIDE,
        statistics=(epochs.MEAN, epochs.STD),
    )
    loader = torch.utils.data.DataLoader(
        items,
        batch_size=epochs.BATCH,
        shuffle=True,
        num_workers=epochs.WORKERS,
        persistent_workers=True,
    )

    def epoch(number: int):
        items.set_epoch(number)
        return (images for images, _ in loader)

    epochs.run(epoch)


if __name__ == "__main__":
    main()
