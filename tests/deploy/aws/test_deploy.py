"""`variegate deploy augment` and `variegate destroy`: what they show, ask, do and refuse."""

import datetime as dt
import json
import os
import sys
from pathlib import Path

import boto3
import pytest
from small_aws import CREDENTIALS
from typer.testing import CliRunner

from variegate.cli import app
from variegate.deploy.aws import cost
from variegate.deploy.aws.stack import checked_parameters, known_parameters
from variegate.deploy.files import deployment_files
from variegate.errors import UsageError
from variegate.recipes.recipe import Recipe

NAMES = ("--input", "my-photos", "--output", "my-variants")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Call the command line in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    runner = CliRunner(env={"COLUMNS": "200"})

    def call(*arguments, answer=None):
        return runner.invoke(app, [str(one) for one in arguments], input=answer)

    return call


def test_print_shows_all_and_touches_nothing(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    result = run("deploy", "augment", *NAMES, "--preset", "light", "--print")
    assert result.exit_code == 0, result.output
    for expected in (
        "a million variants:",
        f"Prices of {cost.prices()['as_of']} in us-east-1",
        "# function/requirements.txt",
        "opencv-python-headless==",
        "# function/recipe.yaml",
        "# template.yaml",
        "AWS::Serverless::Function",
        "InputBucketName=my-photos",
        "sam validate --lint",
        "sam build",
        "sam deploy",
    ):
        assert expected in result.output, expected
    assert list((tmp_path / "here").iterdir()) == []


@pytest.fixture
def recording_sam(sam, tmp_path, monkeypatch):
    """The real sam, but for its last step, which needs the real AWS: that one is written down."""
    folder = tmp_path / "programs"
    folder.mkdir()
    record = tmp_path / "deployed.json"
    (folder / "sam").write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        f"if sys.argv[1] != 'deploy':\n    os.environ.pop('PYTHONPATH', None)\n"
        f"    os.execv({str(sam)!r}, [{str(sam)!r}, *sys.argv[1:]])\n"
        f"built = os.listdir('.aws-sam/build')\n"
        f"open({str(record)!r}, 'w').write(json.dumps([sys.argv[1:], built]))\n"
    )
    (folder / "sam").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return record


