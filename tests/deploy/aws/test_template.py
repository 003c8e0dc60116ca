"""The template: valid, closed, and built in both forms."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from small_aws import PYTHON, ROOT, run_sam

from variegate.deploy.aws.package import LIMIT, RUNTIMES, strip
from variegate.deploy.aws.project import requirements, write_project
from variegate.deploy.aws.settings import PREFIX
from variegate.deploy.files import deployment_files
from variegate.errors import OutputError, RecipeError
from variegate.recipes.recipe import Recipe

TEMPLATE = deployment_files("aws") / "augment/template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads !Ref x as {"Ref": x}, and the like."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix: value}


_Loader.add_multi_constructor("!", _tag)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return yaml.load(TEMPLATE.read_text(), _Loader)


def statements(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all statements of all policies."""
    found, waiting = [], [template["Resources"]]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            for some in one.get("Statement", []):
                found += some["If"][1:] if "If" in some else [some]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


@pytest.mark.parametrize("image", [False, True])
def test_sam_and_cfn_lint_find_no_fault(sam, cfn_lint, tmp_path, image):
    path = write_project(tmp_path / "p", Recipe.load("light"), python=PYTHON, image=image)
    done = run_sam(sam, "validate", "--lint", "--template", path, folder=path.parent)
    assert done.returncode == 0, done.stderr + done.stdout


def test_template_in_the_repository_is_the_one_that_is_written(sam, tmp_path):
    path = write_project(tmp_path / "p", Recipe.load("light"), python="3.13")
    assert path.read_text() == TEMPLATE.read_text()


def test_no_policy_allows_a_wildcard_action_or_all_resources(template):
    allowed = [one for one in statements(template) if one["Effect"] == "Allow"]
    assert len(allowed) == 19
    for statement in allowed:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action, statement["Sid"]
        assert statement.get("Resource") != "*", statement
    # Only what can be the name of one object stands behind a prefix.
    text = TEMPLATE.read_text()
    assert "ManagedPolicyArns" not in text
    assert "Policies:\n        - AWS" not in text


def test_function_reads_one_prefix_and_writes_another(template):
    role = template["Resources"]["FunctionRole"]["Properties"]["Policies"]
    policies = {one["PolicyName"]: one["PolicyDocument"]["Statement"] for one in role}
    written = [
        statement["Resource"]
        for some in policies.values()
        for statement in some
        if {"s3:PutObject", "s3:DeleteObject"} & set(statement["Action"])
    ]
    assert written == [{"Sub": "arn:${AWS::Partition}:s3:::${OutputBucketName}/${OutputPrefix}*"}]
    assert policies["read-images"][0]["Action"] == "s3:GetObject"
    assert policies["read-images"][0]["Resource"] == {
        "Sub": "arn:${AWS::Partition}:s3:::${InputBucketName}/${InputPrefix}*"
    }


def test_buckets_are_closed_encrypted_and_outlive_the_stack(template):
    for name in ("InputBucket", "OutputBucket"):
        bucket = template["Resources"][name]
        # One that a failed creation made would stand in the way of the next.
        assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
        assert bucket["UpdateReplacePolicy"] == "Retain"
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket["Properties"]
        (policy,) = template["Resources"][f"{name}Policy"]["Properties"]["PolicyDocument"][
            "Statement"
        ]
        assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert policy["Effect"] == "Deny"


