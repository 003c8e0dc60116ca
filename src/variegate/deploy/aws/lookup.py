"""What is there already, looked up before anything is built: the stack, and buckets of those names.

CloudFormation finds the same out after minutes, and rolls back what it has made until then.
"""

from dataclasses import dataclass
from typing import Any

from variegate.deploy.aws.day_limit import DayLimit
from variegate.errors import UsageError

# A stack in this state has nothing, and can only be deleted.
_FAILED = "ROLLBACK_COMPLETE"
# In these, somebody has to look at it; the first is of a change that was never made.
_UNMADE = "REVIEW_IN_PROGRESS"
_STUCK = ("ROLLBACK_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED", "CREATE_FAILED")

_MISSING, _FORBIDDEN = 404, 403


@dataclass(frozen=True, slots=True)
class NamedBucket:
    """A bucket that a stack is to have.

    Attributes:
        name: of the bucket.
        option: that says that it exists already.
        existing: whether it does, as the user says; else the stack creates it.
    """

    name: str
    option: str
    existing: bool


def look_up(
    stack: str, buckets: tuple[NamedBucket, ...], region: str | None = None, *, key: str = ""
) -> "Clients | None":
    """Make sure that a stack can be made, or changed, with these buckets.

    Args:
        stack: its name.
        buckets: that it is to create, or to use.
        region: of the stack. Default: as AWS's own settings say.
        key: ARN of the KMS key that the function may use; "" for none.

    Returns:
        What was asked, for more; None without boto3, where nothing is looked up.

    Raises:
        UsageError: the names are taken, a bucket that should exist cannot be used, the stack is in
            a state in which it cannot be changed, or AWS cannot be asked.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return None
    try:
        stacks = boto3.client("cloudformation", region_name=region)
        s3 = boto3.client("s3", region_name=region)
        status = check_state(stacks, stack)
        own = _own_buckets(stacks, stack) if status not in (None, _FAILED) else set()
        account = ""
        for bucket in buckets:
            if bucket.existing and not account:
                account = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
            if bucket.name in own:
                _check_stays(stack, bucket)
            elif bucket.existing:
                _check_usable(s3, bucket, account, key)
            else:
                _check_free(s3, bucket)
    except (BotoCoreError, ClientError) as error:
        raise UsageError(
            f"AWS cannot be asked what is there already: {with_remedy(error)}"
        ) from error
    return Clients(stacks, s3, account, failed=status == _FAILED)


@dataclass(frozen=True, slots=True)
class Clients:
    """AWS, as it was asked.

    Attributes:
        stacks, s3: clients of boto3.
        account: number of the user's account; "" where nobody asked.
        failed: whether the stack is one whose creation failed, and that has to go first.
    """

    stacks: Any
    s3: Any
    account: str
    failed: bool

    def resume(self, stack: str) -> bool:
        """Let messages come again that a limit a day had paused; say whether there were any.

        Who changes or takes away the limit would else wait for the next day, or for ever. Where
        the day is still full, the next message pauses again.

        Raises:
            UsageError: AWS does not do it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if check_state(self.stacks, stack) is None:
                return False
            made = {one["LogicalResourceId"]: one for one in _resources(self.stacks, stack)}
            if not {"Days", "MappingName"} <= made.keys():
                return False
            limit = DayLimit(
                most=0,
                table=made["Days"]["PhysicalResourceId"],
                queue="",
                mapping=made["MappingName"]["PhysicalResourceId"],
                region=self.stacks.meta.region_name,
            )
            return limit.begin_day()
        except (BotoCoreError, ClientError) as error:
            raise UsageError(f"stack {stack}: its messages stay paused: {error}") from error

    def clear(self, stack: str) -> None:
        """Delete what is left of a stack whose creation failed, and wait for it.

        Raises:
            UsageError: AWS does not do it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.stacks.delete_stack(StackName=stack)
            self.stacks.get_waiter("stack_delete_complete").wait(StackName=stack)
        except (BotoCoreError, ClientError) as error:
            raise UsageError(f"stack {stack}: what is left of it stays: {error}") from error


def with_remedy(error: Exception) -> str:
    """Return what boto3 says, and what to do where it is the user's settings that it lacks."""
    remedy = {
        "NoRegionError": "add --region NAME, or set AWS_DEFAULT_REGION (boto3 and sam read that "
        "one, not AWS_REGION)",
        "NoCredentialsError": "run aws configure, or set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY",
    }.get(type(error).__name__)
    return str(error) if remedy is None else f"{str(error).rstrip('.')}; {remedy}"


