"""A stack from its first, failed creation to its last deletion, in buckets new and old.

The commands are the real ones. moto is S3, SQS, EventBridge, DynamoDB; a small CloudFormation makes
the template's own resources there, with the notifications that moto's would drop, and fails and
rolls back where it is told to; a program in the place of sam hands it the template and the
parameters. The function is the built one.
"""

import json
import os
import sys

import boto3
import pytest
from lambda_host import move_messages
from small_aws import CREDENTIALS, Cloud, mapping_state, moto_mapping
from small_cloudformation import SAM, SmallCloudFormation
from typer.testing import CliRunner

from jobs import draw_noise
from variegate.cli import app
from variegate.deploy.aws import day_limit
from variegate.deploy.aws.day_limit import DayLimit


@pytest.fixture
def small(moto_url, monkeypatch, tmp_path):
    """The small CloudFormation; the commands reach it, moto, and a program called sam."""
    program = tmp_path / "programs/sam"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{SAM}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    # Clients of another test would reach its cloud.
    day_limit._client.cache_clear()
    with SmallCloudFormation(moto_url).served() as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", cloud.url)
        yield cloud


@pytest.fixture
def name(small):
    """A name that nobody else has."""
    return f"c{os.urandom(6).hex()}"


@pytest.fixture
def deploy(name):
    """Deploy a stack of that name with buckets of that name."""

    def call(*more):
        return run(
            *("deploy", "augment", "--stack", name, "--input", f"{name}-in"),
            *("--output", f"{name}-out", "--preset", "light", "--yes", "--megapixels", "0.1"),
            *more,
        )

    return call


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(one) for one in arguments])


def is_there(bucket):
    return bucket in {one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]}


def notifications(bucket):
    found = boto3.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    found.pop("ResponseMetadata")
    return found


def test_creation_that_fails_in_the_middle_is_repeated(small, name, deploy):
    small.failing = "WaitingAlarm"
    failed = deploy()
    assert failed.exit_code == 2
    assert "sam deploy failed" in failed.output
    assert small.stacks[name].status == "ROLLBACK_COMPLETE"
    assert not is_there(f"{name}-in")
    small.failing = None
    again = deploy()
    assert again.exit_code == 0, again.output
    assert "its creation failed the last time; what is left of it goes first" in again.output
    assert is_there(f"{name}-in")
    (told,) = notifications(f"{name}-in")["QueueConfigurations"]
    assert told["QueueArn"].endswith(f"{name}-Arrivals")
    # And once more, with another parameter: nothing is made twice, or refused.
    changed = deploy("--delete-variants")
    assert changed.exit_code == 0, changed.output
    assert small.stacks[name].status == "UPDATE_COMPLETE"
    events = [one["Events"] for one in notifications(f"{name}-in")["QueueConfigurations"]]
    assert events == [["s3:ObjectCreated:*"], ["s3:ObjectRemoved:*"]]


def test_destroyed_and_deployed_again_with_the_same_names(small, name, deploy):
    assert deploy().exit_code == 0
    s3 = boto3.client("s3")
    s3.put_object(Bucket=f"{name}-out", Key="variants/a-v00.jpg", Body=b"kept")
    destroyed = run("destroy", name, "--yes")
    assert destroyed.exit_code == 0, destroyed.output
    # The queue is gone, and the bucket does not tell it any more.
    assert notifications(f"{name}-in") == {}
    refused = deploy()
    assert refused.exit_code == 2
    assert "Add --existing-input to use it as it is" in refused.output
    for _ in range(2):
        again = deploy("--existing-input", "--existing-output")
        assert again.exit_code == 0, again.output
    # (moto does not say that it tells EventBridge; it does: see below.)
    assert notifications(f"{name}-in") == {}
    assert s3.get_object(Bucket=f"{name}-out", Key="variants/a-v00.jpg")["Body"].read() == b"kept"
    with_data = run("destroy", name, "--yes")
    assert f"s3://{name}-in: yours, as it was" in with_data.output
    assert is_there(f"{name}-in")


