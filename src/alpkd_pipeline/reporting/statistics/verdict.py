"""Every method against the baselines: what the seeds allow to be said.

All tests that are shown together, one table for each number of layers, are one family for Holm's
correction: all tasks, methods and baselines, each pair of methods once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from alpkd_pipeline.reporting.statistics.arms import MIXED, Pairing, Row, by_place, holm, pair
from alpkd_pipeline.reporting.statistics.paired import ENOUGH_SEEDS, PairedTest, paired_test
from alpkd_pipeline.tasks.metrics import sign

BASELINES = ("no_kd", "kd", "pkd")
"""What every method is held against."""

BETTER = "better"
WORSE = "worse"
NOT_DISTINGUISHABLE = "not distinguishable"
NOTHING = "nothing can be said"
VERDICTS = (BETTER, WORSE, NOT_DISTINGUISHABLE, NOTHING)

LEVEL = 0.05
"""A corrected p below this is a difference."""

_OF_ARM = ("task", "layers", "metric", "method", "arm", "label")
_BASELINE = ("baseline", "baseline_arm", "baseline_label")
_TEST = ("difference", "std", "low", "high", "t")
REAL = (*_TEST, "p", "p_holm", "effect", "detectable", "permutation_p")
_SAID = ("verdict", "spread", "family", "family_size", "note", "runs", "baseline_runs")
COLUMNS = (*_OF_ARM, *_BASELINE, "n", *REAL, *_SAID)


def verdicts(table: Iterable[Row]) -> list[Row]:
    """Hold every method against the baselines of its task, depth and setting.

    A method that is itself a baseline is held against those before it. There is a row of `COLUMNS`
    for each arm and each baseline arm of the same setting. Numbers are those of `PairedTest`;
    `p_holm` is corrected over the `family_size` tests of the `family`. Where a baseline was run but
    in no such setting, a row without numbers says so.
    """
    rows = [row for there in by_place(table).values() for row in _compared(there)]
    for layers in dict.fromkeys(row["layers"] for row in rows):
        _correct([row for row in rows if row["layers"] == layers], layers)
    for row in rows:
        gain = row["difference"] and sign(row["metric"]) * row["difference"]
        row["verdict"] = verdict_word(gain, row["p_holm"])
    return rows


def verdict_word(gain: float | None, p_holm: float | None) -> str:
    """The verdict of a corrected test of a gain; None stands for a test that was not made."""
    if gain is None or p_holm is None:
        return NOTHING
    if p_holm >= LEVEL:
        return NOT_DISTINGUISHABLE
    return BETTER if gain > 0 else WORSE


def _correct(table: Sequence[Row], layers: int) -> None:
    """Add what the family of all tests of one table makes of their p."""
    tested = [row for row in table if row["p"] is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = float(p)
    for row in table:
        row["family_size"] = len(tested)
        row["family"] = (
            f"Holm over {len(tested)} tests: all tasks, methods and baselines at {layers} layers"
        )


def _compared(rows: Sequence[Row]) -> Iterator[Row]:
    """The comparisons of the arms of one task and depth."""
    for ours in rows:
        for baseline in _held_against(ours["method"], BASELINES):
            rivals = [row for row in rows if row["method"] == baseline]
            fitting = [row for row in rivals if row["setting"] == ours["setting"]]
            same = {name: ours[name] for name in (*_OF_ARM, "runs")} | {"baseline": baseline}
            for theirs in fitting:
                yield same | _tested(ours, theirs)
            if rivals and not fitting:
                yield same | _not_comparable(ours, rivals)


def _held_against(method: str, baselines: Sequence[str]) -> Sequence[str]:
    return baselines[: baselines.index(method)] if method in baselines else baselines


def _tested(ours: Row, theirs: Row) -> Row:
    pairs = pair(ours["units"], theirs["units"])
    test = paired_test(pairs.ours, pairs.theirs)
    return {
        "baseline_arm": theirs["arm"],
        "baseline_label": theirs["label"],
        "baseline_runs": theirs["runs"],
        **asdict(test),
        "p_holm": None,
        "spread": pairs.spread,
        "note": _note(test, pairs),
    }


def _not_comparable(ours: Row, rivals: Sequence[Row]) -> Row:
    method = rivals[0]["method"]
    others = " or ".join(dict.fromkeys(row["setting_differs"] for row in rivals))
    return {
        "baseline_arm": "",
        "baseline_label": method,
        "baseline_runs": [],
        **asdict(PairedTest(0)),
        "p_holm": None,
        "spread": "",
        "note": f"no comparable {method}: here {ours['setting_differs']}, there {others}",
    }


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


def best(table: Iterable[Row]) -> list[Row]:
    """The arm with the best mean of each task and depth, and whether it stands out.

    `bold` is true only where the paired tests against all others of the column, Holm-corrected over
    these, are significant; otherwise `note` says why not.
    """
    found = []
    for column in by_place(table).values():
        first = best_of(column)
        note = _why_not(first, [row for row in column if row is not first])
        found.append({**first, "bold": not note, "note": note})
    return found


def best_of(column: Sequence[Row]) -> Row:
    """The arm with the best mean, of arms of one task: the highest one, the lowest error."""
    return max(column, key=lambda row: sign(row["metric"]) * row["mean"])


def _why_not(first: Row, others: Sequence[Row]) -> str:
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
    same = [row["label"] for row, p in zip(others, corrected, strict=True) if p >= LEVEL]
    return f"not distinguishable from {', '.join(same)}" if same else ""
