"""One object after another: the same files as a run over all of them, whatever happens between."""

import json
import threading

import pytest
from typer.testing import CliRunner

from jobs import TWO, draw_noise, draw_set, recipe, tree
from variegate import Options, augment, read_manifest, rebuild, status, verify
from variegate.cli import app
from variegate.errors import InputError, OutputError, RecipeError
from variegate.runs.event_manifest import event_part_key, event_parts
from variegate.runs.events import EventWorker, Naming
from variegate.runs.job import Job
from variegate.storage import LocalStorage, open_storage


def event_worker(source, output, made=None, naming=None):
    made = made or recipe()
    job = Job(recipe=made.to_data(), input=str(source), output=str(output))
    return EventWorker(job, naming or Naming())


def keys(folder):
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]


def images(folder):
    """Return the digests of all files but the hidden ones and the manifest."""
    return {
        key: digest
        for key, digest in tree(folder).items()
        if not key.startswith(".variegate/") and key != "manifest.parquet"
    }


@pytest.fixture
def source(tmp_path):
    folder = draw_set(tmp_path / "in", 12)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more than that")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_events_in_any_order_give_what_a_run_gives(source, tmp_path):
    naming = Naming(format="classes")
    at = event_worker(source, tmp_path / "events", naming=naming)
    order = keys(source)[::-1]
    for key in [*order, *order[:5]]:
        at.handle(key)
    summary = augment(
        source,
        tmp_path / "run",
        recipe=recipe(),
        options=Options(workers=0, format="classes"),
    )
    assert images(tmp_path / "events") == images(tmp_path / "run")
    assert status(tmp_path / "events").counts == summary.counts
    found = verify(tmp_path / "events")
    assert found.ok
    assert found.digest == summary.digest
    told = status(tmp_path / "events")
    assert (told.events, told.counts, told.digest) == (True, summary.counts, summary.digest)
    columns = ["source", "key", "status", "label", "variant", "operations", "sha256", "reason"]
    one = read_manifest(tmp_path / "events", columns=columns).to_pylist()
    two = read_manifest(tmp_path / "run", columns=columns).to_pylist()
    assert one == two


def test_splits_are_respected(tmp_path):
    draw_noise(tmp_path / "in/train/a/1.jpg")
    held = draw_noise(tmp_path / "in/val/a/2.jpg")
    at = event_worker(
        tmp_path / "in", tmp_path / "out", naming=Naming(format="classes", splits=True)
    )
    for key in keys(tmp_path / "in"):
        at.handle(key)
    assert (tmp_path / "out/val/a/2.jpg").read_bytes() == held.read_bytes()
    rows = read_manifest(tmp_path / "out", columns=["key", "status", "split", "label"]).to_pylist()
    assert {(row["key"], row["status"], row["split"], row["label"]) for row in rows} == {
        ("train/a/1.jpg", "output", "train", "a"),
        ("val/a/2.jpg", "copied", "val", "a"),
    }


def test_known_input_is_not_made_again(source, tmp_path):
    at = event_worker(source, tmp_path / "out")
    key = keys(source)[0]
    first = at.handle(key)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*-v*")}
    assert first.kind == "made"
    again = event_worker(source, tmp_path / "out").handle(key)
    assert again.kind == "known"
    assert again.counts == first.counts
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*-v*")}


def test_replaced_input_replaces_its_results(tmp_path):
    image = draw_noise(tmp_path / "in/a.jpg")
    at = event_worker(tmp_path / "in", tmp_path / "out", recipe(TWO))
    at.handle("a.jpg")
    before = images(tmp_path / "out")
    # A PNG by content: other names, and the files of the JPEG must go.
    image.write_bytes(draw_noise(tmp_path / "other/b.png").read_bytes())
    assert at.handle("a.jpg").kind == "made"
    now = images(tmp_path / "out")
    assert len(now) == 2
    assert not now.keys() & before.keys()
    assert verify(tmp_path / "out").ok
    image.write_bytes(b"\xff\xd8\xff broken now")
    outcome = at.handle("a.jpg")
    assert outcome.counts.quarantined == 1
    assert outcome.reason
    assert images(tmp_path / "out") == {}


def test_input_that_goes_back_to_an_earlier_content_is_made_again(tmp_path):
    first = draw_noise(tmp_path / "one/a.jpg").read_bytes()
    second = draw_noise(tmp_path / "two/b.jpg").read_bytes()
    image = tmp_path / "in/a.jpg"
    image.parent.mkdir()
    found = []
    for data in (first, second, first):
        image.write_bytes(data)
        event_worker(tmp_path / "in", tmp_path / "out", recipe(TWO)).handle("a.jpg")
        found.append(images(tmp_path / "out"))
    assert found[0] == found[2] != found[1]


