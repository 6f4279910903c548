from __future__ import annotations

import json

from tests.tracking.conftest import run_json

from alpkd_pipeline.tracking.flatten import run_tags
from alpkd_pipeline.tracking.links import (
    COLUMNS,
    REGULAR_FILTER,
    STUDENTS,
    group_filter,
    view_tags,
)
from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings


def test_a_view_is_json_in_a_tag() -> None:
    ((name, text),) = view_tags("mine", "tags.a = 'b'").items()
    assert name == "mlflow.sharedViewState.mine"
    view = json.loads(text)
    assert view["searchFilter"] == "tags.a = 'b'"
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`score`", False)
    assert view["selectedColumns"] == view["columnOrder"]
    assert set(view["columnWidths"]) == set(view["columnOrder"]) == set(COLUMNS)


def test_columns_that_are_tags_are_tags_of_students() -> None:
    tags = {name[6:-1] for name in COLUMNS if name.startswith("tags.")}
    assert tags <= set(run_tags(run_json()))


def test_a_group_s_filter_finds_students_alone() -> None:
    assert group_filter("sweep-x") == "tags.stage = 'student' and tags.group = 'sweep-x'"


def test_an_experiment_has_the_view_of_all_students(settings: TrackingSettings) -> None:
    store = prepare_store(settings)
    (expected,) = view_tags(STUDENTS, REGULAR_FILTER).items()
    experiment = store.client.get_experiment(store.experiment_id)
    assert expected in experiment.tags.items()


def test_an_experiment_of_before_gets_it(settings: TrackingSettings) -> None:
    store = prepare_store(settings)
    name, text = next(iter(view_tags(STUDENTS, REGULAR_FILTER).items()))
    store.client.set_experiment_tag(store.experiment_id, name, "{}")
    prepare_store.cache_clear()
    prepare_store(settings)
    assert store.client.get_experiment(store.experiment_id).tags[name] == text
