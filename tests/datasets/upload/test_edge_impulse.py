"""What is sent to Edge Impulse, what is asked first, and what stops an upload."""

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from PIL import Image

from edge_impulse import KEY, PROJECT, edge_impulse
from variegate import Options, augment
from variegate.annotations.annotation import Object
from variegate.codecs import Limits, decode
from variegate.datasets.upload.edge_impulse import INGESTION, STUDIO, ApiKey, Endpoints
from variegate.datasets.upload.payload import boxes_of, file_name, header_text
from variegate.datasets.upload.selection import Choice
from variegate.datasets.upload.upload import UploadOptions, upload
from variegate.errors import InputError, OutputError, StoreError, UsageError


def pattern(number: int, size=(24, 32)) -> Image.Image:
    values = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    return Image.fromarray(values)


def put(folder, key: str, number: int, **options) -> None:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    pattern(number).save(path, **options)


def options(tmp_path, **more) -> UploadOptions:
    choice = {name: more.pop(name) for name in ("category", "val", "format") if name in more}
    return UploadOptions(choice=Choice(**choice), log=tmp_path / "log.jsonl", **more)


def send(service, folder, given: UploadOptions):
    return upload(folder, ApiKey(KEY), Endpoints.of(service.environment), given)


def coco(folder, boxes: int = 1) -> None:
    put(folder, "train/a.png", 1)
    put(folder, "train/b.png", 2)
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "bbox": [number % 20, 2.4, 5, 6],
            "area": 30,
            "iscrowd": 0,
        }
        for number in range(boxes)
    ]
    images = [
        {"id": number, "file_name": name, "width": 32, "height": 24}
        for number, name in ((1, "a.png"), (2, "b.png"))
    ]
    told = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "bolt"}]}
    (folder / "train/_annotations.coco.json").write_text(json.dumps(told))


