"""Every method against the baselines, and the best of each column: what the seeds allow to be said.

All pairs of a report are one family: all tasks, depths, methods and baselines, each pair of methods
once. Two questions are asked of each: do they differ, are they equal within the margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations

from alpkd_pipeline.reporting.statistics import words
from alpkd_pipeline.reporting.statistics.arms import MIXED, Pairing, Row, TaskDepth, pair
from alpkd_pipeline.reporting.statistics.judge import Judge
from alpkd_pipeline.reporting.statistics.summary import ENOUGH_SEEDS, TTest, paired_test

BASELINES = ("no_kd", "kd", "pkd")
"""What every method is held against."""

_OF_ARM = ("task", "layers", "metric", "method", "arm", "label")
_BASELINE = ("baseline", "baseline_arm", "baseline_label")
_PAIRED = ("difference", "std", "low", "high", "p", "effect")
_PRIMARY = ("t", "df", "error", "p_corrected", "p_equal")
_NEW = ("error_new_texts", "p_new_texts", "p_equal_new_texts")
SEEN = ("detectable", "detectable_family", "detectable_low", "detectable_high")
"""What `power.add_detectable` finds."""
REAL = (*_PAIRED, *_PRIMARY, *_NEW, "margin", *SEEN)
_OF_VERDICT = (
    "kind",
    "verdict",
    "new_texts",
    "spread",
    "family_size",
    "note",
    "runs",
    "baseline_runs",
)
COLUMNS = (*_OF_ARM, *_BASELINE, "n", *REAL, *_OF_VERDICT)


def verdicts(judge: Judge) -> list[Row]:
    """Hold every method against the baselines of its task, depth and setting.

    A method that is itself a baseline is held against those before it. There is a row of `COLUMNS`
    for each arm and each baseline arm of the same setting: first what the paired t says
    (`PairedTest`, not corrected), then the borrowed t that decides, with p corrected over the
    `family_size` pairs of the report; then the same with the rows' noise. Where a baseline was run
    but in no such setting, a row without numbers says so.
    """
    rows = [row for there in judge.task_depths.values() for row in _compared(judge, there)]
    size, level = sum(row["_test"] is not None for row in rows), judge.plan.level
    for test, *names in (
        ("_test", "p_corrected", "p_equal"),
        ("_new", "p_new_texts", "p_equal_new_texts"),
    ):
        tested = [row for row in rows if row[test]]
        for row, found in zip(tested, words.corrected([row[test] for row in tested]), strict=True):
            row.update(zip(names, found, strict=True))
    for row in rows:
        gain = (row["difference"] or 0.0) * row["sign"]
        margin = "" if row["margin"] is None else words.margin_text(row["margin"], row["sign"])
        row["family_size"] = size
        row["kind"] = words.kind_of(gain, row["p_corrected"], row["p_equal"], level)
        row["verdict"] = words.verdict_text(row["kind"], margin)
        on_new = words.kind_of(gain, row["p_new_texts"], row["p_equal_new_texts"], level)
        row["new_texts"] = words.verdict_text(on_new, margin) if row["_new"] else ""
        del row["_test"], row["_new"]
    return rows


def _compared(judge: Judge, rows: Sequence[Row]) -> Iterator[Row]:
    """The comparisons of the arms of one task and depth."""
    for candidate in rows:
        for baseline in held_against(candidate["method"]):
            rivals = [row for row in rows if row["method"] == baseline]
            fitting = [row for row in rivals if row["setting"] == candidate["setting"]]
            same = dict.fromkeys(COLUMNS) | {n: candidate[n] for n in (*_OF_ARM, "runs", "sign")}
            margin = judge.plan.margin_of(candidate["metric"], candidate["sign"])
            same |= {"baseline": baseline, "margin": margin, "_test": None, "_new": None}
            for reference in fitting:
                yield same | _tested(judge, candidate, reference, margin)
            if rivals and not fitting:
                others = " or ".join(dict.fromkeys(row["setting_differs"] for row in rivals))
                note = (
                    f"no comparable {baseline}: here {candidate['setting_differs']}, there {others}"
                )
                unmatched = {"baseline_arm": "", "baseline_label": baseline, "baseline_runs": []}
                yield same | unmatched | {"n": 0, "spread": "", "note": note}


def held_against(method: str) -> Sequence[str]:
    """The baselines of a method; a baseline has those before it."""
    return BASELINES[: BASELINES.index(method)] if method in BASELINES else BASELINES


def _tested(judge: Judge, candidate: Row, reference: Row, margin: float | None) -> Row:
    pairs = pair(candidate["units"], reference["units"])
    share = judge.share(len(pairs.candidate))
    found: Row = {
        "baseline_arm": reference["arm"],
        "baseline_label": reference["label"],
        "baseline_runs": reference["runs"],
        **asdict(paired_test(pairs.candidate, pairs.reference)),
        "spread": pairs.spread,
        "note": _note(judge, candidate, reference, pairs, share),
    }
    if share is None:
        return found
    test = judge.test(candidate, reference, pairs)
    new = judge.new_texts(test, candidate, reference)
    found |= {"t": test.t, "df": test.df, "error": test.error}
    found |= {"error_new_texts": new and new.error}
    return found | {"_test": (test, margin, share), "_new": new and (new, margin, share)}


def _note(judge: Judge, candidate: Row, reference: Row, pairs: Pairing, share: float | None) -> str:
    """What a reader must know beside the numbers."""
    notes, n = [], len(pairs.candidate)
    if n < ENOUGH_SEEDS:
        notes.append(f"shared seeds: {n}, needed: {ENOUGH_SEEDS}")
    elif share is None:
        planned = " and ".join(map(str, judge.plan.looks))
        notes.append(f"{n} seeds are no planned look: these are at {planned}")
    elif earlier := judge.earlier_looks(candidate, reference, n):
        told = " and ".join(map(str, earlier))
        notes.append(
            f"looked at before with {told} seeds, unplanned: at look {len(earlier) + 1} only a"
            f" corrected p below {judge.plan.level / (len(earlier) + 1) / (len(earlier) + 2):.4f}"
            " is sure"
        )
    if pairs.teachers > 1:
        notes.append(f"each seed is the mean over up to {pairs.teachers} teachers")
    if pairs.spread == MIXED:
        notes.append("some seeds share a teacher, so they are not quite independent")
    for arm in (candidate, reference):
        if count := sum(judge.collapsed.get(key, False) for key in arm["runs"]):
            notes.append(
                f"{count} of {len(arm['runs'])} runs of {arm['label']} collapsed: no t test is"
                " right for them"
            )
    return "; ".join(notes)


def best(judge: Judge) -> list[Row]:
    """The arm with the best mean of each task and depth, and what the others are beside it.

    `rivals`: label -> kind of verdict on the rival against the best (`worse`, `equal`, ...). All
    pairs of all columns are one family, since which one is best shows only afterwards. `bold` is
    true only where all others are worse; otherwise `note` says why not.
    """
    pairs: dict[tuple[TaskDepth, int, int], tuple[TTest, float | None, float]] = {}
    for place, column in judge.task_depths.items():
        margin = judge.plan.margin_of(column[0]["metric"], column[0]["sign"])
        for i, j in combinations(range(len(column)), 2):
            candidate, reference = column[i], column[j]
            shared = pair(candidate["units"], reference["units"])
            share = judge.share(len(shared.candidate))
            if candidate["setting"] == reference["setting"] and share is not None:
                pairs[place, i, j] = judge.test(candidate, reference, shared), margin, share
    said = dict(zip(pairs, words.corrected([*pairs.values()]), strict=True))
    found = []
    for place, column in judge.task_depths.items():
        first = best_of(column)
        at = next(i for i, row in enumerate(column) if row is first)
        rivals: dict[str, str] = {}
        for i, row in enumerate(column):
            key = (place, min(i, at), max(i, at))
            if key in pairs:
                gain = pairs[key][0].mean * first["sign"] * (1 if i < at else -1)
                rivals[row["label"]] = words.kind_of(gain, *said[key], words.LEVEL)
            elif i != at:
                rivals[row["label"]] = words.NOTHING
        note = _why_not(first, column, rivals)
        found.append({**first, "rivals": rivals, "bold": not note, "note": note})
    return found


def _why_not(first: Row, column: Sequence[Row], rivals: Mapping[str, str]) -> str:
    """Why the best is not shown to be better than all others; empty if it is."""
    if not rivals:
        return "there is nothing else in the column"
    for other in column:
        if other["setting"] != first["setting"]:
            return f"{other['label']} was run in another setting"
    by_kind = {k: [label for label, kind in rivals.items() if kind == k] for k in words.VERDICTS}
    if by_kind[words.NOTHING]:
        return f"too few seeds, or no planned look, shared with {', '.join(by_kind[words.NOTHING])}"
    same = [
        label for label, kind in rivals.items() if kind not in (words.WORSE, words.WORSE_WITHIN)
    ]
    return f"not shown to be better than {', '.join(same)}" if same else ""


def best_of(column: Sequence[Row]) -> Row:
    """The arm with the best mean, of arms of one task: the highest one, the lowest error."""
    return max(column, key=lambda row: row["sign"] * row["mean"])
