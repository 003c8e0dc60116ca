"""What is there already, looked up before anything is built: the stack, and buckets of those names.

CloudFormation finds the same out after minutes, and rolls back what it has made until then.
"""

from collections.abc import Iterable
from typing import Any

from variegate.errors import UsageError

# A stack in this state has nothing, and can only be deleted.
_FAILED = "ROLLBACK_COMPLETE"

_MISSING, _FORBIDDEN = 404, 403


def look_up(stack: str, buckets: Iterable[str], region: str | None = None) -> bool:
    """Make sure that a stack can be made, or changed, with buckets of these names.

    Returns:
        Whether anything was looked up: without boto3 nothing is.

    Raises:
        UsageError: the names are taken, the stack is one that failed, or AWS cannot be asked.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return False
    try:
        own = _own_buckets(boto3.client("cloudformation", region_name=region), stack)
        s3 = boto3.client("s3", region_name=region)
        for name in buckets:
            if name not in own:
                _check_free(s3, name)
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"AWS cannot be asked what is there already: {error}") from error
    return True


def _own_buckets(stacks: Any, stack: str) -> set[str]:
    """Return the buckets of the stack, if there is one."""
    from botocore.exceptions import ClientError

    try:
        (found,) = stacks.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return set()
        raise
    if found["StackStatus"] == _FAILED:
        raise UsageError(
            f"stack {stack}: it could not be created the last time, and can only be deleted: "
            f"aws cloudformation delete-stack --stack-name {stack}; then run this command again"
        )
    pages = stacks.get_paginator("list_stack_resources").paginate(StackName=stack)
    listed = [one for page in pages for one in page["StackResourceSummaries"]]
    return {
        one.get("PhysicalResourceId", "")
        for one in listed
        if one["ResourceType"] == "AWS::S3::Bucket"
    }


def _check_free(s3: Any, name: str) -> None:
    from botocore.exceptions import ClientError

    try:
        answer = s3.head_bucket(Bucket=name)
    except ClientError as error:
        answer = error.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status == _MISSING:
        return
    if status == _FORBIDDEN:
        raise UsageError(
            f"bucket {name}: it exists and belongs to someone else, or you may not see it; the "
            "names of buckets are shared by all accounts, so choose another one"
        )
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    place = answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or "an unknown region"
    raise UsageError(
        f"bucket {name}: it exists already, in {place}, and is not part of the stack, which makes "
        "its buckets itself (those of a deleted stack stay); choose another name, or delete it if "
        f"it is empty: aws s3 rb s3://{name}"
    )
