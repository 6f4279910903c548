"""Every method against the baselines: what the seeds allow to be said.

All tests that are shown together, one table for each number of layers, are one family for Holm's
correction: all tasks, methods and baselines, each pair of methods once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.statistics.arms import MIXED, Pairing, arms, holm, pair
from alpkd_pipeline.reporting.statistics.paired import ENOUGH_SEEDS, PairedTest, paired_test
from alpkd_pipeline.tasks.metrics import sign

if TYPE_CHECKING:
    import pandas as pd


BASELINES = ("no_kd", "kd", "pkd")
"""What every method is held against."""

BETTER = "better"
WORSE = "worse"
NOT_DISTINGUISHABLE = "not distinguishable"
NOTHING = "nothing can be said"
VERDICTS = (BETTER, WORSE, NOT_DISTINGUISHABLE, NOTHING)

LEVEL = 0.05
"""A corrected p below this is a difference."""

COLUMNS = (
    "task",
    "layers",
    "metric",
    "method",
    "arm",
    "label",
    "baseline",
    "baseline_arm",
    "baseline_label",
    "n",
    "difference",
    "std",
    "low",
    "high",
    "t",
    "p",
    "p_holm",
    "effect",
    "detectable",
    "permutation_p",
    "verdict",
    "spread",
    "family",
    "family_size",
    "note",
    "runs",
    "baseline_runs",
)
_REAL = COLUMNS[COLUMNS.index("difference") : COLUMNS.index("verdict")]


def verdicts(
    cells: pd.DataFrame,
    baselines: Sequence[str] = BASELINES,
    level: float = LEVEL,
    known: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Hold every method against the baselines of its task, depth and setting.

    Args:
        cells: rows of `collect` that count, with `SETTING_COLUMNS`.
        baselines: names of methods; one that is itself a baseline is held against those before it.
        level: of the corrected p.
        known: of `arms(cells)`, where it is there already.

    Returns:
        Columns `COLUMNS`, one row for each arm and each baseline arm of the same setting. Numbers
        are those of `PairedTest`; `p_holm` is corrected over the `family_size` tests of the
        `family`. Where a baseline was run but in no such setting, a row without numbers says so.
    """
    import pandas as pd

    known = arms(cells) if known is None else known
    places = known.groupby(["task", "layers"], sort=False)
    rows = [row for _, there in places for row in _compared(there, baselines)]
    for layers in dict.fromkeys(row["layers"] for row in rows):
        _correct([row for row in rows if row["layers"] == layers], layers)
    for row in rows:
        gain = row.get("difference") and sign(row["metric"]) * row["difference"]
        row["verdict"] = verdict_word(gain, row.get("p_holm"), level)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(_REAL, "float64"))


def verdict_word(gain: float | None, p_holm: float | None, level: float = LEVEL) -> str:
    """The verdict of a corrected test of a gain; None stands for a test that was not made."""
    if gain is None or p_holm is None:
        return NOTHING
    if p_holm >= level:
        return NOT_DISTINGUISHABLE
    return BETTER if gain > 0 else WORSE


