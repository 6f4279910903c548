"""A metric of a user's own: a folder with a module of the library `evaluate`."""

from __future__ import annotations

from pathlib import Path

MODULE = """\
import datasets
import evaluate


class Mine(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features={features}
        )

    def _compute(self, predictions, references):
        pairs = list(zip(predictions, references))
        {compute}
"""
WRONG_ONES = "return {'wrong_ones': sum(p > r for p, r in pairs)}"
"""How many rows are answered with more than is right: no sum over rows that could be turned."""


def plain(predictions: str = "int64", references: str = "int64") -> str:
    """Features of one number a row."""
    return (
        f'datasets.Features({{"predictions": datasets.Value("{predictions}"),'
        f' "references": datasets.Value("{references}")}})'
    )


def write_metric(folder: Path, compute: str = WRONG_ONES, features: str = plain()) -> Path:
    """Write the module of a folder; `compute` is the last line of its method, of `pairs`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = MODULE.replace("{features}", features).replace("{compute}", compute)
    (folder / f"{folder.name}.py").write_text(text)
    return folder
