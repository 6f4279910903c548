"""The folder of a published model as MLflow keeps it: code, files of the form served, evidence."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.store.run_folder import PREDICTIONS, RunFolder

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

CODE = Path(__file__).parents[1] / "export" / "pyfunc.py"
"""What MLflow runs; it is copied, not imported."""

PART = "published"
LIBRARIES = ("mlflow", "numpy", "onnxruntime", "pandas", "tokenizers")
"""All that the code and the runtime import."""

EVIDENCE, FACTS, ANSWERS = "evidence", "evidence.json", "predictions.csv"
"""The folder in a model of what it is judged by: facts, and its answers on the dev rows."""


def write_model(
    folder: RunFolder, path: Path, model: LoggedModel, example: tuple[str, ...]
) -> None:
    """Write MLflow's folder of a model, with the files of the form that is served."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model

    settings = folder.json("export.json")
    names = ("text", "text_pair")[: len(settings["text_columns"])]
    files = ["export.json", "runtime.py", "tokenizer.json", "README.md"]
    files.append(settings["forms"][settings["serve"]])
    folder.verify(files)
    with TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in files:
            copy = Path(place) / PART / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder.path / name, copy)
        mlflow.pyfunc.save_model(
            path,
            python_model=CODE,
            artifacts={PART: str(Path(place) / PART)},
            mlflow_model=Model(run_id=model.source_run_id, model_id=model.model_id),
            signature=_signature(),
            input_example=pd.DataFrame([example], columns=[*names]),
            pip_requirements=[f"{name}=={version(name)}" for name in LIBRARIES],
            metadata={"input": dict.fromkeys(names, "string"), "task": settings["task"]},
        )
    for cache in path.rglob("__pycache__"):
        shutil.rmtree(cache)
    # MLflow notes where on this machine the files came from, and reads only their names again.
    saved = Model.load(path)
    flavor = saved.flavors["python_function"]
    flavor["model_code_path"] = CODE.name
    flavor["artifacts"][PART]["uri"] = flavor["artifacts"][PART]["path"]
    saved.save(path / "MLmodel")


def _signature() -> ModelSignature:
    """What the model answers. An input signature would drop columns that it does not know."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Map

    answer: dict[str, Any] = {"label": DataType.string, "score": DataType.double}
    answer |= {"probabilities": Map(DataType.double), "truncated": DataType.boolean}
    return ModelSignature(outputs=Schema([ColSpec(kind, name) for name, kind in answer.items()]))


def write_evidence(folder: RunFolder, task: Mapping[str, Any], place: Path) -> None:
    """Write what a model is judged by: task, dev rows, the answers of its form, size and speed.

    `task` is what a run.json says of it.
    """
    facts = {
        "task": task,
        "form": folder.json("export.json")["serve"],
        "dev": folder.json("gate.json")["dev"],
        "speed": folder.json("speed.json"),
    }
    write_json(place / FACTS, facts)
    (place / ANSWERS).write_bytes(folder.read(f"{PREDICTIONS}dev.csv"))
