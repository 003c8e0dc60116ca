"""What a running server answers, asked by the standard library's client."""

import json

import numpy as np
import pytest

import served
from served import ask, claiming, form
from variegate.codecs import decode, encode
from variegate.errors import ImageError
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.onnx import OnnxPredictor


@pytest.fixture(scope="module")
def photos_raw(data_dir):
    return [
        path.read_bytes() for path in sorted(data_dir.glob("coco_mini/images/val2017/*.jpg"))[:12]
    ]


def test_answers_are_those_of_the_model_with_its_card(send, squeezenet, photos_raw):
    predictor = OnnxPredictor(squeezenet, ModelCard.load(card_path(squeezenet)))
    for data in photos_raw[:6]:
        (expected,) = predictor.predict([decode(data)])
        answer = send("/classify?top=1000", data)
        assert answer.status == 200
        (result,) = answer.json["results"]
        found = {one["class"]: one["probability"] for one in result["classes"]}
        wanted = dict(zip(predictor.classes, expected.probabilities, strict=True))
        assert found == {name: round(float(value), 6) for name, value in wanted.items()}


def test_a_form_a_body_and_several_files_get_the_same_answers(send, photos_raw):
    alone = [send("/classify?top=3", data).json["results"][0] for data in photos_raw]
    together = send(
        "/classify", *form(*((f"{n}.jpg", d) for n, d in enumerate(photos_raw)), top="3")
    )
    assert [one["file"] for one in together.json["results"]] == [f"{n}.jpg" for n in range(12)]
    for one, many in zip(alone, together.json["results"], strict=True):
        assert (one["width"], one["height"]) == (many["width"], many["height"])
        assert one["classes"][0]["class"] == many["classes"][0]["class"]
        for a, b in zip(one["classes"], many["classes"], strict=True):
            assert a["probability"] == pytest.approx(b["probability"], abs=1e-3)


def test_one_bad_file_does_not_spoil_the_others(send, photos_raw):
    answer = send(
        "/classify", *form(("a.jpg", photos_raw[0]), ("b.txt", b"no image"), ("c.jpg", b""))
    )
    assert answer.status == 200
    good, strange, empty = answer.json["results"]
    assert good["classes"]
    assert strange["error"]["status"] == 415
    assert "no image" not in strange["error"]["message"]
    assert empty["error"]["status"] == 400


def test_images_are_seen_as_everywhere_in_variegate(send, squeezenet, data_dir):
    """Odd files: what decodes is answered for those pixels, the rest is refused with its kind."""
    predictor = OnnxPredictor(squeezenet, ModelCard.load(card_path(squeezenet)))
    refused = answered = 0
    for path in sorted((data_dir / "messy_images").rglob("*")):
        data = path.read_bytes() if path.is_file() and path.suffix not in (".csv", ".md") else b""
        if not data or len(data) > 4_000_000:
            continue
        answer = send("/classify?top=1", data)
        try:
            image = decode(data)
        except ImageError:
            assert answer.status in (400, 413, 415), path.name
            assert answer.json["error"]["status"] == answer.status
            refused += 1
            continue
        if answer.status == 413:
            continue
        assert answer.status == 200, (path.name, answer.body)
        assert answer.json["results"][0]["height"] == image.shape[0]
        (expected,) = predictor.predict([image])
        best = float(expected.probabilities.max())
        found = answer.json["results"][0]["classes"][0]["probability"]
        assert found == pytest.approx(best, abs=1e-3)
        answered += 1
    assert answered >= 10
    assert refused >= 5
    assert send("/health").json == {"status": "alive"}


def chunks(count):
    for _ in range(count):
        yield b"\0" * (1 << 20)


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"", {}, 400, "empty"),
        (b"hello", {}, 415, "not an image"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, {}, 400, "JPEG"),
        (claiming(20_000, 10_000), {}, 413, "20,000 x 10,000"),
        (b"\0" * (21 << 20), {}, 413, "the limit is 20,971,520 bytes"),
        (chunks(40), {}, 413, "the limit is 20,971,520 bytes"),
        (*form(top="3"), 400, "no file"),
        (form(("a.jpg", b"x"))[0], {"Content-Type": "multipart/form-data"}, 400, "boundary"),
        (b"a=1&b=2", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "multipart"),
        (*form(*((f"{n}.jpg", b"x") for n in range(17))), 413, "Too many files"),
    ],
    ids=["empty", "text", "cut", "pixels", "bytes", "chunked", "fields", "boundary", "url", "many"],
)
def test_bad_uploads_get_a_sentence_and_the_server_lives(send, body, headers, status, says):
    answer = send("/classify", body, headers)
    assert answer.status == status, answer.body
    fault = answer.json["error"]
    assert fault["status"] == status
    assert says in fault["message"]
    assert fault["request"] == answer.headers["x-request-id"]
    assert send("/ready").status == 200


