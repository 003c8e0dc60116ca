"""What `variegate deploy classify` builds: the project of a model's function, and what it costs."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from variegate.codecs import encode
from variegate.datasets.samples import draw_images
from variegate.deploy.aws.cost import (
    ASPECT,
    QUALITY,
    WHOLE_PROCESSOR_MB,
    CostItem,
    alarms_item,
    price,
)
from variegate.deploy.aws.package import NEEDLESS, REQUIREMENTS
from variegate.deploy.aws.project import (
    begin_project,
    code_blocks,
    description_block,
    filled_template,
    requirements,
)
from variegate.errors import InputError, UsageError
from variegate.models.card import card_path
from variegate.serving.classifier import Classifier
from variegate.serving.function import PACKED_MODEL, PACKED_TOLERANCE
from variegate.serving.marks import read_marks
from variegate.storage import open_storage

#: Amazon Linux 2 cannot load onnxruntime, and SnapStart begins with 3.12.
RUNTIMES = ("3.13", "3.12")

# What an application that answers requests needs of the package's libraries.
_LIBRARIES = (
    *("opencv-python-headless", "numpy", "simplejpeg", "stringzilla", "pillow"),
    *("pydantic", "msgspec", "PyYAML"),
    *("onnxruntime", "fastapi", "python-multipart", "mangum"),
)

# onnxruntime brings a second copy of itself for programs in C, and tools for making models. OpenCV
# is linked with decoders of video and AVIF, which nothing here calls (Pillow reads AVIF; but OpenCV
# asks libavif about every PNG). Nothing draws text through Pillow, or has Fortran wrapped.
_NEEDLESS = (
    "delete onnxruntime/capi/libonnxruntime.so*",
    *(
        f"delete onnxruntime/{name}"
        for name in ("transformers", "quantization", "tools", "datasets")
    ),
    *(f"delete {name}" for name in ("PIL/_imagingft*", "PIL/_imagingtk*", "numpy/f2py")),
    *(
        f"hollow opencv_python_headless.libs/lib{name}-*"
        for name in ("avcodec", "avformat", "avutil", "swscale", "aom")
    ),
)

_SNAPSHOT = """\
      # A snapshot of the loaded model starts in less than a second; each published version has one.
      SnapStart: {ApplyOn: PublishedVersions}
