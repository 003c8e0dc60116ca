"""`variegate deploy classify`: the template, the packed function, its answers to API Gateway."""

import base64
import fcntl
import io
import json
import os
import re
from pathlib import Path

import boto3
import pytest
import yaml
from lambda_host import FunctionError, Sandbox
from PIL import Image
from small_aws import CREDENTIALS, for_this_python, run_sam
from typer.testing import CliRunner

import served
from served import ask, form
from variegate.cli import app
from variegate.deploy.aws import classify
from variegate.deploy.aws.classify import DeployedModel, classify_bill, write_classify_project
from variegate.deploy.aws.package import LIMIT
from variegate.deploy.aws.stack import all_parameters, known_parameters
from variegate.deploy.files import deployment_files
from variegate.errors import InputError, UsageError
from variegate.models.card import card_path
from variegate.serving import function

TEMPLATE = deployment_files("aws") / "classify/template.yaml"
HANDLER = "entry.handler"


class _PlainLoader(yaml.SafeLoader):
    """Reads !Ref x as {"Ref": x}, and the like."""


def _tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


_PlainLoader.add_multi_constructor("!", _tag)


def parsed(path):
    return yaml.load(path.read_text(), _PlainLoader)


@pytest.fixture(scope="session")
def model(data_dir, tmp_path_factory) -> DeployedModel:
    path = served.squeezenet(data_dir, tmp_path_factory.mktemp("model"))
    return DeployedModel(path, card_path(path))


@pytest.fixture(scope="session")
def photo(data_dir) -> bytes:
    return min(data_dir.glob("coco_mini/images/val2017/*.jpg")).read_bytes()


