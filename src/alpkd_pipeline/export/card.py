"""The model card of a published folder, README.md in the hub's format: what the model is, how it
was made, what is known of it, and what is not.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.export.calibrate import HIGH, PICTURE
from alpkd_pipeline.export.card_record import CardRecord, read_record
from alpkd_pipeline.export.gate import NAMED_ROWS
from alpkd_pipeline.export.speed import cost_per_million
from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.reporting.formats import seconds_text
from alpkd_pipeline.reporting.statistics.scores import collapsed
from alpkd_pipeline.reporting.tables.table import MISSING, listed, number, points, seeds_text
from alpkd_pipeline.store.manifest import read_json, write_text
from alpkd_pipeline.tasks.glue import HUB_DATASET

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

CARD, TEMPLATE = "README.md", Path(__file__).with_name("card.md")

# The hub's names of metrics, where they are not ours.
HUB_METRICS = {
    "f1_macro": "f1",
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}


def write_card(folder: Path) -> None:
    """Write README.md from what stands in the folder and in the store beside it; UserError as
    `read_record` and `metadata` say."""
    record = read_record(folder)
    write_text(folder / CARD, f"---\n{metadata(record).to_yaml()}\n---\n\n{text(record)}")


def text(record: CardRecord) -> str:
    """What people read of a card, in Markdown."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    page.filters |= {"points": partial(points, digits=2), "number": number, "names": listed}
    page.filters |= {"interval": _interval, "seconds": seconds_text}
    page.filters["said"] = lambda value: "not set" if value is None else str(value)
    run, params, teacher = record.run, record.run.params, record.teacher
    encoded = read_json(run.inputs["encoded"] / "report.json")
    dev = [encoded[split] for split in run.task.dev_splits]
    models = [("this model", record.model, params if teacher else params["teacher"])]
    if teacher and not run.teacher.is_table:
        models.append(("its teacher", teacher, params["teacher"]))
    timed = ("teacher" if teacher is None or models[1:] else "student", "torch")
    return page.from_string(TEMPLATE.read_text("utf-8")).render(
        **record.files,
        record=record,
        trainings=[{"seed": one["seed"], **one["training"]} for *_, one in models],
        models=[(name, one, shape_of(one.json("config.json"))) for name, one, _ in models],
        torch={
            form["precision"]: form["one"]["p50_ms"]
            for form in record.files["speed"]["forms"]
            if (form["model"], form["engine"]) == timed
        },
        train_rows=encoded["train"]["rows"],
        unlabelled=encoded["train"].get("unlabelled", 0),
        rows=sum(split["rows"] for split in dev),
        cut=sum(split["cut_rows"] for split in dev),
        seeds=seeds_text(record.seeds),
        picture=PICTURE if (run.folder / PICTURE).is_file() else None,
        named_rows=NAMED_ROWS,
        hottest=0.99 * HIGH,
        same=collapsed(*record.predictions, run.task.primary_metric),
        cost=cost_per_million,
        plural=plural,
    )


def _interval(ends: tuple[float | None, float | None] | None, metric: str) -> str:
    if ends is None or ends[0] is None:
        return MISSING
    return " to ".join(points(end, 2, metric) for end in ends)


def metadata(record: CardRecord) -> ModelCardData:
    """What stands above the text, without names that are no ids of the hub, and without a language
    or a licence that nobody stated. UserError if a number is not finite: YAML would write it as
    `.nan`, which nobody reads."""
    from huggingface_hub import EvalResult, ModelCardData

    run, method, data = record.run, record.method, record.data
    served = record.files["gate"]["serve"]
    glue = data and data.dataset == HUB_DATASET
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=data.dataset if data else "local",
            dataset_name=run.task.name,
            dataset_config=data.config if data else None,
            dataset_revision=data.revision if data else None,
            # Another data set may have no dev split, and ours is a part of its train split then.
            dataset_split=data.splits[score.split] if data and glue else score.split,
            metric_type=HUB_METRICS.get(score.metric, score.metric),
            metric_name=f"{score.metric} ({form})",
            metric_value=value,
        )
        for score in record.scores
        for form, value in ((f"ONNX {served}, served", score.served), ("torch", score.torch))
        if value is not None
    ]
    for one in results:
        if not math.isfinite(one.metric_value):
            raise UserError(
                f"{run.folder / CARD}: {one.metric_name} on {one.dataset_split} is"
                f" {one.metric_value}, and a card without its scores says nothing: look at the"
                " model's training"
            )
    tags = [] if method is None else [method.name]
    tags += ["knowledge-distillation"] if method and (method.needs or method.live) else []
    base = record.bases[0].name if record.bases[0].revision else None
    relation = "quantized" if run.params["teacher"]["finetuned"] else "finetune"
    return ModelCardData(
        model_name=run.name,
        library_name="transformers",
        pipeline_tag="text-classification",
        language=record.language,
        license=record.licence,
        base_model=base,
        # The hub has no word for a student that is a part of another model.
        base_model_relation=relation if base and not record.teacher else None,
        datasets=[data.dataset] if data else None,
        metrics=list(dict.fromkeys(HUB_METRICS.get(name, name) for name in run.task.metrics)),
        tags=[*tags, "onnx", *(["int8"] if "int8" in record.files["export"]["forms"] else [])],
        eval_results=results,
    )
