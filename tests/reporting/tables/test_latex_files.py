"""The tables as files."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.reporting.cell_frames import frame, run, seeds

from alpkd_pipeline.reporting.statistics.verdict import verdicts
from alpkd_pipeline.reporting.tables.latex import write_frames
from alpkd_pipeline.reporting.tables.main import main_long

LOW, HIGH = [0.70, 0.71, 0.72], [0.801, 0.810, 0.822]


def write_tables(cells, out):
    return write_frames(main_long(cells), verdicts(cells), out)


def test_three_files_that_can_be_read_again(tmp_path):
    cells = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    told, main, tex = write_tables(cells, tmp_path / "out")
    assert [path.name for path in (told, main, tex)] == [
        "verdicts.csv",
        "main.csv",
        "tables.tex",
    ]
    (row,) = pd.read_csv(told).to_dict("records")
    assert (row["verdict"], row["family_size"]) == ("better", 1)
    assert row["difference"] == pytest.approx(0.101)
    assert row["runs"].split() == [f"mrpc/kd/4/{seed}/0/0" for seed in range(3)]
    assert pd.read_csv(main)["label"].tolist() == ["teacher", "no_kd", "kd"]
    assert r"no\_kd" in tex.read_text()


def test_the_same_runs_give_the_same_bytes(tmp_path):
    cells = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    first, second = (write_tables(cells, tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_store_without_runs_has_empty_tables(tmp_path):
    told, main, _ = write_tables(frame(run("kd", 0.8)).iloc[:0], tmp_path)
    assert pd.read_csv(told).empty
    assert pd.read_csv(main).empty
