"""Published models in MLflow: logged as models of their students' runs, registered, called by name.

What a version is judged by lies in the model itself, so that any machine which sees the tracking
store can judge.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import warnings
from collections.abc import Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.store.run_folder import PREDICTIONS, RunFolder
from alpkd_pipeline.tracking.flatten import run_tags
from alpkd_pipeline.tracking.folder_sync import Pictures, sync_folder
from alpkd_pipeline.tracking.mlflow_sync import prepare_store, store_lock, tolerating
from alpkd_pipeline.tracking.settings import TrackingSettings, faults_told, read_state

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

CANDIDATE, CHAMPION = "candidate", "champion"
DECISION = "decision"
"""The tag of a version that says why it stands where it stands."""

CODE = Path(__file__).parents[1] / "export" / "pyfunc.py"
"""What MLflow runs; it is copied, not imported."""

PART = "published"
LIBRARIES = ("mlflow", "numpy", "onnxruntime", "pandas", "tokenizers")
"""All that the code and the runtime import."""

EVIDENCE, FACTS, PREDICTIONS_CSV = "evidence", "evidence.json", "predictions.csv"
"""The folder in a model of what it is judged by: facts, and its answers on the dev rows."""

registry_lock = partial(store_lock, timeout=600.0, purpose=".models")
"""What keeps processes of this machine from publishing and judging at once; seconds."""


def publish_model(
    folder: Path,
    student: Path,
    settings: TrackingSettings,
    *,
    register: str | None,
    example: tuple[str, ...],
    pictures: Pictures | None = None,
) -> str:
    """Log a published folder as a model of its student's run, and register it if that is asked.

    `folder` is a finished result of the stage `export`, `student` what it was made from. The
    example, a text or a pair of texts, is for whoever wants to see a request; the pictures are for
    the student's run, if that is not in MLflow yet. Gives a line that says where the model is.
    Raises UserError: a file is damaged, or MLflow cannot be reached.
    """
    remedy = "its folder is complete, run the same command again when it works"
    with faults_told(settings, f"the model {folder.name}", remedy), registry_lock(settings):
        models = Models(settings)
        model = models.find(RunFolder(folder).key) or models.log(
            RunFolder(folder), student, _run_of(student, settings, pictures), example
        )
        name = model.model_id
        if register is not None:
            number, alias = models.register(register, model)
            name = f"{register}/{number} ({alias})" if alias else f"{register}/{number}"
        return f"models:/{name} in MLflow at {settings.shown}"


class Models:
    """The logged and the registered models of a store; every method raises what MLflow raises."""

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings, store = settings, prepare_store(settings)
        self._client, self._experiment_id = store.client, store.experiment_id

    def find(self, key: str) -> LoggedModel | None:
        """The logged model of an export's key; what a killed process left of one is removed."""
        search = f"tags.key = '{key}'"
        for model in self._client.search_logged_models([self._experiment_id], search):
            if model.status == "READY":
                return model
            self._client.delete_logged_model(model.model_id)
        return None

    def log(
        self, folder: RunFolder, student: Path, run_id: str | None, example: tuple[str, ...]
    ) -> LoggedModel:
        """Log the form that a folder serves, and the evidence; the run stays as it ended."""
        from mlflow.entities import LoggedModelOutput

        form, run = folder.json("export.json")["serve"], RunFolder(student).run
        tags = {"key": folder.key, "student_key": run["identity"]["key"], "form": form}
        kept = ("task", "method", "layers", "seed")
        tags |= {name: text for name, text in run_tags(run).items() if name in kept}
        tags["description"] = f"{run['description']} Published as ONNX {form}."
        name = re.sub(r"[^\w-]", "_", f"{run['name']}-{form}")
        model = self._client.create_logged_model(
            self._experiment_id, name, source_run_id=run_id, tags=tags
        )
        with TemporaryDirectory() as place:
            path = Path(place) / "model"
            write_model(folder, path, model, example)
            write_evidence(folder, run["task"], path / EVIDENCE)
            self._client.log_model_artifacts(model.model_id, str(path))
        if run_id is not None:
            self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        return self._client.finalize_logged_model(model.model_id, "READY")

    def register(self, name: str, model: LoggedModel) -> tuple[str, str]:
        """The version of a model under a name, and its alias, if it has one. The newest version is
        the candidate until it is judged."""
        with tolerating("RESOURCE_ALREADY_EXISTS"):
            self._client.create_registered_model(name)
        same = (v for v in self.versions(name) if v.tags.get("key") == model.tags["key"])
        found = next(same, None) or self._client.create_model_version(
            name,
            model.artifact_location,
            run_id=model.source_run_id,
            tags=dict(model.tags),
            description=model.tags.get("description"),
            # Without a run a database would look for the model where MLflow's own settings say.
            model_id=model.model_id if model.source_run_id else None,
        )
        newest = self.versions(name)[-1]
        if newest.version == found.version and DECISION not in newest.tags:
            self.point(name, CANDIDATE, found.version)
        aliases = {version: alias for alias, version in self.aliases(name).items()}
        return str(found.version), aliases.get(str(found.version), "")

    def versions(self, name: str) -> list[ModelVersion]:
        """The versions of a registered model, the newest last."""
        found = self._client.search_model_versions(f"name = '{name}'")
        return sorted(found, key=lambda version: int(version.version))

    def aliases(self, name: str) -> dict[str, str]:
        """Alias -> version of a registered model; UserError if there is none of that name."""
        with tolerating("RESOURCE_DOES_NOT_EXIST"):
            found = self._client.get_registered_model(name).aliases
            return {alias: str(version) for alias, version in found.items()}
        names = [model.name for model in self._client.search_registered_models()]
        raise UserError(
            f"no model '{name}' is registered at {self._settings.shown}{did_you_mean(name, names)};"
            f" `kedro run --pipeline=export --params=export.register={name}` registers one"
        )

    def point(self, name: str, alias: str, version: str | int | None) -> None:
        """Let an alias mean a version, or none."""
        if version is None:
            self._client.delete_registered_model_alias(name, alias)
        else:
            self._client.set_registered_model_alias(name, alias, str(version))

    def decide(self, name: str, version: str, decision: str) -> None:
        """Keep with a version why it stands where it stands."""
        self._client.set_model_version_tag(name, version, DECISION, decision)

    def evidence(self, version: ModelVersion) -> tuple[Mapping[str, Any], bytes] | None:
        """Facts and dev answers by which a version is judged; None if it is not one of ours."""
        import mlflow.artifacts

        if "student_key" not in version.tags:
            return None
        with TemporaryDirectory() as place:
            found = mlflow.artifacts.download_artifacts(
                f"{version.source}/{EVIDENCE}", dst_path=place, tracking_uri=self._settings.uri
            )
            facts = json.loads(Path(found, FACTS).read_bytes())
            return facts, Path(found, PREDICTIONS_CSV).read_bytes()


