from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.export.published import publish
from tests.reporting.conftest import Store

from alpkd_pipeline.export.card_record import over_rows, read_record
from alpkd_pipeline.store.layout import SEARCHES
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.metrics import METRICS


def test_the_interval_of_an_accuracy_is_exact() -> None:
    labels = np.zeros(20, int)
    given = np.where(np.arange(20) < 15, 0, 1)
    # Clopper and Pearson for 15 of 20, as scipy.stats.binomtest has it.
    assert over_rows("accuracy", given, labels) == pytest.approx((0.50895, 0.91343), abs=1e-5)


@pytest.mark.parametrize("metric", ["pearson", "rmse"])
def test_the_interval_of_another_metric_holds_its_score(metric: str) -> None:
    draw = np.random.default_rng(0)
    labels = draw.normal(size=60)
    given = labels + draw.normal(size=60)
    low, high = over_rows(metric, given, labels)
    assert low < METRICS[metric](given, labels) < high
    assert high - low < 0.6


def test_the_first_base_is_where_the_weights_began(store: Store) -> None:
    def change(params: dict[str, Any]) -> None:
        own = {"init": "checkpoint", "checkpoint": "package:some/model"}
        params["student"].update(own)
        params["teacher"].update(model="a/b", revision="1" * 40)

    first, second = read_record(publish(store, change)).bases
    assert (first.name, first.revision) == ("the model some/model of an installed package", None)
    assert (second.name, second.revision, second.licence) == ("a/b", "1" * 40, "mit")


def test_a_search_that_found_the_numbers(store: Store) -> None:
    best = {"values": {"training.epochs": 5}}
    study = {"task": "mrpc", "method": "alp_kd", "layers": 4, "best": best}
    record = {"id": "s1", "selection": "dev", "studies": [study]}
    folder = publish(store)
    assert read_record(folder).search is None
    write_json(store.root / SEARCHES / "s1.json", record)
    found = read_record(folder).search
    assert found is not None
    assert found.selection == "dev"


def test_other_trainings_do_not_count_as_seeds(store: Store) -> None:
    folder = publish(store, seeds={0: 0.8, 5: 0.9})
    store.student(6, run_type="rerun")
    facts = read_record(folder)
    assert facts.seeds == (0, 5)
    assert facts.scores[0].seeds is not None
    assert facts.scores[0].seeds.mean == pytest.approx(0.85)


def test_no_interval_of_a_second_metric(store: Store, tmp_path: Path) -> None:
    first, second = read_record(publish(store)).scores
    assert first.interval is not None
    assert (second.metric, second.interval) == ("f1", None)
