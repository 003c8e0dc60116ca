"""A bucket's notifications: what is others' stays, whoever writes at the same time."""

import pytest

from variegate.deploy.aws.notifications import stop_telling, tell_event_bridge
from variegate.errors import UsageError


class OneBucket:
    """The two calls of S3, for one bucket; somebody else may write after each of ours."""

    def __init__(self, told, others=()):
        self.told = dict(told)
        self.others = list(others)
        self.puts = 0

    def get_bucket_notification_configuration(self, **_):
        return {**self.told, "ResponseMetadata": {}}

    def put_bucket_notification_configuration(self, **given):
        assert given["SkipDestinationValidation"]
        self.puts += 1
        self.told = dict(given["NotificationConfiguration"])
        if self.others:
            self.told = self.others.pop(0)


QUEUE = {"Id": "a", "QueueArn": "arn:aws:sqs:us-east-1:1:theirs", "Events": ["s3:ObjectCreated:*"]}
OURS = {**QUEUE, "Id": "b", "QueueArn": "arn:aws:sqs:us-east-1:1:ours"}
TOPIC = {"Id": "c", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Events": ["s3:ObjectRemoved:*"]}
FUNCTION = {"Id": "d", "LambdaFunctionArn": "arn:aws:lambda:us-east-1:1:function:f", "Events": []}
THEIRS = {
    "QueueConfigurations": [QUEUE],
    "TopicConfigurations": [TOPIC],
    "LambdaFunctionConfigurations": [FUNCTION],
}


def test_event_bridge_is_added_once_and_all_else_stays():
    bucket = OneBucket(THEIRS)
    assert tell_event_bridge(bucket, "b")
    assert bucket.told == {**THEIRS, "EventBridgeConfiguration": {}}
    assert not tell_event_bridge(bucket, "b")
    assert bucket.puts == 1


def test_one_queue_is_taken_out_and_all_else_stays():
    bucket = OneBucket({**THEIRS, "QueueConfigurations": [OURS, QUEUE]})
    assert stop_telling(bucket, "b", OURS["QueueArn"])
    assert bucket.told == THEIRS
    assert not stop_telling(bucket, "b", OURS["QueueArn"])
    only = OneBucket({"QueueConfigurations": [OURS], "EventBridgeConfiguration": {}})
    assert stop_telling(only, "b", OURS["QueueArn"])
    assert only.told == {"EventBridgeConfiguration": {}}


def test_what_somebody_else_writes_meanwhile_is_kept():
    more = {**THEIRS, "TopicConfigurations": [TOPIC, {**TOPIC, "Id": "e"}]}
    bucket = OneBucket(THEIRS, [more])
    assert tell_event_bridge(bucket, "b")
    assert bucket.told == {**more, "EventBridgeConfiguration": {}}
    busy = OneBucket(THEIRS, [{"QueueConfigurations": [{**QUEUE, "Id": str(n)}]} for n in range(9)])
    with pytest.raises(UsageError, match="somebody else changes its notifications just now"):
        tell_event_bridge(busy, "b")
