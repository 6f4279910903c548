"""The tables as CSV."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.reporting.experiment_frames import frame, main_long_of, run, seeds, verdicts_of

from alpkd_pipeline.reporting.comparison import csv_text

LOW, HIGH = [0.70, 0.71, 0.72], [0.801, 0.810, 0.822]


def write_tables(experiments, out):
    out.mkdir(exist_ok=True)
    files = {"verdicts.csv": verdicts_of(experiments), "main.csv": main_long_of(experiments)}
    for name, table in files.items():
        (out / name).write_text(csv_text(table))
    return [out / name for name in files]


def test_files_that_can_be_read_again(tmp_path):
    experiments = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    told, main = write_tables(experiments, tmp_path / "out")
    (row,) = pd.read_csv(told).to_dict("records")
    assert (row["verdict"], row["family_size"]) == ("better", 1)
    assert row["difference"] == pytest.approx(0.101)
    assert row["runs"].split() == [f"mrpc/kd/4/{seed}/0/0" for seed in range(3)]
    assert pd.read_csv(main)["label"].tolist() == ["teacher", "no_kd", "kd"]


def test_the_same_runs_give_the_same_bytes(tmp_path):
    experiments = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    first, second = (write_tables(experiments, tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_store_without_runs_has_empty_tables(tmp_path):
    told, main = write_tables(frame(run("kd", 0.8)).iloc[:0], tmp_path)
    assert pd.read_csv(told).empty
    assert pd.read_csv(main).empty
