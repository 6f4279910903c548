"""Which students' answers are submitted, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.evaluation.glue_students import diagnostic, evaluated, student
from transformers import pipeline

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.glue_zip import Submission, gather, predict_ax
from alpkd_pipeline.store.layout import SWEEPS
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.store.run_folder import DamagedError, RunFolder

KD = {"method.name": "kd", "student.layers": 2, "seed": 0}


def command(task: str, folder: RunFolder | None) -> str:
    return f"do {task} {folder.path.name if folder else 'anew'}"


def found(store: Path, *only: str, params: dict[str, Any] = KD) -> Submission:
    return gather(store, params, only, command)


def test_the_tables_are_those_of_the_evaluation(tmp_path: Path) -> None:
    folder = student(tmp_path, "mnli", "a")
    place = evaluated(folder)
    told = found(tmp_path)
    assert told.students["mnli"].path == folder
    assert told.files == {
        name: (place / "submission" / name).read_bytes() for name in ("MNLI-m.tsv", "MNLI-mm.tsv")
    }
    assert "mnli" not in told.missing
    assert len(told.missing) == 8


@pytest.mark.parametrize(
    "other", [{"method__name": "pkd"}, {"student__layers": 3}, {"seed": 1}, {"kind": "trial"}]
)
def test_only_students_of_that_method_depth_and_seed_count(
    other: dict[str, Any], tmp_path: Path
) -> None:
    evaluated(student(tmp_path, "rte", **other))
    told = found(tmp_path, "training.lr=7").missing["rte"]
    assert told == (
        "no student has method.name=kd, student.layers=2, seed=0, training.lr=7;"
        " `do rte anew` makes one"
    )


def test_a_trial_that_a_sweep_has_too_is_a_student(tmp_path: Path) -> None:
    evaluated(student(tmp_path, "rte", "b", kind="trial"))
    experiments = [{"key": "0000000b" + "0" * 56}]
    write_json(tmp_path / SWEEPS / "s.json", {"id": "s", "cells": experiments})
    assert list(found(tmp_path).files) == ["RTE.tsv"]


def test_a_student_without_evaluation_and_one_without_the_test_split(tmp_path: Path) -> None:
    student(tmp_path, "rte", "a")
    evaluated(student(tmp_path, "mnli", "b"), tables=False)
    told = found(tmp_path).missing
    assert told["rte"] == ("kd-2L-s0-0000000a is not evaluated; `do rte kd-2L-s0-0000000a` does it")
    assert told["mnli"] == (
        "kd-2L-s0-0000000b was evaluated without GLUE's whole test (9,796 rows) and"
        " test_mismatched (9,847 rows): put that into the task's data, then"
        " `do mnli kd-2L-s0-0000000b`"
    )


def two(store: Path, **differ: Sequence[Any]) -> list[Path]:
    made = [
        student(store, "rte", "ab"[i], **{name: values[i] for name, values in differ.items()})
        for i in range(2)
    ]
    for folder in made:
        evaluated(folder)
    return made


def test_of_several_students_none_is_taken_unasked(tmp_path: Path) -> None:
    first, second = two(tmp_path, training__lr=(0.1, 0.2))
    told = found(tmp_path)
    assert not told.files
    assert told.missing["rte"] == (
        "2 students fit (kd-2L-s0-0000000a training.lr=0.1, kd-2L-s0-0000000b training.lr=0.2);"
        " choose one: --only=training.lr=0.1 or --only=0000000a"
    )
    for only, folder in (("training.lr=0.1", first), ("0000000b", second)):
        assert found(tmp_path, only).students["rte"].path == folder


def test_a_key_chooses_in_its_own_task_alone(tmp_path: Path) -> None:
    two(tmp_path, training__lr=(0.1, 0.2))
    evaluated(student(tmp_path, "wnli", "c"))
    assert found(tmp_path, "0000000b").students.keys() == {"rte", "wnli"}
    assert "2 students fit" in found(tmp_path, "0000000d").missing["rte"]


def test_students_of_other_data_have_the_same_parameters(tmp_path: Path) -> None:
    two(tmp_path)
    assert found(tmp_path).missing["rte"] == (
        "2 students fit, of other data or code (kd-2L-s0-0000000a, kd-2L-s0-0000000b); choose one:"
        " --only=0000000a"
    )


def test_a_damaged_table_is_no_missing_one(tmp_path: Path) -> None:
    place = evaluated(student(tmp_path, "rte"))
    table = place / "submission" / "RTE.tsv"
    table.write_bytes(table.read_bytes().replace(b"not_", b"now_", 1))
    with pytest.raises(DamagedError, match=r"RTE.tsv is damaged"):
        found(tmp_path)


def test_the_diagnostic_set_is_answered_as_anybody_would_with_the_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = student(tmp_path, "mnli")
    table = diagnostic(tmp_path / "diagnostic.tsv")
    lines = predict_ax(RunFolder(folder), table).decode().splitlines()
    assert lines[0] == "index\tprediction"
    assert [line.split("\t")[0] for line in lines[1:]] == [str(i) for i in range(1_104)]
    classify = pipeline("text-classification", model=str(folder))
    pairs = [line.split("\t")[1:] for line in table.read_text().splitlines()[1:]]
    said = classify([{"text": one, "text_pair": other} for one, other in pairs[:60]])
    assert [line.split("\t")[1] for line in lines[1:61]] == [answer["label"] for answer in said]
    assert len({answer["label"] for answer in said}) > 1


@pytest.mark.parametrize(
    ("rows", "columns"), [(1_103, "index sentence1 sentence2"), (1_104, "index premise sentence2")]
)
def test_another_table_is_not_the_diagnostic_set(rows: int, columns: str, tmp_path: Path) -> None:
    table = diagnostic(tmp_path / "mine.tsv", rows, columns)
    with pytest.raises(UserError, match=r"mine.tsv is not diagnostic.tsv of the GLUE download"):
        predict_ax(RunFolder(student(tmp_path, "mnli")), table)
