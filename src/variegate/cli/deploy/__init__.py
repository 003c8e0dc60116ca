"""variegate deploy: bring it to where the pictures are. One file a target."""

from variegate.cli.deploy import kubernetes
from variegate.cli.deploy.group import deploy

__all__ = ["deploy", "kubernetes"]
