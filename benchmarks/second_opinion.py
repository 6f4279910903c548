"""A second opinion on a claim: every number of it, computed again with numpy, scipy, statsmodels
and scikit-learn, and without a line of the package's own statistics.

    python benchmarks/second_opinion.py FOLDER

FOLDER is an unpacked claim (`kedro claim`). What is computed is written anew from
docs/statistics.md. Which runs are seeds of one configuration is taken from the claim: that is no
number. It prints how many numbers agree, names those that do not, and ends with 1 if there are any.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics as sk

BASELINES = ["no_kd", "kd", "pkd"]
ERRORS = {"rmse", "mae"}
COUNTED = {
    "accuracy": sk.accuracy_score,
    "f1": lambda y, x: sk.f1_score(y, x, pos_label=1, zero_division=0.0),
    "f1_macro": lambda y, x: sk.f1_score(y, x, average="macro", zero_division=0.0),
    "matthews": sk.matthews_corrcoef,
}
REAL = {
    "pearson": lambda y, x: stats.pearsonr(y, x).statistic,
    "spearman": lambda y, x: stats.spearmanr(y, x).statistic,
    "rmse": lambda y, x: np.sqrt(sk.mean_squared_error(y, x)),
    "mae": sk.mean_absolute_error,
}
TINY = 1e-12
Unit = tuple[int, str]
Said = str | tuple[float, int]
"""Words, or a number with the digits behind the point that are claimed of it."""


@dataclass
class Run:
    """One model's answers to the dev rows."""

    metric: str
    labels: np.ndarray
    predictions: np.ndarray

    @cached_property
    def score(self) -> float:
        """By the metric that decides."""
        if self.metric in REAL:
            flat = [np.ptp(x) <= 2**-21 * np.abs(x).max() for x in (self.labels, self.predictions)]
            correlation = self.metric in ("pearson", "spearman")
            if correlation and any(flat):
                return 0.0
            return float(REAL[self.metric](self.labels, self.predictions))
        return float(COUNTED[self.metric](self.labels, self.predictions))

    @cached_property
    def contributions(self) -> np.ndarray:
        """n score - (n - 1) score without the row: equal for rows of equal label and answer."""
        n, whole = len(self.labels), self.score
        found, pairs = np.empty(n), np.column_stack([self.labels, self.predictions])
        for pair in np.unique(pairs, axis=0):
            same = np.flatnonzero((pairs == pair).all(axis=1))
            without = (np.delete(self.labels, same[0]), np.delete(self.predictions, same[0]))
            found[same] = n * whole - (n - 1) * COUNTED[self.metric](*without)
        return found


@dataclass
class Arm:
    """Runs that differ in their seeds and in nothing else."""

    task: str
    layers: int
    method: str
    label: str
    setting: str
    metric: str
    runs: dict[Unit, Run] = field(default_factory=dict)

    @property
    def sign(self) -> int:
        """-1 where less is better."""
        return -1 if self.metric in ERRORS else 1

    @property
    def step(self) -> float:
        """What one dev row changes an accuracy by."""
        rows = len(next(iter(self.runs.values())).labels)
        return 1 / rows if self.metric == "accuracy" else 0.0

    def scores(self, units: set[Unit] | None = None) -> dict[int, float]:
        """Seed -> the mean over its teachers."""
        found = defaultdict(list)
        for seed, teacher in sorted(self.runs if units is None else units):
            found[seed].append(self.runs[seed, teacher].score)
        return {seed: float(np.mean(each)) for seed, each in found.items()}

    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean([*self.scores().values()]))


@dataclass
class Test:
    """A mean difference, its standard error and degrees of freedom, over n seeds."""

    n: int
    mean: float
    error: float
    df: float

    def different(self) -> float:
        """p of "no difference", two-sided; without any error that of the signs."""
        if self.error < TINY:
            return 2.0 ** (1 - self.n) if abs(self.mean) >= TINY else 1.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.df))

    def equal(self, margin: float) -> float:
        """p of "at least a margin apart": the larger of two one-sided tests."""
        if self.error < TINY:
            return 2.0**-self.n if abs(self.mean) < margin else 1.0
        low = stats.t.sf((self.mean + margin) / self.error, self.df)
        high = stats.t.cdf((self.mean - margin) / self.error, self.df)
        return float(max(low, high))


