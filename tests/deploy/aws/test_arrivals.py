"""S3 to SQS to the built function to the second bucket, with real messages and a real store."""

import json
import zipfile
from urllib.parse import quote_plus

import pytest
from lambda_host import FunctionError, move_messages
from small_aws import PLUGIN, TEXT

import servers
from jobs import draw_noise
from variegate import Options, augment
from variegate.recipes.recipe import Recipe
from variegate.runs.event_manifest import event_part_key

ODD = "images/odd/grüße + 100% 日本.png"


@pytest.fixture(scope="session")
def components(data_dir) -> dict[str, bytes]:
    """Two hundred photos of electronic components, by key."""
    place = data_dir / "electronic_components/electronic-components-png-original.zip"
    with zipfile.ZipFile(place) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        names = names[:: len(names) // 200][:200]
        return {name.rpartition("/")[2]: archive.read(name) for name in names}


def by_run(tmp_path, images, dataset_format="unlabelled"):
    """Return the files that `variegate augment` makes of the same images, and its summary."""
    for key, data in images.items():
        path = tmp_path / "in" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    summary = augment(
        tmp_path / "in",
        tmp_path / "run",
        recipe=Recipe.parse(TEXT),
        options=Options(format=dataset_format),
    )
    files = {
        str(path.relative_to(tmp_path / "run")): path.read_bytes()
        for path in (tmp_path / "run").rglob("*")
        if path.is_file() and ".variegate" not in path.parts and path.name != "manifest.parquet"
    }
    return files, summary


def results(cloud):
    """Return the files in the output bucket, but for the hidden ones."""
    keys = cloud.keys(cloud.output, "variants/")
    return {
        key.removeprefix("variants/"): cloud.get(cloud.output, key)
        for key in keys
        if "/.variegate/" not in key
    }


def test_two_hundred_images_with_all_that_can_happen_to_them(
    artefact, components, fragile, cloud, start, tmp_path, monkeypatch
):
    images = dict(components)
    names = list(images)
    images["odd/grüße + 100% 日本.png"] = images.pop(names[0])
    broken = {f"broken-{i}.png": images[names[1]][: 200 + i] for i in range(3)}
    for key, data in {**images, **broken, "deleted.png": images[names[2]]}.items():
        cloud.put(f"images/{key}", data)
    for key in names[10:15]:
        cloud.put(f"images/{key}", images[key])
    cloud.put("elsewhere/7.png", images[names[3]])
    cloud.s3.delete_object(Bucket=cloud.input, Key="images/deleted.png")

    function = start(artefact, cloud.function_settings())
    move_messages(cloud.sqs, cloud.arrivals, function)

    expected, summary = by_run(tmp_path, {**images, **broken})
    assert len(expected) == 2 * 200
    assert results(cloud) == expected
    told = function.told()
    kinds = [one["event"] for one in told]
    assert (kinds.count("made"), kinds.count("known"), kinds.count("gone")) == (203, 5, 1)
    assert sum(one.get("quarantined", False) for one in told) == 3
    assert any(one.get("key") == ODD for one in told)
    assert cloud.dead_letters() == []
    # Nothing is written anywhere else, and nothing into the bucket of the inputs.
    assert all(key.startswith("variants/") for key in cloud.keys(cloud.output))
    assert len(cloud.keys(cloud.input)) == 204

    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    from variegate import read_manifest, rebuild, verify

    url = f"s3://{cloud.output}/variants/"
    found = verify(url)
    assert found.ok
    assert found.digest == summary.digest
    rows = read_manifest(url, columns=["key", "reason"], where={"status": ["quarantined"]})
    assert sorted(row["key"] for row in rows.to_pylist()) == sorted(broken)
    assert all(row["reason"] for row in rows.to_pylist())
    key = sorted(expected)[5]
    mine = tmp_path / PLUGIN.name
    mine.write_text(PLUGIN.text or "")
    assert rebuild(url, key, write=False, plugins=[mine]) == expected[key]


def queue_event(*bodies: str, tries: int = 1) -> dict:
    return {
        "Records": [
            {
                "messageId": f"m{index}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(tries)},
                "eventSource": "aws:sqs",
            }
            for index, body in enumerate(bodies)
        ]
    }


def s3_body(bucket: str, *keys: str, **told: str) -> str:
    records = [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), **told}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def test_every_way_in_which_an_event_may_come(artefact, cloud, start, tmp_path):
    for name in ("a b", "c", "d", "e"):
        cloud.put(f"images/{name}.jpg", draw_noise(tmp_path / f"{name}.jpg").read_bytes())
    bridge = {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": cloud.input}, "object": {"key": "images/a b.jpg"}},
    }
    several = s3_body(cloud.input, "images/c.jpg", "images/d.jpg", versionId="null")
    topic = {"Type": "Notification", "Message": s3_body(cloud.input, "images/e.jpg")}
    removed = several.replace("ObjectCreated:Put", "ObjectRemoved:Delete")
    folder = s3_body(cloud.input, "images/")
    test = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": cloud.input})
    function = start(artefact, cloud.function_settings(), size=1)
    bodies = [json.dumps(bridge), several, json.dumps(topic), removed, folder, test]
    assert function.call(queue_event(*bodies)) == {"batchItemFailures": []}
    assert len(results(cloud)) == 8


