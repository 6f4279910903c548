"""`kedro pair`: two models on the same examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kedro
from tests.projects import copied_project
from tests.reporting.conftest import Store
from tests.reporting.stored_answers import with_answers

from alpkd_pipeline.commands.pair import compared
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import sha256_file

LABELS = [1, 0] * 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two students: the second one errs on the last four examples."""
    store = Store(tmp_path / "data")
    predictions = LABELS, LABELS[:-4] + [1 - label for label in LABELS[-4:]]
    for seed, given in enumerate(predictions):
        with_answers(store, store.student(seed), given, labels=LABELS)
    return store


NAMES = ("kd-4L-s0-00000001", "kd-4L-s1-00000002")


def test_both_scores_the_difference_and_what_it_means(store: Store) -> None:
    lines = compared(store.root, *NAMES).splitlines()
    assert lines[0] == "mrpc, dev: 40 examples, accuracy"
    assert lines[1].split() == [NAMES[0], "1.0000"]
    assert lines[2].split() == [NAMES[1], "0.9000"]
    words = lines[3].split()
    assert words[:2] == ["difference", "+0.1000"]
    assert 0 <= float(words[5]) < 0.1 < float(words[7]) < 0.25
    assert "4 of them are answered differently" in lines[4]
    assert "These" not in lines[5]
    assert "says nothing about the methods" in lines[5]


def test_the_other_way_round_changes_the_sign(store: Store) -> None:
    assert " -0.1000 " in compared(store.root, *reversed(NAMES))


def test_one_run_twice_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match=f"are one run, {NAMES[0]}"):
        compared(store.root, NAMES[0], str(store.root / "06_models/students/mrpc" / NAMES[0]))


def test_the_command(tmp_path: Path, store: Store, kedro: Kedro) -> None:
    root = copied_project(tmp_path / "project", tracking="off")
    where = f"--params=run.store={store.root}"
    done = kedro("pair", *NAMES, where, cwd=root)
    assert done.returncode == 0, done.stderr
    assert compared(store.root, *NAMES) in done.stdout
    answers = next(
        (store.root / "07_model_output/scores").glob(f"*/{NAMES[1]}-*/predictions/dev.csv")
    )
    sealed = sha256_file(answers)
    answers.write_text(answers.read_text().replace(",1,0,", ",1,1,").replace(",0,1,", ",0,0,"))
    damaged = kedro("pair", *NAMES, where, cwd=root)
    assert (damaged.returncode, damaged.stdout) == (1, "")
    (line,) = [line for line in damaged.stderr.splitlines() if line.strip()]
    found = sha256_file(answers)
    assert line.startswith(
        f"Error: {answers} is damaged: sha256 {found} instead of {sealed}; rm -r"
    )
    missing = kedro("pair", NAMES[0], "deadbeef", where, cwd=root)
    assert missing.returncode == 1
    (line,) = [line for line in missing.stderr.splitlines() if line.strip()]
    assert line.startswith("Error: no run 'deadbeef'")


def test_real_numbers_are_not_counted_as_different_answers(tmp_path: Path) -> None:
    def real(params: dict[str, Any], run: dict[str, Any]) -> None:
        run["task"] |= {"kind": "regression", "label_names": [], "metrics": ["pearson"]}
        run["task"] |= {"label_range": [0.0, 5.0]}

    store = Store(tmp_path / "data")
    for seed in range(2):
        given = [label + 0.1 * (place % (3 + seed)) for place, label in enumerate(LABELS)]
        with_answers(store, store.student(seed, change=real), given, labels=LABELS)
    said = compared(store.root, *NAMES)
    assert "answered differently" not in said
    assert "(2,000 resamples).\n" in said
