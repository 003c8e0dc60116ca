"""At most a number of variants a day: the rest waits in the queue for the next day (UTC).

All instances of the function count in one table, an item for each day, before they make anything.
Who would go beyond the limit puts the message back, as a new one, so that it has not failed; and
pauses what brings messages, because they would come again and again. When the next day begins, a
schedule calls the function, which lets them come. What a user has paused, stays paused: only a mark
in the table is undone.
"""

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from variegate.errors import UsageError, VariegateError

# What is still on its way while the mapping is being paused comes again after this; SQS takes 900.
_LATER_S = 900

_PAUSED = "paused"
_KEPT_DAYS = 90


class DayLimitError(VariegateError):
    """The variants of this day are made; there is another day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimit:
    """The limit, and where it is kept.

    Attributes:
        most: variants a day.
        table: name of the table of days.
        queue: URL of the queue that messages come from.
        mapping: name of the parameter that holds the id of what brings them.
        region: of AWS. Default: as AWS's own settings say.
    """

    most: int
    table: str
    queue: str
    mapping: str
    region: str | None = None

    def take(self, variants: int) -> None:
        """Count variants that are about to be made.

        Raises:
            DayLimitError: they would be too many.
            UsageError: they are more than any day has.
            Exception: whatever boto3 raises when AWS does not answer.
        """
        if variants > self.most:
            raise UsageError(
                f"an image has {variants:,} variants, and a day at most {self.most:,} "
                "(MaxVariantsPerDay)"
            )
        now = dt.datetime.now(dt.UTC)
        table = _client("dynamodb", self.region)
        try:
            table.update_item(
                TableName=self.table,
                Key={"day": {"S": f"{now:%Y-%m-%d}"}},
                UpdateExpression="SET expires = :expires ADD made :more",
                ConditionExpression="attribute_not_exists(made) OR made <= :room",
                ExpressionAttributeValues={
                    ":expires": {"N": str(int(now.timestamp()) + _KEPT_DAYS * 86400)},
                    ":more": {"N": str(variants)},
                    ":room": {"N": str(self.most - variants)},
                },
            )
        except table.exceptions.ConditionalCheckFailedException as error:
            raise DayLimitError(
                f"{self.most:,} variants were made on {now:%Y-%m-%d} (MaxVariantsPerDay)"
            ) from error

    def put_back(self, body: str) -> None:
        """Let a message wait as a new one, and pause what brings messages.

        Raises:
            Exception: whatever boto3 raises when AWS does not answer.
        """
        _client("sqs", self.region).send_message(
            QueueUrl=self.queue, MessageBody=body, DelaySeconds=_LATER_S
        )
        _client("dynamodb", self.region).put_item(
            TableName=self.table, Item={"day": {"S": _PAUSED}}
        )
        functions = _client("lambda", self.region)
        # Others may be pausing it, too. (Where it was just being changed, the next message pauses.)
        busy = functions.exceptions.ResourceInUseException
        with suppress(busy, functions.exceptions.ResourceConflictException):
            self._enable(enabled=False)

    def begin_day(self) -> bool:
        """Let messages come again, if they were paused here; say whether they were.

        Raises:
            Exception: whatever boto3 raises when AWS does not answer.
        """
        table, mark = _client("dynamodb", self.region), {"day": {"S": _PAUSED}}
        if "Item" not in table.get_item(TableName=self.table, Key=mark, ConsistentRead=True):
            return False
        self._enable(enabled=True)
        # Afterwards: where the call before fails, Lambda calls once more.
        table.delete_item(TableName=self.table, Key=mark)
        return True

    def _enable(self, *, enabled: bool) -> None:
        found = _client("ssm", self.region).get_parameter(Name=self.mapping)["Parameter"]["Value"]
        _client("lambda", self.region).update_event_source_mapping(UUID=found, Enabled=enabled)


@cache
def _client(name: str, region: str | None) -> Any:
    # Every Lambda runtime has it. It is dear to import, and seldom needed.
    import boto3

    return boto3.client(name, region_name=region)
