"""The folder that is published: all that a model needs, behind the gate, told in a card."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from alpkd_pipeline.constraints import block_of
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export import runtime
from alpkd_pipeline.export.calibrate import PICTURE, Calibration, calibrate, reliability_picture
from alpkd_pipeline.export.dev_rows import Dev, check_tokenizer, predictions_of, read_dev
from alpkd_pipeline.export.gate import GATE, Judgement, judge
from alpkd_pipeline.export.graph import CONVERSION, FORMS, check_libraries
from alpkd_pipeline.export.runtime import Answer
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.export.speed import SPEED, Form, measure
from alpkd_pipeline.models.model_files import CONFIG, TOKENIZER_FILES, weight_files
from alpkd_pipeline.store.manifest import as_json, read_json, sha256_file, write_json
from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.run_config import read_config

log = logging.getLogger(__name__)

RUNTIME, CALIBRATION = "runtime.py", "calibration.json"
TOKENIZER = (*TOKENIZER_FILES, "tokenizer_config.json", "special_tokens_map.json")
PRECISIONS = ("fp32", "bf16")  # torch is timed in both: today's processors do bf16 twice as fast


def publish_run(
    folder: Path,
    *,
    model: Path,
    teacher: Path | None = None,
    onnx: Path,
    encoded: Path,
    splits: Path,
) -> None:
    """Fill the run folder of an export, as its run.json says.

    `onnx` is what `graph.convert` made of the fine-tuned model; torch is given the splits as token
    ids, `encoded`, the published model as texts, `splits`. A student's teacher is timed beside it,
    unless it is a table. UserError if the gate refuses the fp32 form; nothing is published then.
    """
    check_libraries()
    run = read_config(folder)
    block, task = block_of(ExportSettings, run.params["export"]), run.task
    dev = read_dev(run, model, encoded, splits)
    how = Calibration()
    if block.calibrate == "temperature" and task.kind == "classification":
        logits, labels = dev.rows.logits[dev.unseen], dev.rows.labels[dev.unseen]
        how = calibrate(logits, labels, task.primary_metric)
    assemble(folder, model, onnx)
    settings = settings_of(task, run.max_length, how, read_json(onnx / CONVERSION), block.serve)
    write_settings(folder, settings)
    check_copies(folder, RunFolder(model), RunFolder(onnx))
    check_tokenizer(folder, dev, settings["max_length"])
    judged = {form: pass_gate(folder, form, dev, how, block) for form in FORMS}
    for form, (verdict, _) in judged.items():
        if not verdict.passes(block.require_bound):
            _withdraw(folder, settings, form, verdict)
    write_json(folder / CALIBRATION, {"seen_in_train": int((~dev.unseen).sum()), **how.to_dict()})
    forms = [verdict.to_dict() for verdict, _ in judged.values()]
    write_json(folder / GATE, {"dev": dev.digest, "serve": settings["serve"], "forms": forms})
    _write_predictions(folder, task, dev, judged[settings["serve"]][1])
    models = {run.stage.partition("_")[0]: model}
    if teacher and not run.teacher.is_table:
        models["teacher"] = teacher
    _time(folder, models, settings, dev, block)
    if how.report:
        (folder / PICTURE).write_bytes(reliability_picture(how.report))


def assemble(folder: Path, model: Path, onnx: Path) -> None:
    """Copy what the folder of a model for transformers holds, its ONNX files, and the runtime."""
    named = [model / name for name in (CONFIG, *TOKENIZER)]
    for path in (*filter(Path.is_file, named), *weight_files(model)):
        shutil.copy(path, folder / path.name)
    for name in FORMS.values():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(onnx / name, folder / name)
    shutil.copy(runtime.__file__, folder / RUNTIME)


def check_copies(folder: Path, model: RunFolder, onnx: RunFolder) -> None:
    """Raise UserError for a file that is not the one sealed with the model, or its conversion."""
    try:
        files = runtime.read_settings(folder)["files"]
    except ValueError as error:
        raise UserError(str(error)) from None
    for name, digest in files.items():
        source = onnx if name in FORMS.values() else model
        sealed = source.manifest["files"].get(name, {}).get("sha256")
        if name != RUNTIME and digest != sealed:
            raise UserError(f"{folder / name} is not that of {source.path}: make the export again")


def settings_of(
    task: Task, max_length: int, how: Calibration, onnx: Mapping[str, Any], serve: str
) -> dict[str, Any]:
    """What `runtime.Published` reads beside the files: how texts become answers."""
    return {
        "format": 1,
        "task": task.name,
        "kind": task.kind,
        "labels": list(task.label_names),
        "text_columns": list(task.text_columns),
        "max_length": max_length,
        "inputs": onnx["inputs"],
        "temperature": how.temperature,
        "threshold": how.threshold,
        "forms": dict(FORMS),
        "serve": serve,
        "opset": onnx["opset"],
        "libraries": onnx["libraries"],
    }


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write them with the hashes of all files that are there, and with their own."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    given = {*TOKENIZER, *settings["forms"].values(), CONFIG, RUNTIME}
    files = sorted(name for name in names if name in given or name.endswith(".safetensors"))
    settings["files"] = {name: sha256_file(folder / name) for name in files}
    settings["digest"] = runtime.digest_of(settings)
    (folder / runtime.SETTINGS).write_text(as_json(settings), "utf-8")


def pass_gate(
    folder: Path, form: str, dev: Dev, how: Calibration, block: ExportSettings
) -> tuple[Judgement, list[Answer]]:
    """Load a form of a folder anew, ask it every dev row, and hold the answers against torch.
    UserError if the folder is not what was published."""
    given = predictions_of(folder, form, dev, block.threads)
    verdict = judge(form, dev.rows, given, how, block.gate.of(form, dev.rows.task.kind))
    log.info("gate: %s", verdict.line())
    return verdict, given[1]


def _withdraw(folder: Path, settings: dict[str, Any], form: str, verdict: Judgement) -> None:
    """Take a form out that the gate refuses; without fp32 there is nothing to publish."""
    if form == "fp32":
        for name in settings["files"]:  # copies, which nobody needs
            (folder / name).unlink()
        raise UserError(
            f"the gate refuses the export, nothing is published: {verdict.line()}; what was"
            " converted is kept, the bounds are the parameters export.gate.fp32"
        )
    log.warning("published without %s, which the gate refuses: %s", form, verdict.line())
    (folder / FORMS[form]).unlink()
    del settings["forms"][form]
    settings["serve"] = "fp32"
    write_settings(folder, settings)


def _write_predictions(folder: Path, task: Task, dev: Dev, predictions: list[Answer]) -> None:
    """The answers of the served form on the dev rows, `predictions/dev.csv`."""
    frame = pd.DataFrame({"row": dev.rows.names, "label": dev.rows.labels})
    if task.kind == "regression":
        frame["prediction"] = [answer.score for answer in predictions]
    else:
        frame["prediction"] = [task.label_names.index(answer.label) for answer in predictions]
        for name in task.label_names:
            frame[f"p_{name}"] = [answer.probabilities[name] for answer in predictions]
    (folder / "predictions").mkdir()
    frame.to_csv(folder / "predictions" / "dev.csv", index=False, lineterminator="\n")


def _time(
    folder: Path, models: dict[str, Path], settings: dict[str, Any], dev: Dev, block: ExportSettings
) -> None:
    """Time the forms of the first model beside it, and beside the teacher, if that is another."""
    forms = [
        Form(next(iter(models)), "onnx", form, folder, (file, "tokenizer.json"))
        for form, file in settings["forms"].items()
    ]
    for name, place in models.items():
        files = (*(path.name for path in weight_files(place)), "tokenizer.json")
        forms += [Form(name, "torch", precision, place, files) for precision in PRECISIONS]
    log.info("timing %d forms in turn", len(forms))
    write_json(folder / SPEED, measure(forms, dev.texts, settings["max_length"], block))
