"""What dev sets can show of published differences, held against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from alpkd_pipeline.reporting.tables.published import (
    LARGER,
    NOISE,
    UNSURE,
    audit_table,
    audited,
    half_width,
    pairs,
    published,
)
from alpkd_pipeline.tasks.glue import DEV_ROWS

COLUMNS = [*("source", "model", "layers", "method", "split", "task", "metric", "score", "rerun_of")]


def frame(*rows):
    """Rows of (method, score) on RTE, and what differs from the usual."""
    usual = {"model": "bert", "layers": 6.0, "split": "dev", "task": "rte", "metric": "accuracy"}
    made = [
        {**usual, "source": method, "rerun_of": "", "method": method, "score": score, **other}
        for method, score, other in rows
    ]
    return pd.DataFrame(made, columns=COLUMNS)


def names(found):
    return [(pair["newer"].source, pair["older"].source) for pair in found]


def test_the_known_pair():
    """Universal-KD against ALP-KD, 4 layers, RTE: 67.9 and 67.2 of 277 rows."""
    found = audited(67.9, 67.2, 277)
    assert found["difference"] == 0.7
    # 1.959964 * sqrt((q - 0.007**2) / 277)
    assert found["half_widths"] == pytest.approx([2.632, 3.723, 4.560], abs=0.001)
    # 1.959964 * sqrt((0.679 * 0.321 + 0.672 * 0.328) / 277)
    assert found["unpaired"] == pytest.approx(7.797, abs=0.001)
    # 3.841459 * (0.1 - 0.000049) / 0.000049
    assert found["needed"] == 7836
    assert found["verdict"] == NOISE


def test_the_half_width_is_that_of_the_mean_of_the_rows():
    """1,000 rows, 60 of them right for one alone, 40 for the other."""
    rows = np.repeat([1.0, -1.0, 0.0], [60, 40, 900])
    assert half_width(2.0, 0.10, 1000) == pytest.approx(
        100 * 1.959964 * rows.std() / math.sqrt(1000), rel=1e-6
    )


def test_the_disagreement_is_never_less_than_the_difference():
    assert half_width(11.45, 0.05, 277) == half_width(11.45, 0.10, 277)
    assert half_width(-11.45, 0.05, 277) == half_width(11.45, 0.1145, 277)
    assert half_width(11.45, 0.15, 277) > half_width(11.45, 0.1145, 277)
    # All of the disagreement for one side: 1.959964 * sqrt((0.2 - 0.04) / 100)
    assert half_width(20.0, 0.05, 100) == pytest.approx(7.840, abs=0.001)


@pytest.mark.parametrize("difference", [0.1, 0.7, 3.6, 12.5])
def test_rows_needed_are_the_fewest_that_show_the_difference(difference):
    needed = audited(60 + difference, 60, 277)["needed"]
    assert half_width(difference, 0.10, needed) <= difference
    assert half_width(difference, 0.10, needed - 1) > difference


def test_no_difference_needs_no_rows():
    found = audited(60.0, 60.0, 100)
    assert found["needed"] is None
    assert found["verdict"] == NOISE
    assert found["half_widths"][0] == pytest.approx(4.383, abs=0.001)
    assert audited(50.0, 50.0, 100)["unpaired"] == pytest.approx(13.859, abs=0.001)


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(2.5, NOISE), (2.7, UNSURE), (-2.7, UNSURE), (3.6, UNSURE), (3.8, LARGER), (-3.8, LARGER)],
)
def test_verdicts_at_the_edges(difference, verdict):
    """On RTE's 277 rows the half-widths are 2.6 at 5 % and 3.7 at 10 %."""
    assert audited(65.0 + difference, 65.0, 277)["verdict"] == verdict


def test_only_leads_of_newer_methods_are_pairs_the_newest_first():
    found = frame(("kd", 60.0, {}), ("pkd", 62.0, {}), ("alp_kd", 61.0, {}), ("no_kd", 60.0, {}))
    assert names(pairs(found, "rte")) == [
        ("alp_kd", "kd"),
        ("alp_kd", "no_kd"),
        ("pkd", "kd"),
        ("pkd", "no_kd"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"layers": 4.0},
        {"layers": float("nan")},
        {"model": "other"},
        {"split": "test"},
        {"task": "mrpc"},
        {"metric": "f1"},
        {"metric": ""},
        {"method": "teacher"},
        {"method": "kd"},
    ],
)
def test_what_is_not_of_one_place_is_no_pair(other):
    assert names(pairs(frame(("kd", 60.0, {}), ("alp_kd", 61.0, {})), "rte"))
    assert not pairs(frame(("kd", 60.0, {}), ("alp_kd", 61.0, other)), "rte")


def test_a_rerun_is_held_against_what_it_repeats_alone():
    again = {"source": "again", "method": "alp_kd", "rerun_of": "alp_kd"}
    found = pairs(frame(("kd", 60.0, {}), ("alp_kd", 61.0, {}), ("x", 60.5, again)), "rte")
    assert names(found) == [("alp_kd", "kd"), ("again", "alp_kd")]
    assert found[1]["difference"] == -0.5


def test_the_deepest_stand_first():
    deep, flat = {"layers": 6.0}, {"layers": 3.0}
    found = frame(
        ("kd", 60.0, flat), ("alp_kd", 61.0, flat), ("kd", 60.0, deep), ("alp_kd", 61.0, deep)
    )
    assert [pair["newer"].layers for pair in pairs(found, "rte")] == [6.0, 3.0]


def test_the_table():
    table = audit_table(published(), ["rte", "mrpc"])
    assert [body.heading for body in table.bodies] == ["rte: 277 dev rows", "mrpc: 408 dev rows"]
    rows = [[cell.text for cell in row] for row in table.bodies[0].rows]
    known = ["universal_kd", "4", "67.9", "alp_kd", "67.2", "+0.7", "2.6", "3.7", "4.6", "7.8"]
    assert [*known, "7,836", NOISE] in rows
    assert rows[-1][:6] == ["minilmv2 (rerun)", "6", "60.65", "minilmv2", "72.1", "−11.45"]
    assert rows[-1][-2:] == ["30", LARGER]
    left_out = [cell.text for cell in table.bodies[1].rows[-1]]
    assert (left_out[0], set(left_out[1:-1])) == ("3 pairs in f1", {"–"})
    assert "depends on the answers" in left_out[-1]


def test_the_caption_counts_the_verdicts_without_reruns():
    table = audit_table(published(), ["rte", "sst2"])
    said = [
        row[-1].text for body in table.bodies for row in body.rows if "rerun" not in row[0].text
    ]
    counted = ", ".join(f"{said.count(word)} {word}" for word in (NOISE, UNSURE, LARGER))
    assert table.caption == f"Published leads of newer methods in accuracy: {counted}"
    assert audit_table(published(), ["cola"]).caption.endswith(": none")


def test_every_method_with_a_depth_has_its_place_among_the_papers():
    """A method that is missing in the order would be left out of the audit in silence."""
    found = published()
    for row in found[found["method"] != "teacher"].dropna(subset="layers").itertuples():
        lead = frame((row.method, 61.0, {}), ("no_kd", 60.0, {}))
        assert pairs(lead, "rte") or row.method == "no_kd", row.method


def test_every_published_task_has_its_rows():
    assert set(published()["task"]) <= set(DEV_ROWS)