def test_poison_ends_in_the_dead_letters_with_its_reason_and_its_batch_succeeds(
    artefact, cloud, start, tmp_path
):
    for number in range(4):
        name = f"{number}.jpg"
        cloud.put(f"images/{name}", draw_noise(tmp_path / name).read_bytes())
    stranger = s3_body("another-bucket", "images/x.jpg")
    for body in ("no JSON at all", stranger):
        cloud.sqs.send_message(QueueUrl=cloud.arrivals, MessageBody=body)
    function = start(artefact, cloud.function_settings(), size=1)
    move_messages(cloud.sqs, cloud.arrivals, function)
    assert len(results(cloud)) == 8
    dead = {
        one["Body"]: {k: v["StringValue"] for k, v in one["MessageAttributes"].items()}
        for one in cloud.dead_letters()
    }
    assert dead.keys() == {"no JSON at all", stranger}
    assert dead["no JSON at all"]["Tries"] == "3"
    assert "expected a message of S3 about an object" in dead["no JSON at all"]["Reason"]
    assert "the only place that this function reads" in dead[stranger]["Reason"]
    # The image that is no image, and the one that is broken, are no poison.
    assert [one["event"] for one in function.told()].count("failed") == 4


def test_faults_of_the_store_are_tried_again_and_are_no_fault_of_the_image(
    artefact, cloud, start, tmp_path
):
    cloud.put("images/a.jpg", draw_noise(tmp_path / "a.jpg").read_bytes())
    wrong = cloud.function_settings(VARIEGATE_OUTPUT="s3://no-such-bucket-here/variants/")
    function = start(artefact, wrong, size=1)
    move_messages(cloud.sqs, cloud.arrivals, function)
    (dead,) = cloud.dead_letters()
    assert "no-such-bucket-here" in dead["MessageAttributes"]["Reason"]["StringValue"]
    # Mended, and sent once more.
    cloud.sqs.send_message(QueueUrl=cloud.arrivals, MessageBody=dead["Body"])
    move_messages(cloud.sqs, cloud.arrivals, start(artefact, cloud.function_settings(), size=1))
    assert len(results(cloud)) == 2


