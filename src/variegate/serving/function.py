"""What AWS Lambda calls behind an HTTP API: the same application, through Mangum.

The model is in the function's folder or in a bucket; settings come from the environment, as
deploy/aws/classify/template.yaml sets it.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from variegate.errors import UsageError
from variegate.models.card import card_path
from variegate.serving.server import load as load_model
from variegate.serving.settings import KEYS_VARIABLE, KeyRing, ServerSettings

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

#: What `variegate deploy classify` packs beside the function's code.
PACKED_MODEL = "model.onnx"
PACKED_TOLERANCE = "tolerance.json"

PREFIX = "VARIEGATE_"

# Lambda takes events of 6 MB, in which a body is text: four letters for three bytes.
_MAX_BYTES = 4_400_000
_WHOLE_PROCESSOR_MB = 1769


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Handler:
    """Load the model and return what answers events of API Gateway, of both versions.

    Args:
        environment: variables. Default: the process's own.
        folder: where the function's files are.

    Raises:
        UsageError: a setting, the model or its card is wrong.
    """
    from mangum import Mangum

    given = os.environ if environment is None else environment
    place = folder or Path(given.get("LAMBDA_TASK_ROOT", "."))

    def value(name: str, default: str) -> str:
        return given.get(PREFIX + name) or default

    memory = int(given.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(_WHOLE_PROCESSOR_MB)))
    settings = ServerSettings(
        top=int(value("TOP", "5")),
        max_bytes=_MAX_BYTES,
        max_pixels=int(value("MAX_PIXELS", "40000000")),
        workers=max(1, memory // _WHOLE_PROCESSOR_MB),
        keys=_keys(value("KEYS_SECRET", ""), given),
        origins=tuple(one for one in value("ORIGINS", "").split(",") if one),
        page=value("PAGE", "yes") == "yes",
    )
    tolerance = place / PACKED_TOLERANCE
    loaded = load_model(
        _model(value("MODEL", ""), place),
        settings,
        version=value("MODEL_VERSION", ""),
        tolerance=tolerance if tolerance.is_file() else None,
    )
    _log_requests()
    answer: Handler = Mangum(loaded.app, lifespan="off")
    return answer


def _model(location: str, folder: Path) -> Path:
    """Return where the model is on this machine: packed in, or brought from its bucket."""
    if not location:
        return folder / PACKED_MODEL
    import boto3

    parts = urlsplit(location)
    if parts.scheme != "s3" or not parts.path.endswith(".onnx"):
        raise UsageError(f"{PREFIX}MODEL: expected s3://bucket/name.onnx, got {location!r}")
    key = parts.path.lstrip("/")
    target = Path(tempfile.mkdtemp(prefix="variegate-")) / Path(key).name
    store = boto3.client("s3")
    store.download_file(parts.netloc, key, str(target))
    store.download_file(parts.netloc, str(card_path(Path(key))), str(card_path(target)))
    return target


def _keys(secret: str, environment: Mapping[str, str]) -> KeyRing:
    if not secret:
        return KeyRing.read(environment)
    import boto3

    text = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    ring = KeyRing.read({KEYS_VARIABLE: text})
    if not ring:
        raise UsageError(f"{secret}: expected API keys in it, one a line, got none")
    return ring


def _log_requests() -> None:
    """Write each request as a line of JSON, as CloudWatch wants it."""
    log = logging.getLogger("variegate.serving.access")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stdout)]
