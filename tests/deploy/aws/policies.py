"""What a template becomes, and its policies: run by the interpreter that has sam and parliament.

python policies.py TEMPLATE [NAME=VALUE ...]

Prints {"translated": the template as CloudFormation gets it, "findings": [...]}. The policies are
linted with the parameters' values in them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import parliament
import yaml
from intrinsics import ACCOUNT, REGION, IntrinsicLoader, Values
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def translated(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Return what the transform makes of a template; code is uploaded before it sees it."""
    for one in template["Resources"].values():
        if one["Type"] == "AWS::Serverless::Function":
            if "CodeUri" in one["Properties"]:
                one["Properties"]["CodeUri"] = "s3://bucket/key"
            else:
                one["Properties"]["ImageUri"] = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/a:1"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    return Translator({}, Parser()).translate(template, values, {})


def policies(value: Any) -> list[dict[str, Any]]:
    """Return all policies."""
    if isinstance(value, dict):
        own = [value] if "Statement" in value else []
        return own + [one for inside in value.values() for one in policies(inside)]
    return [one for inside in value for one in policies(inside)] if isinstance(value, list) else []


def findings(template: dict[str, Any], given: dict[str, str]) -> list[str]:
    """Return what parliament says of the policies, of what is made with these values."""
    values = Values(template, given)
    found = []
    for name, resource in template["Resources"].items():
        if "Condition" in resource and not values.holds(resource["Condition"]):
            continue
        made = values.of(resource["Properties"])
        # Of whom a role trusts parliament knows nothing: it misses a resource.
        made.pop("AssumeRolePolicyDocument", None)
        for policy in policies(made):
            told = parliament.analyze_policy_string(
                json.dumps(policy), include_community_auditors=True
            )
            found += [f"{name}: {one.issue} {one.title} {one.detail}" for one in told.findings]
    return found


if __name__ == "__main__":
    path, *pairs = sys.argv[1:]
    given = dict(one.split("=", 1) for one in pairs)
    whole = translated(yaml.load(Path(path).read_text(), IntrinsicLoader), given)
    sys.stdout.write(json.dumps({"translated": whole, "findings": findings(whole, given)}))
