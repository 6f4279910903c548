"""`kedro pair`: two models on the same examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from tests.conftest import Kedro
from tests.projects import copied_project
from tests.reporting.conftest import Store
from tests.reporting.stored_predictions import with_predictions, with_texts
from tests.reporting.studies import reseal

from alpkd_pipeline.commands.pair import compared as lines_of
from alpkd_pipeline.commands.pair import pair
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.manifest import sha256_file

LABELS = [1, 0] * 20


def compared(*given: Any, **show: int) -> str:
    return "\n".join(lines_of(*given, **show))


def of_splits(params: dict[str, Any], run: dict[str, Any]) -> None:
    run["identity"]["keys"]["splits"] = "7" * 64


def real(params: dict[str, Any], run: dict[str, Any]) -> None:
    of_splits(params, run)
    run["task"] |= {"kind": "regression", "label_names": [], "metrics": ["pearson"]}
    run["task"] |= {"label_range": [0.0, 5.0]}


def of_three(params: dict[str, Any], run: dict[str, Any]) -> None:
    of_splits(params, run)
    run["task"]["label_names"] = ["no", "yes", "perhaps"]


def answered(root: Path, *models: list[Any], change: Any = of_splits, score: str = "") -> Store:
    """A store with a student for each list of answers, perhaps judged by another metric."""

    def changed(params: dict[str, Any], run: dict[str, Any]) -> None:
        change(params, run)
        run["task"]["metrics"] = [score] if score else run["task"]["metrics"]

    store = Store(root / "data")
    for seed, given in enumerate(models):
        with_predictions(store, store.student(seed, change=changed), given, labels=LABELS)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two students: the second one errs on the last four examples."""
    return answered(tmp_path, LABELS, LABELS[:-4] + [1 - label for label in LABELS[-4:]])


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


def test_a_number_of_examples_is_at_least_one() -> None:
    done = CliRunner().invoke(pair, [*NAMES, "--show=0"])
    assert done.exit_code == 2
    assert "'--show'" in done.output


def test_one_run_twice_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match=f"are one run, {NAMES[0]}"):
        compared(store.root, NAMES[0], str(store.root / "06_models/students/mrpc" / NAMES[0]))


def test_the_command(tmp_path: Path, store: Store, kedro: Kedro) -> None:
    root = copied_project(tmp_path / "project", tracking="off")
    where = f"--params=run.store={store.root}"
    done = kedro("pair", *NAMES, where, cwd=root)
    assert done.returncode == 0, done.stderr
    assert compared(store.root, *NAMES) in done.stdout
    predictions = next(
        (store.root / "07_model_output/scores").glob(f"*/{NAMES[1]}-*/predictions/dev.csv")
    )
    sealed = sha256_file(predictions)
    predictions.write_text(
        predictions.read_text().replace(",1,0,", ",1,1,").replace(",0,1,", ",0,0,")
    )
    damaged = kedro("pair", *NAMES, where, cwd=root)
    assert (damaged.returncode, damaged.stdout) == (1, "")
    (line,) = [line for line in damaged.stderr.splitlines() if line.strip()]
    found = sha256_file(predictions)
    assert line.startswith(
        f"Error: {predictions} is damaged: sha256 {found} instead of {sealed}; rm -r"
    )
    shown = kedro("pair", *NAMES, "--show=1", where, cwd=root)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert not (store.root / ".cache").exists()
    nowhere = kedro("pair", *NAMES, "--params=run.store=nowhere", cwd=root)
    assert f"Error: there is no store {root / 'nowhere'}: " in nowhere.stderr
    assert not (root / "nowhere").exists()
    missing = kedro("pair", NAMES[0], "deadbeef", where, cwd=root)
    assert missing.returncode == 1
    (line,) = [line for line in missing.stderr.splitlines() if line.strip()]
    assert line.startswith("Error: no run 'deadbeef'")


def test_real_numbers_are_not_counted_as_different_predictions(tmp_path: Path) -> None:
    given = [[label + 0.1 * (i % n) for i, label in enumerate(LABELS)] for n in (3, 4)]
    said = compared(answered(tmp_path, *given, change=real).root, *NAMES)
    assert "answered differently" not in said
    assert "(2,000 resamples).\n" in said


def test_models_that_answer_alike_have_the_exact_bound(tmp_path: Path) -> None:
    said = compared(answered(tmp_path, LABELS, LABELS).root, *NAMES)
    assert "  +0.0000   no interval\n" in said
    assert "Not one of 40 examples is answered differently: with 95 % confidence" in said
    # 1 - 0.05 ** (1 / 40) is 0.07216; a bound is never rounded down.
    assert "less than 7.22 % of\nall texts like these are" in said
    assert "differ by less than 7.22 points" in said
    assert "resamples" not in said


