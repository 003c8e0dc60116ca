"""variegate upload huggingface: a dataset into a repository of the Hugging Face Hub."""

from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json
from variegate.cli.options import AsJson, FormatChoice, option
from variegate.cli.upload.group import upload


@command(
    "huggingface",
    "variegate upload huggingface more/ --repo user/parts",
    "variegate upload huggingface coco/ --repo user/parts --public",
    to=upload,
)
def huggingface(
    source: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="Output of variegate, or a dataset: folder, archive or bucket."
        ),
    ],
    *,
    inputs: FormatChoice,
    repo: Annotated[
        str, option("--repo", "Repository of the dataset; it is created.", metavar="USER/NAME")
    ],
    public: Annotated[
        bool, option("--public", "Everybody may see a new repository. Default: you alone.")
    ] = False,
    allow_loss: Annotated[
        bool,
        option("--allow-loss", "Upload even if an image folder cannot represent everything."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a dataset to the Hugging Face Hub, as an image folder that load_dataset reads.

    Needs the extra huggingface. The token is HF_TOKEN, or that of: hf auth login. If it is
    interrupted, run the same command again: the hub knows the files that it has.
    """
    from variegate.datasets.upload.hugging_face import upload_to_hub

    done = upload_to_hub(
        source,
        repo,
        format=inputs.format,
        hints=inputs.hints,
        private=not public,
        allow_loss=allow_loss,
        on_note=note,
    )
    if as_json:
        show_json(done.to_json())
        return
    show(f"{done.images:,} images in {done.url}")
    show(f'load them:  datasets.load_dataset("{done.repo}")')
