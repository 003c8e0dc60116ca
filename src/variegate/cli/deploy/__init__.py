"""variegate deploy: bring it to where the images are. One file a target."""

from variegate.cli.deploy import augment, kubernetes
from variegate.cli.deploy.group import deploy

__all__ = ["augment", "deploy", "kubernetes"]
