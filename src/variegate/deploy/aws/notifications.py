"""What a bucket tells others: one thing is added or taken away, and all else stays as it is.

S3 keeps all of a bucket's notifications in one document, which can only be replaced as a whole. It
is therefore read, changed and written, and read again to see that nobody else wrote meanwhile.
"""

from collections.abc import Callable
from typing import Any

from variegate.errors import UsageError

_BRIDGE = "EventBridgeConfiguration"
_QUEUES = "QueueConfigurations"
_TRIES = 3

_Told = dict[str, Any]


def tell_event_bridge(s3: Any, bucket: str) -> bool:
    """Have a bucket tell EventBridge of its objects; say whether it did not before.

    Raises:
        UsageError: AWS does not do it.
    """
    return _change(s3, bucket, lambda found: {**found, _BRIDGE: found.get(_BRIDGE, {})})


def stop_telling(s3: Any, bucket: str, queue: str) -> bool:
    """Take out what tells a queue of a bucket's objects; say whether there was anything.

    Args:
        s3: client of boto3.
        bucket: its name.
        queue: its ARN.

    Raises:
        UsageError: AWS does not do it.
    """

    def rest(found: _Told) -> _Told:
        kept = [one for one in found.get(_QUEUES, []) if one["QueueArn"] != queue]
        return _without(_QUEUES, found) | ({_QUEUES: kept} if kept else {})

    return _change(s3, bucket, rest)


def _change(s3: Any, bucket: str, change: Callable[[_Told], _Told]) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for _ in range(_TRIES):
            before = _read(s3, bucket)
            wanted = change(before)
            if wanted == before:
                return False
            # Others may tell what is not there any more, which is theirs to mend.
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration=wanted, SkipDestinationValidation=True
            )
            # Not every store that speaks S3 says whether it tells EventBridge.
            if _without(_BRIDGE, _read(s3, bucket)) == _without(_BRIDGE, wanted):
                return True
    except (BotoCoreError, ClientError) as error:
        raise UsageError(
            f"bucket {bucket}: its notifications cannot be changed: {error}"
        ) from error
    raise UsageError(
        f"bucket {bucket}: somebody else changes its notifications just now; run this again"
    )


def _read(s3: Any, bucket: str) -> _Told:
    return _without("ResponseMetadata", s3.get_bucket_notification_configuration(Bucket=bucket))


def _without(name: str, found: _Told) -> _Told:
    return {key: one for key, one in found.items() if key != name}