def read(folder: Path) -> tuple[dict[str, Any], list[Arm]]:
    """The claim, and its arms in their order."""
    claim = json.loads((folder / "claim.json").read_text("utf-8"))
    found: dict[tuple[Any, ...], Arm] = {}
    for run in claim["runs"]:
        if run["stage"] != "student":
            continue
        task = json.loads((folder / run["folder"] / "run.json").read_text("utf-8"))["task"]
        path = folder / run["answers"] / "predictions" / f"{task['dev_splits'][0]}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            table = np.array([row[1:3] for row in csv.reader(file)][1:], dtype=float)
        words = [w for n in ("arm_differs", "setting_differs") for w in run[n].split(", ") if w]
        label = run["method"] + (f" ({', '.join(dict.fromkeys(words))})" if words else "")
        place = (run["task"], run["layers"], run["method"], run["arm"])
        arm = Arm(*place[:3], label, run["setting"], run["metric"])
        unit = (run["seed"], run["teacher_key"])
        found.setdefault(place, arm).runs[unit] = Run(run["metric"], table[:, 0], table[:, 1])
    return claim, list(found.values())


class Opinion:
    """All numbers of the arms of a claim."""

    def __init__(self, plan: dict[str, Any], arms: list[Arm]) -> None:
        self.plan, self.arms = plan, arms
        self.columns: dict[tuple[str, int], list[Arm]] = defaultdict(list)
        for arm in arms:
            self.columns[arm.task, arm.layers].append(arm)
        self.level = 0.025 if plan["primary"] else 0.05

    def numbers(self) -> dict[str, Said]:
        """Every number by the name that a claim has for it."""
        found: dict[str, Said] = {}
        for arm in self.arms:
            place = f"{arm.task}/{arm.layers}/{arm.label}"
            found |= {f"{place}/{n}": text for n, text in self.of_arm(arm).items()}
        for ours, theirs, said in self.of_pairs():
            place = f"{ours.task}/{ours.layers}/{ours.label}/against/{theirs}"
            found |= {f"{place}/{n}": text for n, text in said.items()}
        found |= self.of_questions()
        for (task, layers), label in self.of_columns():
            found[f"{task}/{layers}/best"] = label
        return {plain(name): text for name, text in found.items()}

    def margin(self, arm: Arm) -> float | None:
        """What counts as equal, in the score's unit."""
        if arm.sign < 0:
            return self.plan["margin"].get(arm.metric)
        usual = 2.5 if arm.metric == "matthews" else 1.0
        return self.plan["margin"].get(arm.metric, usual) / 100

    def share(self, seeds: int) -> float | None:
        """What a look may spend of the level: all of it, nothing, or its increment."""
        looks = self.plan["looks"]
        if not looks:
            return 1.0
        if seeds not in looks:
            return None
        bound = stats.norm.isf(0.025)
        spent = [2 * stats.norm.sf(bound / np.sqrt(n / looks[-1])) for n in looks]
        at = looks.index(seeds)
        return float((spent[at] - (spent[at - 1] if at else 0.0)) / 0.05)

    def of_arm(self, arm: Arm) -> dict[str, Said]:
        """Mean, deviation, interval."""
        scores = np.array([*arm.scores().values()])
        low, high, std = None, None, None
        if len(scores) > 1:
            std = float(scores.std(ddof=1))
            if np.ptp(scores) <= TINY * max(1, np.abs(scores).max()):
                std = 0.0
            else:
                low, high = stats.t.interval(
                    0.95, len(scores) - 1, scores.mean(), stats.sem(scores)
                )
        values = {"mean": scores.mean(), "std": std, "low": low, "high": high}
        told = {name: percent(value, arm) for name, value in values.items()}
        return {**told, "seeds": str(len(scores))}

    def shared(self, ours: Arm, theirs: Arm) -> tuple[set[Unit], np.ndarray, np.ndarray]:
        """What both have, and the score of each shared seed."""
        units = ours.runs.keys() & theirs.runs.keys()
        sides = [np.array([*arm.scores(units).values()]) for arm in (ours, theirs)]
        return units, sides[0], sides[1]

    def test(self, ours: Arm, theirs: Arm) -> Test:
        """The borrowed t."""
        units, x, y = self.shared(ours, theirs)
        others = [
            [*arm.scores(units).values()]
            for arm in self.columns[ours.task, ours.layers]
            if arm is not ours
            and arm is not theirs
            and arm.setting == ours.setting
            and units <= arm.runs.keys()
        ]
        seeds, d = len(x), x - y
        own, weight, rest = d.var(ddof=1) / 2, 0.0, 0.0
        if others:
            table, degrees = np.array([x, y, *others]), (seeds - 1) * len(others)
            rest = max(0.0, left_over(table) - (seeds - 1) * own) / degrees
            weight = (1.0 if rest >= own else rest / own) / (1 / 4 + 1 / degrees)
        df = seeds - 1 + weight
        variance = max((weight * rest + (seeds - 1) * own) / df, ours.step**2 / 12)
        mean = float(d.mean())
        return Test(
            seeds, 0.0 if abs(mean) < TINY else mean, float(np.sqrt(2 * variance / seeds)), df
        )

    def on_new_texts(self, test: Test, ours: Arm, theirs: Arm) -> Test | None:
        """Rows as a second random factor, from a two-way analysis of variance."""
        units, *_ = self.shared(ours, theirs)
        runs = [arm.runs[unit] for arm in (ours, theirs) for unit in units]
        if ours.metric not in COUNTED or len({run.labels.tobytes() for run in runs}) > 1:
            return None
        by_seed = defaultdict(list)
        for unit in sorted(units):
            gain = ours.runs[unit].contributions - theirs.runs[unit].contributions
            by_seed[unit[0]].append(gain)
        table = np.array([np.mean(each, axis=0) for each in by_seed.values()])
        seeds, rows = table.shape
        of_row, of_seed, grand = table.mean(axis=0), table.mean(axis=1), table.mean()
        left = table - of_row - of_seed[:, None] + grand
        residual = (left**2).sum() / ((seeds - 1) * (rows - 1)) / (seeds * rows)
        of_rows, of_seeds = of_row.var(ddof=1) / rows, test.error**2
        variance = max(of_seeds, of_rows, of_seeds + of_rows - residual)
        return Test(test.n, test.mean, float(np.sqrt(variance)), test.df)

    def of_pairs(self) -> list[tuple[Arm, str, dict[str, Said]]]:
        """Every method against the baselines of its column, corrected together."""
        rows: list[dict[str, Any]] = []
        for column in self.columns.values():
            for ours in column:
                held = BASELINES
                if ours.method in BASELINES:
                    held = BASELINES[: BASELINES.index(ours.method)]
                for baseline in held:
                    rivals = [arm for arm in column if arm.method == baseline]
                    fitting = [arm for arm in rivals if arm.setting == ours.setting]
                    rows += [{"ours": ours, "theirs": arm} for arm in fitting]
                    if rivals and not fitting:
                        rows.append({"ours": ours, "theirs": None, "name": baseline})
        for row in rows:
            if row["theirs"] is not None:
                self.tested(row)
        for test, name in (("test", "over seeds"), ("new", "new texts")):
            tested = [row for row in rows if row.get(test)]
            different = [row[test].different() / row["share"] for row in tested]
            margins = [self.margin(row["ours"]) for row in tested]
            equal = [
                None if m is None else row[test].equal(m) / row["share"]
                for row, m in zip(tested, margins, strict=True)
            ]
            for row, *both in zip(tested, *corrected(different, equal), strict=True):
                row[name] = both
        return [(row["ours"], *self.said(row)) for row in rows]

    def tested(self, row: dict[str, Any]) -> None:
        """Add to a pair what it shows before the correction."""
        ours, theirs = row["ours"], row["theirs"]
        _, x, y = self.shared(ours, theirs)
        row |= {"n": len(x), "d": x - y, "share": self.share(len(x))}
        if len(x) >= 3 and row["share"] is not None:
            row["test"] = self.test(ours, theirs)
            row["new"] = self.on_new_texts(row["test"], ours, theirs)

    def said(self, row: dict[str, Any]) -> tuple[str, dict[str, Said]]:
        """A pair's baseline and its numbers."""
        ours, test, n = row["ours"], row.get("test"), row.get("n", 0)
        mean = low = high = p = None
        if n:
            d = row["d"]
            mean = float(d.mean())
            even = np.ptp(d) <= TINY * max(1, np.abs(d).max())
            if n >= 3:
                if even:
                    p = 2.0 ** (1 - n) if abs(mean) >= TINY else 1.0
                else:
                    p = float(stats.ttest_1samp(d, 0).pvalue)
                    low, high = stats.t.interval(0.95, n - 1, mean, stats.sem(d))
        different, equal = row.get("over seeds", (None, None))
        new = row.get("new")
        gain, words = (mean or 0.0) * ours.sign, []
        for which in ("over seeds", "new texts"):
            ps = row.get(which, (None, None))
            word = verdict(gain, ps[0], ps[1], self.level)
            words.append(said(word, self.margin(ours), ours.sign))
        t = None
        if test:
            t = test.mean / test.error if test.error >= TINY else np.sign(test.mean) * np.inf
            t = 0.0 if np.isnan(t) else t
        return row["theirs"].label if row["theirs"] else row["name"], {
            "difference": percent(mean, ours),
            "low": percent(low, ours),
            "high": percent(high, ours),
            "seeds": str(n),
            "p": number(p, 4),
            "t": number(t, 4),
            "df": number(test.df if test else None, 3),
            "p-corrected": number(different, 4),
            "p-equal": number(equal, 4),
            "verdict": words[0],
            "new-texts": words[1] if new else "-",
        }

    def of_questions(self) -> dict[str, Said]:
        """The first questions, corrected together at one half of the level."""
        found: dict[str, Said] = {}
        asked = [(m, b, self.question(m, b)) for m, b in self.plan["primary"]]
        tests = [(test, self.share(test.n)) for _, _, test in asked if test]
        used = [(test, share) for test, share in tests if share is not None]
        both = corrected(
            [test.different() / share for test, share in used],
            [test.equal(1.0) / share for test, share in used],
        )
        ps = {id(test): pair for (test, _), *pair in zip(used, *both, strict=True)}
        for method, baseline, test in asked:
            different, equal = ps.get(id(test), (None, None))
            word = verdict(test.mean if test else 0.0, different, equal, 0.025)
            low = high = None
            if test:
                half = stats.t.isf(0.025, test.df) * test.error
                low, high = test.mean - half, test.mean + half
            words: dict[str, Said] = {
                "gain": number(test.mean if test else None, 2),
                "low": number(low, 2),
                "high": number(high, 2),
                "p-corrected": number(different, 4),
                "p-equal": number(equal, 4),
                "verdict": word.replace("within", "by less than the margin")
                if word.startswith(("better", "worse"))
                else word.replace("equal", "equal within the margin"),
            }
            found |= {f"question/{method}/{baseline}/{n}": text for n, text in words.items()}
        return found

    def question(self, method: str, baseline: str) -> Test | None:
        """Each task's gains in margins, a variance each, Satterthwaite's degrees of freedom."""
        means, variances, counts = [], [], []
        for task in dict.fromkeys(task for task, _ in self.columns):
            gains, arm = [], None
            for (name, _), column in self.columns.items():
                pairs = [
                    (a, b)
                    for a in column
                    for b in column
                    if (a.method, b.method, a.setting) == (method, baseline, b.setting)
                ]
                if name == task and len(pairs) == 1:
                    units, x, y = self.shared(*pairs[0])
                    if units:
                        arm = pairs[0][0]
                        seeds = dict.fromkeys(seed for seed, _ in sorted(units))
                        gains.append(dict(zip(seeds, arm.sign * (x - y), strict=True)))
            margin = self.margin(arm) if arm else None
            shared = sorted(set.intersection(*map(set, gains))) if gains else []
            if arm is None or margin is None or len(shared) < 3:
                continue
            d = np.array([np.mean([g[seed] for g in gains]) for seed in shared]) / margin
            floor = (arm.step / margin) ** 2 / (6 * len(gains))
            means.append(0.0 if abs(d.mean()) < TINY else d.mean())
            variances.append(max(d.var(ddof=1), floor) / len(d))
            counts.append(len(d))
        if not means:
            return None
        v, df = np.array(variances), np.array(counts) - 1
        free = v.sum() ** 2 / (v**2 / df).sum() if v.any() else min(counts) - 1
        error = np.sqrt(v.sum()) / len(v)
        return Test(min(counts), float(np.mean(means)), float(error), float(free))

    def of_columns(self) -> list[tuple[tuple[str, int], str]]:
        """The best of each column; `(shown)` where all others are worse, among all pairs of all."""
        tests: dict[tuple[int, int], tuple[Test, float | None]] = {}
        shares = []
        for column in self.columns.values():
            margin = self.margin(column[0])
            for a, b in combinations(column, 2):
                seeds = len(self.shared(a, b)[1])
                share = self.share(seeds)
                if a.setting == b.setting and seeds >= 3 and share is not None:
                    tests[id(a), id(b)] = (self.test(a, b), margin)
                    shares.append(share)
        looked = list(zip(tests.values(), shares, strict=True))
        equal = [None if m is None else test.equal(m) / share for (test, m), share in looked]
        both = corrected([test.different() / share for (test, _), share in looked], equal)
        ps = dict(zip(tests, zip(*both, strict=True), strict=True))
        found = []
        for place, column in self.columns.items():
            best = max(column, key=lambda arm: arm.sign * arm.mean())
            worse = []
            for arm in column:
                key = next((k for k in ((id(best), id(arm)), (id(arm), id(best))) if k in ps), None)
                if arm is not best:
                    gain = arm.sign * (arm.mean() - best.mean())
                    if key:
                        gain = tests[key][0].mean * best.sign * (1 if key[0] == id(arm) else -1)
                    word = verdict(gain, *ps[key], 0.05) if key else ""
                    worse.append(word.startswith("worse") and arm.setting == best.setting)
            found.append((place, best.label + (" (shown)" if worse and all(worse) else "")))
        return found


