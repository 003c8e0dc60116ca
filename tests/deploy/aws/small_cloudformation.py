"""A small CloudFormation before moto, and a `sam` that deploys to it.

moto's own drops the notifications of buckets, does not know RetainExceptOnCreate, never fails and
never rolls back. This one makes buckets (with their notifications, as one document that replaces
the one before), queues, rules of EventBridge, tables and parameters in moto, in the order that
their references ask for. All other resources are names in a list only.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import boto3
import yaml
from intrinsics import IntrinsicLoader, Values

_KEPT = ("Retain", "RetainExceptOnCreate")


class CreationError(Exception):
    """A resource could not be created."""


@dataclass
class SmallStack:
    """One stack.

    Attributes:
        status: as CloudFormation calls it.
        parameters: given.
        kinds, physical: types and names of its resources, by their logical names.
        policies: what becomes of a resource that goes, by logical name.
        buckets: what the notifications of buckets were made of.
    """

    status: str = "CREATE_COMPLETE"
    parameters: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    physical: dict[str, str] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, Any] = field(default_factory=dict)


class SmallCloudFormation:
    """Stacks whose resources are in moto.

    Attributes:
        url: of its API.
        stacks: by name.
        failing: the logical name of a resource that cannot be created; None for none.
    """

    def __init__(self, moto: str) -> None:
        self.stacks: dict[str, SmallStack] = {}
        self.failing: str | None = None
        self._clients = {
            name: boto3.client(
                name,
                endpoint_url=moto,
                region_name="us-east-1",
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
            for name in ("s3", "sqs", "events", "dynamodb", "ssm")
        }
        self.url = ""

    @contextlib.contextmanager
    def served(self) -> Iterator["SmallCloudFormation"]:
        """Answer on loopback until the block ends."""
        cloud = self

        class Api(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = cloud.answer({k: v[0] for k, v in parse_qs(data.decode()).items()})
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, asked: dict[str, str]) -> tuple[int, str]:
        """Return the status and the text of an answer of the API."""
        action, name = asked["Action"], asked["StackName"]
        if action == "Deploy":
            given = json.loads(asked["Parameters"])
            done = self.deploy(name, Path(asked["Template"]).read_text(), given)
            return (200, "deployed") if done else (400, "ROLLBACK_COMPLETE")
        if name not in self.stacks:
            message = f"Stack with id {name} does not exist"
            return 400, _error("ValidationError", message)
        stack = self.stacks[name]
        if action == "DeleteStack":
            self.delete(name)
            return 200, _result(action, "")
        if action == "DescribeStacks":
            parameters = "".join(
                f"<member><ParameterKey>{key}</ParameterKey>"
                f"<ParameterValue>{escape(value)}</ParameterValue></member>"
                for key, value in stack.parameters.items()
            )
            text = (
                f"<Stacks><member><StackName>{name}</StackName><StackStatus>{stack.status}"
                "</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
                f"<Parameters>{parameters}</Parameters></member></Stacks>"
            )
            return 200, _result(action, text)
        assert action == "ListStackResources", action
        text = "".join(
            f"<member><LogicalResourceId>{one}</LogicalResourceId><ResourceType>{kind}"
            f"</ResourceType><PhysicalResourceId>{stack.physical[one]}</PhysicalResourceId>"
            "<ResourceStatus>CREATE_COMPLETE</ResourceStatus>"
            "<LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>"
            for one, kind in stack.kinds.items()
        )
        return 200, _result(action, f"<StackResourceSummaries>{text}</StackResourceSummaries>")

    def deploy(self, name: str, text: str, given: dict[str, str]) -> bool:
        """Make a stack, or change it; say whether that went well."""
        template = yaml.load(text, IntrinsicLoader)
        new = name not in self.stacks
        stack = self.stacks.setdefault(name, SmallStack())
        stack.parameters = given
        values = Values(template, given | {"AWS::StackName": name}, stack.physical)
        wanted = {
            key: one
            for key, one in template["Resources"].items()
            if "Condition" not in one or values.holds(one["Condition"])
        }
        made: list[str] = []
        try:
            for key in _in_order(wanted):
                if key not in stack.kinds:
                    if key == self.failing:
                        raise CreationError(key)
                    stack.physical[key] = self._create(name, key, wanted[key], values)
                    stack.kinds[key] = wanted[key]["Type"]
                    stack.policies[key] = wanted[key].get("DeletionPolicy", "Delete")
                    made.append(key)
                if wanted[key]["Type"] == "AWS::S3::Bucket":
                    self._notify(stack, key, wanted[key], values)
        except CreationError:
            for key in reversed(made):
                if stack.policies[key] != "Retain":
                    self._remove(stack, key)
            if new:
                self.stacks[name] = SmallStack(status="ROLLBACK_COMPLETE")
            return False
        for key in [one for one in stack.kinds if one not in wanted]:
            self._leave(stack, key)
        stack.status = "CREATE_COMPLETE" if new else "UPDATE_COMPLETE"
        return True

    def delete(self, name: str) -> None:
        """Delete a stack, and what does not stay."""
        stack = self.stacks.pop(name)
        for key in reversed(list(stack.kinds)):
            self._leave(stack, key)

    def _create(self, stack: str, key: str, one: dict[str, Any], values: Values) -> str:
        kind, properties = one["Type"], values.of(one.get("Properties", {}))
        own = f"{stack}-{key}"
        if kind == "AWS::S3::Bucket":
            bucket = str(properties["BucketName"])
            try:
                # Of S3 elsewhere than in us-east-1, and of CloudFormation: not even if it is yours.
                self._clients["s3"].head_bucket(Bucket=bucket)
            except self._clients["s3"].exceptions.ClientError:
                self._clients["s3"].create_bucket(Bucket=bucket)
                return bucket
            raise CreationError(f"{bucket} already exists")
        if kind == "AWS::SQS::Queue":
            return str(self._clients["sqs"].create_queue(QueueName=own)["QueueUrl"])
        if kind == "AWS::Events::Rule":
            pattern = json.dumps(properties["EventPattern"])
            self._clients["events"].put_rule(Name=own, EventPattern=pattern)
            self._clients["events"].put_targets(Rule=own, Targets=properties["Targets"])
        elif kind == "AWS::SSM::Parameter":
            asked = ("Name", "Type", "Value")
            self._clients["ssm"].put_parameter(**{name: properties[name] for name in asked})
            return str(properties["Name"])
        elif kind == "AWS::DynamoDB::Table":
            asked = ("AttributeDefinitions", "KeySchema", "BillingMode")
            self._clients["dynamodb"].create_table(
                TableName=own, **{name: properties[name] for name in asked}
            )
        return own

    def _notify(self, stack: SmallStack, key: str, one: dict[str, Any], values: Values) -> None:
        """Put a bucket's notifications, whole, where the template's have changed."""
        told = values.of(one["Properties"].get("NotificationConfiguration", {}))
        if stack.buckets.get(key) == told:
            return
        stack.buckets[key] = told
        queues = [
            {
                "QueueArn": some["Queue"],
                "Events": [some["Event"]],
                "Filter": {"Key": {"FilterRules": some["Filter"]["S3Key"]["Rules"]}},
            }
            for some in told.get("QueueConfigurations", [])
        ]
        self._clients["s3"].put_bucket_notification_configuration(
            Bucket=stack.physical[key],
            NotificationConfiguration={"QueueConfigurations": queues} if queues else {},
        )

    def _leave(self, stack: SmallStack, key: str) -> None:
        if stack.policies[key] in _KEPT:
            del stack.kinds[key], stack.physical[key]
        else:
            self._remove(stack, key)

    def _remove(self, stack: SmallStack, key: str) -> None:
        kind, name = stack.kinds.pop(key), stack.physical.pop(key)
        if kind == "AWS::S3::Bucket":
            self._clients["s3"].delete_bucket(Bucket=name)
        elif kind == "AWS::SQS::Queue":
            self._clients["sqs"].delete_queue(QueueUrl=name)
        elif kind == "AWS::Events::Rule":
            self._clients["events"].remove_targets(Rule=name, Ids=["arrivals"])
            self._clients["events"].delete_rule(Name=name)
        elif kind == "AWS::DynamoDB::Table":
            self._clients["dynamodb"].delete_table(TableName=name)
        elif kind == "AWS::SSM::Parameter":
            self._clients["ssm"].delete_parameter(Name=name)


def _in_order(wanted: dict[str, Any]) -> list[str]:
    """Return resources so that each comes after those that it refers to."""
    left = {key: _mentioned(one) & wanted.keys() - {key} for key, one in wanted.items()}
    found: list[str] = []
    while left:
        ready = [key for key, needs in left.items() if not needs - set(found)]
        # What the transform makes, such as the mapping of an event, is not known here.
        assert ready, left
        found += ready
        left = {key: needs for key, needs in left.items() if key not in found}
    return found


def _mentioned(resource: dict[str, Any]) -> set[str]:
    # What the transform makes resources of their own from does not hold up the function itself.
    own = {k: v for k, v in resource.get("Properties", {}).items() if k != "DeploymentPreference"}
    text = json.dumps({**resource, "Properties": own})
    refs = re.findall(r'"(?:Ref|Fn::GetAtt|DependsOn)": "(\w+)', text)
    return {*refs, *re.findall(r"\$\{(\w+)", text)}


def _result(action: str, text: str) -> str:
    return (
        f'<{action}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
        f"<{action}Result>{text}</{action}Result></{action}Response>"
    )


def _error(code: str, message: str) -> str:
    return (
        '<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    )


# A program in the place of sam: it reads what it is told as sam does, and builds nothing.
SAM = """\
import json, os, shlex, sys, urllib.error, urllib.parse, urllib.request
if sys.argv[1] != "deploy":
    sys.exit(0)
words = sys.argv[2:]
given = [shlex.split(one)[0] for one in words[words.index("--parameter-overrides") + 1:]]
asked = {
    "Action": "Deploy",
    "StackName": words[words.index("--stack-name") + 1],
    "Template": os.path.abspath("template.yaml"),
    "Parameters": json.dumps(dict(one.split("=", 1) for one in given)),
}
try:
    urllib.request.urlopen(
        os.environ["AWS_ENDPOINT_URL_CLOUDFORMATION"], urllib.parse.urlencode(asked).encode()
    )
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
"""
