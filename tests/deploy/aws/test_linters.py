"""What linters of others say about the templates, as they are and as CloudFormation gets them."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from small_aws import SAM, needed

from variegate.deploy.aws.project import description_block, filled_template
from variegate.deploy.files import deployment_files

SCRIPT = Path(__file__).with_name("policies.py")
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PLAIN = {
    "augment": {"InputBucketName": "a-bucket", "OutputBucketName": "b-bucket"},
    "classify": {},
}
# With everything that a parameter adds.
ALL = {
    "augment": {
        **PLAIN["augment"],
        "CreateInputBucket": "no",
        "CreateOutputBucket": "no",
        "DeleteVariants": "yes",
        "MaxVariantsPerDay": "1000",
        "MonthlyBudget": "50",
        "AlarmEmail": "ops@example.com",
        "RecipeKey": "recipes/mine.yaml",
        "KmsKeyArn": KEY,
        "Rollout": "AllAtOnce",
    },
    "classify": {
        "ModelBucketName": "a-bucket",
        "ModelKey": "models/birds.onnx",
        "ModelKmsKeyArn": KEY,
        "KeysSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:keys-a1b2c3",
        "MonthlyBudget": "50",
        "AlarmEmail": "ops@example.com",
    },
}


def looked_at(path, parameters):
    """Return the template after the transform, and what parliament says of its policies."""
    return _looked_at(path, path.read_text(), tuple(sorted(parameters.items())))


@cache
def _looked_at(path, _, parameters):
    needed(SAM, "parliament")
    done = subprocess.run(
        [
            needed(SAM, "python"),
            SCRIPT,
            path,
            *(f"{name}={value}" for name, value in parameters),
        ],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["translated"], found["findings"]


def template(name):
    return deployment_files("aws") / name / "template.yaml"


@pytest.mark.parametrize("name", ["augment", "classify"])
def test_nothing_is_found_in_what_the_transform_makes(name, cfn_lint, tmp_path):
    """`sam validate --lint` sees the template before it, without the circles that it may close."""
    for parameters in (PLAIN[name], ALL[name]):
        translated, findings = looked_at(template(name), parameters)
        assert findings == []
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(translated))
    # W2001: the transform has put the value in the place of the parameter.
    done = subprocess.run(
        [cfn_lint, "--ignore-checks", "W2001", "--template", path],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_linter_of_policies_finds_slips(tmp_path):
    path = tmp_path / "template.yaml"
    text = template("augment").read_text()
    right = '"kms:Decrypt", "kms:GenerateDataKey"'
    assert right in text
    path.write_text(text.replace(right, '"kms:Decript"'))
    _, findings = looked_at(path, ALL["augment"])
    assert {one.partition(":")[0] for one in findings} == {"UseKey"}


def test_changed_parameters_make_a_version(tmp_path):
    """SAM itself does not see them: https://github.com/aws/serverless-application-model, 3820."""

    def version(parameters):
        path = tmp_path / "template.yaml"
        block = description_block("Does it.", parameters)
        path.write_text(filled_template(template("augment").read_text(), block))
        translated, _ = looked_at(path, PLAIN["augment"])
        (found,) = (
            key
            for key, one in translated["Resources"].items()
            if one["Type"] == "AWS::Lambda::Version"
        )
        return found

    assert version({"MaxPixels": "1"}) != version({"MaxPixels": "2"})


@pytest.mark.parametrize("name", ["augment", "classify"])
def test_every_project_says_which_parameters_it_is_for(name):
    text = template(name).read_text()
    plain, one, two = (
        filled_template(text, description_block("Does it.", given))
        for given in (None, {"MaxPixels": "1"}, {"MaxPixels": "2"})
    )
    assert len({plain, one, two}) == 3
    assert "AutoPublishAliasAllProperties: true" in text


@pytest.mark.parametrize(("name", "function"), [("augment", "Augment"), ("classify", "Classify")])
def test_new_version_takes_over_by_and_by_and_alarms_take_it_back(name, function):
    translated, _ = looked_at(template(name), PLAIN[name])
    resources = translated["Resources"]
    group = resources[f"{function}FunctionDeploymentGroup"]["Properties"]
    assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent5Minutes"}
    watched = [one["Name"]["Ref"] for one in group["AlarmConfiguration"]["Alarms"]]
    assert watched == ["ErrorsAlarm", "FailuresAlarm"]
    # In the five minutes of the canary, alarms of five minutes would come too late.
    assert {resources[one]["Properties"]["Period"] for one in watched} == {60}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    alias = f"{function}FunctionAliaslive"
    assert resources[alias]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    if name == "augment":
        mapping = resources["AugmentFunctionArrivals"]["Properties"]
        assert mapping["FunctionName"] == {"Ref": alias}
        assert translated["Outputs"]["Function"]["Value"] == {"Ref": alias}