def test_images_without_a_split_are_not_sent_without_a_category(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    put(tmp_path / "set", "dog/b.jpg", 2)
    with edge_impulse() as service:
        with pytest.raises(InputError, match="--category training or --category testing"):
            send(service, tmp_path / "set", options(tmp_path))
        assert service.samples() == []
        send(service, tmp_path / "set", options(tmp_path, category="testing"))
        assert {one["category"] for one in service.samples()} == {"testing"}


def test_a_validation_split_is_asked_for_and_goes_where_it_is_said(tmp_path):
    for number, split in enumerate(("train", "val", "test")):
        put(tmp_path / "set", f"{split}/cat/{number}.jpg", number)
    with edge_impulse() as service:
        with pytest.raises(InputError, match="--val training or --val testing"):
            send(service, tmp_path / "set", options(tmp_path))
        summary = send(service, tmp_path / "set", options(tmp_path, val="testing"))
        places = {one["filename"]: one["category"] for one in service.samples()}
    assert places == {
        "train__cat__0.jpg": "training",
        "val__cat__1.jpg": "testing",
        "test__cat__2.jpg": "testing",
    }
    told = {(one["category"], one["split"]) for one in summary.to_json()["groups"]}
    assert told == {("training", "train"), ("testing", "val"), ("testing", "test")}


def test_formats_that_are_not_taken_are_converted_and_look_the_same(tmp_path):
    folder = tmp_path / "set"
    put(folder, "x/a.bmp", 1)
    put(folder, "x/b.webp", 2, lossless=True)
    put(folder, "x/c.tif", 3)
    turned = Image.Exif()
    turned[274] = 6
    put(folder, "x/d.jpg", 4, exif=turned)
    put(folder, "x/e.png", 5)
    with edge_impulse() as service:
        summary = send(service, folder, options(tmp_path, category="training"))
        sent = {}
        for one in service.samples():
            request = urllib.request.Request(
                f"{service.url}/v1/api/{PROJECT}/raw-data/{one['id']}/image",
                headers={"x-api-key": KEY},
            )
            with urllib.request.urlopen(request) as answer:
                sent[one["filename"]] = answer.read()
    assert set(sent) == {"x__a.png", "x__b.jpg", "x__c.png", "x__d.jpg", "x__e.png"}
    assert sent["x__e.png"] == (folder / "x/e.png").read_bytes()
    for name, key in (("x__a.png", "a.bmp"), ("x__c.png", "c.tif")):
        with Image.open(folder / "x" / key) as image:
            assert np.array_equal(decode(sent[name]), np.array(image))
    assert decode(sent["x__d.jpg"]).shape == (32, 24, 3)  # upright
    assert sum("encoded anew" in note for note in summary.notes) >= 3


def test_local_duplicates_are_left_out_and_contradictions_are_said(tmp_path):
    folder = tmp_path / "set"
    put(folder, "train/cat/a.png", 1)
    put(folder, "test/cat/leak.png", 1)
    put(folder, "train/dog/b.png", 2)
    put(folder, "train/dog/c.png", 2)
    (folder / "train/dog/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with edge_impulse() as service:
        summary = send(service, folder, options(tmp_path))
        assert len(service.samples()) == 2
    states = summary.to_json()["states"]
    assert states == {
        "uploaded": 2,
        "present": 0,
        "duplicate": 1,
        "conflict": 1,
        "unusable": 1,
        "failed": 0,
    }
    assert summary.images == 5
    assert not summary.is_whole
    assert summary.examples["unusable"][0].startswith("train/dog/broken.png: ")


def test_a_project_that_drops_boxes_is_noticed_at_the_first_image(tmp_path):
    coco(tmp_path / "set")
    with edge_impulse(drop_boxes=1) as service:
        for _ in range(2):  # the second time the image is "already there"
            with pytest.raises(OutputError, match="set the labeling method to bounding boxes"):
                send(service, tmp_path / "set", options(tmp_path))
            assert len(service.samples()) == 1


@pytest.mark.parametrize("boxes", [1, 400], ids=["in a header", "in a file beside it"])
def test_boxes_arrive_in_whole_pixels(tmp_path, boxes):
    coco(tmp_path / "set", boxes)
    with edge_impulse() as service:
        summary = send(service, tmp_path / "set", options(tmp_path))
        found = {one["filename"]: one["boundingBoxes"] for one in service.samples()}
    assert found["train__b.png"] == []
    assert len(found["train__a.png"]) == boxes == summary.boxes
    assert found["train__a.png"][0] == {"label": "bolt", "x": 0, "y": 2, "width": 5, "height": 6}


def test_boxes_are_cut_at_the_edges_and_have_a_pixel_at_least():
    notes: Counter[str] = Counter()
    objects = (
        Object(category="a", box=(-3.0, -2.0, 4.4, 5.6)),
        Object(category="b", box=(7.1, 7.1, 7.3, 7.3)),
        Object(category="c", box=(20.0, 0.0, 30.0, 5.0)),
        Object(category="d", polygons=(((1, 1), (5, 1), (5, 6)),)),
        Object(category="e"),
    )
    made = boxes_of(objects, (10, 12), notes)
    assert [tuple(one.values()) for one in made] == [
        ("a", 0, 0, 4, 6),
        ("b", 7, 7, 1, 1),
        ("d", 1, 1, 4, 5),
    ]
    assert sum(notes.values()) == 3


def test_what_images_of_an_output_were_made_of_is_told(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    put(tmp_path / "set", "dog/b.jpg", 2)
    augment(tmp_path / "set", tmp_path / "more", options=Options(workers=0))
    with edge_impulse() as service:
        send(service, tmp_path / "more", options(tmp_path, category="training"))
        samples = service.samples()
    assert len(samples) == 16
    for one in samples:
        told = one["metadata"]
        assert told["source"] == f"{one['label']}/{'a' if one['label'] == 'cat' else 'b'}.jpg"
        assert "careful variants" in told["recipe"]
        assert all(isinstance(value, str) for value in told.values())
    drawn = [one["metadata"]["operations"] for one in samples if "operations" in one["metadata"]]
    assert any("transform" in one for text in drawn for one in json.loads(text))


def test_many_images_share_a_request_within_the_limit(tmp_path):
    folder = tmp_path / "set"
    for number in range(1_002):
        path = folder / "cat" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number >> 8, number & 255, 7)).save(path)
    with edge_impulse() as service:
        summary = send(service, folder, options(tmp_path, category="training"))
        state = service.state()
    assert len(state["samples"]) == summary.totals["uploaded"] == 1_002
    assert (state["requests"], state["largest"]) == (2, 1_000)


def test_the_key_is_in_no_output_error_or_traceback(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    with edge_impulse() as service:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "variegate", "upload", "edge-impulse", tmp_path / "set"),
                *("--category", "training", "--debug", "--log", tmp_path / "log.jsonl"),
            ],
            env={**os.environ, **service.environment, "EI_API_KEY": "ei_wrong_and_secret"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert service.samples() == []
    assert done.returncode == 1  # with a traceback
    assert "the key was refused: Invalid API key (***)" in done.stderr
    assert "ei_wrong_and_secret" not in done.stdout + done.stderr
    assert "ei_wrong_and_secret" not in repr(ApiKey("ei_wrong_and_secret"))
    assert "ei_wrong" not in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize("fault", ["redirect_to", "echo"])
def test_a_key_that_is_right_is_not_shown_or_passed_on_either(tmp_path, fault):
    put(tmp_path / "set", "cat/a.jpg", 1)
    with edge_impulse() as other, edge_impulse(**{fault: other.url}) as service:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "variegate", "upload", "edge-impulse", tmp_path / "set"),
                *("--category", "training", "--debug", "--log", tmp_path / "log.jsonl"),
            ],
            env={**os.environ, **service.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert other.samples() == service.samples() == []
    assert done.returncode == 1
    said = {"redirect_to": f"it redirects to {other.url}", "echo": "HTTP 400: <p>No: ***</p>"}
    assert said[fault] in done.stdout
    assert KEY not in done.stdout + done.stderr + (tmp_path / "log.jsonl").read_text()


def test_all_wait_for_the_time_that_the_service_asks_for(tmp_path):
    for number in range(20):  # each class is a request
        put(tmp_path / "set", f"train/class {number}/a.png", number)
    with edge_impulse(busy_every=3) as service:
        send(service, tmp_path / "set", options(tmp_path, concurrency=1))
        state = service.state()
    assert state["happened"]["busy"] > 5
    assert state["early"] == 0


def test_a_request_that_failed_is_not_taken_for_its_files(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    given = options(tmp_path, category="training")
    with edge_impulse(deny_every=1) as service:
        for _ in range(2):  # without and with files that say they are stored
            summary = send(service, tmp_path / "set", given)
            assert summary.totals == {"failed": 1}
        assert service.samples() == []


def test_an_interrupted_upload_counts_as_one_that_was_not(tmp_path):
    folder, log = tmp_path / "set", tmp_path / "log.jsonl"
    for key, number in {"cat/a": 1, "cat/b": 1, "cat/c": 2, "dog/d": 2, "dog/e": 3}.items():
        put(folder, f"train/{key}.png", number)
    put(folder, "test/dog/leak.png", 3)
    with edge_impulse() as service:
        whole = send(service, folder, options(tmp_path))
        assert whole.totals == {"uploaded": 3, "duplicate": 1, "conflict": 2}
        # Killed when everything was stored, and no answer was there yet.
        lines = [one for one in log.read_text().splitlines() if '"stored"' not in one]
        log.write_text("\n".join(lines) + "\n" + lines[-1][:30])
        again = send(service, folder, options(tmp_path))
        assert again.to_json()["groups"] == whole.to_json()["groups"]
        assert len(service.samples()) == 3


def test_what_was_being_sent_with_another_label_is_not_counted_as_uploaded(tmp_path):
    folder, log = tmp_path / "set", tmp_path / "log.jsonl"
    for number, key in enumerate(("cat/a", "cat/b", "dog/c")):
        put(folder, f"train/{key}.png", number)
    with edge_impulse() as service:
        send(service, folder, options(tmp_path))
        lines = [one for one in log.read_text().splitlines() if '"stored"' not in one]
        log.write_text("\n".join(lines) + "\n")
        (folder / "train/cat/a.png").rename(folder / "train/dog/a.png")
        summary = send(service, folder, options(tmp_path))
        assert summary.totals == {"present": 1, "uploaded": 2}
        assert [one["label"] for one in service.samples()].count("cat") == 2


def test_boxes_that_somebody_else_put_there_are_not_taken_for_dropped_ones(tmp_path):
    coco(tmp_path / "set")
    with edge_impulse() as service:
        send(service, tmp_path / "set", options(tmp_path))
        coco(tmp_path / "set", boxes=2)
        given = UploadOptions(choice=Choice(), log=tmp_path / "other.jsonl")
        summary = send(service, tmp_path / "set", given)
        assert summary.totals == {"present": 2}
    assert any("in the project already, with other boxes" in note for note in summary.notes)


def test_a_log_of_another_project_is_refused(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    with edge_impulse() as service:
        send(service, tmp_path / "set", options(tmp_path, category="training"))
        with pytest.raises(OutputError, match="name another file with --log"):
            send(service, tmp_path / "set", options(tmp_path, category="training", project="12"))


def test_a_dry_run_asks_for_no_key_and_sends_nothing(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    given = options(tmp_path, category="training", dry_run=True)
    summary = upload(tmp_path / "set", None, Endpoints.of({}), given)
    assert summary.totals["uploaded"] == 1
    assert not (tmp_path / "log.jsonl").exists()


def test_a_service_that_never_answers_ends_the_upload(tmp_path, monkeypatch):
    monkeypatch.setattr("variegate.datasets.upload.edge_impulse._FIRST_PAUSE_S", 0.001)
    put(tmp_path / "set", "cat/a.jpg", 1)
    with edge_impulse(lose_every=1) as service:
        with pytest.raises(StoreError, match="no answer after 8 tries"):
            send(service, tmp_path / "set", options(tmp_path, category="training"))
        assert service.state()["requests"] == 8


@pytest.mark.parametrize(
    ("environment", "ingestion", "studio"),
    [
        ({}, INGESTION, STUDIO),
        ({"EI_INGESTION_HOST": "edgeimpulse.com"}, INGESTION, STUDIO),
        ({"EI_INGESTION_HOST": "http://localhost:9"}, "http://localhost:9", None),
        ({"EI_INGESTION_ENDPOINT": "https://a.example/"}, "https://a.example", None),
        (
            {
                "EI_INGESTION_ENDPOINT": "http://127.0.0.1:9",
                "EI_API_ENDPOINT": "https://b.example/v1",
            },
            *("http://127.0.0.1:9", "https://b.example/v1"),
        ),
    ],
)
def test_endpoints_are_those_of_the_environment(environment, ingestion, studio):
    assert Endpoints.of(environment) == Endpoints(ingestion, studio)


@pytest.mark.parametrize(
    "url", ["http://service.example", "service.example", "ftp://a", "https://"]
)
def test_a_key_is_not_sent_in_the_clear(url):
    with pytest.raises(UsageError, match="EI_INGESTION_ENDPOINT: expected a URL"):
        Endpoints.of({"EI_INGESTION_ENDPOINT": url})


def test_names_and_labels_survive_a_header():
    for label in ("cat", "größe", "50% off", "a\nb", "日本", 'x "y"'):
        text = header_text(label)
        assert text.isascii()
        assert text.isprintable()
        assert unquote(text) == label
    assert file_name("train/cat/7.webp", ".jpg") == "train__cat__7.jpg"
    long = file_name("a" * 300 + ".png", ".png")
    assert len(long) < 160
    assert long != file_name("b" + "a" * 299 + ".png", ".png")


def test_images_too_large_to_decode_are_left_out(tmp_path):
    put(tmp_path / "set", "cat/a.jpg", 1)
    given = options(tmp_path, category="training", limits=Limits(max_pixels=100))
    with edge_impulse() as service:
        summary = send(service, tmp_path / "set", given)
        assert service.samples() == []
    assert summary.totals["unusable"] == 1


def peak_megabytes(service, folder) -> int:
    """Upload a folder in a process of its own; return the most memory that it had."""
    program = (
        "import resource, sys; from variegate.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, "upload", "edge-impulse", folder, "--json"),
            *("--category", "training", "--log", folder / "log.jsonl"),
        ],
        env={**os.environ, **service.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.splitlines()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of its figure differs")
def test_what_waits_to_be_sent_does_not_fill_the_memory(tmp_path):
    """300 MB for a service that is slower than the disk."""
    values = np.random.default_rng(1).integers(0, 255, (1290, 1290, 3), np.uint8)
    peaks = {}
    with edge_impulse(slow_ms=100) as service:
        for count in (2, 60):
            folder = tmp_path / str(count)
            for number in range(count):
                path = folder / ("cat", "dog")[number % 2] / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                values[0, 0] = count, number, 0
                cv2.imwrite(str(path), values, (cv2.IMWRITE_PNG_COMPRESSION, 0))
            peaks[count] = peak_megabytes(service, folder)
        assert len(service.samples()) == 62
    assert peaks[60] - peaks[2] < 170, peaks