def test_a_form_that_is_cut_off_is_refused(send, photos_raw):
    body, headers = form(("a.jpg", photos_raw[0]), ("b.jpg", photos_raw[1]))
    for end in (len(body) - 10, len(body) - 5_000, len(body) - len(photos_raw[1]) - 60):
        answer = send("/classify", body[:end], headers)
        assert answer.status == 400
        assert "form" in answer.json["error"]["message"]


@pytest.mark.parametrize("top", ["0", "-1", "x", "1.5", "9" * 30, "²"])
def test_top_is_a_whole_number(send, photos_raw, top):
    from urllib.parse import quote

    answer = send(f"/classify?top={quote(top)}", photos_raw[0])
    assert answer.status == 400
    assert "whole number" in answer.json["error"]["message"]


def test_other_paths_and_methods_are_answered_in_json(send):
    assert send("/nothing").json["error"]["status"] == 404
    assert send("/classify").json["error"]["status"] == 405


def test_it_says_what_it_is(send, squeezenet):
    model = send("/model").json
    assert model["name"] == "squeezenet_fp16"
    assert model["classes"][0] == "tench, Tinca tinca"
    assert model["input"]["channels"] == "bgr"
    document = send("/openapi.json").json
    assert {"/classify", "/health", "/ready", "/model", "/metrics"} <= document["paths"].keys()
    content = document["paths"]["/classify"]["post"]["requestBody"]["content"]
    assert "multipart/form-data" in content
    page = send("/")
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


def test_metrics_are_prometheus_text(send, photos_raw):
    def value(name):
        lines = send("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    before = value('variegate_requests_total{method="POST",path="/classify",status="200"}')
    images = value("variegate_images_total")
    send("/classify", *form(("a", photos_raw[0]), ("b", photos_raw[1])))
    assert (
        value('variegate_requests_total{method="POST",path="/classify",status="200"}') == before + 1
    )
    assert value("variegate_images_total") == images + 2
    assert value("variegate_held_bytes") == 0
    text = send("/metrics").body.decode()
    for line in text.splitlines():
        assert line.startswith(("# TYPE variegate_", "variegate_")), line
    buckets = [line for line in text.splitlines() if line.startswith("variegate_request_seconds_b")]
    counts = [int(line.rpartition(" ")[2]) for line in buckets]
    assert counts == sorted(counts)


def test_sliders_begin_at_the_image_itself_and_move(send, photos_raw):
    axes = {one["axis"]: one for one in send("/axes").json}
    assert axes["rotate+"]["usual"]
    assert "mixup" not in axes
    still = send("/try", *form(("a", photos_raw[0]), steps="[]")).json
    assert still["image"].startswith("data:image/jpeg;base64,")
    steps = json.dumps([{"axis": "rotate+", "intensity": 0.5}])
    moved = send("/try", *form(("a", photos_raw[0]), steps=steps)).json
    assert moved["classes"] != still["classes"]
    assert send("/try", *form(("a", photos_raw[0]), steps=steps)).json == moved
    sweep = send("/sweep", *form(("a", photos_raw[0]), axis="rotate+")).json
    assert sweep["probabilities"][0] == pytest.approx(still["classes"][0]["probability"], abs=1e-3)
    assert sweep["kept"][0] is True
    for bad in (
        "{}",
        "[1]",
        '[{"axis": "rotat", "intensity": 0.5}]',
        "[",
        '[{"axis": "hue+", "intensity": 2}]',
    ):
        assert send("/try", *form(("a", photos_raw[0]), steps=bad)).status == 400
    assert send("/sweep", *form(("a", photos_raw[0]), axis="mixup")).status == 400


def test_a_gray_model_and_its_digits(mnist):
    with served.server(mnist, "--top", 1, "--no-page", "--model-version", "v7") as (url, _):
        right = 0
        for number in range(10):
            data = encode(served.digit(number), format="png")
            answer = ask(url, "/classify", data).json
            assert answer["model"] == {"name": "mnist", "version": "v7"}
            right += answer["results"][0]["classes"][0]["class"] == str(number)
        assert right >= 7
        color = np.repeat(served.digit(1)[:, :, None], 3, axis=2)
        assert ask(url, "/classify", encode(color, format="png")).status == 200
        assert ask(url, "/").status == 404