def left_over(table: np.ndarray) -> float:
    """The residual sum of squares of scores by method (rows) and seed (columns)."""
    methods, seeds = table.shape
    rows = np.repeat(np.eye(methods), seeds, axis=0)
    columns = np.tile(np.eye(seeds), (methods, 1))
    design = np.hstack([rows, columns[:, 1:]])
    return float(sm.OLS(table.ravel(), design).fit().ssr)


def corrected(
    different: list[float], equal: list[float | None]
) -> tuple[list[float], list[float | None]]:
    """Shaffer's step-down: at most one null of a pair is true, so each step's factor is the number
    of pairs that have a test left.
    """
    left = {(i, 0): p for i, p in enumerate(different)}
    left |= {(i, 1): p for i, p in enumerate(equal) if p is not None}
    found: dict[tuple[int, int], float] = {}
    so_far = 0.0
    while left:
        smallest = min(left, key=lambda test: (left[test], test))
        pairs = len({i for i, _ in left})
        so_far = min(1.0, max(so_far, pairs * left.pop(smallest)))
        found[smallest] = so_far
    return [found[i, 0] for i in range(len(different))], [
        found.get((i, 1)) for i in range(len(equal))
    ]


def verdict(gain: float, different: float | None, equal: float | None, level: float) -> str:
    """`better`, `better, within`, `equal`, ..."""
    if different is None:
        return "nothing can be said"
    near = equal is not None and equal < level
    if different < level:
        return ("worse" if gain < 0 else "better") + (", within" if near else "")
    return "equal" if near else "not distinguishable"


