"""A published model as MLflow serves it; MLflow copies this file into the model and runs it there.

So it stands alone: beside mlflow and pandas it needs the files in the model's own folder, and what
the `runtime.py` among them needs.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

PART = "published"
"""What MLflow calls the folder of the published files."""

COLUMNS = ("text", "text_pair")
"""Of a request; the second one exactly where the model reads pairs."""

ANSWER = ("label", "score", "probabilities", "truncated")
"""The columns of an answer."""

FORM = '{"dataframe_split": {"columns": %s, "data": [[...], ...]}}'


class PublishedModel(PythonModel):
    """Answers a frame of texts, or of pairs of texts, row by row.

    The model has no input signature: by one MLflow would drop columns that it does not know, and
    turn null, 5 and true into words. Whatever is no text is refused here, with status 400.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model; raises ValueError where a file is not what was published."""
        folder = Path(context.artifacts[PART])
        self._runtime = _module(folder / "runtime.py")
        self._answer = self._runtime.Published(folder)
        self._columns = COLUMNS[: len(self._answer.settings["text_columns"])]

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None
    ) -> pd.DataFrame:
        """The answers to a frame with the column text, and text_pair where pairs are read.

        Returns:
            A row a text: `label` (`value` for a regression), its `score`, `probabilities` by class
            (none for a regression), and whether the text was too long and `truncated`.

        Raises:
            MlflowException: anything else than texts in these columns, and no others.
        """
        predictions = self._answer(*_texts(model_input, self._columns, self._runtime.HALF))
        return pd.DataFrame([asdict(answer) for answer in predictions], columns=[*ANSWER])


def _texts(frame: Any, names: Sequence[str], half: re.Pattern[str]) -> list[list[str]]:
    """The texts of each column."""
    quoted = ", ".join(f'"{name}"' for name in names)
    if not isinstance(frame, pd.DataFrame):
        # Under `inputs` and `instances` MLflow has made words of numbers by now.
        raise _refusal(f"send texts as {FORM % f'[{quoted}]'} or as dataframe_records")
    given = [str(name) for name in frame.columns]
    if sorted(given) != sorted(names):
        raise _refusal(f"the model reads exactly the columns {quoted}, not {given!a:.200}")
    columns = [frame[name].tolist() for name in names]
    for name, values in zip(names, columns, strict=True):
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise _refusal(f"row {row}, column {name!r}: a text is needed, not {value!a:.40}")
            if half.search(value):
                raise _refusal(f"row {row}, column {name!r}: half a character (a lone surrogate)")
    return columns


def _refusal(message: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(message)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("alpkd_published_runtime", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


set_model(PublishedModel())