def test_input_replaced_while_it_is_worked_on_ends_with_the_results_of_the_newer(tmp_path):
    image = draw_noise(tmp_path / "in/a.jpg")
    newer = draw_noise(tmp_path / "new/b.jpg").read_bytes()
    at = event_worker(tmp_path / "in", tmp_path / "out", recipe(TWO))
    turns = []

    def overtaken(job, shard):
        turns.append(shard)
        if len(turns) == 1:
            # Another worker makes the newer one before this one writes what it read before.
            data = image.read_bytes()
            image.write_bytes(newer)
            event_worker(tmp_path / "in", tmp_path / "out", recipe(TWO)).handle("a.jpg")
            read.append(data)

    read = []
    original = LocalStorage.read

    def old_content(self, key, *, limit=None):
        return read.pop() if key == "a.jpg" and read else original(self, key, limit=limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStorage, "read", old_content)
        at.handle("a.jpg", guard=overtaken)
    reference = event_worker(tmp_path / "in", tmp_path / "reference", recipe(TWO))
    reference.handle("a.jpg")
    assert len(turns) == 2
    assert images(tmp_path / "out") == images(tmp_path / "reference")


def test_deleted_and_hidden_inputs_leave_nothing(tmp_path):
    draw_noise(tmp_path / "in/.hidden/a.jpg")
    at = event_worker(tmp_path / "in", tmp_path / "out")
    assert at.handle("gone.jpg").kind == "gone"
    assert at.handle(".hidden/a.jpg").kind == "hidden"
    assert keys(tmp_path / "out") == [".variegate/job.json"]


