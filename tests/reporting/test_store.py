import logging
import re
from hashlib import sha256

import pytest
from tests.reporting.studies import reseal, signals, with_journal

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.store import (
    GEOMETRY,
    LATENCY,
    READ,
    SCORES,
    STUDENTS,
    TEACHERS,
    check_results,
    finished_runs,
)
from alpkd_pipeline.runs.finished import DamagedError
from alpkd_pipeline.runs.manifest import read_json, write_json


def names(store, kind=STUDENTS):
    return [record.path.name for record in finished_runs(store.root, kind)]


def test_a_store_that_is_not_there_holds_nothing(tmp_path):
    assert list(finished_runs(tmp_path / "none", STUDENTS)) == []


def test_teachers_and_students_are_told_apart(store):
    store.teacher()
    student = store.student()
    assert names(store) == [student.name]
    assert names(store, TEACHERS) == ["demo-s0-aaaaaaaa"]


def test_unfinished_folders_are_passed_over(store):
    whole = store.student(0)
    store.student(1).joinpath("manifest.json").unlink()
    at_work = store.student(3)
    at_work.rename(at_work.with_name(at_work.name + ".work"))
    aside = store.student(4)
    aside.rename(aside.with_name(f".{aside.name}.0.old"))
    assert names(store) == [whole.name]


def everything(store):
    """Folders with all that a comparison reads, by the file that is read of them."""
    student, teacher = store.student(0, p50_ms=1.0), store.teacher()
    with_journal(student)
    splits = {"dev": {"rows": 408, "scores": {"accuracy": 0.75}}}
    return {
        "run.json": student,
        "metrics.json": teacher,
        "events.jsonl": student,
        "scores.json": store.scores(student, splits),
        "latency.json": next((store.root / LATENCY).glob("*/*")),
        "geometry.json": store._result(student, GEOMETRY, "geometry.json", {"examples": 1}),
        "signals.json": signals(store.root),
    }


FILES = [*dict.fromkeys(file for files in READ.values() for file in files)]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("how", ["a digit", "the end", "all of it", "its manifest"])
def test_damage_is_named_with_both_hashes(store, file, how):
    folder = everything(store)[file]
    check_results(store.root)
    path = folder / ("manifest.json" if how == "its manifest" else file)
    before = path.read_bytes()
    if how == "all of it":
        path.unlink()
    else:
        place = re.search(rb"[0-9]", before).start()
        other = str((before[place] + 1) % 10).encode()
        path.write_bytes(
            before[:-1] if how == "the end" else before[:place] + other + before[place + 1 :]
        )
    with pytest.raises(DamagedError) as error:
        check_results(store.root)
    (damage,) = error.value.damages
    assert (damage.folder, damage.file) == (folder, path.name)
    assert str(path) in str(error.value)
    if how != "its manifest":
        assert sha256(before).hexdigest() in str(error.value)
    if how != "all of it":
        assert sha256(path.read_bytes()).hexdigest() in str(error.value)


def test_all_that_is_damaged_is_named_at_once(store):
    folders = everything(store)
    for file, folder in folders.items():
        (folder / file).write_text("{}")
    with pytest.raises(DamagedError) as error:
        gather(store.root)
    assert {d.folder for d in error.value.damages} == set(folders.values())
    assert str(error.value).startswith("7 files are not what was written:\n")


def test_a_file_that_no_comparison_reads_shows_its_damage_by_its_size(store):
    folder = everything(store)["run.json"]
    (folder / "model.safetensors").write_bytes(b"weights")
    reseal(folder)
    (folder / "model.safetensors").write_bytes(b"height!")
    check_results(store.root)
    (folder / "model.safetensors").write_bytes(b"weight")
    with pytest.raises(DamagedError, match=r"safetensors is damaged.*6 bytes instead of 7"):
        check_results(store.root)


def test_a_damaged_run_is_not_passed_over(store):
    folder = store.student(0)
    (folder / "metrics.json").write_text("{}")
    with pytest.raises(DamagedError, match=f"{folder.name}/metrics.json is damaged"):
        names(store)


def test_a_folder_of_another_shape_is_left_out(store, caplog):
    bad = store.student(1)
    (bad / "run.json").write_text("{}")
    reseal(bad)
    assert names(store) == []
    assert "identity" in caplog.text


def test_scores_of_the_evaluation_come_first(store):
    folder = store.student(accuracy=0.5, f1=0.6)
    store.scores(
        folder,
        {
            "test": {"rows": 9, "scores": None},
            "dev": {"rows": 408, "scores": {"f1": 0.7, "accuracy": 0.75}},
        },
    )
    (record,) = finished_runs(store.root, STUDENTS)
    assert list(record.scores.items()) == [("dev.accuracy", 0.75), ("dev.f1", 0.7)]
    assert record.deciding_score == 0.75


def test_before_an_evaluation_the_training_speaks(store):
    store.student(accuracy=0.5, f1=0.6)
    (record,) = finished_runs(store.root, STUDENTS)
    assert record.scores == {"dev.accuracy": 0.5, "dev.f1": 0.6}


def test_a_run_that_was_scored_twice_has_its_newest_scores(store):
    folder = store.student()
    store.scores(folder, {"dev": {"rows": 408, "scores": {"accuracy": 0.1}}})
    store.scores(folder, {"dev": {"rows": 408, "scores": {"accuracy": 0.2}}})
    (record,) = finished_runs(store.root, STUDENTS)
    assert record.scores == {"dev.accuracy": 0.2}


def test_an_evaluation_of_every_split_is_enough(store):
    folder = store.student()
    store.scores(folder, {"dev": {"rows": 408, "scores": {"accuracy": 0.3}}}, place=SCORES[1])
    (record,) = finished_runs(store.root, STUDENTS)
    assert record.scores == {"dev.accuracy": 0.3}


def test_results_still_at_work_are_passed_over(store):
    folder = store.student(accuracy=0.5, f1=0.6)
    result = store.scores(folder, {"dev": {"rows": 408, "scores": {"accuracy": 0.3}}})
    result.rename(result.with_name(f"{result.name}.work"))
    (record,) = finished_runs(store.root, STUDENTS)
    assert record.scores["dev.accuracy"] == 0.5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["params", "seed"], None),
        (["params", "teacher"], None),
        (["task", "dev_splits"], []),
        (["params", "student"], {}),
        (["name"], None),
    ],
)
def test_a_run_that_lacks_what_all_need_is_left_out(store, caplog, path, value):
    good, bad = store.student(0), store.student(1)
    said = read_json(bad / "run.json")
    *place, last = path
    inner = said
    for name in place:
        inner = inner[name]
    inner[last] = value
    write_json(bad / "run.json", said)
    reseal(bad)
    with caplog.at_level(logging.WARNING):
        assert names(store) == [good.name]
    assert bad.name in caplog.text


@pytest.mark.parametrize(
    "latency", [[], {"batch_1": {}}, {"batch_1": {"p50_ms": "x"}}, {"batch_1": {"p50_ms": 1.0}}]
)
def test_a_latency_that_cannot_be_read_is_left_out_and_its_run_is_not(store, caplog, latency):
    store._result(store.student(0), LATENCY, "latency.json", latency)
    (record,) = finished_runs(store.root, STUDENTS)
    assert record.latencies == ()
    assert "cannot be read" in caplog.text
