from pathlib import Path

import numpy as np
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.glue_metric import GlueMetric
from alpkd_pipeline.tasks.metrics import score_answers


@pytest.mark.parametrize("name", GLUE)
def test_agrees_with_the_plain_functions(tmp_path: Path, name: str) -> None:
    task = GLUE[name].task
    draw = np.random.default_rng(0)
    if task.kind == "regression":
        answers, labels = draw.uniform(0, 5, 40), draw.uniform(0, 5, 40)
    else:
        answers, labels = (draw.integers(0, task.num_labels, 40) for _ in range(2))
    metric = GlueMetric(name, cache_dir=str(tmp_path))
    found = metric.compute(predictions=answers.tolist(), references=labels.tolist())
    assert found == score_answers(task, answers, labels)
    assert tuple(found) == task.metrics


def test_batches_add_up(tmp_path: Path) -> None:
    metric = GlueMetric("mrpc", cache_dir=str(tmp_path))
    metric.add_batch(predictions=[1, 0], references=[1, 1])
    metric.add(prediction=0, reference=0)
    # class 1: one true positive, one false negative
    assert metric.compute() == {"accuracy": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3)}


def test_other_tasks_are_refused() -> None:
    with pytest.raises(UserError, match="'imdb' is not a GLUE task; choose from cola, sst2"):
        GlueMetric("imdb")