def test_store_that_does_not_answer_is_no_fault_of_the_image(tmp_path, monkeypatch):
    draw_noise(tmp_path / "in/a.jpg")
    at = event_worker(tmp_path / "in", tmp_path / "out")

    def broken(self, key, *, limit=None):
        raise InputError(f"{key}: the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "read", broken)
        with pytest.raises(InputError, match="does not answer"):
            at.handle("a.jpg")
    assert not (tmp_path / "out" / event_part_key("a.jpg")).exists()
    assert at.handle("a.jpg").counts.augmented == 1


def test_warned_off_input_is_quarantined(tmp_path):
    draw_noise(tmp_path / "in/a.jpg")
    at = event_worker(tmp_path / "in", tmp_path / "out")
    outcome = at.handle("a.jpg", guard=lambda *_: "the process died on it")
    assert (outcome.counts.quarantined, outcome.reason) == (1, "the process died on it")


def test_another_job_is_refused(tmp_path):
    draw_noise(tmp_path / "in/a.jpg")
    event_worker(tmp_path / "in", tmp_path / "out").handle("a.jpg")
    with pytest.raises(OutputError, match=r"another job; it differs in the recipe"):
        event_worker(tmp_path / "in", tmp_path / "out", recipe(TWO)).handle("a.jpg")
    with pytest.raises(OutputError, match=r"another job; it differs in the seed"):
        event_worker(tmp_path / "in", tmp_path / "out", recipe(seed=9)).handle("a.jpg")


def test_recipe_of_several_images_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(RecipeError, match="come one by one"):
        event_worker(tmp_path / "in", tmp_path / "out", recipe("variants: mixup"))


def test_events_after_a_run_show_as_one_manifest(tmp_path):
    source, out = draw_set(tmp_path / "in", 5), tmp_path / "out"
    options = Options(workers=0, format="unlabelled")
    augment(source, out, recipe=recipe(TWO), options=options)
    late = draw_noise(source / "aaa.jpg")
    old = next(path for path in sorted(source.rglob("*.jpg")) if path != late)
    old.write_bytes(draw_noise(tmp_path / "other/x.jpg").read_bytes())
    at = event_worker(source, out, recipe(TWO))
    for path in (late, old):
        at.handle(str(path.relative_to(source)))
    found = verify(out)
    assert (found.ok, found.files) == (True, 12)
    again = augment(source, tmp_path / "again", recipe=recipe(TWO), options=options)
    assert found.digest == again.digest
    made = next(out.glob("aaa-v01.jpg"))
    data = made.read_bytes()
    made.unlink()
    assert rebuild(out, "aaa-v01.jpg") == data


def test_a_run_over_all_that_is_there_goes_on_where_events_began(tmp_path):
    source, out = draw_set(tmp_path / "in", 6), tmp_path / "out"
    at = event_worker(source, out, recipe(TWO))
    at.handle(keys(source)[2])
    options = Options(workers=0, format="unlabelled")
    with pytest.raises(OutputError, match="differs in the seed"):
        augment(source, out, recipe=recipe(TWO, seed=4), options=options)
    summary = augment(source, out, recipe=recipe(TWO), options=options)
    draw_noise(source / "zzz.jpg")
    assert event_worker(source, out, recipe(TWO)).handle("zzz.jpg").kind == "made"
    assert summary.counts.sources == 6
    assert (verify(out).ok, status(out).counts.sources) == (True, 7)


def test_previews_show_what_events_made(tmp_path):
    draw_set(tmp_path / "in", 2)
    at = event_worker(tmp_path / "in", tmp_path / "out", recipe(TWO))
    for key in keys(tmp_path / "in"):
        at.handle(key)
    sheet = tmp_path / "sheet.png"
    result = CliRunner().invoke(app, ["preview", str(tmp_path / "out"), "--out", str(sheet)])
    assert result.exit_code == 0, result.output
    assert "beside their sources" in result.output
    assert sheet.stat().st_size > 1000


def test_parts_tell_what_the_event_was(tmp_path):
    draw_noise(tmp_path / "in/a.jpg")
    at = event_worker(tmp_path / "in", tmp_path / "out")
    at.handle("a.jpg", {"sequencer": "0055AED6DCD90281E5"})
    (part,) = event_parts(LocalStorage(str(tmp_path / "out"), ""))
    assert part.about == {"sequencer": "0055AED6DCD90281E5"}
    assert part.key == "a.jpg"
    head = (tmp_path / "out" / event_part_key("a.jpg")).read_text().splitlines()[0]
    assert json.loads(head)["counts"]["outputs"] == 8


def test_several_workers_at_the_same_input_write_it_once_or_alike(tmp_path):
    draw_noise(tmp_path / "in/a.jpg")
    faults = []

    def work():
        try:
            event_worker(tmp_path / "in", tmp_path / "out").handle("a.jpg")
        except Exception as error:  # noqa: BLE001 - any is one too many
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert verify(tmp_path / "out").files == 8


def forgetful(source, output):
    job = Job(recipe=recipe().to_data(), input=str(source), output=str(output))
    return EventWorker(job, Naming(), forget=True)


def test_outputs_of_an_input_that_is_gone_are_deleted_and_nothing_else(source, tmp_path):
    out = tmp_path / "out"
    at = forgetful(source, out)
    for key in keys(source):
        at.handle(key)
    before = tree(out)
    gone = next(part for part in event_parts(open_storage(str(out))) if part.counts.outputs)
    made = {row.output for row in gone.rows}
    mine = min(made)
    (out / mine).write_bytes(b"somebody else's")
    (source / gone.key).unlink()
    assert event_worker(source, out).handle(gone.key).kind == "gone"
    assert tree(out).keys() == before.keys()
    assert at.handle(gone.key).kind == "deleted"
    assert before.keys() - tree(out).keys() == made - {mine} | {event_part_key(gone.key)}
    assert (out / mine).read_bytes() == b"somebody else's"
    assert at.handle(gone.key).kind == "gone"
    assert gone.key not in read_manifest(out, columns=["key"])["key"].to_pylist()


def test_deletion_that_is_cut_off_is_no_deletion_of_what_comes_back(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    at = forgetful(source, out)
    key = next(key for key in keys(source) if key.endswith(".jpg") and key != "broken.jpg")
    at.handle(key)
    before = images(out)
    data = (source / key).read_bytes()
    (source / key).unlink()
    deleted = []
    whole = LocalStorage.delete

    def cut_off(self, one):
        if deleted:
            raise OSError("the process ends here")
        deleted.append(one)
        whole(self, one)

    monkeypatch.setattr(LocalStorage, "delete", cut_off)
    with pytest.raises(OSError, match="ends here"):
        at.handle(key)
    monkeypatch.setattr(LocalStorage, "delete", whole)
    assert images(out) != before
    (source / key).write_bytes(data)
    # Its part is still there, and does not say that it is done.
    assert at.handle(key).kind == "made"
    assert images(out) == before


def test_input_that_comes_back_while_its_outputs_are_deleted_has_them_again(
    source, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    at = forgetful(source, out)
    key = next(key for key in keys(source) if key.endswith(".jpg") and key != "broken.jpg")
    at.handle(key)
    before = images(out)
    data = (source / key).read_bytes()
    (source / key).unlink()
    whole = LocalStorage.delete

    def comes_back(self, one):
        (source / key).write_bytes(data)
        whole(self, one)

    monkeypatch.setattr(LocalStorage, "delete", comes_back)
    assert at.handle(key).kind == "made"
    assert images(out) == before
