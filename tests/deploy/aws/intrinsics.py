"""CloudFormation's intrinsic functions, carried out on what `yaml` reads of a template."""

from collections.abc import Callable
from typing import Any

import yaml

REGION, ACCOUNT = "us-east-1", "123456789012"

_SERVICES = {
    "IAM": "iam:{region}:{account}:",
    "SQS": "sqs:{region}:{account}:",
    "Serverless": "lambda:{region}:{account}:function:",
    "Lambda": "lambda:{region}:{account}:function:",
    "DynamoDB": "dynamodb:{region}:{account}:table/",
    "CloudWatch": "cloudwatch:{region}:{account}:alarm:",
    "Events": "events:{region}:{account}:rule/",
    "SNS": "sns:{region}:{account}:",
    "Logs": "logs:{region}:{account}:log-group:",
}


class IntrinsicLoader(yaml.SafeLoader):
    """Reads !Ref x as {"Ref": x}, and !Sub x as {"Fn::Sub": x}."""


def _tag(loader: IntrinsicLoader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


IntrinsicLoader.add_multi_constructor("!", _tag)


class Values:
    """What a template's functions give, with these parameters.

    Args:
        template: all of it.
        given: parameters.
        physical: names of resources that differ from their logical ones.
    """

    def __init__(
        self,
        template: dict[str, Any],
        given: dict[str, str],
        physical: dict[str, str] | None = None,
    ) -> None:
        self.template = template
        self.physical = {} if physical is None else physical
        self.given = {
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::StackName": "stack",
            "AWS::URLSuffix": "amazonaws.com",
            **{name: str(one.get("Default", "")) for name, one in template["Parameters"].items()},
            **given,
        }

    def arn(self, name: str) -> str:
        """Return the ARN of a resource."""
        own = self.physical.get(name, name).rpartition("/")[2]
        service = self.template["Resources"][name]["Type"].split("::")[1]
        if service == "S3":
            return f"arn:aws:s3:::{own.lower()}"
        return f"arn:aws:{_SERVICES[service].format(region=REGION, account=ACCOUNT)}{own}"

    def holds(self, name: str) -> bool:
        """Say whether a condition does."""
        return bool(self.of(self.template["Conditions"][name]))

    def of(self, value: Any) -> Any:
        """Return a value with all functions in it carried out."""
        if isinstance(value, list):
            return [one for one in map(self.of, value) if one is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, inside),) = value.items()
            if name == "Ref":
                return None if inside == "AWS::NoValue" else self._named(inside)
            if name in _FUNCTIONS and (name != "Condition" or isinstance(inside, str)):
                return _FUNCTIONS[name](self, inside)
        made = {key: self.of(one) for key, one in value.items()}
        return {key: one for key, one in made.items() if one is not None}

    def _named(self, name: str) -> str:
        return self.given[name] if name in self.given else self.physical.get(name, name)

    def _attribute(self, inside: Any) -> str:
        name, _, attribute = ".".join([inside] if isinstance(inside, str) else inside).partition(
            "."
        )
        own = self.physical.get(name, name).rpartition("/")[2]
        return self.arn(name) if attribute == "Arn" else own

    def _sub(self, inside: Any) -> str:
        text, more = (inside, {}) if isinstance(inside, str) else inside
        for name, one in {**self.given, **self.of(more)}.items():
            text = text.replace(f"${{{name}}}", str(one))
        for name in self.template["Resources"]:
            if f"${{{name}.Arn}}" in text:
                text = text.replace(f"${{{name}.Arn}}", self.arn(name))
            text = text.replace(f"${{{name}}}", self.physical.get(name, name))
        return str(text)

    def _if(self, inside: Any) -> Any:
        return self.of(inside[1] if self.holds(inside[0]) else inside[2])


_FUNCTIONS: dict[str, Callable[[Values, Any], Any]] = {
    "Condition": Values.holds,
    "Fn::GetAtt": Values._attribute,
    "Fn::Sub": Values._sub,
    "Fn::If": Values._if,
    "Fn::Equals": lambda all_, inside: len({str(one) for one in all_.of(inside)}) == 1,
    "Fn::Not": lambda all_, inside: not all_.of(inside)[0],
    "Fn::And": lambda all_, inside: all(all_.of(inside)),
    "Fn::Or": lambda all_, inside: any(all_.of(inside)),
    "Fn::Join": lambda all_, inside: inside[0].join(map(str, all_.of(inside[1]))),
    "Fn::Split": lambda all_, inside: all_.of(inside[1]).split(inside[0]),
    "Fn::Select": lambda all_, inside: all_.of(inside[1])[int(inside[0])],
}