@pytest.fixture(scope="session")
def classifier(sam, model, tmp_path_factory, worker_id) -> Path:
    """The folder of the function that `sam build` made, with a model packed in."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder = shared / "classify"
    with (shared / "classify.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "classify.built").exists():
            write_classify_project(folder, model)
            for_this_python(folder)
            done = run_sam(sam, "build", folder=folder)
            assert done.returncode == 0, done.stderr
            (shared / "classify.built").touch()
    return folder / ".aws-sam" / "build" / "ClassifyFunction"


@pytest.mark.parametrize("image", [False, True])
def test_sam_and_cfn_lint_find_no_fault(sam, model, tmp_path, image):
    path = write_classify_project(tmp_path / "p", model, image=image)
    done = run_sam(sam, "validate", "--lint", "--template", path, folder=path.parent)
    assert done.returncode == 0, done.stderr + done.stdout


def test_template_in_the_repository_is_the_one_that_is_written(model, tmp_path):
    path = write_classify_project(tmp_path / "p", model)
    assert path.read_text() == TEMPLATE.read_text()


def statements(value):
    """Yield all statements of all policies."""
    if isinstance(value, dict):
        yield from value.get("Statement", [])
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from statements(one)


def test_the_function_may_log_and_read_what_it_needs_and_no_more():
    found = {one.get("Sid"): one for one in statements(parsed(TEMPLATE)["Resources"])}
    known = {"WriteLogs", "ReadModel", "ReadKeys", "UseKey", "ShiftCalls", "LookAtAlarms"}
    assert found.keys() == {None, *known}
    for name in known:
        assert "*" not in str(found[name]["Action"])
    model, card = found["ReadModel"]["Resource"]
    assert model == {"Sub": "arn:${AWS::Partition}:s3:::${ModelBucketName}/${ModelKey}"}
    assert "*" not in str((model, card))
    assert found["ReadKeys"]["Resource"] == {"Ref": "KeysSecretArn"}
    assert "ManagedPolicyArns" not in TEMPLATE.read_text()


def test_requests_are_throttled_and_troubles_alarm():
    resources = parsed(TEMPLATE)["Resources"]
    settings = resources["HttpApi"]["Properties"]["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "RateLimit"}
    alarms = [one for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    watched = [one["Properties"].get("MetricName", "Duration") for one in alarms]
    failures = {"Sub": "${AWS::StackName}-failures"}
    assert len(watched) == classify._ALARMS
    assert all(one in watched for one in ("Errors", "Throttles", "5xx", "Duration", failures))
    function_ = resources["ClassifyFunction"]["Properties"]
    assert function_["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert known_parameters("classify")["Timeout"]["MaxValue"] < 30


def test_template_sets_what_the_function_reads():
    properties = parsed(TEMPLATE)["Resources"]["ClassifyFunction"]["Properties"]
    given = {n for n in properties["Environment"]["Variables"] if n.startswith(function.PREFIX)}
    code = Path(function.__file__).read_text()
    assert given == {function.PREFIX + n for n in re.findall(r'value\("([A-Z_]+)"', code)}


def test_an_image_has_no_snapshot_and_starts_what_is_there(model, tmp_path):
    path = write_classify_project(tmp_path / "p", model, image=True)
    found = parsed(path)["Resources"]["ClassifyFunction"]
    assert found["Properties"]["PackageType"] == "Image"
    assert not {"Handler", "SnapStart"} & found["Properties"].keys()
    assert found["Metadata"]["DockerTag"] == "classify"
    dockerfile = (path.parent / "function/Dockerfile").read_text()
    (started,) = re.findall(r'^CMD \["(.+)"\]', dockerfile, re.MULTILINE)
    assert started == HANDLER
    entry = (path.parent / "function/entry.py").read_text()
    assert re.search(r"^handler = load\(\)$", entry, re.MULTILINE)


def test_the_artefact_fits_without_what_it_never_calls(classifier):
    files = [path for path in classifier.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    # MobileNetV2 has 14 MB.
    assert size + 14e6 < LIMIT
    names = {path.name for path in files}
    assert not [name for name in names if name.startswith(("libonnxruntime.so", "libvpx"))]
    assert {"model.onnx", "model.card.json", "entry.py"} <= names
    tops = {path.name for path in classifier.iterdir()}
    assert not {"obstore", "pyarrow", "boto3", "uvicorn", "typer"} & tops
    for name in ("avcodec", "aom"):
        (codec,) = classifier.glob(f"opencv_python_headless.libs/lib{name}-*")
        assert codec.stat().st_size < 1e6


def event_v2(body=b"", *, path="/classify", query="", text=False, method="POST", **headers):
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "a.execute-api.us-east-1.amazonaws.com", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a",
            "domainName": "a.execute-api.us-east-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8",
            },
            "requestId": "r",
            "stage": "$default",
        },
        "body": body.decode() if text else base64.b64encode(body).decode(),
        "isBase64Encoded": not text,
    }


def event_v1(body, *, path="/classify", query=None, method="POST", **headers):
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "a.execute-api.us-east-1.amazonaws.com", **headers},
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
        "requestContext": {
            "httpMethod": method,
            "path": path,
            "identity": {"sourceIp": "192.0.2.1"},
            "requestId": "r",
            "stage": "prod",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def test_events_of_both_versions_get_the_servers_answers(classifier, model, photo, start):
    """From the artefact alone: awslambdaric, in an interpreter that has nothing else."""
    lambda_ = start(classifier, {"VARIEGATE_TOP": "3"}, size=1, handler=HANDLER)
    body, headers = form(("a.jpg", photo), ("b.txt", b"junk"), top="2")
    kind = {"content-type": headers["Content-Type"]}
    with served.server(model.path) as (url, _):
        (expected,) = ask(url, "/classify?top=3", photo).json["results"]
        several = ask(url, "/classify", body, headers).json["results"]

    def results(event):
        answer = lambda_.call(event)
        assert answer["statusCode"] == 200, answer
        return json.loads(answer["body"])["results"]

    close = pytest.approx(expected["classes"][0]["probability"], abs=1e-3)
    for found in (
        results(event_v2(photo, **{"content-type": "image/jpeg"})),
        results(event_v1(photo, **{"Content-Type": "image/jpeg"})),
        results(event_v2(photo, query="top=3")),
    ):
        assert [one["class"] for one in found[0]["classes"]] == [
            one["class"] for one in expected["classes"]
        ]
        assert found[0]["classes"][0]["probability"] == close
    for found in (results(event_v2(body, **kind)), results(event_v1(body, **kind))):
        assert [one["file"] for one in found] == ["a.jpg", "b.txt"]
        assert found[0]["classes"][0]["class"] == several[0]["classes"][0]["class"]
        assert found[1]["error"]["status"] == 415
    assert len(results(event_v1(photo, query={"top": "1"}))[0]["classes"]) == 1

    refused = [
        (event_v2(b""), 400),
        (event_v2(b"hello", text=True), 415),
        (event_v2(photo[:2000]), 400),
        (event_v2(b"\0" * 4_500_000), 413),
        (event_v2(method="GET"), 405),
        (event_v2(path="/nothing", method="GET"), 404),
    ]
    for event, status in refused:
        answer = lambda_.call(event)
        assert answer["statusCode"] == status
        assert json.loads(answer["body"])["error"]["status"] == status
    # Whatever reads a kind of file is there, and works: nothing that was left out is called.
    kinds = ("PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "PPM")
    for kind in kinds:
        converted = io.BytesIO()
        Image.open(io.BytesIO(photo)).convert("RGB").save(converted, kind)
        (found,) = results(event_v2(converted.getvalue()))
        assert found["classes"][0]["class"] == expected["classes"][0]["class"], kind
    page = lambda_.call(event_v2(path="/", method="GET"))
    assert page["statusCode"] == 200
    assert "Classify an image" in page["body"]
    steps = json.dumps([{"axis": "rotate+", "intensity": 0.3}])
    tried, about = form(("a.jpg", photo), steps=steps)
    moved = lambda_.call(event_v2(tried, path="/try", **{"content-type": about["Content-Type"]}))
    assert json.loads(moved["body"])["image"].startswith("data:image/jpeg")
    logged = [one for one in lambda_.told() if one.get("event") == "request"]
    assert logged[0]["client"] == "192.0.2.1"
    assert len(logged) == 6 + len(refused) + len(kinds) + 2


def test_the_first_answer_of_a_fresh_process_costs_less_than_three_seconds(
    classifier, photo, lambda_python, tmp_path
):
    """Of one processor, so that it does not matter what else the machine does."""
    sandbox = Sandbox(lambda_python, classifier, CREDENTIALS, tmp_path / "log", 60.0, HANDLER)
    try:
        assert sandbox.call(event_v2(photo))["statusCode"] == 200
        # The end of the name in brackets; then state is the first field, and 11 and 12 are times.
        fields = Path(f"/proc/{sandbox.process.pid}/stat").read_text().rpartition(") ")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        seconds = ticks / os.sysconf("SC_CLK_TCK")
    finally:
        sandbox.stop()
    assert 0.1 < seconds < 3


def test_a_model_from_a_bucket_with_keys_from_a_secret(classifier, model, photo, start, moto_url):
    options = {
        "endpoint_url": moto_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }
    store, secrets = boto3.client("s3", **options), boto3.client("secretsmanager", **options)
    store.create_bucket(Bucket="models-of-mine")
    store.upload_file(str(model.path.resolve()), "models-of-mine", "v2/net.onnx")
    store.upload_file(str(model.card), "models-of-mine", "v2/net.card.json")
    key = "0123456789abcdef0123"
    arn = secrets.create_secret(Name="keys", SecretString=f"{key}\n")["ARN"]
    environment = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": moto_url,
        "VARIEGATE_MODEL": "s3://models-of-mine/v2/net.onnx",
        "VARIEGATE_MODEL_VERSION": "two",
        "VARIEGATE_KEYS_SECRET": arn,
    }
    lambda_ = start(classifier, environment, size=1, handler=HANDLER)
    assert lambda_.call(event_v2(photo))["statusCode"] == 401
    answer = lambda_.call(event_v2(photo, **{"x-api-key": key}))
    assert json.loads(answer["body"])["model"] == {"name": "net", "version": "two"}
    assert key not in lambda_.log.read_text()
    broken = start(
        classifier, {**environment, "VARIEGATE_MODEL": "http://x/a.onnx"}, size=1, handler=HANDLER
    )
    with pytest.raises(FunctionError):
        broken.call(event_v2(photo))


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", "")

    def call(*arguments, answer=None):
        runner = CliRunner(env={"COLUMNS": "200"})
        return runner.invoke(app, ["deploy", "classify", *map(str, arguments)], input=answer)

    return call


def test_print_shows_all_and_touches_nothing(run, model, tmp_path):
    result = run(model.path, "--print", "--set", "RateLimit=5")
    assert result.exit_code == 0, result.output
    for expected in (
        *("HTTP API", "snapshot", "onnxruntime==", "AWS::Serverless::HttpApi"),
        *("RateLimit=5", "sam validate --lint", "sam build", "sam deploy", "no API key is asked"),
    ):
        assert expected in result.output, expected
    assert list((tmp_path / "here").iterdir()) == []


def test_a_project_is_written_without_deploying(run, model, tmp_path):
    mail = ("--alarm-email", "ops@example.com", "--tag", "team=vision")
    result = run(model.path, "--print", "--folder", tmp_path / "project", *mail)
    assert result.exit_code == 0, result.output
    assert f"nothing was deployed; the project is in {tmp_path / 'project'}" in result.output
    assert (tmp_path / "project/template.yaml").is_file()
    assert (tmp_path / "project/function/requirements.txt").is_file()
    assert "--tags team=vision" in result.output
    assert "AlarmEmail=ops@example.com" in result.output


def test_it_asks_and_says_what_is_missing(run, model, moto_url, tmp_path, monkeypatch):
    (tmp_path / "sam").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "sam").chmod(0o755)
    with monkeypatch.context() as there:
        there.setenv("PATH", str(tmp_path))
        for key, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
            there.setenv(key, value)
        refused = run(model.path, answer="n\n")
        assert (refused.exit_code, "nothing was deployed" in refused.output) == (0, True)
    without = run(model.path, "--yes")
    assert (without.exit_code, "pip install aws-sam-cli" in without.output) == (2, True)
    for arguments, says in (
        ((tmp_path / "no.onnx",), "there is no such model file"),
        ((model.path, "--set", "RateLimit=0"), "expected a whole number 1 to 10000"),
        ((model.path, "--set", "Ratelimit=1"), "did you mean 'RateLimit'"),
        ((model.path, "--python", "3.11", "--print"), "expected one of 3.13, 3.12"),
        (("gs://b/a.onnx",), "expected a file, or s3://bucket/name.onnx"),
        (("s3://b/a.onnx", "--card", "a.json"), "beside it"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert says in result.output


def test_defaults_are_what_the_template_allows():
    found = all_parameters("classify", {})
    assert all_parameters("classify", found) == found
    for name, parameter in known_parameters("classify").items():
        assert parameter["Description"].strip(), name


def test_bill_against_a_calculation_by_hand():
    items = classify_bill(0.09, 1_000_000, 1_000_000, memory_mb=1769, snapshot=True)
    found = {one.name: one.usd for one in items}
    assert found["Lambda, time"] == pytest.approx(1e6 * 0.1 * 1769 / 1024 * 0.0000166667)
    # Two pieces of 512 kB, at a dollar a million.
    assert found["HTTP API"] == pytest.approx(2.0)
    assert found["snapshot"] == pytest.approx(1769 / 1024 * 30 * 86400 * 0.0000015046)
    assert found["alarms"] == pytest.approx(0.50)
    half = classify_bill(0.09, 1_000, 1_000_000, memory_mb=1024, snapshot=False)
    assert "snapshot" not in {one.name for one in half}


def test_destroy_knows_its_stack(moto_url, monkeypatch):
    for key, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(key, value)
    queue = "{Type: 'AWS::SQS::Queue'}"
    body = f"Resources: {{ClassifyFunction: {queue}, HttpApi: {queue}}}"
    boto3.client("cloudformation").create_stack(StackName="classifier", TemplateBody=body)
    result = CliRunner().invoke(app, ["destroy", "classifier", "--yes"])
    assert result.exit_code == 0, result.output
    assert "classifier: deleted" in result.output
    assert "to be kept" not in result.output


def test_missing_files_are_named(model, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        write_classify_project(tmp_path / "p", DeployedModel(model.path, tmp_path / "no.json"))
    with pytest.raises(UsageError, match="cannot be read"):
        write_classify_project(tmp_path / "q", model, tolerance=tmp_path / "none.json")