"""

_TRIES = 5
_OVERHEAD_S = 0.01
_LOG_BYTES = 400
_MONTH_S = 30 * 86400
# Of the template, with one metric each.
_ALARMS = 5
# A request of an HTTP API is billed by pieces of this size.
_PIECE = 512 * 1024


@dataclass(frozen=True, slots=True)
class DeployedModel:
    """A model that is to be deployed, with its card, on this machine.

    Attributes:
        path, card: of the files.
        packed: whether they become a part of the function; else it brings them from their bucket.
        bucket, key: where they are then.
    """

    path: Path
    card: Path
    packed: bool = True
    bucket: str = ""
    key: str = ""


def find_model(location: str, card: Path | None, folder: Path) -> DeployedModel:
    """Return a model and its card; those in a bucket are copied into a folder, to be tried.

    Args:
        location: path of an ONNX file, or s3://bucket/name.onnx.
        card: of a model on this machine. Default: beside it.
        folder: for copies.

    Raises:
        InputError: one of them is missing.
        UsageError: the location is another kind of URL, or the card of one in a bucket is named.
    """
    if "://" not in location:
        path = Path(location)
        return DeployedModel(path, card or card_path(path))
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not location.startswith("s3://") or not key.endswith(".onnx"):
        raise UsageError(f"{location}: expected a file, or s3://bucket/name.onnx")
    if card is not None:
        raise UsageError("--card: the card of a model in a bucket is beside it; upload it there")
    place, _, name = location.rpartition("/")
    store = open_storage(place)
    target = folder / name
    for path in (target, card_path(target)):
        path.write_bytes(store.read(path.name))
    return DeployedModel(target, card_path(target), packed=False, bucket=bucket, key=key)


def write_classify_project(
    folder: Path,
    model: DeployedModel,
    *,
    tolerance: Path | None = None,
    python: str = "3.13",
    image: bool = False,
    parameters: Mapping[str, str] | None = None,
) -> Path:
    """Write all that `sam build` and `sam deploy` need; return the template's path.

    Args:
        folder: new, empty, or written by this function before.
        model: packed with the function, or in its bucket.
        tolerance: for marks on the page's sliders.
        python: of the function's runtime.
        image: as a container image, which `sam build` needs Docker for; else as a zip file.
        parameters: that the stack will have; a change of them makes a new version.

    Raises:
        OutputError: the folder holds something else.
        UsageError: there is no such runtime, or a file cannot be used.
    """
    if python not in RUNTIMES:
        raise UsageError(f"python: expected one of {', '.join(RUNTIMES)}, got {python!r}")
    if tolerance is not None:
        read_marks(tolerance, Classifier(model.path, card=model.card).predictor)
    given, code = begin_project(folder, "classify", python)
    libraries = requirements(python, image=image, libraries=_LIBRARIES)
    (code / REQUIREMENTS).write_text("".join(f"{one}\n" for one in libraries))
    (code / NEEDLESS).write_text("".join(f"{one}\n" for one in _NEEDLESS))
    if model.packed:
        _copy_model(model, code)
    if tolerance is not None:
        shutil.copyfile(tolerance, code / PACKED_TOLERANCE)
    blocks = code_blocks(python, image=image, tag="classify", handler="entry.handler")
    blocks |= description_block("Classifies images.", parameters)
    template = folder / "template.yaml"
    # There are no snapshots of container images.
    blocks["start"] = "" if image else _SNAPSHOT
    template.write_text(filled_template((given / "template.yaml").read_text(), blocks))
    return template


def _copy_model(model: DeployedModel, code: Path) -> None:
    """Copy model and card; the function has them under names of its own."""
    target = code / PACKED_MODEL
    for source, copy in ((model.path, target), (model.card, card_path(target))):
        if not source.is_file():
            raise InputError(f"{source}: there is no such file")
        shutil.copyfile(source, copy)


def time_classification(model: DeployedModel, megapixels: float) -> tuple[float, int]:
    """Classify a drawn JPEG on one processor.

    Returns:
        seconds, the median of five; and size of the file, bytes.

    Raises:
        UsageError: the model or its card cannot be used.
    """
    height = round((megapixels * 1e6 / ASPECT) ** 0.5)
    _, drawn = next(iter(draw_images(1, size=(height, round(height * ASPECT)))))
    data = encode(drawn.image, format="jpeg", quality=QUALITY)
    classifier = Classifier(model.path, card=model.card)
    times = []
    for _ in range(_TRIES):
        begun = time.perf_counter()
        classifier.work([data], False)
        times.append(time.perf_counter() - begun)
    return sorted(times)[_TRIES // 2], len(data)


def classify_bill(
    seconds: float, size: int, requests: int, *, memory_mb: int, snapshot: bool
) -> list[CostItem]:
    """Return what a number of requests with an image each costs.

    Args:
        seconds: that one takes on one whole processor.
        size: of its body, bytes.
        requests: their number.
        memory_mb: of the function.
        snapshot: whether a snapshot of it is kept.
    """
    each = seconds * max(1.0, WHOLE_PROCESSOR_MB / memory_mb) + _OVERHEAD_S
    gb_seconds = requests * each * memory_mb / 1024
    pieces = requests * max(1, -(-size // _PIECE))
    log_gb = requests * _LOG_BYTES / 1e9
    items = [
        CostItem(
            "Lambda, time",
            f"{gb_seconds:,.0f} GB-seconds ({each:.3f} s a request)",
            gb_seconds * price("lambda_gb_second"),
        ),
        CostItem("Lambda, calls", f"{requests:,}", requests * price("lambda_request")),
        CostItem("HTTP API", f"{pieces:,} pieces of 512 kB", pieces * price("http_api_request")),
        CostItem("logs", f"{log_gb:,.2f} GB", log_gb * price("logs_gb")),
    ]
    items.append(alarms_item(_ALARMS))
    if snapshot:
        kept = memory_mb / 1024 * _MONTH_S
        usd = kept * price("snapshot_gb_second")
        items.append(CostItem("snapshot", "one version, each month", usd, monthly=True))
    return items
