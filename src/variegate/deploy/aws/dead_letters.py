"""The queue for messages that nobody could act upon, each with its reason."""

import re

from variegate.deploy.aws.messages import QueueMessage

# What SQS takes as text, besides line ends.
_UNFIT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 1_000


def send(queue: str, message: QueueMessage, error: Exception) -> None:
    """Put a message into the queue at the URL `queue`, with attributes that say why.

    Raises:
        Exception: whatever boto3 raises when the queue does not answer.
    """
    # Every Lambda runtime has it. It is dear to import, and seldom needed.
    import boto3

    reason = _UNFIT.sub("?", " ".join(str(error).split()))[:_LONGEST] or "no reason was given"
    told = {"Reason": reason, "Kind": type(error).__name__, "Tries": str(message.tries)}
    boto3.client("sqs").send_message(
        QueueUrl=queue,
        MessageBody=message.body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in told.items()
        },
    )
