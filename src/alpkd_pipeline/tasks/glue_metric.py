"""The GLUE scores as an `evaluate.Metric` that is packaged here and needs no hub.

This is the only file that imports evaluate. The scores themselves are in `metrics`.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import score_answers


class GlueMetric(evaluate.Metric):
    """The metrics of one GLUE task, as `evaluate` users know them.

    Example:
        >>> GlueMetric("mrpc").compute(predictions=[1, 0], references=[1, 1])
        {'accuracy': 0.5, 'f1': 0.6666666666666666}
    """

    def __init__(self, config_name: str, **options: Any) -> None:
        """Choose the task.

        Args:
            config_name: a GLUE task (cola, sst2, ...).
            options: as for `evaluate.Metric`; predictions are kept in memory by default.

        Raises:
            UserError: not a GLUE task.
        """
        if config_name not in GLUE:
            raise UserError(f"'{config_name}' is not a GLUE task; choose from {', '.join(GLUE)}")
        super().__init__(config_name=config_name, **{"keep_in_memory": True, **options})

    def _info(self) -> evaluate.MetricInfo:
        kind = "float64" if GLUE[self.config_name].task.kind == "regression" else "int64"
        value = datasets.Value(kind)
        return evaluate.MetricInfo(
            description=f"Scores of the GLUE task {self.config_name}.",
            citation="Wang et al. 2019, GLUE, https://arxiv.org/abs/1804.07461",
            inputs_description="predictions and references: one class id or number a row.",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        task = GLUE[self.config_name].task
        return score_answers(task, np.asarray(predictions), np.asarray(references))