def test_it_validates_builds_asks_and_deploys(
    run, recording_sam, tmp_path, capfd, moto_url, monkeypatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    arguments = ("deploy", "augment", *NAMES, "--preset", "chain", "--set", "Timeout=300")
    refused = run(*arguments, "--folder", tmp_path / "project", answer="n\n")
    assert refused.exit_code == 0, refused.output
    assert f"nothing was deployed; the project is in {tmp_path / 'project'}" in refused.stderr
    assert not recording_sam.exists()
    assert (tmp_path / "project/template.yaml").is_file()
    agreed = run(*arguments, "--folder", tmp_path / "project", answer="y\n")
    assert agreed.exit_code == 0, agreed.output
    deployed, built = json.loads(recording_sam.read_text())
    assert sorted(built) == ["AugmentFunction", "template.yaml"]
    assert deployed[:3] == ["deploy", "--stack-name", "variegate-augment"]
    overrides = deployed[deployed.index("--parameter-overrides") + 1 :]
    assert {"Timeout=300", "QueueVisibility=1800", "OutputBucketName=my-variants"} < set(overrides)
    assert "s3://my-photos/images/" in agreed.output
    packed = tmp_path / "project/.aws-sam/build/AugmentFunction/recipe.yaml"
    assert Recipe.load(packed) == Recipe.load("chain")
    assert "is a valid SAM Template" in capfd.readouterr().err


def test_a_project_is_written_without_deploying(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    result = run("deploy", "augment", *NAMES, "--print", "--folder", tmp_path / "project")
    assert result.exit_code == 0, result.output
    assert "nothing was deployed; the project is in" in result.stderr
    assert (tmp_path / "project/function/requirements.txt").is_file()
    assert "# template.yaml" not in result.output


def test_tags_and_an_address_for_alarms(run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    more = ("--alarm-email", "ops@example.com", "--tag", "team=vision", "--tag", "note=two words")
    result = run("deploy", "augment", *NAMES, *more, "--print")
    assert "AlarmEmail=ops@example.com" in result.output
    assert """--tags team=vision 'note="two words"' --parameter-overrides""" in result.output
    assert "nobody is told of alarms" not in result.stderr
    assert "nobody is told of alarms" in run("deploy", "augment", *NAMES, "--print").stderr
    result = run("deploy", "augment", *NAMES, "--alarm-email", "ops", "--print")
    assert "parameter AlarmEmail: expected an e-mail address, got 'ops'" in result.stderr


def test_options_become_parameters(run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    more = ("--existing-input", "--existing-output", "--delete-variants")
    limits = ("--max-variants-per-day", "1000", "--budget", "50", "--alarm-email", "a@b.c")
    result = run("deploy", "augment", *NAMES, *more, *limits, "--print")
    assert result.exit_code == 0, result.output
    for expected in (
        "CreateInputBucket=no",
        "CreateOutputBucket=no",
        "DeleteVariants=yes",
        "MaxVariantsPerDay=1000",
        "MonthlyBudget=50",
        "EventBridge is turned on for s3://my-photos, and its other notifications stay",
    ):
        assert expected in result.output, expected
    assert "DynamoDB" in result.stdout
    few = run("deploy", "augment", *NAMES, "--max-variants-per-day", "2", "--print")
    assert "expected at least 8, the variants of one image, got 2" in few.stderr
    nobody = run("deploy", "augment", *NAMES, "--budget", "50", "--print")
    assert "MonthlyBudget: needs an address to tell, --alarm-email" in nobody.stderr


def test_an_image_has_a_place_to_be_kept(run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = run("deploy", "augment", *NAMES, "--image", "--print")
    assert "--resolve-image-repos" in result.output
    assert "PackageType: Image" in result.output


def test_without_sam_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = run("deploy", "augment", *NAMES, "--yes")
    assert result.exit_code == 2
    assert "pip install aws-sam-cli" in result.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Concurency": "5"}, "parameter 'Concurency': unknown; did you mean 'Concurrency'?"),
        ({"Concurrency": "1"}, "expected a whole number 2 to 1000, got '1'"),
        ({"Concurrency": "many"}, "expected a whole number 2 to 1000, got 'many'"),
        ({"InputPrefix": "/x"}, "expected one or more folders of letters"),
        ({"InputBucketName": "Photos"}, "expected 3 to 63 lowercase letters"),
        ({"Format": "coco"}, "expected one of unlabelled, classes, got 'coco'"),
        ({"Splits": "true"}, "expected one of no, yes, got 'true'"),
        ({"Recipe": "x" * 3001}, "expected at most 3,000 letters, got 3,001"),
        ({"Timeout": "300", "QueueVisibility": "700"}, "expected at least 6 times Timeout, 1800"),
        ({"OutputBucketName": "a-bucket"}, "into the bucket of the inputs"),
        ({"LogDays": "2"}, "expected one of 1, 3, 5, 7"),
        ({"ReservedConcurrency": "30"}, "Concurrency and RunConcurrency together, 40, got 30"),
        ({"BudgetTag": "team"}, "expected a tag such as user:team$vision, got 'team'"),
    ],
)
def test_slips_are_found_before_anything_is_built(given, message):
    names = {"InputBucketName": "a-bucket", "OutputBucketName": "b-bucket"}
    with pytest.raises(UsageError) as caught:
        checked_parameters(names | given)
    assert message in str(caught.value)


def test_defaults_are_what_the_template_allows():
    names = {"InputBucketName": "a-bucket", "OutputBucketName": "b-bucket"}
    found = checked_parameters(names)
    assert found.keys() == known_parameters().keys()
    assert checked_parameters(found) == found


def test_prices_are_dated_and_say_where_they_stand():
    table = cost.prices()
    dt.date.fromisoformat(table["as_of"])
    for one in table["prices"].values():
        assert one["source"].startswith("https://aws.amazon.com/")
        assert one["usd"] > 0


def test_bill_against_a_calculation_by_hand():
    taken = cost.Trial(seconds=0.67, bytes=2_000_000, variants=4)
    found = {one.name: one.usd for one in cost.bill(taken, 1_000_000, memory_mb=1769)}
    # 0.67 s of work, 0.1 s and 4 times 0.03 s of waiting.
    assert found["Lambda, time"] == pytest.approx(1e6 * 0.89 * 1769 / 1024 * 0.0000166667)
    assert found["S3, writing"] == pytest.approx(5e6 * 0.000005)
    assert found["S3, keeping"] == pytest.approx(2_000 * 0.023)
    assert found["SQS"] == pytest.approx(3 * 0.40)
    half = {one.name: one.usd for one in cost.bill(taken, 1_000_000, memory_mb=885)}
    assert half["Lambda, time"] == pytest.approx(
        1e6 * (1.34 * 884.5 / 885 + 0.22) * 885 / 1024 * 0.0000166667, rel=0.01
    )


def test_what_stands_is_in_the_estimate():
    taken = cost.Trial(seconds=0.67, bytes=2_000_000, variants=4)

    def found(days):
        items = cost.standing_bill(taken, 1_000_000, old_versions_days=days)
        assert all(one.monthly for one in items)
        return {one.name: one.usd for one in items}

    assert found(0) == pytest.approx({"SQS, waiting": 0.648 * 0.40, "alarms": 0.60})
    # 2 TB, for half a month.
    assert found(15)["S3, old versions"] == pytest.approx(2_000 * 0.023 / 2)
    template = (deployment_files("aws") / "augment/template.yaml").read_text()
    alarms = [line for line in template.splitlines() if "AWS::CloudWatch::Alarm" in line]
    assert len(alarms) == cost._ALARMS


def test_trial_makes_all_variants():
    found = cost.trial(Recipe.load("light"), 0.1)
    assert found.variants == Recipe.load("light").count()
    assert found.seconds > 0
    assert found.bytes > 1000


STACK = """
Resources:
  InputBucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: {BucketName: NAME-in}
  OutputBucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: {BucketName: NAME-out}
  Arrivals:
    Type: AWS::SQS::Queue
    Properties: {QueueName: NAME-arrivals}
  DeadLetters:
    Type: AWS::SQS::Queue
    Properties: {QueueName: NAME-dead}
"""


@pytest.fixture
def stack(moto_url, monkeypatch):
    """A stack with objects in its buckets, in several versions; its name, and the client of S3."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    name = f"s{os.urandom(6).hex()}"
    boto3.client("cloudformation").create_stack(
        StackName=name, TemplateBody=STACK.replace("NAME", name)
    )
    s3 = boto3.client("s3")
    for bucket in ("in", "out"):
        # moto's CloudFormation passes it over.
        s3.put_bucket_versioning(
            Bucket=f"{name}-{bucket}", VersioningConfiguration={"Status": "Enabled"}
        )
        for body in (b"1", b"22"):
            s3.put_object(Bucket=f"{name}-{bucket}", Key="a.jpg", Body=body)
    s3.delete_object(Bucket=f"{name}-in", Key="a.jpg")
    return name, s3


def buckets(s3):
    return {one["Name"] for one in s3.list_buckets()["Buckets"]}


def test_destroy_says_what_is_lost_and_data_needs_the_name_typed(run, stack):
    name, s3 = stack
    declined = run("destroy", name, answer="n\n")
    assert declined.exit_code == 1
    assert "SQS::Queue" in declined.output
    assert f"s3://{name}-in  3 objects and versions" in declined.output
    mistyped = run("destroy", name, "--with-data", answer="yes\n")
    assert mistyped.exit_code == 2
    assert "nothing was deleted" in mistyped.output
    assert {f"{name}-in", f"{name}-out"} <= buckets(s3)
    result = run("destroy", name, "--with-data", answer=f"{name}\n")
    assert result.exit_code == 0, result.output
    assert not {f"{name}-in", f"{name}-out"} & buckets(s3)
    gone = run("destroy", name, "--yes")
    assert gone.exit_code == 2
    assert "does not exist" in gone.output


def test_destroy_keeps_the_buckets(run, stack):
    name, s3 = stack
    result = run("destroy", name, "--yes")
    assert result.exit_code == 0, result.output
    assert f"s3://{name}-out: kept" in result.output
    assert {f"{name}-in", f"{name}-out"} <= buckets(s3)


def test_destroy_refuses_other_stacks_and_silent_loss(run, moto_url, monkeypatch):
    for key, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(key, value)
    body = "Resources: {Q: {Type: 'AWS::SQS::Queue'}}"
    boto3.client("cloudformation").create_stack(StackName="another", TemplateBody=body)
    assert "not one that" in run("destroy", "another", "--yes").output
    assert "leave out --yes" in run("destroy", "another", "--yes", "--with-data").output
    assert Path.cwd().exists()
