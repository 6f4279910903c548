"""Which results stay."""

from __future__ import annotations

import shutil

import pytest
from tests.store.conftest import Going
from tests.store.stores import SmallStore

from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.store.prune import make_plan, plan_lines
from alpkd_pipeline.store.prune_candidates import Choice


def test_a_finished_experiment_and_all_it_was_made_from_stays(going: Going) -> None:
    assert going() == set()


def test_data_that_no_model_was_made_from_goes(store: SmallStore, going: Going) -> None:
    more = [store.add("splits", "rows2"), store.add("encoded", "ids2", "rows2")]
    assert going() == {folder.name for folder in more}


def test_what_conf_asks_for_stays_with_all_above_it(store: SmallStore, going: Going) -> None:
    store.add("splits", "rows2")
    store.add("encoded", "ids2", "rows2")
    assert going(store.key("ids2")) == set()


def test_what_conf_asks_for_keeps_what_lies_two_steps_above_it(
    store: SmallStore, going: Going
) -> None:
    store.add("splits", "rows2")
    store.add("encoded", "ids2", "rows2")
    store.add("teacher", "big2", "ids2")
    store.add("signals", "said2", "big2", "ids2")
    shutil.rmtree(store.folder("big2"))
    assert going(store.key("said2")) == set()


def test_models_whose_students_are_gone_stay(store: SmallStore, going: Going) -> None:
    shutil.rmtree(store.folder("small"))
    assert going() == {store.folder("said").name}


def test_a_student_whose_teacher_is_gone_keeps_its_rows(store: SmallStore, going: Going) -> None:
    shutil.rmtree(store.folder("big"))
    assert going() == set()


def test_an_interrupted_training_keeps_what_it_goes_on_with(
    store: SmallStore, going: Going
) -> None:
    shutil.rmtree(store.folder("small"))
    work = store.interrupted("half", "ids", "big", "said", age=3600)
    assert going() == set()
    assert going(interrupted=True) == {work.name, store.folder("said").name}


def test_unknown_configuration_lets_no_data_go(store: SmallStore) -> None:
    store.add("splits", "rows2")
    assert make_plan(store.root, Choice(), None).going == ()
    assert make_plan(store.root, Choice(signals=True, trials=True), None).going == ()


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("name", ["big", "small"])
def test_a_model_that_cannot_be_read_keeps_its_data_and_what_was_measured_of_it(
    store: SmallStore, going: Going, name: str, lost: bool
) -> None:
    with_trial(store)
    manifest = store.folder(name) / "manifest.json"
    if lost:
        manifest.unlink()
        (store.folder(name) / "run.json").write_text("{")
    else:
        manifest.write_text(manifest.read_text() + " ")
    everything = Choice(signals=True, trials=True, without_model=True)
    plan = make_plan(store.root, everything, frozenset())
    assert plan.going == ()
    (line,) = plan_lines(plan)
    folder = store.folder(name).relative_to(store.root)
    assert line.startswith(f"{folder}: the manifest is damaged or missing, so rows")
    shutil.rmtree(store.folder(name))
    assert store.folder(f"{name}-scores").name in going(without_model=True)


def test_what_was_measured_of_a_model_by_hand_without_manifest_stays(
    store: SmallStore, going: Going
) -> None:
    store.folder("small").rename(store.folder("small").with_name("mine"))
    (store.folder("small").with_name("mine") / "manifest.json").unlink()
    assert going(without_model=True) == set()


# Trials ------------------------------------------------------------------------------------------


def with_trial(store: SmallStore) -> set[str]:
    made = [
        store.add("teacher", "held", "ids", run_type="trial"),
        store.add("signals", "heard", "held", "ids"),
        store.add("student", "trial", "ids", "held", "heard", run_type="trial"),
    ]
    return {folder.name for folder in made}


def test_trials_go_by_option_only_with_a_teacher_of_their_own(
    store: SmallStore, going: Going
) -> None:
    names = with_trial(store)
    assert going() == set()
    assert going(trials=True) == names


def test_a_trial_with_dev_scores_was_asked_for_as_a_experiment(
    store: SmallStore, going: Going
) -> None:
    with_trial(store)
    store.add("student_scores", "trial-scores", "trial", "ids")
    assert going(trials=True) == set()


def test_a_trial_that_a_sweep_or_conf_asks_for_stays(store: SmallStore, going: Going) -> None:
    with_trial(store)
    assert going(store.key("trial"), trials=True) == set()
    experiments = [{"key": store.key("trial")}]
    write_json(store.root / "08_reporting/sweeps/one.json", {"id": "one", "cells": experiments})
    assert going(trials=True) == set()


def test_a_teacher_of_a_search_stays_for_another_student(store: SmallStore, going: Going) -> None:
    with_trial(store)
    store.add("student", "cell", "ids", "held")
    assert going(trials=True) == {store.folder("trial").name, store.folder("heard").name}
