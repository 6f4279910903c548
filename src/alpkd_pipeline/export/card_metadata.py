"""The metadata of a card: what the hub reads of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.card_facts import Facts
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET
from alpkd_pipeline.tasks.sources.hub import HubRef, resolve
from alpkd_pipeline.tasks.task import SourceSpec

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

HUB_METRICS = {
    "f1_macro": "f1",
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
"""The hub's names of metrics, where they are not ours."""


def metadata(facts: Facts) -> ModelCardData:
    """What stands above the text. A name that is no id of the hub is not given as one, and a
    language or a licence that nobody stated is left out.

    Raises:
        UserError: a number is not finite; YAML would write it as `.nan`, which nobody reads.
    """
    from huggingface_hub import EvalResult, ModelCardData

    run, params, served = facts.run, facts.run.params, facts.told["gate"]["serve"]
    task, data = run.task, hub_data(facts)
    glue = data and data.dataset == HUB_DATASET
    where: dict[str, Any] = {
        "task_type": "text-classification",
        "dataset_type": data.dataset if data else "local",
        "dataset_name": task.name,
        "dataset_config": data.config if data else None,
        "dataset_revision": data.revision if data else None,
    }
    results = [
        EvalResult(
            **where,
            # Another data set may have no dev split, and ours is a part of its train split then.
            dataset_split=data.splits[score.split] if data and glue else score.split,
            metric_type=HUB_METRICS.get(score.metric, score.metric),
            metric_name=f"{score.metric} ({form})",
            metric_value=value,
        )
        for score in facts.scores
        for form, value in ((f"ONNX {served}, served", score.served), ("torch", score.torch))
        if value is not None
    ]
    for one in results:
        if not math.isfinite(one.metric_value):
            raise UserError(
                f"{run.folder / 'README.md'}: {one.metric_name} on {one.dataset_split} is"
                f" {one.metric_value}, and a card without its scores says nothing: look at the"
                " model's training"
            )
    method = get_spec(params["method"]["name"]) if facts.teacher else None
    tags = [] if method is None else [method.name]
    tags += ["knowledge-distillation"] if method and (method.needs or method.live) else []
    base = facts.bases[0].name if facts.bases[0].revision else None
    return ModelCardData(
        model_name=run.name,
        library_name="transformers",
        pipeline_tag="text-classification",
        language=language(facts),
        license=licence(facts),
        base_model=base,
        base_model_relation=_relation(facts) if base else None,
        datasets=[data.dataset] if data else None,
        metrics=list(dict.fromkeys(HUB_METRICS.get(name, name) for name in task.metrics)),
        tags=[*tags, "onnx", *(["int8"] if "int8" in facts.told["export"]["forms"] else [])],
        eval_results=results,
    )


def licence(facts: Facts) -> str | None:
    """What the cards of all models that it comes from say, if all say the same."""
    said = {base.licence for base in facts.bases}
    return said.pop() if len(said) == 1 else None


def language(facts: Facts) -> str | None:
    """English for GLUE's own data; of other data nobody said it."""
    data, asked = hub_data(facts), facts.run.params["task"]
    glue = data.dataset == HUB_DATASET if data else asked["source"] == "folder"
    return "en" if glue and facts.run.task.name in GLUE else None


def hub_data(facts: Facts) -> HubRef | None:
    """The data set of the hub that it was trained on, if it was one."""
    asked, fields = facts.run.params["task"], ("dataset", "config", "revision", "files")
    if asked["source"] != "hub":
        return None
    return resolve(SourceSpec("hub", **{name: asked[name] for name in fields}), facts.run.task)


def _relation(facts: Facts) -> str | None:
    """What the hub calls it; it has no word for a student that is a part of another model."""
    if facts.teacher:
        return None
    return "quantized" if facts.run.params["teacher"]["finetuned"] else "finetune"