def test_store_that_throttles_and_breaks_off_costs_time_only(
    artefact, components, cloud, start, tmp_path
):
    images = dict(list(components.items())[:30])
    for key, data in images.items():
        cloud.put(f"images/{key}", data)
    proxy = servers.FaultyProxy(cloud.url)
    faults = [servers.sometimes(20, "5r"), servers.sometimes(50, "c"), servers.in_bursts(60, 4)]
    proxy.faults += faults
    try:
        settings = cloud.function_settings(AWS_ENDPOINT_URL=proxy.url)
        move_messages(cloud.sqs, cloud.arrivals, start(artefact, settings))
    finally:
        proxy.close()
    assert len(proxy.seen) > 100
    assert results(cloud) == by_run(tmp_path, images)[0]
    assert cloud.dead_letters() == []


def test_image_that_kills_the_process_is_quarantined_when_it_comes_again(
    artefact, fragile, cloud, start, tmp_path
):
    good = draw_noise(tmp_path / "in/good.jpg")
    cloud.put("images/good.jpg", good.read_bytes())
    cloud.put("images/killer.jpg", draw_noise(tmp_path / "k.jpg", (13, 13)).read_bytes())
    function = start(
        artefact, cloud.function_settings(VARIEGATE_RECIPE="variants: fragile"), size=1
    )
    move_messages(cloud.sqs, cloud.arrivals, function, batch=1)
    made = Recipe.parse("variants: fragile")
    augment(good.parent, tmp_path / "run", recipe=made, options=Options(workers=0))
    assert results(cloud) == {"good-v00.jpg": (tmp_path / "run/good-v00.jpg").read_bytes()}
    part = cloud.get(cloud.output, f"variants/{event_part_key('killer.jpg')}").decode()
    row = json.loads(part.splitlines()[1])
    assert row["status"] == "quarantined"
    assert row["reason"].startswith("the worker process died on it 2 times (killed by SIGKILL")
    assert cloud.dead_letters() == []
    # What the process on trial wrote about its shard is gone.
    assert not [key for key in cloud.keys(cloud.output) if "/parts/" in key]


def test_function_never_writes_to_the_bucket_it_reads(artefact, cloud, start):
    same = f"s3://{cloud.input}/variants/"
    cloud.put("images/a.jpg", b"anything")
    function = start(artefact, cloud.function_settings(VARIEGATE_OUTPUT=same), size=1)
    answer = function.call(queue_event(s3_body(cloud.input, "images/a.jpg")))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert "into the bucket of the inputs" in function.told()[-1]["reason"]
    assert cloud.keys(cloud.input) == ["images/a.jpg"]


def test_recipe_from_the_bucket_from_a_parameter_and_by_name(artefact, cloud, start, tmp_path):
    cloud.put("images/a.jpg", draw_noise(tmp_path / "a.jpg").read_bytes())
    cloud.put("recipes/mine.yaml", b"variants: {each: [flip, invert, grayscale]}")
    body = s3_body(cloud.input, "images/a.jpg")
    for changes, count in (
        ({"VARIEGATE_RECIPE_LOCATION": f"s3://{cloud.input}/recipes/mine.yaml"}, 3),
        ({"VARIEGATE_RECIPE": "light"}, Recipe.load("light").count()),
        ({"VARIEGATE_RECIPE": "variants: flip", "VARIEGATE_SEED": "5"}, 1),
    ):
        output = f"s3://{cloud.output}/variants/{count}/"
        settings = cloud.function_settings(VARIEGATE_OUTPUT=output, **changes)
        function = start(artefact, settings, size=1)
        assert function.call(queue_event(body)) == {"batchItemFailures": []}
        keys = cloud.keys(cloud.output, f"variants/{count}/a-")
        assert len(keys) == count


def test_other_calls_are_refused(artefact, cloud, start):
    function = start(artefact, cloud.function_settings(), size=1)
    with pytest.raises(FunctionError, match="expected messages of a queue"):
        function.call({"hello": "world"})