def check_state(stacks: Any, stack: str) -> str | None:
    """Return the state of a stack that can be made or changed; None where there is none.

    Raises:
        UsageError: it is in a state in which CloudFormation does neither.
    """
    from botocore.exceptions import ClientError

    try:
        (found,) = stacks.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    status = str(found["StackStatus"])
    if status.endswith("_IN_PROGRESS") and status != _UNMADE:
        raise UsageError(f"stack {stack}: it is being changed just now ({status}); wait for that")
    if status in _STUCK:
        raise UsageError(
            f"stack {stack}: it is {status}, which somebody has to look at: aws cloudformation "
            f"describe-stack-events --stack-name {stack}"
        )
    return status


def _own_buckets(stacks: Any, stack: str) -> set[str]:
    """Return the buckets that a stack has created."""
    return {
        one.get("PhysicalResourceId", "")
        for one in _resources(stacks, stack)
        if one["ResourceType"] == "AWS::S3::Bucket"
    }


def _resources(stacks: Any, stack: str) -> list[dict[str, Any]]:
    """Return what a stack consists of; what was deleted is listed, too, and left out here."""
    pages = stacks.get_paginator("list_stack_resources").paginate(StackName=stack)
    listed = [one for page in pages for one in page["StackResourceSummaries"]]
    return [one for one in listed if one["ResourceStatus"] != "DELETE_COMPLETE"]


def _check_stays(stack: str, bucket: NamedBucket) -> None:
    if bucket.existing:
        raise UsageError(
            f"bucket {bucket.name}: the stack {stack} has created it and looks after it; leave out "
            f"{bucket.option}"
        )


def _head(s3: Any, name: str, **more: str) -> tuple[int, str]:
    """Return the status of an answer about a bucket, and the bucket's region."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.head_bucket(Bucket=name, **more)
    except ClientError as error:
        answer = error.response
    told = answer["ResponseMetadata"]
    place = answer.get("BucketRegion") or told.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return told["HTTPStatusCode"], str(place or "")


def _check_free(s3: Any, bucket: NamedBucket) -> None:
    name = bucket.name
    status, place = _head(s3, name)
    if status == _MISSING:
        return
    if status == _FORBIDDEN:
        raise UsageError(
            f"bucket {name}: it exists and belongs to someone else, or you may not see it; the "
            "names of buckets are shared by all accounts, so choose another one"
        )
    raise UsageError(
        f"bucket {name}: it exists already, in {place or 'an unknown region'}, and the stack has "
        f"not created it (or is a new one: buckets outlive their stack). Add {bucket.option} to "
        "use it as it is, or choose another name"
    )


def _check_usable(s3: Any, bucket: NamedBucket, account: str, key: str) -> None:
    name = bucket.name
    status, place = _head(s3, name, ExpectedBucketOwner=account)
    if status == _MISSING:
        raise UsageError(
            f"bucket {name}: there is none of this name; leave out {bucket.option}, and it is "
            "created"
        )
    if status == _FORBIDDEN:
        raise UsageError(
            f"bucket {name}: it belongs to another account than {account}, or you may not see it"
        )
    here = s3.meta.region_name
    if place and here and place != here:
        raise UsageError(
            f"bucket {name}: it is in {place}, and the function would be in {here}; add "
            f"--region {place}"
        )
    own = _key_of(s3, name)
    if own and not key:
        raise UsageError(
            f"bucket {name}: it is encrypted with the key {own}, which the function may not use; "
            "add --set KmsKeyArn=ARN, with the key's ARN"
        )


def _key_of(s3: Any, name: str) -> str:
    """Return the KMS key that a bucket is encrypted with; "" for S3's own, or where unknown."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.get_bucket_encryption(Bucket=name)
    except ClientError:
        return ""
    for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]:
        found = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", "")
        # AWS's own key may be used by everybody in the account.
        if found and not str(found).endswith("alias/aws/s3"):
            return str(found)
    return ""