def _run_of(student: Path, settings: TrackingSettings, pictures: Pictures | None) -> str | None:
    """The MLflow run of a student, brought there first where it is not; None if it is deleted."""
    state = read_state(student)
    if state.place != settings.place or not state.finished:
        log.info("%s is brought into MLflow first, for its model to hang on", student.name)
    run_id = sync_folder(student, settings, pictures)
    if run_id is None or prepare_store(settings).facts(run_id) is None:
        log.warning("%s has no run in MLflow: its model is logged without one", student.name)
        return None
    return run_id


def write_model(
    folder: RunFolder, path: Path, model: LoggedModel, example: tuple[str, ...]
) -> None:
    """Write MLflow's folder of a model, with the files of the form that is served."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Map

    settings = folder.json("export.json")
    names = ("text", "text_pair")[: len(settings["text_columns"])]
    files = ["export.json", "runtime.py", "tokenizer.json", "README.md"]
    files.append(settings["forms"][settings["serve"]])
    folder.verify(files)
    answer: dict[str, Any] = {"label": DataType.string, "score": DataType.double}
    answer |= {"probabilities": Map(DataType.double), "truncated": DataType.boolean}
    # An input signature would drop columns that it does not know.
    outputs = Schema([ColSpec(kind, name) for name, kind in answer.items()])
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
            signature=ModelSignature(outputs=outputs),
            input_example=pd.DataFrame([example], columns=[*names]),
            pip_requirements=[f"{name}=={metadata.version(name)}" for name in LIBRARIES],
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


def write_evidence(folder: RunFolder, task: Mapping[str, Any], place: Path) -> None:
    """Write what a model is judged by: task, dev rows, the answers of its form, size and speed.
    `task` is what a run.json says of it."""
    facts = {
        "task": task,
        "form": folder.json("export.json")["serve"],
        "dev": folder.json("gate.json")["dev"],
        "speed": folder.json("speed.json"),
    }
    write_json(place / FACTS, facts)
    (place / PREDICTIONS_CSV).write_bytes(folder.read(f"{PREDICTIONS}dev.csv"))