def test_changed_stack_that_fails_keeps_its_buckets(small, name, deploy):
    assert deploy().exit_code == 0
    small.failing = "Days"
    failed = deploy("--max-variants-per-day", "1000")
    assert failed.exit_code == 2
    assert is_there(f"{name}-in")
    small.failing = None
    assert deploy("--max-variants-per-day", "1000").exit_code == 0
    assert "Days" in small.stacks[name].kinds


def test_limit_that_is_taken_away_lets_paused_messages_come(small, name, deploy):
    assert deploy("--max-variants-per-day", "1000").exit_code == 0
    mapping, physical = moto_mapping(name), small.stacks[name].physical
    boto3.client("ssm").put_parameter(Name=physical["MappingName"], Value=mapping, Overwrite=True)
    limit = DayLimit(
        most=1000,
        table=physical["Days"],
        queue=physical["Arrivals"],
        mapping=physical["MappingName"],
        region="us-east-1",
    )
    limit.put_back("a message")
    assert mapping_state(mapping) == "Disabled"
    again = deploy()
    assert "messages that the day's limit had paused come again" in again.output
    assert mapping_state(mapping) == "Enabled"
    assert "Days" not in small.stacks[name].kinds
    assert "come again" not in deploy().output


@pytest.fixture
def foreign(name):
    """Buckets that are there, and tell a queue of others of all that is put into them."""
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"{name}-foreign")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    configurations = [
        {
            "Id": f"others-{event}",
            "QueueArn": arn["Attributes"]["QueueArn"],
            "Events": [f"s3:{event}:*"],
        }
        for event in ("ObjectCreated", "ObjectRemoved")
    ]
    for bucket in (f"{name}-in", f"{name}-out"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(
        Bucket=f"{name}-in", NotificationConfiguration={"QueueConfigurations": configurations}
    )
    return configurations


def test_bucket_that_was_there_goes_on_telling_others(
    small, name, deploy, foreign, artefact, start, tmp_path, moto_url
):
    deployed = deploy("--existing-input", "--existing-output", "--delete-variants")
    assert deployed.exit_code == 0, deployed.output
    assert f"s3://{name}-in: EventBridge is on" in deployed.output

    def told():
        return {one["Id"]: one for one in notifications(f"{name}-in")["QueueConfigurations"]}

    assert told() == {one["Id"]: one for one in foreign}
    cloud = Cloud(
        moto_url,
        boto3.client("s3"),
        boto3.client("sqs"),
        f"{name}-in",
        f"{name}-out",
        small.stacks[name].physical["Arrivals"],
        small.stacks[name].physical["DeadLetters"],
    )
    function = start(artefact, cloud.function_settings(VARIEGATE_DELETE_VARIANTS="yes"), size=1)
    image = draw_noise(tmp_path / "a.jpg").read_bytes()
    for key in ("images/a b.jpg", "images/c.jpg", "elsewhere/d.jpg"):
        cloud.put(key, image)
    assert move_messages(cloud.sqs, cloud.arrivals, function) >= 1
    made = {key for key in cloud.keys(cloud.output) if "/.variegate/" not in key}
    assert made == {f"variants/{stem}-v0{n}.jpg" for stem in ("a b", "c") for n in range(2)}
    cloud.s3.delete_object(Bucket=cloud.input, Key="images/a b.jpg")
    move_messages(cloud.sqs, cloud.arrivals, function)
    left = {key for key in cloud.keys(cloud.output) if "/.variegate/" not in key}
    assert left == {"variants/c-v00.jpg", "variants/c-v01.jpg"}
    assert cloud.dead_letters() == []
    destroyed = run("destroy", name, "--yes")
    assert destroyed.exit_code == 0, destroyed.output
    assert told() == {one["Id"]: one for one in foreign}
    assert {key for key in cloud.keys(cloud.output) if "/.variegate/" not in key} == left
    # The others have heard of everything, before and after.
    heard = cloud.sqs.get_queue_attributes(
        QueueUrl=cloud.sqs.get_queue_url(QueueName=f"{name}-foreign")["QueueUrl"],
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    assert json.loads(heard["Attributes"]["ApproximateNumberOfMessages"]) >= 4
