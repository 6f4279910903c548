"""The folder of a published model as MLflow keeps it: code, files of the form served, evidence."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from alpkd_pipeline.store.artifact import find_in
from alpkd_pipeline.store.layout import SPLITS
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.store.run_folder import PREDICTIONS, RunFolder
from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

CODE = Path(__file__).parents[1] / "export" / "pyfunc.py"
"""What MLflow runs; it is copied, not imported."""

PART = "published"
LIBRARIES = ("mlflow", "numpy", "onnxruntime", "pandas", "tokenizers")
"""All that the code and the runtime import."""

EVIDENCE, FACTS, ANSWERS = "evidence", "evidence.json", "predictions.csv"
"""The folder in a model of what it is judged by: facts, and its answers on the dev split."""


def write_model(
    folder: RunFolder, path: Path, model: LoggedModel, example: tuple[str, ...]
) -> None:
    """Write MLflow's folder of a model, with the files of the form that is served."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model

    settings = folder.json("export.json")
    names = ("text", "text_pair")[: len(settings["text_columns"])]
    files = ("export.json", "runtime.py", "tokenizer.json", settings["forms"][settings["serve"]])
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

    return ModelSignature(
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.double, "score"),
                ColSpec(Map(DataType.double), "probabilities"),
                ColSpec(DataType.boolean, "truncated"),
            ]
        )
    )


def write_evidence(folder: RunFolder, student: Path, place: Path) -> None:
    """Write what a model is judged by: task, answers on the first dev split, size and speed."""
    run, settings = RunFolder(student).run, folder.json("export.json")
    task = Task.from_dict(run["task"])
    split = task.dev_splits[0]
    facts = {
        "task": task.to_dict(),
        "split": split,
        "texts": _texts_digest(student, task, split),
        "form": settings["serve"],
        "bytes": (folder.path / settings["forms"][settings["serve"]]).stat().st_size,
        "speed": folder.json("speed.json"),
    }
    write_json(place / FACTS, facts)
    (place / ANSWERS).write_bytes(folder.read(f"{PREDICTIONS}{split}.csv"))


def _texts_digest(student: Path, task: Task, split: str) -> str | None:
    """The hash of a split's texts, in their order; None if the splits are not here any more."""
    import pandas as pd

    sealed = RunFolder(student)
    found = find_in(sealed.beside(SPLITS), str(sealed.keys.get("splits")))
    if found is None:
        return None
    data = BytesIO(RunFolder(found).read(f"{split}.parquet"))
    texts = pd.read_parquet(data, columns=["idx", *task.text_columns])
    return hashlib.sha256(texts.to_json(orient="values").encode()).hexdigest()
