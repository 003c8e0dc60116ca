"""What is there already is found before anything is built."""

import os

import boto3
import pytest
from botocore.stub import Stubber
from small_aws import CREDENTIALS

from variegate.deploy.aws import lookup
from variegate.deploy.aws.lookup import look_up
from variegate.errors import UsageError

STACK = """
Resources:
  InputBucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: NAME-in}
"""


@pytest.fixture
def name(moto_url, monkeypatch):
    """A name that nobody else has, and the cloud that is asked."""
    for key, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(key, value)
    return f"l{os.urandom(6).hex()}"


def test_free_names_and_those_of_the_stack_itself(name):
    assert look_up(name, [f"{name}-in", f"{name}-out"])
    boto3.client("cloudformation").create_stack(
        StackName=name, TemplateBody=STACK.replace("NAME", name)
    )
    assert look_up(name, [f"{name}-in", f"{name}-out"])
    with pytest.raises(UsageError, match=f"{name}-in: it exists already, in "):
        look_up("another", [f"{name}-in"])


def test_a_bucket_that_is_left_from_a_stack(name):
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    with pytest.raises(UsageError) as caught:
        look_up("variegate-augment", [name])
    assert "exists already, in eu-central-1" in str(caught.value)
    assert f"aws s3 rb s3://{name}" in str(caught.value)


def test_a_bucket_of_someone_else():
    s3 = boto3.client("s3", region_name="us-east-1", **KEYS)
    with Stubber(s3) as stubber:
        stubber.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(UsageError, match="belongs to someone else"):
            lookup._check_free(s3, "theirs")


def test_a_stack_that_could_not_be_created():
    stacks = boto3.client("cloudformation", region_name="us-east-1", **KEYS)
    found = {"StackName": "s", "CreationTime": "2026-01-01", "StackStatus": "ROLLBACK_COMPLETE"}
    with Stubber(stacks) as stubber:
        stubber.add_response("describe_stacks", {"Stacks": [found]})
        with pytest.raises(UsageError, match="aws cloudformation delete-stack --stack-name s;"):
            lookup._own_buckets(stacks, "s")


def test_a_cloud_that_cannot_be_reached(monkeypatch):
    for key, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UsageError, match="AWS cannot be asked what is there already"):
        look_up("s", ["a"])


KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
