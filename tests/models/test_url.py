"""A model behind a URL: slow, busy, broken, and right in the end."""

import email.utils
import time

import numpy as np
import pytest

from predicting import CLASSES, brightness, server
from variegate.errors import UsageError
from variegate.models.predictors.base import PredictionError
from variegate.models.predictors.checks import Failure, predict_each
from variegate.models.predictors.http import UrlPredictor

IMAGES = [np.full((8, 9, 3), value, np.uint8) for value in (0, 51, 255)]


def opened(url, slept, **more):
    return UrlPredictor(url, classes=CLASSES, sleep=slept.append, **more)


def test_batches_headers_and_answers():
    with server() as (url, asked):
        one = opened(url, [], batch=2, headers={"Authorization": "Bearer secret"})
        found = one.predict(IMAGES)
    assert [one.probabilities[1] for one in found] == pytest.approx([0, 0.2, 1], abs=1e-6)
    assert [one["count"] for one in asked] == [2, 1]
    assert asked[0]["headers"]["Authorization"] == "Bearer secret"
    assert "secret" not in str(one.to_json())


def test_busy_servers_are_asked_again_when_they_say():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    script = [(429, {"Retry-After": "7"}), (503, {"Retry-After": date}), (500, {})]
    slept = []
    with server(script) as (url, asked):
        found = opened(url, slept).predict(IMAGES)
    assert len(found) == 3
    assert len(asked) == 4
    assert slept[0] == 7
    assert slept[1] == pytest.approx(29, abs=2)
    # Without a word from the server: twice as long each time.
    assert slept[2] == 2.0


def test_a_server_that_stays_broken_is_a_failure_of_its_images():
    slept = []
    with (
        server([(500, {})] * 3) as (url, _),
        pytest.raises(PredictionError, match=r"HTTP 500 .*\(3 attempts\)"),
    ):
        opened(url, slept, attempts=3).predict(IMAGES[:1])
    assert slept == [0.5, 1.0]


def test_what_is_wrong_with_the_request_is_not_asked_again():
    with server([(404, {})]) as (url, asked), pytest.raises(PredictionError, match="HTTP 404"):
        opened(url, []).predict(IMAGES)
    assert len(asked) == 1


def test_nobody_listens():
    slept = []
    with pytest.raises(PredictionError, match=r"refused.*\(2 attempts\)"):
        opened("http://127.0.0.1:9/v1", slept, attempts=2).predict(IMAGES)
    assert slept == [0.5]


def test_a_slow_server_is_not_waited_for_for_ever():
    def slow(images):
        time.sleep(1.5)
        return brightness(images)

    with server(predict=slow) as (url, _), pytest.raises(PredictionError, match="timed out"):
        opened(url, [], attempts=1, timeout_s=0.2).predict(IMAGES)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda images: brightness(images)[:-1], "expected 3 predictions.*got 2"),
        (lambda images: [[float("nan"), 1.0] for _ in images], "NaN"),
        (lambda images: [[3.0, 1.0] for _ in images], "--output logits"),
        (lambda images: [[0.1, 0.2, 0.7] for _ in images], "of 2 classes.*--model-classes"),
        (lambda images: ["gray" for _ in images], "'gray', which is none of its classes"),
        (lambda images: [{"boxes": []} for _ in images], "expected an answer for classification"),
        (lambda _: "bright", "expected a list of predictions"),
    ],
)
def test_nonsense_is_refused(answer, told):
    with server(predict=answer) as (url, _), pytest.raises(PredictionError, match=told):
        opened(url, []).predict(IMAGES)


def test_one_image_that_fails_costs_one_image():
    def picky(images):
        return [["x"] if one.mean() < 1 else [0.5, 0.5] for one in images]

    with server(predict=picky) as (url, _):
        found = predict_each(opened(url, []), IMAGES)
    assert [isinstance(one, Failure) for one in found] == [True, False, False]


def test_no_url():
    with pytest.raises(UsageError, match="--url: expected https"):
        UrlPredictor("file:///etc/passwd")
    with pytest.raises(UsageError) as told:
        UrlPredictor("ftp://me:secret@host/x")
    assert "secret" not in str(told.value)
