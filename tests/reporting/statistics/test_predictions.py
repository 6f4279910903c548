"""Finding a run and its answers."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from tests.reporting.stored_predictions import RIGHT, with_predictions
from tests.reporting.studies import reseal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.statistics.predictions import compare_predictions, dev_predictions
from alpkd_pipeline.store.artifact import find_run
from alpkd_pipeline.store.manifest import MANIFEST, read_manifest, seal
from alpkd_pipeline.store.run_folder import DamagedError

KEY, OTHER = "a1" * 32, "b2" * 32


@pytest.fixture
def runs(store):
    return store.student(0, key=KEY), store.student(1, key=OTHER)


def test_by_key_by_name_and_by_path(store, runs, monkeypatch):
    # The fixture names folders by the key's end; real ones by its beginning.
    folder = runs[0].rename(runs[0].with_name(f"kd-4L-s0-{KEY[:8]}"))
    monkeypatch.chdir(folder.parent)
    for text in (KEY[:8], KEY[:12], KEY, folder.name, str(folder), f"./{folder.name}"):
        assert find_run(store.root, text) == folder


@pytest.mark.parametrize("text", ["a1a1a1a", "ffffffff", "kd-4L-s9-a1a1a1a1", "../x/y", ".", ""])
def test_what_is_not_there_is_one_line(store, runs, text):
    with pytest.raises(UserError, match=r"give 8 or more digits of its key.*path to it") as error:
        find_run(store.root, text)
    assert "\n" not in str(error.value)


def test_digits_that_fit_two_runs_are_refused(store, runs):
    for folder, name in zip(runs, ("kd-4L-s0-a1a1a1a1", "pkd-4L-s0-a1a1a1a1"), strict=True):
        folder.rename(folder.with_name(name))
    other = store.root / "06_models/students/mrpc/pkd-4L-s0-a1a1a1a1"
    seal(other, {**(read_manifest(other) or {}), "key": KEY[:-1] + "0"})
    with pytest.raises(UserError, match="may mean kd-4L-s0-a1a1a1a1, pkd-4L-s0-a1a1a1a1"):
        find_run(store.root, KEY[:10])


def test_a_run_at_work_is_refused(store, runs):
    (runs[0] / MANIFEST).unlink()
    with pytest.raises(UserError, match="is not finished"):
        find_run(store.root, runs[0].name)


def test_the_evaluation_is_read_before_what_training_kept(store, runs):
    with_predictions(store, runs[0], [0, 0, 0, 0], place=None)
    assert dev_predictions(runs[0]).rows.predictions.tolist() == [0, 0, 0, 0]
    with_predictions(store, runs[0], RIGHT)
    found = dev_predictions(runs[0])
    assert found.rows.predictions.tolist() == RIGHT
    assert (found.name, found.task.name, found.split) == (runs[0].name, "mrpc", "dev")


def test_predictions_of_another_run_are_not_taken(store, runs):
    result = with_predictions(store, runs[0], RIGHT)
    manifest = read_manifest(result) or {}
    made_from = {
        stage: OTHER if key == KEY else key for stage, key in manifest["made_from"].items()
    }
    seal(result, {**manifest, "made_from": made_from})
    with pytest.raises(UserError, match="has no answers on dev; `kedro run --pipeline=evaluate`"):
        dev_predictions(runs[0])


def test_predictions_of_another_shape_are_one_line(store, runs):
    result = with_predictions(store, runs[0], RIGHT)
    (result / "predictions" / "dev.csv").write_text("idx,label\n1,1\n")
    reseal(result)
    with pytest.raises(UserError, match="cannot be read"):
        dev_predictions(runs[0])


def test_predictions_that_are_not_what_was_written_are_refused(store, runs):
    result = with_predictions(store, runs[0], RIGHT)
    path = result / "predictions" / "dev.csv"
    path.write_text(path.read_text().replace("1,0,0,", "1,0,1,"))
    with pytest.raises(DamagedError, match=r"predictions/dev\.csv is damaged: sha256"):
        dev_predictions(runs[0])
    path.unlink()
    with pytest.raises(DamagedError, match=r"predictions/dev\.csv is missing"):
        dev_predictions(runs[0])
    (result / MANIFEST).write_text("{")
    with pytest.raises(DamagedError, match=r"manifest\.json is no manifest any more"):
        dev_predictions(runs[0])


def test_damaged_predictions_of_others_are_no_reason_to_refuse(store, runs):
    for folder in runs:
        result = with_predictions(store, folder, RIGHT)
    (result / MANIFEST).write_text("{")
    assert dev_predictions(runs[0]).rows.predictions.tolist() == RIGHT


@pytest.mark.parametrize("file", [MANIFEST, "metrics.json"])
def test_a_damaged_run_is_not_taken_for_an_unfinished_one(store, runs, file):
    folder = runs[0].rename(runs[0].with_name(f"kd-4L-s0-{KEY[:8]}"))
    (folder / file).write_text("{")
    for text in (KEY[:8], folder.name, str(folder)):
        with pytest.raises(DamagedError, match=f"{folder.name}/{file}"):
            find_run(store.root, text)


def test_a_run_is_found_by_its_key_whatever_it_is_called_and_once(store, runs):
    folder = runs[0].rename(runs[0].with_name("mine"))
    shutil.copytree(folder, folder.with_name("the copy"))
    assert find_run(store.root, KEY[:8]) == folder
    result = with_predictions(store, folder, RIGHT)
    result.rename(result.with_name("its answers"))
    assert dev_predictions(folder).rows.predictions.tolist() == RIGHT


def test_models_that_answered_other_questions_are_refused(store, runs):
    for folder in runs:
        with_predictions(store, folder, RIGHT)
    candidate, reference = map(dev_predictions, runs)
    compare_predictions(candidate, reference)
    rows = reference.rows
    turned, fewer, relabelled = (
        dataclasses.replace(reference, rows=dataclasses.replace(rows, **changed))
        for changed in (
            {"idx": rows.idx[::-1]},
            {"idx": rows.idx[:-1], "labels": rows.labels[:-1]},
            {"labels": 1 - rows.labels},
        )
    )
    cola = dataclasses.replace(reference, task=dataclasses.replace(reference.task, name="cola"))
    by_f1 = dataclasses.replace(
        reference, task=dataclasses.replace(reference.task, metrics=("f1",))
    )
    for other, said in (
        (turned, "in another order"),
        (fewer, "other rows"),
        (relabelled, "other rows"),
        (cola, "different tasks, mrpc and cola"),
        (by_f1, "judged by accuracy and f1"),
    ):
        with pytest.raises(UserError, match=said):
            compare_predictions(candidate, other)


def test_probabilities_come_with_the_predictions(store, runs):
    with_predictions(store, runs[0], RIGHT)
    assert dev_predictions(runs[0]).rows.probabilities.tolist() == [[0.5]] * 4
