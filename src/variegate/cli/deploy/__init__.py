"""Deploy to AWS or Kubernetes: `variegate deploy`, one file a target."""

from variegate.cli.deploy import augment, kubernetes
from variegate.cli.deploy.group import deploy

__all__ = ["augment", "deploy", "kubernetes"]