def test_buckets_that_are_there_are_not_made_and_tell_through_event_bridge(template):
    resources = template["Resources"]
    for name in ("InputBucket", "OutputBucket"):
        assert resources[name]["Condition"] == f"Creates{name}"
        assert resources[f"{name}Policy"]["Condition"] == f"Creates{name}"
    rule = resources["ArrivalsRule"]
    assert rule["Condition"] == "UsesInputBucket"
    pattern = rule["Properties"]["EventPattern"]
    assert pattern["detail"]["object"]["key"] == [{"prefix": {"Ref": "InputPrefix"}}]
    bucket, bridge = resources["ArrivalsPolicy"]["Properties"]["PolicyDocument"]["Statement"][0][
        "If"
    ][1:]
    # Nobody else may send: not another bucket, and not another rule.
    assert bucket["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert bridge["Condition"]["ArnEquals"] == {"aws:SourceArn": {"GetAtt": "ArrivalsRule.Arn"}}


def test_runs_have_calls_of_their_own(template):
    parameters = template["Parameters"]
    both = parameters["Concurrency"]["Default"] + parameters["RunConcurrency"]["Default"]
    assert parameters["ReservedConcurrency"]["Default"] == both
    function = template["Resources"]["AugmentFunction"]["Properties"]
    assert function["ReservedConcurrentExecutions"]["If"][1] == {"Ref": "ReservedConcurrency"}
    scaling = function["Events"]["Arrivals"]["Properties"]["ScalingConfig"]
    assert scaling == {"MaximumConcurrency": {"Ref": "Concurrency"}}


def test_queue_waits_six_times_the_functions_limit(template):
    parameters = template["Parameters"]
    assert parameters["QueueVisibility"]["Default"] >= 6 * parameters["Timeout"]["Default"]
    assert template["Resources"]["Arrivals"]["Properties"]["VisibilityTimeout"] == {
        "Ref": "QueueVisibility"
    }


def test_dead_letters_outlast_the_queue(template):
    queues = template["Resources"]
    kept = [
        queues[name]["Properties"]["MessageRetentionPeriod"] for name in ("Arrivals", "DeadLetters")
    ]
    # Their time counts from when they came to the first queue.
    assert kept[1] >= 2 * kept[0]


def test_every_alarm_tells_whoever_is_named(template):
    resources = template["Resources"]
    alarms = {
        name: one["Properties"]
        for name, one in resources.items()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert {"DeadLetters", "Errors", "Failures", "Throttles", "Duration", "Waiting"} == {
        name.removesuffix("Alarm") for name in alarms
    }
    for alarm in alarms.values():
        assert [one["If"][:2] for one in alarm["AlarmActions"]] == [
            ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}],
            ["HasAlarmEmail", {"Ref": "AlarmTopic"}],
        ]
        assert alarm["TreatMissingData"] == "notBreaching"
    assert resources["AlarmTopic"]["Condition"] == "HasAlarmEmail"
    share = alarms["DurationAlarm"]["Metrics"][1]["Expression"]
    assert share == {"Sub": "longest / (1000 * ${Timeout})"}


def test_a_key_of_the_users_own_is_for_buckets_and_the_function(template):
    resources = template["Resources"]
    for name in ("InputBucket", "OutputBucket"):
        (rule,) = resources[name]["Properties"]["BucketEncryption"][
            "ServerSideEncryptionConfiguration"
        ]
        condition, own, plain = rule["If"]
        assert condition == resources["UseKey"]["Condition"] == "HasKmsKey"
        assert own["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Ref": "KmsKeyArn"}
        assert plain["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (use,) = resources["UseKey"]["Properties"]["PolicyDocument"]["Statement"]
    assert use["Resource"] == {"Ref": "KmsKeyArn"}


def test_the_role_may_be_bounded(template):
    bound = template["Resources"]["FunctionRole"]["Properties"]["PermissionsBoundary"]["If"]
    assert bound[:2] == ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}]


def test_every_parameter_is_described_and_checked(template):
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"].strip(), name
        checks = {"AllowedPattern", "AllowedValues", "MinValue", "MaxLength"}
        assert checks & parameter.keys(), name