def _correct(table: list[dict[str, Any]], layers: int) -> None:
    """Add what the family of all tests of one table makes of their p."""
    tested = [row for row in table if row.get("p") is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = float(p)
    for row in table:
        row["family_size"] = len(tested)
        row["family"] = (
            f"Holm over {len(tested)} tests: all tasks, methods and baselines at {layers} layers"
        )


def _compared(there: pd.DataFrame, baselines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of one task and depth."""
    rows = there.to_dict("records")
    for ours in rows:
        for baseline in _held_against(ours["method"], baselines):
            rivals = [row for row in rows if row["method"] == baseline]
            fitting = [row for row in rivals if row["setting"] == ours["setting"]]
            for theirs in fitting:
                yield _tested(ours, theirs)
            if rivals and not fitting:
                yield _not_comparable(ours, rivals)


def _held_against(method: str, baselines: Sequence[str]) -> Sequence[str]:
    return baselines[: baselines.index(method)] if method in baselines else baselines


def _tested(ours: dict[Any, Any], theirs: dict[Any, Any]) -> dict[str, Any]:
    pairs = pair(ours["units"], theirs["units"])
    test = paired_test(pairs.ours, pairs.theirs)
    return _ours(ours, theirs["method"]) | {
        "baseline_arm": theirs["arm"],
        "baseline_label": theirs["label"],
        "baseline_runs": theirs["runs"],
        **asdict(test),
        "spread": pairs.spread,
        "note": _note(test, pairs),
    }


def _not_comparable(ours: dict[Any, Any], rivals: list[dict[Any, Any]]) -> dict[str, Any]:
    method = rivals[0]["method"]
    others = " or ".join(dict.fromkeys(row["setting_differs"] for row in rivals))
    return _ours(ours, method) | {
        "baseline_arm": "",
        "baseline_label": method,
        "baseline_runs": [],
        "n": 0,
        "spread": "",
        "note": f"no comparable {method}: here {ours['setting_differs']}, there {others}",
    }


def _ours(ours: dict[Any, Any], baseline: str) -> dict[str, Any]:
    names = ("task", "layers", "metric", "method", "arm", "label", "runs")
    return {name: ours[name] for name in names} | {"baseline": baseline}


def _note(test: PairedTest, pairs: Pairing) -> str:
    """What a reader must know beside the numbers."""
    notes = []
    if test.n < ENOUGH_SEEDS:
        notes.append(f"shared seeds: {test.n}, needed: {ENOUGH_SEEDS}")
    elif test.std == 0 and test.difference:
        notes.append("all seeds differ by the same amount: p is that of the signs alone")
    if pairs.teachers > 1:
        notes.append(f"each seed is the mean over up to {pairs.teachers} teachers")
    if pairs.spread == MIXED:
        notes.append("some seeds share a teacher, so they are not quite independent")
    return "; ".join(notes)


BEST_COLUMNS = ("task", "layers", "arm", "label", "mean", "bold", "note")


def best(
    cells: pd.DataFrame, level: float = LEVEL, known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The arm with the best mean of each task and depth, and whether it stands out.

    Args:
        cells: rows of `collect` that count, with `SETTING_COLUMNS`.
        level: of the corrected p.
        known: of `arms(cells)`, where it is there already.

    Returns:
        Columns `BEST_COLUMNS`, one row for each task and depth. `bold` is true only where the
        paired tests against all others of the column, Holm-corrected over these, are significant;
        otherwise `note` says why not.
    """
    import pandas as pd

    known = arms(cells) if known is None else known
    columns = known.groupby(["task", "layers"], sort=False)
    rows = [_best(column.to_dict("records"), level) for _, column in columns]
    return pd.DataFrame(rows, columns=list(BEST_COLUMNS))


def _best(column: list[dict[Any, Any]], level: float) -> dict[str, Any]:
    first = best_of(column)
    others = [row for row in column if row is not first]
    note = _why_not(first, others, level)
    names = ("task", "layers", "arm", "label", "mean")
    return {name: first[name] for name in names} | {"bold": not note, "note": note}


def best_of(column: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """The arm with the best mean, of arms of one task: the highest one, the lowest error."""
    return max(column, key=lambda row: sign(row["metric"]) * row["mean"])


def _why_not(first: dict[Any, Any], others: list[dict[Any, Any]], level: float) -> str:
    """Why the best is not shown to be better than all others; empty if it is."""
    if not others:
        return "there is nothing else in the column"
    p_values = []
    for other in others:
        if other["setting"] != first["setting"]:
            return f"{other['label']} was run in another setting"
        pairs = pair(first["units"], other["units"])
        test = paired_test(pairs.ours, pairs.theirs)
        if test.p is None or test.difference is None:
            return f"too few seeds shared with {other['label']}"
        if sign(first["metric"]) * test.difference <= 0:
            return f"not better than {other['label']} on shared seeds"
        p_values.append(test.p)
    corrected = holm(p_values)
    same = [row["label"] for row, p in zip(others, corrected, strict=True) if p >= level]
    return f"not distinguishable from {', '.join(same)}" if same else ""
