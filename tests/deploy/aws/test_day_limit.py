"""At most a number of variants a day: the rest waits, nothing is lost, the next day goes on."""

import json
import os

import boto3
import pytest
from botocore.stub import Stubber
from lambda_host import move_messages
from small_aws import mapping_state, moto_mapping

from jobs import draw_noise
from variegate.deploy.aws import day_limit
from variegate.deploy.aws.day_limit import DayLimit


@pytest.fixture
def limited(cloud, monkeypatch):
    """What the template makes for a limit; its names, and a look at the mapping."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    name = f"d{os.urandom(6).hex()}"
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "day", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "day", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    mapping = moto_mapping(name)
    boto3.client("ssm").put_parameter(Name=f"/{name}/mapping", Value=mapping, Type="String")
    return name, lambda: mapping_state(mapping)


def settings(cloud, limited, most):
    return cloud.function_settings(
        VARIEGATE_MAX_VARIANTS_PER_DAY=str(most),
        VARIEGATE_DAYS=limited[0],
        VARIEGATE_ARRIVALS=cloud.arrivals,
        VARIEGATE_MAPPING=f"/{limited[0]}/mapping",
    )


def variants(cloud):
    return [key for key in cloud.keys(cloud.output, "variants/") if "/.variegate/" not in key]


def today(name):
    items = boto3.client("dynamodb").scan(TableName=name)["Items"]
    return {one["day"]["S"]: int(one["made"]["N"]) for one in items if "made" in one}


def test_no_more_than_that_whatever_arrives_and_the_rest_tomorrow(
    artefact, cloud, start, tmp_path, limited
):
    name, state = limited
    for number in range(6):
        image = draw_noise(tmp_path / f"{number}.jpg").read_bytes()
        cloud.put(f"images/{number}.jpg", image)
    # Two variants each: three images have room, by two instances that count together.
    function = start(artefact, settings(cloud, limited, 7), size=2)
    move_messages(cloud.sqs, cloud.arrivals, function, batch=1)
    assert len(variants(cloud)) == 6
    (made,) = today(name).values()
    assert made == 6
    assert state() == "Disabled"
    kinds = [one["event"] for one in function.told()]
    assert (kinds.count("made"), kinds.count("day limit"), kinds.count("failed")) == (3, 3, 0)
    assert cloud.dead_letters() == []
    waiting = cloud.sqs.get_queue_attributes(
        QueueUrl=cloud.arrivals, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert waiting["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "3"
    # What is done already takes nothing of the day.
    done = variants(cloud)[0].removeprefix("variants/")[0]
    function.call(s3_event(cloud.input, f"images/{done}.jpg"))
    assert function.told()[-1]["event"] == "known"
    # A new day: what was counted yesterday is another item.
    (day,) = today(name)
    boto3.client("dynamodb").delete_item(TableName=name, Key={"day": {"S": day}})
    assert function.call({"day": "begins"}) == {}
    assert state() == "Enabled"
    for number in range(6):
        function.call(s3_event(cloud.input, f"images/{number}.jpg"))
    assert len(variants(cloud)) == 12
    assert today(name) == {day: 6}


def test_what_a_user_has_paused_stays_paused(artefact, cloud, start, limited):
    name, state = limited
    functions = boto3.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    function = start(artefact, settings(cloud, limited, 7), size=1)
    assert function.call({"day": "begins"}) == {}
    assert state() == "Disabled"
    assert function.told()[-1]["resumed"] is False


def test_several_may_pause_at_once(cloud, limited, monkeypatch):
    functions = boto3.client("lambda")
    clients = {"lambda": functions, "sqs": cloud.sqs}
    monkeypatch.setattr(
        day_limit, "_client", lambda name, _: clients.get(name) or boto3.client(name)
    )
    limit = DayLimit(
        most=1, table=limited[0], queue=cloud.arrivals, mapping=f"/{limited[0]}/mapping"
    )
    with Stubber(functions) as stubber:
        stubber.add_client_error("update_event_source_mapping", "ResourceInUseException")
        limit.put_back("a message")
        stubber.assert_no_pending_responses()
    waiting = cloud.sqs.get_queue_attributes(
        QueueUrl=cloud.arrivals, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert waiting["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_image_with_more_variants_than_a_day_is_a_dead_letter(
    artefact, cloud, start, tmp_path, limited
):
    cloud.put("images/a.jpg", draw_noise(tmp_path / "a.jpg").read_bytes())
    function = start(artefact, settings(cloud, limited, 1), size=1)
    move_messages(cloud.sqs, cloud.arrivals, function)
    (dead,) = cloud.dead_letters()
    reason = dead["MessageAttributes"]["Reason"]["StringValue"]
    assert "an image has 2 variants, and a day at most 1" in reason


def s3_event(bucket, key):
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
    }
    message = {
        "messageId": "m",
        "body": json.dumps({"Records": [record]}),
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }
    return {"Records": [message]}
