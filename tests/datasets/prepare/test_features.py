"""A model's answers as candidates: registration is the judge, and an index names its model."""

import json
import shutil

import cv2
import numpy as np
import pytest

from variegate import Options
from variegate.datasets.prepare import duplicates
from variegate.datasets.prepare.audit import GROUPS, IMAGES, audit
from variegate.datasets.prepare.index import INDEX
from variegate.datasets.prepare.neighbors import near_pairs
from variegate.datasets.prepare.prepare import prepare_dataset
from variegate.errors import InputError, OutputError
from variegate.models.embeddings import LONGEST, embedding, embedding_spec

CARD = {
    "input": {
        "size": [224, 224],
        "channels": "bgr",
        "dtype": "float16",
        "scale": 1.0,
        "mean": [104, 117, 123],
    }
}


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "squeezenet.onnx"
    shutil.copy(data_dir / "models" / "squeezenet_fp16.onnx", path)
    path.with_suffix(".card.json").write_text(json.dumps(CARD))
    return path


@pytest.fixture(scope="module")
def heap(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heap")
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))[::30][:5]
    for number, path in enumerate(paths):
        photo = cv2.imread(str(path))
        half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{number} whole.jpg"), photo)
        cv2.imwrite(str(folder / f"{number} half.jpg"), half)
    return folder


def _groups(output):
    found = map(json.loads, (output / GROUPS).read_text().splitlines())
    return [{one["representative"], *(member["key"] for member in one["members"])} for one in found]


def test_what_only_a_model_brings_together_is_judged_and_found(heap, model, tmp_path, monkeypatch):
    none = np.zeros((0, 2), np.int64)
    monkeypatch.setattr(duplicates, "hash_pairs", lambda *_args: none)
    monkeypatch.setattr(duplicates, "word_pairs", lambda *_args, **_kwargs: none)
    without = audit(heap, tmp_path / "without", options=Options(workers=0))
    assert (without.judged, without.groups, without.features) == (0, 0, None)
    found = audit(heap, tmp_path / "with", features=model, options=Options(workers=0))
    wanted = [{f"{number} half.jpg", f"{number} whole.jpg"} for number in range(5)]
    assert sorted(_groups(tmp_path / "with"), key=min) == wanted
    assert found.duplicates["copy"].images == 5
    assert '"features"' not in (tmp_path / "with" / IMAGES).read_text()


def test_the_index_names_its_model_and_what_another_saw_is_not_compared(heap, model, tmp_path):
    one = audit(heap, tmp_path / "one", features=model, options=Options(workers=0))
    head = json.loads((tmp_path / "one" / INDEX).read_text().partition("\n")[0])
    assert head["features"] == one.features == embedding_spec(model)["identity"]
    again = audit(heap, tmp_path / "two", features=model, against=tmp_path / "one")
    assert (tmp_path / "two" / GROUPS).read_bytes() == (tmp_path / "one" / GROUPS).read_bytes()
    assert (again.notes, again.against.found["bytes"].images) == ((), 10)
    other = audit(heap, tmp_path / "three", against=tmp_path / "one", options=Options(workers=0))
    assert any("with another model" in note for note in other.notes)
    assert other.against.found["bytes"].images == 10


def test_another_model_is_another_audit(heap, model, tmp_path):
    audited = tmp_path / "clean.audit"
    audit(heap, audited, features=model, options=Options(workers=0))
    other = tmp_path / "other.onnx"
    shutil.copy(model, other)
    card = {"input": CARD["input"] | {"channels": "rgb"}}
    other.with_suffix(".card.json").write_text(json.dumps(card))
    with pytest.raises(OutputError, match="options"):
        audit(heap, audited, features=other, options=Options(workers=0))
    with pytest.raises(OutputError, match="options"):
        prepare_dataset(heap, tmp_path / "clean", features=other, options=Options(workers=0))
    account = prepare_dataset(heap, tmp_path / "clean", features=model, options=Options(workers=0))
    assert (account.kept, account.duplicates) == (5, 5)


def test_a_model_without_a_card_is_asked_for_one(heap, model, tmp_path):
    bare = tmp_path / "bare.onnx"
    shutil.copy(model, bare)
    with pytest.raises(InputError, match=r"no bare\.card\.json beside it"):
        audit(heap, tmp_path / "out", features=bare)
    assert not (tmp_path / "out").exists()


def test_the_command_takes_a_model(heap, model, tmp_path, run):
    done = run("audit", heap, tmp_path / "out", "--features", model, "-w", "0", "--no-report")
    assert done.exit_code == 0, done.output
    assert run("audit", heap, tmp_path / "no", "--features", tmp_path / "no.onnx").exit_code == 2


def test_embeddings_are_short_and_near_for_copies(heap, model):
    spec = embedding_spec(model)
    seen = [
        np.frombuffer(embedding(spec, cv2.imread(str(heap / name))), np.int8).astype(float)
        for name in ("0 whole.jpg", "0 half.jpg", "1 whole.jpg")
    ]
    assert {len(one) for one in seen} == {LONGEST}
    a, b, c = (one / np.linalg.norm(one) for one in seen)
    assert a @ b > 0.9 > a @ c


def _vectors(count, copies, rng):
    made = rng.normal(size=(count, 64))
    made[-copies:] = made[:copies] + rng.normal(size=(copies, 64)) * 0.3
    return [np.round(one * 127 / np.abs(one).max()).astype(np.int8).tobytes() for one in made]


def test_pairs_of_few_vectors_are_those_of_comparing_all():
    rng = np.random.default_rng(3)
    vectors = _vectors(600, 60, rng)
    vectors[5], vectors[7] = b"", b"short"
    values = np.array([np.frombuffer(one, np.int8) for one in vectors if len(one) == 64], float)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    numbers = [number for number, one in enumerate(vectors) if len(one) == 64]
    near = np.argwhere(np.triu(unit @ unit.T >= 0.7, 1))
    wanted = {(numbers[a], numbers[b]) for a, b in near.tolist()}
    assert {tuple(pair) for pair in near_pairs(vectors).tolist()} == wanted
    assert len(wanted) >= 55
    later = {tuple(pair) for pair in near_pairs(vectors, first=570).tolist()}
    assert later == {pair for pair in wanted if pair[1] >= 570}


def test_pairs_of_many_vectors_are_found_without_comparing_all():
    vectors = _vectors(9_000, 500, np.random.default_rng(4))
    found = {tuple(pair) for pair in near_pairs(vectors).tolist()}
    planted = {(number, 8_500 + number) for number in range(500)}
    assert len(found & planted) >= 490
    assert near_pairs([]).shape == near_pairs([b"", b""]).shape == (0, 2)


def test_where_all_look_alike_few_are_compared():
    rng = np.random.default_rng(5)
    same = rng.integers(1, 127, 64)
    vectors = [(same + rng.integers(-1, 2, 64)).astype(np.int8).tobytes() for _ in range(500)]
    assert len(near_pairs(vectors)) <= 500 * 8