def said(word: str, margin: float | None, sign: int) -> str:
    """A verdict with its margin."""
    if margin is None:
        return word
    points = round(100 * margin, 6)
    size = f"{margin:g}" if sign < 0 else f"{points:g} point" + ("" if points == 1 else "s")
    if word == "equal":
        return f"equal within {size}"
    return word.replace("within", f"by less than {size}")


def percent(value: float | None, arm: Arm) -> Said:
    """A score in percent, an error as it is."""
    if value is None:
        return "-"
    return (100 * float(value), 1) if arm.sign > 0 else (float(value), 3)


def number(value: float | None, digits: int) -> Said:
    """A number, if there is one."""
    return "-" if value is None else (float(value), digits)


def agrees(claimed: str, found: Said) -> bool:
    """Whether what is claimed is what was found, rounded; halves may be rounded either way."""
    if isinstance(found, str):
        return claimed == found
    value, digits = found
    try:
        told = float(claimed)
    except ValueError:
        return False
    if not np.isfinite(value):
        return told == value
    right = len(claimed.partition(".")[2]) == digits
    return right and abs(told - value) <= 0.5 * 10.0**-digits + 1e-9


def plain(name: str) -> str:
    """A name as TeX can read it: other marks, and a blank behind a blank, by their numbers."""
    text = ""
    for mark in name:
        known = mark.isalnum() or mark in "_ .,:;=()[]/+*!?@'|-"
        text += mark if known and not (mark == " " and text.endswith(" ")) else f"<{ord(mark):x}>"
    return text


def main() -> int:
    """Compare, and say what differs."""
    claim, arms = read(Path(sys.argv[1]))
    found, claimed = Opinion(claim["plan"], arms).numbers(), claim["numbers"]
    both = found.keys() & claimed.keys()
    wrong = {name for name in both if not agrees(claimed[name], found[name])}
    for name in sorted(wrong | (found.keys() ^ claimed.keys())):
        print(f"{name}: claimed {claimed.get(name, 'nothing')}, found {found.get(name, 'nothing')}")
    agreed = len(both) - len(wrong)
    print(f"{agreed} of {len(claimed)} numbers agree")
    return 0 if agreed == len(claimed) == len(found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
