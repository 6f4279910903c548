"""The model card of a published folder, README.md in the hub's format: what the model is, how it
was made, what is known of it, and what is not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import plural
from alpkd_pipeline.export.calibrate import HIGH
from alpkd_pipeline.export.card_facts import Facts, read_facts
from alpkd_pipeline.export.card_metadata import hub_data, language, licence, metadata
from alpkd_pipeline.export.gate import NAMED_ROWS
from alpkd_pipeline.export.reliability import PICTURE
from alpkd_pipeline.export.speed import cost_per_million
from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.reporting.formats import seconds_text
from alpkd_pipeline.reporting.statistics.scores import collapsed
from alpkd_pipeline.reporting.tables.table import MISSING, listed, number, points, seeds_text
from alpkd_pipeline.store.manifest import read_json, write_text

CARD, TEMPLATE = "README.md", Path(__file__).with_name("card.md")


def write_card(folder: Path) -> None:
    """Write README.md from what stands in the folder and in the store beside it.

    Raises:
        UserError: a number of the metadata is not finite, or what the model was made from is not
            in the store, or is damaged.
    """
    facts = read_facts(folder)
    write_text(folder / CARD, f"---\n{metadata(facts).to_yaml()}\n---\n\n{text(facts)}")


def text(facts: Facts) -> str:
    """What people read of a card, in Markdown."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    page.filters |= {"points": partial(points, digits=2), "number": number, "names": listed}
    page.filters |= {"said": _said, "interval": _interval, "seconds": seconds_text}
    run, told, teacher = facts.run, facts.told, facts.teacher
    params = run.params
    asked = params if teacher else params["teacher"]
    encoded = read_json(run.inputs["encoded"] / "report.json")
    dev = [encoded[split] for split in run.task.dev_splits]
    beside = teacher if teacher and not run.teacher.is_table else None
    models = [("this model", facts.model), *([("its teacher", beside)] if beside else [])]
    who = "teacher" if beside or not teacher else "student"
    return page.from_string(TEMPLATE.read_text("utf-8")).render(
        **told,
        facts=facts,
        run=run,
        task=run.task,
        params=params,
        metric=run.task.primary_metric,
        served=told["gate"]["serve"],
        method=get_spec(params["method"]["name"]) if teacher else None,
        trained=bool(teacher) or not params["teacher"]["finetuned"],
        trainings=[{"seed": one["seed"], **one["training"]} for one in (params, params["teacher"])]
        if beside
        else [{"seed": asked["seed"], **asked["training"]}],
        table=run.teacher.is_table and bool(teacher),
        models=[(name, one, shape_of(one.json("config.json"))) for name, one in models],
        torch={
            form["precision"]: form["one"]["p50_ms"]
            for form in told["speed"]["forms"]
            if (form["model"], form["engine"]) == (who, "torch")
        },
        data=hub_data(facts),
        language=language(facts),
        licence=licence(facts),
        train_rows=encoded["train"]["rows"],
        unlabelled=encoded["train"].get("unlabelled", 0),
        rows=sum(split["rows"] for split in dev),
        cut=sum(split["cut_rows"] for split in dev),
        seeds=seeds_text(facts.seeds),
        picture=PICTURE if (run.folder / PICTURE).is_file() else None,
        named_rows=NAMED_ROWS,
        hottest=0.99 * HIGH,
        same=collapsed(*facts.answers, run.task.primary_metric),
        cost=cost_per_million,
        plural=plural,
    )


def _said(value: Any) -> str:
    return "not set" if value is None else str(value)


def _interval(ends: tuple[float | None, float | None] | None, metric: str) -> str:
    if ends is None or ends[0] is None:
        return MISSING
    return " to ".join(points(end, 2, metric) for end in ends)
