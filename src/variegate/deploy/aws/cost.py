"""What images through the function will cost, by a dated table of prices (``prices.json``)."""

import json
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from variegate.codecs import encode
from variegate.datasets.samples import draw_images
from variegate.formats import Source
from variegate.recipes.plugins import Plugin
from variegate.recipes.recipe import Recipe
from variegate.runs.augmenter import make_variants
from variegate.runs.job import Job

# Below this memory the function has a part of a processor only.
WHOLE_PROCESSOR_MB = 1769

# Requests for an image. To S3, to read: its version (twice), the image, its part of the
# manifest; to write: each variant, and the part. To SQS: sent, received, deleted.
_READS, _PARTS, _QUEUE = 4, 1, 3

# Opening connections and waiting for S3, for an image and for each file that is written.
_WAITING_S, _WAITING_EACH_S = 0.1, 0.03

# Of the log, an image.
_LOG_BYTES = 700

ASPECT = 4 / 3
QUALITY = 90


@dataclass(frozen=True, slots=True)
class Trial:
    """What one image took on this machine.

    Attributes:
        seconds: of a processor, for all variants.
        bytes: of all variants.
        variants: how many.
    """

    seconds: float
    bytes: int
    variants: int


@dataclass(frozen=True, slots=True)
class CostItem:
    """One line of the bill.

    Attributes:
        name: what for.
        amount: how much of it, in words.
        usd: what it costs.
        monthly: whether it comes again every month.
    """

    name: str
    amount: str
    usd: float
    monthly: bool = False


@cache
def prices() -> dict[str, Any]:
    """Return the table: {"as_of", "region", "prices": {name: {"usd", "per", "source"}}}."""
    return dict(json.loads((resources.files("variegate.deploy.aws") / "prices.json").read_text()))


def price(name: str) -> float:
    """Return the price of one, in US dollars."""
    found = prices()["prices"][name]
    return float(found["usd"]) / float(found["per"])


def trial(recipe: Recipe, megapixels: float, plugins: tuple[Plugin, ...] = ()) -> Trial:
    """Make all variants of a drawn JPEG of that size in memory, on one processor; nothing stays."""
    height = round((megapixels * 1e6 / ASPECT) ** 0.5)
    _, drawn = next(iter(draw_images(1, size=(height, round(height * ASPECT)))))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jpg").write_bytes(encode(drawn.image, format="jpeg", quality=QUALITY))
        job = Job(recipe=recipe.to_data(), input=folder, output=folder, plugins=plugins)
        source = Source("a.jpg", 0, None, None)
        # Once for what is loaded and compiled at the first time.
        next(make_variants(job, source))
        begun = time.process_time()
        sizes = [len(one.encoded) for one in make_variants(job, source)]
        return Trial(time.process_time() - begun, sum(sizes), len(sizes))


def bill(taken: Trial, images: int, *, memory_mb: int) -> list[CostItem]:
    """Return what a number of images costs."""
    slower = max(1.0, WHOLE_PROCESSOR_MB / memory_mb)
    seconds = taken.seconds * slower + _WAITING_S + _WAITING_EACH_S * taken.variants
    gb_seconds = images * seconds * memory_mb / 1024
    writes, reads = images * (taken.variants + _PARTS), images * _READS
    stored_gb = images * taken.bytes / 1e9
    log_gb = images * _LOG_BYTES / 1e9
    rows = (
        ("Lambda, time", "lambda_gb_second", gb_seconds, f" GB-seconds ({seconds:.2f} s an image)"),
        ("Lambda, calls", "lambda_request", images, ""),
        ("SQS", "sqs_request", images * _QUEUE, " requests"),
        ("S3, writing", "s3_put", writes, " files"),
        ("S3, reading", "s3_get", reads, " requests"),
    )
    items = [
        CostItem(name, f"{count:,.0f}{unit}", count * price(one)) for name, one, count, unit in rows
    ]
    keeping = f"{stored_gb:,.1f} GB, each month"
    return [
        *items,
        CostItem("logs", f"{log_gb:,.2f} GB", log_gb * price("logs_gb")),
        CostItem("S3, keeping", keeping, stored_gb * price("s3_gb_month"), monthly=True),
    ]


# Of the template, with one metric each: that is what is paid.
_ALARMS = 6

# Lambda asks an empty queue five times every 20 seconds.
_POLLS_MONTH = 5 * 3 * 60 * 24 * 30

_MONTH_DAYS = 30


def alarms_item(count: int) -> CostItem:
    """Return what alarms cost."""
    return CostItem("alarms", f"{count}, each month", count * price("alarm_month"), monthly=True)


def extras_bill(images: int, *, bridged: bool, counted: bool) -> list[CostItem]:
    """Return what cost what not every stack has.

    Args:
        images: how many.
        bridged: whether EventBridge tells of them, as of a bucket that was there before.
        counted: whether their variants are counted, for a limit a day.
    """
    rows = (
        (bridged, "EventBridge", "bridge_event", f"{images:,} events, if nothing else is written"),
        (counted, "DynamoDB", "table_write", f"{images:,} writes"),
    )
    return [CostItem(name, text, images * price(one)) for had, name, one, text in rows if had]


def standing_bill(taken: Trial, images: int, *, old_versions_days: int) -> list[CostItem]:
    """Return what costs whether images come or not, and what making them again leaves behind.

    Args:
        taken: what one image took.
        images: how many.
        old_versions_days: how long overwritten files are kept; 0 where they are not.
    """
    polls = f"{_POLLS_MONTH:,} requests, each month"
    items = [
        CostItem("SQS, waiting", polls, _POLLS_MONTH * price("sqs_request"), monthly=True),
        alarms_item(_ALARMS),
    ]
    if old_versions_days:
        stored_gb = images * taken.bytes / 1e9
        amount = f"{stored_gb:,.1f} GB for {old_versions_days:,} days, if all is made again once"
        usd = stored_gb * old_versions_days / _MONTH_DAYS * price("s3_gb_month")
        items.append(CostItem("S3, old versions", amount, usd, monthly=True))
    return items
