"""What S3 says about objects, out of the messages that carry it.

An object's event comes straight from S3, through SNS, or from EventBridge; in all three cases here
in the body of an SQS message. Percent-encoding is S3's own (a space is a plus sign), and only S3's:
EventBridge writes keys as they are.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_plus

from variegate.errors import VariegateError

# Letters of a message that cannot be read, in the sentence that says so.
_SHOWN = 120

# How S3 and EventBridge call what is known about an object.
_BY_S3 = {"version": "versionId", "sequencer": "sequencer", "tag": "eTag"}
_BY_BRIDGE = {"version": "version-id", "sequencer": "sequencer", "tag": "etag"}

# Why EventBridge says an object was deleted, where nobody did it. S3 has a kind of its own for it.
_BY_RULE = "Lifecycle Expiration"


class MessageError(VariegateError):
    """A message that nobody here can act upon, now or later."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """An object that was created, or replaced, or deleted.

    Attributes:
        bucket: its name.
        key: whole, decoded.
        about: version, sequencer, tag and time, as far as they were told.
        deleted: by somebody; not by a rule that removes what is old.
    """

    bucket: str
    key: str
    about: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One message of a queue.

    Attributes:
        id: by which its failure is reported.
        body: as it came.
        tries: how often it was received, this time included.
    """

    id: str
    body: str
    tries: int


def queue_messages(event: Mapping[str, Any]) -> list[QueueMessage]:
    """Return the messages of an event that SQS sent to a function.

    Raises:
        MessageError: it is another kind of event.
    """
    records = event.get("Records")
    if not isinstance(records, list) or not all(
        isinstance(one, Mapping) and one.get("eventSource") == "aws:sqs" for one in records
    ):
        raise MessageError(
            "expected messages of a queue (SQS) or a shard of a run; "
            f"got {_shown(json.dumps(event, default=str))}"
        )
    return [
        QueueMessage(
            one["messageId"], one["body"], int(one["attributes"].get("ApproximateReceiveCount", 1))
        )
        for one in records
    ]


def object_events(body: str) -> list[ObjectEvent]:
    """Return the objects that a message's body tells of; none for a test.

    Raises:
        MessageError: it is not a message about objects.
    """
    try:
        return list(_events(json.loads(body)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MessageError(
            f"expected a message of S3 about an object, got {_shown(body)} "
            f"({type(error).__name__}: {error})"
        ) from error


def _events(data: Any) -> Iterator[ObjectEvent]:
    if data.get("Type") == "Notification" and "Message" in data:
        yield from _events(json.loads(data["Message"]))
    elif data.get("Event") == "s3:TestEvent":
        return
    elif "detail-type" in data:
        detail = data["detail"]
        deleted = data["detail-type"] == "Object Deleted" and detail.get("reason") != _BY_RULE
        if deleted or data["detail-type"] == "Object Created":
            found = _object(detail, data.get("time"), _BY_BRIDGE, str)
            yield replace(found, deleted=deleted)
    else:
        for record in data["Records"]:
            if record["eventSource"] != "aws:s3":
                raise ValueError(f"eventSource is {record['eventSource']!r}")
            kind = record["eventName"].removeprefix("s3:").partition(":")[0]
            if kind in ("ObjectCreated", "ObjectRemoved"):
                found = _object(record["s3"], record.get("eventTime"), _BY_S3, unquote_plus)
                yield replace(found, deleted=kind == "ObjectRemoved")


def _object(
    told: Mapping[str, Any], time: object, names: Mapping[str, str], decoded: Callable[[str], str]
) -> ObjectEvent:
    one = told["object"]
    about = {name: one.get(field) for name, field in names.items()} | {"time": time}
    known = {name: str(value) for name, value in about.items() if value is not None}
    return ObjectEvent(told["bucket"]["name"], decoded(one["key"]), known)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
