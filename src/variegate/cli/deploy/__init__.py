"""Deploy to AWS or Kubernetes: `variegate deploy`, one file a target."""

from variegate.cli.deploy import augment, classify, kubernetes
from variegate.cli.deploy.group import deploy

__all__ = ["augment", "classify", "deploy", "kubernetes"]