def test_models_that_err_on_the_same_rows_have_the_bound_of_being_right_alone(
    tmp_path: Path,
) -> None:
    other = [2, *LABELS[1:]]
    said = compared(answered(tmp_path, [0, *LABELS[1:]], other, change=of_three).root, *NAMES)
    assert "no interval" in said
    assert "Not one of 40 examples is answered right by one of the two alone: with 95 %" in said
    assert "less than 7.22 points" in said


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_other_metrics_of_models_that_answer_alike(
    tmp_path: Path, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alpkd_pipeline.reporting.statistics.predictions.RESAMPLES", 20)
    said = compared(answered(tmp_path, LABELS, LABELS, score=metric).root, *NAMES)
    assert "no interval" in said
    assert (
        f"nor is any in a resample: there is no spread to\nread, nor an exact bound for {metric}."
        in said
    )
    assert "confidence" not in said


def test_a_difference_that_is_the_same_in_every_resample(tmp_path: Path) -> None:
    wrong = [1 - label for label in LABELS]
    said = compared(answered(tmp_path, LABELS, wrong).root, *NAMES)
    assert "  +1.0000   no interval\nAll resamples of the examples give this difference" in said
    assert "confidence" not in said


def test_an_interval_is_written_with_as_many_digits_as_show_its_width(tmp_path: Path) -> None:
    given = [[label + 1e-5 * (i % n) for i, label in enumerate(LABELS)] for n in (3, 7)]
    said = compared(answered(tmp_path, *given, change=real, score="rmse").root, *NAMES)
    low, high = said.split("interval ")[1].split("\n")[0].split(" to ")
    assert float(low) < float(high)
    assert low.startswith("-0.0000")


def test_examples_are_shown_with_their_texts_on_request(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    texts = [f"number {i}" for i in range(40)]
    texts[37] = "A long one, \x1b[2J\x00 \n\n" + "words " * 60
    texts[38] = "\u4e2d" * 200
    with_texts(store, "7" * 64, texts)
    before = {path for path in store.root.rglob("*") if path.is_file()}
    assert "number" not in compared(store.root, *NAMES)
    said = compared(store.root, *NAMES, show=3)
    assert said.startswith(compared(store.root, *NAMES))
    head, *rows = said.removeprefix(compared(store.root, *NAMES)).strip().split("\n\n")
    assert head == (
        "3 of 4 examples that the two answer differently, those first whose\n"
        "probabilities differ most:"
    )
    # The stored probabilities are all the same, so the order of the rows decides.
    assert rows[0].splitlines() == [
        "row 36, label: equivalent",
        f"  {NAMES[0]}  right  equivalent",
        f"  {NAMES[1]}  wrong  not_equivalent",
        "    sentence1: number 36",
        "    sentence2: number 36, again",
    ]
    long, wide = (row.splitlines()[3:] for row in rows[1:])
    assert long[0].startswith("    sentence1: A long one, [2J words words")
    assert [len(long), len(wide)] == [6, 6]
    assert all(lines[2].endswith("...") for lines in (long, wide))
    assert max(map(cell_len, said.split("\n\n", 1)[1].splitlines())) <= 80
    assert all(c.isprintable() or c == "\n" for c in said)
    assert before == {path for path in store.root.rglob("*") if path.is_file()}


def test_more_examples_than_there_are_and_none(tmp_path: Path, store: Store) -> None:
    with_texts(store, "7" * 64, list(map(str, range(40))))
    assert compared(store.root, *NAMES, show=99).count("\nrow ") == 4
    alike = answered(tmp_path / "alike", LABELS, LABELS)
    said = compared(alike.root, *NAMES, show=1)
    assert said.endswith("There is no example that the two answer differently.")


def test_where_no_probabilities_were_kept_the_order_is_that_of_the_rows(store: Store) -> None:
    with_texts(store, "7" * 64, list(map(str, range(40))))
    assert "probabilities" in compared(store.root, *NAMES, show=1)
    (result,) = store.root.glob(f"{SCORES[0]}/*/{NAMES[1]}-*")
    file = result / "predictions" / "dev.csv"
    file.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in file.read_text().split()))
    reseal(result)
    said = compared(store.root, *NAMES, show=1)
    assert "1 of 4 examples that the two answer differently, in the order of\nthe rows:" in said


def test_numbers_are_shown_by_their_distance(tmp_path: Path) -> None:
    other = [*map(float, LABELS[:-2]), 4.25, 1.5]
    store = answered(tmp_path, [*LABELS[:-1], 0.5], other, change=real)
    with_texts(store, "7" * 64, list(map(str, range(40))))
    said = compared(store.root, *NAMES, show=1)
    assert "1 of 2 examples" in said
    assert "predictions differ most" in said
    assert f"row 38, label: 1\n  {NAMES[0]}  1\n  {NAMES[1]}  4.25\n" in said


def test_texts_that_are_gone_are_one_line_and_take_no_number_along(store: Store) -> None:
    found: list[str] = []
    with pytest.raises(UserError, match="there are no texts to show"):
        found.extend(lines_of(store.root, *NAMES, 1))
    assert "\n".join(found).startswith(compared(store.root, *NAMES))
