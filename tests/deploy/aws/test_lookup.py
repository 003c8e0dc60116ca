"""What is there already is found before anything is built."""

import os

import boto3
import pytest
from botocore.stub import Stubber
from small_aws import CREDENTIALS

from variegate.deploy.aws import lookup
from variegate.deploy.aws.lookup import NamedBucket, look_up
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
    assert look_up(name, (new(f"{name}-in"), new(f"{name}-out")))
    boto3.client("cloudformation").create_stack(
        StackName=name, TemplateBody=STACK.replace("NAME", name)
    )
    assert look_up(name, (new(f"{name}-in"), new(f"{name}-out")))
    with pytest.raises(UsageError, match=f"{name}-in: it exists already, in "):
        look_up("another", (new(f"{name}-in"),))
    with pytest.raises(UsageError, match="has created it and looks after it; leave out --existing"):
        look_up(name, (old(f"{name}-in"),))


def test_a_bucket_that_is_left_from_a_stack(name):
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    with pytest.raises(UsageError) as caught:
        look_up("variegate-augment", (new(name),))
    assert "exists already, in eu-central-1" in str(caught.value)
    assert "Add --existing-input to use it as it is" in str(caught.value)
    with pytest.raises(UsageError, match="would be in us-east-1; add --region eu-central-1"):
        look_up("variegate-augment", (old(name),))
    assert look_up("variegate-augment", (old(name),), "eu-central-1").account == "123456789012"


def test_a_bucket_that_should_be_there_and_is_not(name):
    with pytest.raises(UsageError, match="there is none of this name; leave out --existing-input"):
        look_up("s", (old(name),))


def test_a_key_that_the_function_must_be_told_of(name):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    with pytest.raises(UsageError, match=r"encrypted with the key alias/mine.*KmsKeyArn=ARN"):
        look_up("s", (old(name),))
    assert look_up("s", (old(name),), key="arn:aws:kms:us-east-1:123456789012:key/1")


def test_a_bucket_of_someone_else():
    s3 = boto3.client("s3", region_name="us-east-1", **KEYS)
    with Stubber(s3) as stubber:
        stubber.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(UsageError, match="belongs to someone else"):
            lookup._check_free(s3, new("theirs"))
    with Stubber(s3) as stubber:
        stubber.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(UsageError, match="it belongs to another account than 123456789012"):
            lookup._check_usable(s3, old("theirs"), "123456789012", "")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("ROLLBACK_COMPLETE", None),
        ("REVIEW_IN_PROGRESS", None),
        ("UPDATE_ROLLBACK_COMPLETE", None),
        ("CREATE_IN_PROGRESS", "it is being changed just now"),
        ("UPDATE_ROLLBACK_FAILED", "describe-stack-events --stack-name s"),
    ],
)
def test_states_in_which_a_stack_can_be_made_or_changed(status, message):
    stacks = boto3.client("cloudformation", region_name="us-east-1", **KEYS)
    found = {"StackName": "s", "CreationTime": "2026-01-01", "StackStatus": status}
    with Stubber(stacks) as stubber:
        stubber.add_response("describe_stacks", {"Stacks": [found]})
        if message is None:
            assert lookup.check_state(stacks, "s") == status
            return
        with pytest.raises(UsageError, match=message):
            lookup.check_state(stacks, "s")


def test_a_cloud_that_cannot_be_reached(monkeypatch):
    for key, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UsageError, match="AWS cannot be asked what is there already"):
        look_up("s", (new("a"),))


def test_a_region_that_is_missing(monkeypatch, tmp_path):
    for key in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="add --region NAME, or set AWS_DEFAULT_REGION"):
        look_up("s", (new("a"),))


def new(name):
    return NamedBucket(name, "--existing-input", existing=False)


def old(name):
    return NamedBucket(name, "--existing-input", existing=True)


KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
