"""What a comparison is asked, and earlier looks: what they do to a p value is said."""

from __future__ import annotations

import json

import pytest
from tests.reporting.studies import study

from alpkd_pipeline.project.params import CompareParams
from alpkd_pipeline.reporting.collect import FILE, Query, add_looks, gather, looks_of
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.store.layout import COMPARISONS


def test_the_defaults_ask_for_everything_and_plan_nothing():
    query = Query.of(CompareParams().model_dump(mode="json"))
    assert query == Query(plan=query.plan)
    assert (list(query.plan.primary), query.plan.margin, list(query.plan.looks)) == ([], {}, [])


def test_every_parameter_arrives():
    block = CompareParams.model_validate(
        {
            "sweep": "latest",
            "only": "task=mrpc;method=kd|pkd,seed=0",
            "primary": [["alp_kd", "kd"], "kd|no_kd"],
            "margin": {"accuracy": 0.5},
            "looks": [5, 10],
        }
    ).model_dump(mode="json")
    query = Query.of(block)
    assert query.sweep == "latest"
    assert query.only == {"task": ["mrpc"], "method": ["kd", "pkd"], "seed": [0]}
    assert query.plan.primary == [["alp_kd", "kd"], ["kd", "no_kd"]]
    assert query.key_parts["plan"]["margin"] == {"accuracy": 0.5}
    assert query.key_parts["plan"]["looks"] == [5, 10]


def look(store, tmp_path, seeds, **plan):
    """Add the students of so many seeds, and compare."""
    for path in sorted(store.root.glob("06_models/students/*/*")):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    study(store, tasks=["mrpc"], methods=["no_kd", "kd"], seeds=seeds)
    sources = Sources(gather(store.root, Query(plan=Plan(**plan))))
    add_looks(store.root, sources.verdicts)
    return sources.verdicts


def test_a_second_look_is_told_what_the_first_one_costs(store, tmp_path):
    (first,) = look(store, tmp_path, 3)
    assert "looked at" not in first["note"]
    (again,) = look(store, tmp_path, 3)
    assert "looked at" not in again["note"]  # the same seeds are the same look
    (second,) = look(store, tmp_path, 5)
    assert "looked at before with 3 seeds, unplanned" in second["note"]
    assert "at look 2 only a corrected p below 0.0083 is sure" in second["note"]
    (third,) = look(store, tmp_path, 6)
    assert "with 3 and 5 seeds" in third["note"]
    assert "below 0.0042" in third["note"]


def test_planned_looks_cost_nothing_more(store, tmp_path):
    look(store, tmp_path, 3)
    (row,) = look(store, tmp_path, 5, looks=(5, 10))
    assert "looked at" not in row["note"]


def test_what_was_not_tested_was_not_looked_at(store, tmp_path):
    look(store, tmp_path, 2)
    assert looks_of(store.root) == {}


def test_the_file_is_only_added_to_and_says_what_was_seen(store, tmp_path):
    look(store, tmp_path, 3)
    path = store.root / COMPARISONS / FILE
    before = path.read_text()
    look(store, tmp_path, 4)
    assert path.read_text().startswith(before)
    (line, _) = path.read_text().splitlines()
    said = json.loads(line)
    assert (said["task"], said["layers"], said["label"], said["baseline_label"], said["seeds"]) == (
        "mrpc",
        4,
        "kd",
        "no_kd",
        3,
    )


@pytest.mark.parametrize("line", ["", "{", "[]", '{"arm": "a"}', '{"arm": 1, "seeds": "x"}'])
def test_a_line_that_cannot_be_read_does_not_count(store, line):
    path = store.root / COMPARISONS / FILE
    path.parent.mkdir(parents=True)
    good = '{"arm": "a", "baseline_arm": "b", "seeds": 3}'
    path.write_text(f"{line}\n{good}\n")
    assert looks_of(store.root) == {("a", "b"): [3]}
