"""Upload a dataset: `variegate upload`, one file a service."""

from variegate.cli.upload import edge_impulse, huggingface
from variegate.cli.upload.group import upload

__all__ = ["edge_impulse", "huggingface", "upload"]
