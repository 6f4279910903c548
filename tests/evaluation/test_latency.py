import json
import time

import numpy as np
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.latency import measure_latency, time_calls
from alpkd_pipeline.tasks.encode import write_encoded
from alpkd_pipeline.training.devices import Hardware

from .conftest import TASK, split

HERE = Hardware("cpu", "a processor", "fp32", 1)


def test_the_shape_of_the_answer(classifier, encoded):
    found = measure_latency(classifier, encoded, TASK, HERE, warmup=1, repeats=4, batch_size=3)
    assert found["batch_1"]["repeats"] == 4
    assert found["batch_1"]["p50_ms"] > 0
    assert found["batched"]["batch_size"] == 3
    assert found["batched"]["repeats"] == 4
    assert found["batched"]["examples_per_second"] > 0
    assert 3 <= found["mean_tokens"] <= 9
    assert found["split"] == "dev"
    assert found["environment"]["threads"] == 1
    assert found["environment"]["device_name"]
    assert "torch" in found["environment"]["libraries"]
    assert json.loads(json.dumps(found)) == found


def test_the_same_rows_for_every_model(classifier, encoded):
    measured = [
        measure_latency(classifier, encoded, TASK, HERE, warmup=0, repeats=3, seed=seed)
        for seed in (0, 0)
    ]
    assert measured[0]["mean_tokens"] == measured[1]["mean_tokens"]


def test_no_time_left_still_gives_one_repeat(classifier, encoded):
    found = measure_latency(classifier, encoded, TASK, HERE, budget_seconds=0.0)
    assert found["batch_1"]["repeats"] == found["batched"]["repeats"] == 1
    assert found["asked_repeats"] == 50


def test_warm_up_does_not_count():
    passes = iter([9.0, 9.0, 1.0, 2.0, 3.0])
    rows = np.zeros((5, 1), dtype=int)
    assert time_calls(lambda _: next(passes), rows, warmup=2, seconds=60.0) == [1.0, 2.0, 3.0]


def test_the_clock_ends_the_repeats():
    def slow(_):
        time.sleep(0.03)
        return 1.0

    taken = time_calls(slow, np.zeros((1000, 1), dtype=int), warmup=0, seconds=0.05)
    assert 1 <= len(taken) < 1000


def test_an_empty_dev_split_is_refused(classifier, tmp_path):
    write_encoded(tmp_path, "dev", split(np.empty(0, dtype=np.int64)))
    with pytest.raises(UserError, match="has no rows"):
        measure_latency(classifier, tmp_path, TASK, HERE)