def test_template_sets_what_the_function_reads(template):
    properties = template["Resources"]["AugmentFunction"]["Properties"]
    given = set(properties["Environment"]["Variables"])
    code = (Path(strip.__code__.co_filename).parent / "settings.py").read_text()
    read = {PREFIX + name for name in re.findall(r'value\("([A-Z_]+)"', code)}
    # What a run asks before it calls.
    read.add("VARIEGATE_RUN_CONCURRENCY")
    assert {name for name in given if name.startswith(PREFIX)} == read
    assert properties["Architectures"] == ["x86_64"]


def test_artefact_fits_and_holds_no_large_library(artefact):
    files = [path for path in artefact.rglob("*") if path.is_file()]
    # Room for what the next versions of the libraries bring.
    assert sum(path.stat().st_size for path in files) < min(LIMIT, 230_000_000)
    tops = {path.name for path in artefact.iterdir()}
    assert not {"pyarrow", "scipy", "boto3", "typer", "rich", "tests"} & tops
    assert {"variegate", "cv2", "numpy", "recipe.yaml", "plugins"} <= tops


def test_packed_libraries_decode_every_kind_of_file(artefact, lambda_python, tmp_path):
    """A library that is hollowed, and called all the same, would end the process."""
    image = Image.fromarray(np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8))
    kinds = ("jpeg", "png", "webp", "avif", "tiff", "bmp", "gif")
    for kind in kinds:
        image.save(tmp_path / f"a.{kind}")
    code = (
        "import sys; from pathlib import Path; from variegate.codecs import decode\n"
        "for path in sorted(Path(sys.argv[1]).glob('a.*')):\n"
        "    print(path.suffix, decode(path.read_bytes()).shape[:2])\n"
    )
    done = subprocess.run(
        [lambda_python, "-c", code, tmp_path],
        env={"PYTHONPATH": str(artefact), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f".{kind} (48, 64)" for kind in sorted(kinds)]


def test_image_is_made_of_files_that_are_there(tmp_path):
    """Without Docker: what the Dockerfile copies and starts is looked up by hand."""
    path = write_project(tmp_path / "p", Recipe.load("light"), python="3.13", image=True)
    function = yaml.load(path.read_text(), _Loader)["Resources"]["AugmentFunction"]
    assert function["Properties"]["PackageType"] == "Image"
    assert "Handler" not in function["Properties"]
    context = path.parent / function["Metadata"]["DockerContext"]
    dockerfile = (context / function["Metadata"]["Dockerfile"]).read_text()
    assert f"ARG PYTHON_VERSION={function['Metadata']['DockerBuildArgs']['PYTHON_VERSION']}" in (
        dockerfile
    )
    for source in re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE):
        assert (context / source).exists()
    (started,) = re.findall(r'^CMD \["(.+)"\]', dockerfile, re.MULTILINE)
    module, _, name = started.rpartition(".")
    assert f"def {name}(" in (context / f"{module.replace('.', '/')}.py").read_text()


def test_function_gets_the_versions_that_are_here():
    from importlib.metadata import version

    for python in RUNTIMES:
        wanted = dict(re.split("(?=[=<])", one, maxsplit=1) for one in requirements(python))
        assert wanted["opencv-python-headless"] == f"=={version('opencv-python-headless')}"
        exact = python != "3.11"
        assert (wanted["numpy"] == f"=={version('numpy')}") is exact


def test_function_gets_every_dependency_but_the_large_ones_it_does_without():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[=<>]", one)[0].lower() for one in project["dependencies"]}
    given = {re.split("[=<>]", one)[0].lower() for one in requirements("3.13")} - {"resvg-py"}
    assert given == needed - {"pyarrow", "typer", "rich"}


def test_strange_folders_runtimes_and_recipes_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="not a project of variegate"):
        write_project(tmp_path / "mine", Recipe.load("light"))
    with pytest.raises(RecipeError, match=r"expected one of 3\.11, 3\.12, 3\.13"):
        write_project(tmp_path / "p", Recipe.load("light"), python="2.7")
    with pytest.raises(RecipeError, match="one at a time"):
        write_project(tmp_path / "p", Recipe.parse("variants: mixup"))
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"