def test_failed_writing_of_one_image_is_not_blamed_on_the_next(artefact, cloud, start, tmp_path):
    """The bucket of the results is away for a moment, while one process goes on."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        cloud.put(f"images/{name}", draw_noise(tmp_path / name).read_bytes())
    # More than are written at the same time: the first fails while others are on their way.
    many = "variants: {sample: {n: 40, k_min: 1, k_max: 1, steps: [{brightness: {amount: 0.1}}]}}"
    function = start(artefact, cloud.function_settings(VARIEGATE_RECIPE=many), size=1)

    def call(name):
        return function.call(queue_event(s3_body(cloud.input, f"images/{name}")))

    assert call("a.jpg") == {"batchItemFailures": []}
    for key in cloud.keys(cloud.output):
        cloud.s3.delete_object(Bucket=cloud.output, Key=key)
    cloud.s3.delete_bucket(Bucket=cloud.output)
    assert call("b.jpg") == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert "there is no bucket" in function.told()[-1]["reason"]
    cloud.s3.create_bucket(Bucket=cloud.output)
    assert call("c.jpg") == {"batchItemFailures": []}
    assert call("b.jpg") == {"batchItemFailures": []}
    assert len(results(cloud)) == 80


def test_variants_of_a_deleted_image_are_deleted_and_nothing_else(artefact, cloud, start, tmp_path):
    for name in ("a.jpg", "a b.jpg", "back.jpg"):
        cloud.put(f"images/{name}", draw_noise(tmp_path / name).read_bytes())
    settings = cloud.function_settings(VARIEGATE_DELETE_VARIANTS="yes")
    function = start(artefact, settings, size=1)
    move_messages(cloud.sqs, cloud.arrivals, function)
    before = results(cloud)
    cloud.s3.put_object(Bucket=cloud.output, Key="variants/a-v00.jpg", Body=b"mine")
    cloud.s3.put_object(Bucket=cloud.output, Key="variants/a-v99.jpg", Body=b"mine, too")
    for name in ("a.jpg", "back.jpg"):
        cloud.s3.delete_object(Bucket=cloud.input, Key=f"images/{name}")
    cloud.put("images/back.jpg", (tmp_path / "back.jpg").read_bytes())
    removed = [
        s3_body(cloud.input, f"images/{name}").replace("ObjectCreated:Put", "ObjectRemoved:Delete")
        for name in ("a.jpg", "back.jpg", "never-seen.jpg", "a.jpg")
    ]
    assert function.call(queue_event(*removed)) == {"batchItemFailures": []}
    assert [one["event"] for one in function.told()][-4:] == ["deleted", "known", "gone", "gone"]
    after = results(cloud)
    assert before.keys() - after.keys() == {"a-v01.jpg"}
    assert (after["a-v00.jpg"], after["a-v99.jpg"]) == (b"mine", b"mine, too")
    assert not [key for key in cloud.keys(cloud.output) if event_part_key("a.jpg") in key]
    # A rule that removes what is old is not somebody who deletes.
    cloud.s3.delete_object(Bucket=cloud.input, Key="images/a b.jpg")
    detail = {"bucket": {"name": cloud.input}, "object": {"key": "images/a b.jpg"}}
    expired = {
        "detail-type": "Object Deleted",
        "detail": {**detail, "reason": "Lifecycle Expiration"},
    }
    assert function.call(queue_event(json.dumps(expired))) == {"batchItemFailures": []}
    assert results(cloud) == after


def test_variants_stay_where_nobody_asked_to_delete_them(artefact, cloud, start, tmp_path):
    cloud.put("images/a.jpg", draw_noise(tmp_path / "a.jpg").read_bytes())
    function = start(artefact, cloud.function_settings(), size=1)
    move_messages(cloud.sqs, cloud.arrivals, function)
    cloud.s3.delete_object(Bucket=cloud.input, Key="images/a.jpg")
    body = s3_body(cloud.input, "images/a.jpg").replace("ObjectCreated:Put", "ObjectRemoved:Delete")
    assert function.call(queue_event(body)) == {"batchItemFailures": []}
    assert len(results(cloud)) == 2
