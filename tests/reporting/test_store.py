import logging
import re
import shutil
from hashlib import sha256

import pytest
from tests.renames import at_every_look, before_look
from tests.reporting.stored_predictions import RIGHT, with_predictions
from tests.reporting.studies import reseal, signals, with_event_log

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.store import READ, check_results, finished_runs
from alpkd_pipeline.store.layout import GEOMETRY, LATENCY, SCORES, STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import DamagedError


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
    with_event_log(student)
    splits = {"dev": {"rows": 408, "scores": {"accuracy": 0.75}}}
    return {
        "run.json": student,
        "metrics.json": teacher,
        "events.jsonl": student,
        "scores.json": store.scores(student, splits),
        "latency.json": next((store.root / LATENCY).glob("*/*")),
        "geometry.json": store._result(student, GEOMETRY, "geometry.json", {"examples": 1}),
        "signals.json": signals(store.root),
        "predictions/dev.csv": with_predictions(store, student, RIGHT),
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
    assert (damage.folder, damage.file) == (folder, path.relative_to(folder).as_posix())
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
    assert str(error.value).startswith("8 files are not what was written:\n")


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
    assert record.primary_score == 0.75


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


def test_metrics_of_a_user_s_own_are_those_of_the_newest_evaluation(store):
    folder = store.student(accuracy=0.5, f1=0.6)
    store.scores(folder, {"dev": {"rows": 408, "scores": {"accuracy": 0.75, "f1": 0.7}}})
    store.evaluation(folder, "1" * 64, mine=0.1, gone=9.0)
    store.evaluation(folder, "2" * 64, **{"mine": 0.25, "sides.more": 2.0, "sides.less": 3.0})
    (record,) = finished_runs(store.root, STUDENTS)
    assert list(record.scores.items()) == [
        ("dev.accuracy", 0.75),
        ("dev.f1", 0.7),
        ("dev.mine", 0.25),
        ("dev.sides.less", 3.0),
        ("dev.sides.more", 2.0),
    ]
    assert record.own_metrics == {"mine": "2" * 64, "sides": "2" * 64}
    assert record.primary_score == 0.75


def test_without_dev_scores_an_evaluation_with_own_metrics_is_enough(store):
    store.evaluation(store.student(), "1" * 64, mine=0.25)
    (record,) = finished_runs(store.root, STUDENTS)
    assert record.scores == {"dev.accuracy": 0.75, "dev.f1": 0.7, "dev.mine": 0.25}


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


# Copies, and folders that are renamed meanwhile ------------------------------------------------


def test_a_copy_counts_once_and_without_a_word(store, caplog):
    folder = store.student(0)
    latency = {"batch_1": {"p50_ms": 1.0}, "environment": {"device_name": "x"}}
    timed = store._result(folder, LATENCY, "latency.json", latency)
    shutil.copytree(folder, folder.with_name("copy of it"))
    shutil.copytree(timed, timed.with_name("copied by hand"))
    with caplog.at_level(logging.WARNING):
        (record,) = finished_runs(store.root, STUDENTS)
    assert len(record.latencies) == 1
    assert caplog.text == ""


def test_a_link_to_a_student_counts_once(store, caplog):
    folder = store.student(0)
    folder.with_name("zz").symlink_to(folder)
    with caplog.at_level(logging.WARNING):
        assert names(store) == [folder.name]
    assert caplog.text == ""


def test_two_results_of_one_key_are_said(store, caplog):
    folder = store.student(0)
    other = folder.with_name("zz")
    shutil.copytree(folder, other)
    (other / "more.json").write_text("{}")
    reseal(other)
    with caplog.at_level(logging.WARNING):
        assert names(store) == [folder.name]
    assert "zz is left out: it has the key of" in caplog.text


@pytest.mark.parametrize("what", ["student", "scores"])
@pytest.mark.parametrize("back", [False, True])
def test_what_is_renamed_between_two_looks_is_read_all_the_same(store, caplog, what, back):
    student = store.student(0, accuracy=0.5)
    scores = store.scores(student, {"dev": {"rows": 408, "scores": {"accuracy": 0.75}}})
    store.student(1)
    folder = student if what == "student" else scores
    elsewhere = folder.with_name("elsewhere")

    def look():
        return {record.key: record.scores for record in finished_runs(store.root, STUDENTS)}

    whole = look()
    assert {"dev.accuracy": 0.75} in whole.values()
    steps = [lambda: folder.rename(elsewhere), lambda: elsewhere.rename(folder)][: 1 + back]
    for number in at_every_look(store.root, look):
        with caplog.at_level(logging.WARNING), before_look(number, store.root, *steps):
            assert look() == whole, number
        if elsewhere.is_dir():
            elsewhere.rename(folder)
    assert caplog.text == ""


def test_a_student_that_is_removed_meanwhile_is_not_compared(store, caplog):
    gone, stays = store.student(0), store.student(1)
    kept = store.root / "kept"
    for number in at_every_look(store.root, lambda: names(store)):
        with (
            caplog.at_level(logging.WARNING),
            before_look(number, store.root / "06_models", lambda: gone.rename(kept)),
        ):
            assert set(names(store)) in ({gone.name, stays.name}, {stays.name})
        if kept.is_dir():
            kept.rename(gone)
    assert caplog.text == ""


def test_renames_that_do_not_end_are_one_line(store):
    folder = store.student(0)
    names_of_it = [folder, folder.with_name("elsewhere")]

    def rename():
        names_of_it[0].rename(names_of_it[1])
        names_of_it.reverse()

    with (
        before_look(0, store.root, *[rename] * 1000),
        pytest.raises(UserError, match="are being renamed or removed"),
    ):
        list(finished_runs(store.root, STUDENTS))


@pytest.mark.parametrize("what", ["student", "scores"])
@pytest.mark.parametrize("back", [False, True])
def test_what_is_renamed_while_all_is_checked_is_no_damage(store, what, back):
    student = store.student(0, accuracy=0.5)
    scores = store.scores(student, {"dev": {"rows": 408, "scores": {"accuracy": 0.75}}})
    folder = student if what == "student" else scores
    elsewhere = folder.with_name("elsewhere")
    steps = [lambda: folder.rename(elsewhere), lambda: elsewhere.rename(folder)][: 1 + back]
    for number in at_every_look(store.root, lambda: check_results(store.root)):
        with before_look(number, store.root, *steps):
            check_results(store.root)
        if elsewhere.is_dir():
            elsewhere.rename(folder)
