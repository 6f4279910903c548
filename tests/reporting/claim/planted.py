"""What a claim could be changed by: over a hundred ways, each of a careful hand.

A change that is followed through to its end, every answer, score, seal and number made to fit, is
another claim and no false one: nothing in a file could tell. Such changes are not among these.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alpkd_pipeline.reporting.claim.numbers import latex, numbers
from alpkd_pipeline.reporting.claim.verify import OWN, Run, evidence
from alpkd_pipeline.reporting.statistics.arms import SETTING_COLUMNS, arms
from alpkd_pipeline.reporting.statistics.judge import Judge, LabelledPredictions
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.store.manifest import read_json, read_manifest, seal, write_json

Edit = Callable[[Any], None]


class Claim:
    """An unpacked claim of `claimed.study`, to be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, change: Edit, name: str = "claim.json") -> None:
        """Change a JSON file."""
        content = read_json(self.folder / name)
        change(content)
        write_json(self.folder / name, content)

    def run(self, task: str, method: str | None, seed: int = 0) -> dict[str, Any]:
        """What the claim says of a run; of a task's teacher without a method."""
        stage = "student" if method else "teacher"
        wanted = {"task": task, "stage": stage} | (
            {"method": method, "seed": seed} if method else {}
        )
        runs = read_json(self.folder / "claim.json")["runs"]
        return next(run for run in runs if all(run[n] == v for n, v in wanted.items()))

    def edit_run(self, run: dict[str, Any], **values: Any) -> None:
        """Change what the claim says of a run."""

        def change(claim: Any) -> None:
            next(one for one in claim["runs"] if one["key"] == run["key"]).update(values)

        self.edit(change)

    def predictions(self, run: dict[str, Any]) -> Path:
        return self.folder / run["answers"] / "predictions" / "dev.csv"

    def edit_rows(self, run: dict[str, Any], change: Edit) -> None:
        """Change the rows of a file of answers: lists of texts, the heading first."""
        path = self.predictions(run)
        with path.open(newline="") as file:
            rows = [*csv.reader(file)]
        change(rows)
        path.write_text("".join(f"{','.join(row)}\n" for row in rows))
        self.reseal(run["answers"], read_json(path.parents[1] / "manifest.json")["sealed"])

    def edit_file(self, place: str, name: str, change: Edit, whole: bool = False) -> None:
        """Change a file of a folder and seal the folder anew; with `whole` also what the store is
        said to have sealed.
        """
        self.edit(change, f"{place}/{name}")
        sealed = read_json(self.folder / place / "manifest.json")["sealed"]
        if whole:
            manifest = seal(self.folder / place, {})
            sealed["files"][name] = manifest["files"][name]
            sealed = self.sealed_anew(sealed)
        self.reseal(place, sealed)

    def sealed_anew(self, sealed: dict[str, Any]) -> dict[str, Any]:
        """A manifest of the store whose own hash fits again."""
        scratch = self.folder / "scratch"
        scratch.mkdir()
        manifest = seal(scratch, {n: v for n, v in sealed.items() if n not in OWN})
        shutil.rmtree(scratch)
        manifest["files"] = sealed["files"]
        del manifest["sha256"]
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        return {**manifest, "sha256": digest}

    def reseal(self, place: str, sealed: dict[str, Any]) -> None:
        facts = {n: v for n, v in sealed.items() if n not in OWN}
        seal(self.folder / place, facts | {"sealed": sealed})
        assert read_manifest(self.folder / place) is not None

    def tell(self, change: Edit) -> None:
        """Change the numbers, and numbers.tex with them."""
        self.edit(lambda claim: change(claim["numbers"]))
        found = read_json(self.folder / "claim.json")["numbers"]
        (self.folder / "numbers.tex").write_text(latex(found))

    def fit(self) -> None:
        """Make all numbers what they would be if the claim were true, as its own code computes
        them.
        """
        runs = [run for run in self.read() if run.metadata["stage"] == "student"]
        rows = [run.metadata | {name: run.said[name] for name in SETTING_COLUMNS} for run in runs]
        said = {run.key: LabelledPredictions(run.rows[1], run.predictions) for run in runs}
        plan = Plan(**read_json(self.folder / "claim.json")["plan"])
        found = numbers(Judge(arms(rows), plan, said))
        self.tell(lambda told: (told.clear(), told.update(found)))

    def read(self) -> list[Run]:
        findings = evidence(self.folder)
        while True:
            try:
                next(findings)
            except StopIteration as end:
                return end.value[1]


Planted = Callable[[Claim], None]
CHANGES: dict[str, Planted] = {}
"""Name -> a change that must be caught, whether the hashes are written anew or not."""

BY_HASH: dict[str, Planted] = {}
"""Changes of code: new hashes hide them, as nothing in a claim says what its code should be."""


def _predictions() -> Iterator[tuple[str, Planted]]:
    def flip(run: Callable[[Claim], dict[str, Any]], rows: slice, column: int = 2) -> Planted:
        def change(table: Any) -> None:
            for row in table[1:][rows]:
                row[column] = "0" if row[column] == "1" else "1"

        return lambda claim: claim.edit_rows(run(claim), change)

    def of(task: str, method: str | None, seed: int = 0) -> Callable[[Claim], dict[str, Any]]:
        return lambda claim: claim.run(task, method, seed)

    for i, task in enumerate(("mrpc", "cola")):
        for j, method in enumerate(("no_kd", "kd", "pkd", "alp_kd", None)):
            seed = (i + j) % 4
            said = f"{task} {method or 'teacher'}, seed {seed}"
            row = 5 * i + 7 * j
            yield f"one answer: {said}", flip(of(task, method, seed), slice(row, row + 1))
            yield f"several answers: {said}", flip(of(task, method, seed), slice(3, 9))
    yield "all answers", flip(of("mrpc", "kd", 1), slice(None))
    yield "one label", flip(of("mrpc", "pkd", 2), slice(4, 5), 1)
    yield "one label: teacher", flip(of("cola", None), slice(4, 5), 1)
    yield "labels swapped in one run", flip(of("cola", "kd", 3), slice(None), 1)

    def both(claim: Claim) -> None:
        flip(of("mrpc", "kd"), slice(8, 9), 1)(claim)
        flip(of("mrpc", "kd"), slice(8, 9), 2)(claim)

    def all_labels(claim: Claim) -> None:
        for run in read_json(claim.folder / "claim.json")["runs"]:
            if run["task"] == "mrpc":
                flip(of("mrpc", run["method"] if run["stage"] == "student" else None,
                        run["seed"]), slice(None), 1)(claim)  # fmt: skip

    def names_of_labels(claim: Claim) -> None:
        flip(of("mrpc", "pkd", 1), slice(None), 1)(claim)
        flip(of("mrpc", "pkd", 1), slice(None), 2)(claim)

    yield "a label and its answer", both
    yield "labels swapped in all runs of a task", all_labels
    yield "labels and answers swapped in one run", names_of_labels
    tables: dict[str, Edit] = {
        "one row's number": lambda t: t[3].__setitem__(0, "777"),
        "two rows' numbers": lambda t: t.__setitem__(
            slice(3, 5), [t[4][:1] + t[3][1:], t[3][:1] + t[4][1:]]
        ),
        "all rows' numbers": lambda t: [row.__setitem__(0, str(int(row[0]) + 1)) for row in t[1:]],
        "one row's number twice": lambda t: t[3].__setitem__(0, t[4][0]),
        "rows in another order": lambda t: t.__setitem__(slice(1, None), t[:0:-1]),
        "a row less": lambda t: t.pop(11),
        "a row twice": lambda t: t.append(t[11]),
        "a row more": lambda t: t.append(["9999", "1", "1"]),
        "no rows": lambda t: t.__delitem__(slice(1, None)),
        "no heading": lambda t: t.pop(0),
        "a word for an answer": lambda t: t[7].__setitem__(2, "yes"),
        "no number for an answer": lambda t: t[7].__setitem__(2, "nan"),
        "an endless number for an answer": lambda t: t[7].__setitem__(2, "inf"),
        "a third class": lambda t: t[7].__setitem__(2, "2"),
        "a column less": lambda t: [row.pop() for row in t],
        "a column more": lambda t: [row.append("0.5") for row in t],
        "an empty line": lambda t: t.insert(4, []),
    }
    for number, (name, change) in enumerate(tables.items()):
        method = ("no_kd", "kd", "pkd", "alp_kd")[number % 4]
        yield (
            name,
            lambda c, m=method, n=number, do=change: c.edit_rows(c.run("cola", m, n % 3), do),
        )

    def exchanged(one: tuple[Any, ...], other: tuple[Any, ...]) -> Planted:
        """Two runs' answers, told of the other run each."""

        def change(claim: Claim) -> None:
            ours, theirs = claim.run(*one), claim.run(*other)
            told = ("answers", "score")
            claim.edit_run(ours, **{name: theirs[name] for name in told})
            claim.edit_run(theirs, **{name: ours[name] for name in told})

        return change

    yield "answers of two seeds exchanged", exchanged(("mrpc", "kd", 0), ("mrpc", "kd", 1))
    yield "answers of two methods exchanged", exchanged(("mrpc", "no_kd", 2), ("mrpc", "alp_kd", 2))

    def borrowed(claim: Claim) -> None:
        ours, theirs = claim.run("cola", "kd", 2), claim.run("cola", "alp_kd", 2)
        claim.edit_run(ours, predictions=theirs["answers"], score=theirs["score"])

    def overwritten(claim: Claim) -> None:
        ours, theirs = claim.run("cola", "kd", 2), claim.run("cola", "alp_kd", 2)
        shutil.copy(claim.predictions(theirs), claim.predictions(ours))
        sealed = read_json(claim.folder / ours["answers"] / "manifest.json")["sealed"]
        claim.reseal(ours["answers"], sealed)

    yield "another method's answers", borrowed
    yield "a file of another method's answers", overwritten


def _scores() -> Iterator[tuple[str, Planted]]:
    def score(metric: str, whole: bool, told: bool, stage: str | None) -> Planted:
        def change(claim: Claim) -> None:
            run = claim.run("mrpc", stage, 3)

            def raised(content: Any) -> None:
                content["splits"]["dev"]["scores"][metric] += 0.01

            claim.edit_file(run["answers"], "scores.json", raised, whole)
            if told:
                claim.edit_run(run, score=run["score"] + 0.01)

        return change

    for stage in ("kd", "alp_kd", None):
        who = stage or "teacher"
        yield f"a score in scores.json: {who}", score("accuracy", False, False, stage)
        yield f"a score everywhere but in the answers: {who}", score("accuracy", True, True, stage)
    yield "a second score", score("f1", False, False, "kd")
    yield "a second score, sealed anew", score("f1", True, False, "kd")
    fields: dict[str, tuple[str, Edit]] = {
        "rows in scores.json": ("scores.json", lambda s: s["splits"]["dev"].update(rows=47)),
        "the split's name": ("scores.json", lambda s: s.update(splits={"d": s["splits"]["dev"]})),
        "no scores": ("scores.json", lambda s: s["splits"]["dev"].update(scores={})),
        "seconds": ("metrics.json", lambda m: m.update(seconds=1.0)),
        "parameters": ("metrics.json", lambda m: m["parameters"].update(total=1)),
        "precision": ("metrics.json", lambda m: m["environment"].update(precision="bf16")),
        "a library": ("metrics.json", lambda m: m["environment"]["libraries"].update(torch="1.0")),
        "commit": ("run.json", lambda r: r["provenance"].update(git_commit="0" * 40)),
        "a learning rate": ("run.json", lambda r: r["params"]["training"].update(lr=0.1)),
        "name": ("run.json", lambda r: r.update(name="x")),
        "code": ("run.json", lambda r: r["identity"].update(code="0" * 64)),
        "teacher": ("run.json", lambda r: r["identity"]["keys"].update(teacher="0" * 64)),
    }
    for name, (file, edit) in fields.items():

        def change(claim: Claim, file: str = file, edit: Edit = edit) -> None:
            run = claim.run("cola", "pkd", 1)
            claim.edit_file(run["answers" if file == "scores.json" else "folder"], file, edit)

        yield f"{name} in {file}", change

    def everywhere(edit: Edit, **told: Any) -> Planted:
        """In run.json, what was sealed and the claim, but not in the numbers."""

        def change(claim: Claim) -> None:
            run = claim.run("mrpc", "pkd", 1)
            claim.edit_file(run["folder"], "run.json", edit, whole=True)
            claim.edit_run(run, **told)

        return change

    yield (
        "method everywhere",
        everywhere(lambda r: r["params"]["method"].update(name="kd"), method="kd"),
    )
    yield "seed everywhere", everywhere(lambda r: r["params"].update(seed=9), seed=9)
    yield (
        "layers everywhere",
        everywhere(lambda r: r["params"]["student"].update(layers=3), layers=3),
    )
    yield "task everywhere", everywhere(lambda r: r["task"].update(name="cola"), task="cola")
    yield (
        "metric everywhere",
        everywhere(lambda r: r["task"].update(metrics=["f1"]), metric="f1", score=0.9),
    )
    yield (
        "teacher everywhere",
        everywhere(lambda r: r["identity"]["keys"].update(teacher="0" * 64), teacher_key="0" * 64),
    )
    yield "a learning rate everywhere", everywhere(lambda r: r["params"]["training"].update(lr=0.1))
    yield "key everywhere", everywhere(lambda r: r["identity"].update(key="0" * 64), key="0" * 64)


def _runs() -> Iterator[tuple[str, Planted]]:
    told = {
        "stage": "teacher",
        "key": "0" * 64,
        "task": "cola",
        "data": "0" * 64,
        "method": "alp_kd",
        "layers": 2,
        "seed": 1,
        "commit": "0" * 40,
        "metric": "f1",
        "score": 0.99,
        "rows": 47,
        "arm": "0" * 12,
        "arm_differs": "better",
        "setting": "0" * 12,
        "setting_differs": "better",
        "teacher_key": "0" * 64,
        "folder": "06_models/students/mrpc",
        "answers": "07_model_output/scores/mrpc",
    }
    for number, (name, value) in enumerate(told.items()):
        place = ("mrpc", ("no_kd", "kd", "pkd", "alp_kd")[number % 4], number % 3)
        if name in ("method", "task", "seed"):
            place = ("mrpc", "kd", 0)
        yield (
            f"{name} in claim.json",
            lambda claim, p=place, n=name, v=value: claim.edit_run(claim.run(*p), **{n: v}),
        )

    def moved(what: str) -> Planted:
        def change(claim: Claim) -> None:
            ours, theirs = claim.run("mrpc", "kd", 3), claim.run("mrpc", "alp_kd", 3)
            claim.edit_run(ours, **{what: theirs[what] if what == "arm" else "another"})

        return change

    yield "a run moved to another arm", moved("arm")
    yield "a run moved to another setting", moved("setting")

    def left_out(folders: bool, planned: bool, who: tuple[Any, ...] = ("mrpc", "kd", 2)) -> Planted:
        def change(claim: Claim) -> None:
            run = claim.run(*who)

            def without(content: Any) -> None:
                content["runs"] = [one for one in content["runs"] if one["key"] != run["key"]]
                if planned:
                    del content["planned"][run["key"]]

            claim.edit(without)
            if folders:
                timed = claim.folder.glob(f"07_model_output/*/*/{Path(run['folder']).name}-*")
                for place in (claim.folder / run["folder"], *timed):
                    shutil.rmtree(place)

        return change

    yield "a seed left out of claim.json", left_out(False, False)
    yield "a seed left out with its folders", left_out(True, False)
    yield "a seed left out with its place in the plan", left_out(False, True)
    yield "a seed left out with all of it", left_out(True, True)
    yield "a seed of the best method left out", left_out(True, True, ("cola", "alp_kd", 0))
    yield "the teacher left out of claim.json", left_out(False, False, ("cola", None))

    def twice(claim: Claim) -> None:
        claim.edit(lambda content: content["runs"].append(content["runs"][2]))

    def copied(claim: Claim) -> None:
        """Under another key, sealed as if the store had it so."""
        run, key = claim.run("cola", "kd", 1), "7" * 64
        new = {n: f"{run[n]}-copy" for n in ("folder", "answers")}
        for name, place in new.items():
            shutil.copytree(claim.folder / run[name], claim.folder / place)
        keyed: Edit = lambda r: r["identity"].update(key=key)  # noqa: E731
        claim.edit_file(new["folder"], "run.json", keyed, whole=True)
        for place, edit in (
            (new["folder"], lambda s: s.update(key=key)),
            (new["answers"], lambda s: s["made_from"].update(student=key)),
        ):
            sealed = read_json(claim.folder / place / "manifest.json")["sealed"]
            edit(sealed)
            claim.reseal(place, claim.sealed_anew(sealed))
        claim.edit(lambda content: content["runs"].append({**run, **new, "key": key}))

    yield "a seed twice", twice
    yield "a seed twice under another key", copied


FITTED = (
    "one answer: mrpc kd, seed 1",
    "a label and its answer",
    "answers of two seeds exchanged",
    "answers of two methods exchanged",
    "another method's answers",
    "a score everywhere but in the answers: kd",
    "a run moved to another arm",
    "a run moved to another setting",
    "a seed left out of claim.json",
)
"""Changes that are planted once more, with all numbers made to fit."""


def _fitted() -> Iterator[tuple[str, Planted]]:
    for name in FITTED:
        yield f"{name}, and all numbers to fit", lambda c, n=name: (CHANGES[n](c), c.fit())

    def rows(claim: Claim) -> None:
        """The number of rows is the step of an accuracy."""
        for run in read_json(claim.folder / "claim.json")["runs"]:
            if run["task"] == "mrpc":
                fewer: Edit = lambda s: s["splits"]["dev"].update(rows=12)  # noqa: E731
                claim.edit_file(run["answers"], "scores.json", fewer, whole=True)
                claim.edit_run(run, rows=12)
        claim.fit()

    def same_number(claim: Claim) -> None:
        for run in read_json(claim.folder / "claim.json")["runs"]:
            claim.edit_rows(run, lambda t: t[3].__setitem__(0, t[4][0]))

    def half_sealed(claim: Claim) -> None:
        """What the store sealed has the new file, and the old hash of itself."""
        place = claim.run("cola", "kd", 1)["folder"]
        old = read_json(claim.folder / place / "manifest.json")["sealed"]["sha256"]
        claim.edit_file(place, "metrics.json", lambda m: m.update(seconds=1.0), whole=True)
        sealed = read_json(claim.folder / place / "manifest.json")["sealed"]
        claim.reseal(place, sealed | {"sha256": old})

    def origin(claim: Claim) -> None:
        """A time that was measured on another student."""
        (timed, *_) = sorted(claim.folder.glob("07_model_output/latency/*/*"))
        manifest = read_json(timed / "manifest.json")
        manifest["made_from"] = {"student": claim.run("cola", "alp_kd", 3)["key"]}
        seal(timed, {n: v for n, v in manifest.items() if n not in OWN})

    yield "rows everywhere but in the answers, and all numbers to fit", rows
    yield "one row's number twice in all runs", same_number
    yield "seconds in what was sealed", half_sealed
    yield "the origin of a result", origin


def _numbers() -> Iterator[tuple[str, Planted]]:
    said = {
        "mrpc/4/kd/mean": "+0.1",
        "cola/4/alp_kd/mean": "+0.1",
        "mrpc/4/alp_kd/mean": "+1",
        "cola/4/no_kd/mean": "-0.1",
        "mrpc/4/kd/std": "-0.1",
        "cola/4/pkd/low": "+0.1",
        "cola/4/pkd/high": "-0.1",
        "mrpc/4/pkd/seeds": "5",
        "mrpc/4/alp_kd/against/kd/difference": "+0.1",
        "cola/4/alp_kd/against/no_kd/difference": "+0.1",
        "mrpc/4/alp_kd/against/kd/low": "+0.1",
        "mrpc/4/alp_kd/against/kd/high": "+0.1",
        "mrpc/4/alp_kd/against/pkd/seeds": "5",
        "mrpc/4/pkd/against/kd/p": "0.0100",
        "cola/4/pkd/against/kd/t": "5.0000",
        "cola/4/pkd/against/kd/df": "30.000",
        "mrpc/4/pkd/against/kd/p-corrected": "0.0100",
        "cola/4/alp_kd/against/kd/p-corrected": "0.0000",
        "mrpc/4/pkd/against/kd/p-equal": "0.0100",
        "mrpc/4/pkd/against/kd/verdict": "better",
        "cola/4/pkd/against/kd/verdict": "equal within 2.5 points",
        "cola/4/kd/against/no_kd/verdict": "worse",
        "mrpc/4/alp_kd/against/kd/new-texts": "better",
        "cola/4/kd/against/no_kd/new-texts": "better",
        "question/alp_kd/kd/gain": "99.00",
        "question/alp_kd/kd/low": "0.01",
        "question/alp_kd/kd/high": "99.00",
        "question/alp_kd/kd/p-corrected": "0.0000",
        "question/alp_kd/kd/p-equal": "0.0001",
        "question/alp_kd/kd/verdict": "equal within the margin",
        "mrpc/4/best": "kd (shown)",
        "cola/4/best": "alp_kd",
    }
    for name, new in said.items():

        def change(found: Any, name: str = name, new: str = new) -> None:
            shift = new[0] in "+-"
            found[name] = f"{float(found[name]) + float(new):.1f}" if shift else new

        yield f"{name} told as {new}", lambda claim, do=change: claim.tell(do)
    yield "a number less", lambda claim: claim.tell(lambda n: n.pop("mrpc/4/kd/std"))
    yield (
        "a pair less",
        lambda claim: claim.tell(
            lambda n: [n.pop(name) for name in [*n] if name.startswith("mrpc/4/pkd/against/kd")]
        ),
    )
    yield "a number more", lambda claim: claim.tell(lambda n: n.update({"rte/4/kd/mean": "70.0"}))
    yield (
        "a number of another name",
        lambda claim: claim.tell(lambda n: n.update({"mrpc/4/ckd/mean": n.pop("mrpc/4/kd/mean")})),
    )
    yield (
        "numbers of two methods exchanged",
        lambda claim: claim.tell(
            lambda n: n.update(
                {
                    "mrpc/4/kd/mean": n["mrpc/4/alp_kd/mean"],
                    "mrpc/4/alp_kd/mean": n["mrpc/4/kd/mean"],
                }
            )
        ),
    )
    yield (
        "a number in claim.json alone",
        lambda claim: claim.edit(lambda c: c["numbers"].update({"mrpc/4/kd/mean": "99.9"})),
    )

    def tex(old: str, new: str) -> Planted:
        def change(claim: Claim) -> None:
            path = claim.folder / "numbers.tex"
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new, 1))

        return change

    yield "a verdict in numbers.tex", tex("{better}", "{worse}")
    yield (
        "a line more in numbers.tex",
        tex("\\makeatother", "\\alpkd@number{mrpc/4/kd/mean}{99.9}\n\\makeatother"),
    )
    yield "a line less in numbers.tex", tex("\\alpkd@number{mrpc/4/best}{alp\\_kd (shown)}\n", "")
    yield "another macro in numbers.tex", tex("{#2}}", "{99.9}}")


def _plan() -> Iterator[tuple[str, Planted]]:
    edits: dict[str, Edit] = {
        "the margin": lambda c: c["plan"].update(margin={"accuracy": 20.0}),
        "another metric's margin": lambda c: c["plan"].update(margin={"matthews": 30.0}),
        "no first question": lambda c: c["plan"].update(primary=[]),
        "another first question": lambda c: c["plan"].update(primary=[["alp_kd", "no_kd"]]),
        "a second first question": lambda c: c["plan"]["primary"].append(["pkd", "kd"]),
        "a first question the other way": lambda c: c["plan"].update(primary=[["kd", "alp_kd"]]),
        "looks": lambda c: c["plan"].update(looks=[4, 10]),
        "looks elsewhere": lambda c: c["plan"].update(looks=[3, 5]),
        "an unknown plan": lambda c: c["plan"].update(level=0.5),
        "another format": lambda c: c.update(format=2),
        "no format": lambda c: c.pop("format"),
        "no plan": lambda c: c.pop("plan"),
        "no runs": lambda c: c.update(runs=[]),
        "runs of another kind": lambda c: c.update(runs={}),
        "no numbers": lambda c: c.pop("numbers"),
        "empty numbers": lambda c: c.update(numbers={}),
    }
    for name, edit in edits.items():
        yield name, lambda claim, do=edit: claim.edit(do)


def _files() -> Iterator[tuple[str, Planted]]:
    def place(claim: Claim) -> Path:
        return claim.folder / claim.run("cola", "alp_kd", 3)["folder"]

    def scored(claim: Claim) -> Path:
        return claim.folder / claim.run("cola", "alp_kd", 3)["answers"]

    def root(claim: Claim) -> Path:
        return claim.folder

    names = {
        place: ("run.json", "metrics.json", "events.jsonl", "manifest.json"),
        scored: ("scores.json", "predictions/dev.csv", "manifest.json"),
        root: (
            *("claim.json", "numbers.tex", "README.txt", "SHA256SUMS"),
            "alpkd_pipeline/reporting/statistics/words.py",
            "alpkd_pipeline/store/diff.py",
        ),
    }
    for where, files in names.items():
        for file in files:
            kind = where.__name__
            yield f"{file} is gone ({kind})", lambda c, w=where, f=file: (w(c) / f).unlink()
    for file in ("claim.json", "SHA256SUMS"):
        for kind, data in {
            "cut short": None,
            "empty": b"",
            "a list": b"[]",
            "a word": b'"x"',
            "nested": b"[" * 100_000,
            "no text": b"\xff\xfe\x00",
        }.items():
            if (file, kind) == ("SHA256SUMS", "cut short"):
                continue

            def change(claim: Claim, file: str = file, data: bytes | None = data) -> None:
                path = claim.folder / file
                path.write_bytes(path.read_bytes()[:-400] if data is None else data)

            yield f"{file} is {kind}", change
    for where, file in ((place, "run.json"), (place, "manifest.json"), (scored, "scores.json")):
        yield (
            f"{file} is cut short",
            lambda c, w=where, f=file: (w(c) / f).write_bytes((w(c) / f).read_bytes()[:-30]),
        )
    added = {
        "a note": "note.txt",
        "a module": "alpkd_pipeline/reporting/statistics/extra.py",
        "a module that hides one of Python's": "json.py",
        "compiled code": "alpkd_pipeline/__pycache__/__init__.cpython-311.pyc",
        "a record": "08_reporting/sweeps/other.json",
        "a hidden file": ".hidden",
    }
    for name, file in added.items():

        def add(claim: Claim, file: str = file) -> None:
            path = claim.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")

        yield f"{name} is added", add
    yield "a file of a run is added", lambda claim: (place(claim) / "more.json").write_text("{}")
    yield (
        "a run that nobody claims is added",
        lambda claim: shutil.copytree(place(claim), place(claim).with_name("another")) and None,
    )


def _code() -> Iterator[tuple[str, Planted]]:
    statistics = "alpkd_pipeline/reporting/statistics"
    for file, old, new in (
        (f"{statistics}/words.py", "LEVEL = 0.05", "LEVEL = 0.5"),
        (f"{statistics}/summary.py", "LEVEL = 0.95", "LEVEL = 0.5"),
        (f"{statistics}/words.py", "p * unsettled", "p * 1"),
        (f"{statistics}/summary.py", "1 / 4 + 1 / degrees", "1 / 400 + 1 / degrees"),
        (f"{statistics}/words.py", '"matthews": 2.5', '"matthews": 25'),
        (f"{statistics}/scores.py", "if a == b", "if a or b"),
        ("alpkd_pipeline/reporting/grouping.py", "times[seed] > 1", "times[seed] > 99"),
        ("verify.py", "found.append((False", "found.append((True"),
    ):

        def change(claim: Claim, file: str = file, old: str = old, new: str = new) -> None:
            path = claim.folder / file
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new))

        yield f"{file}: {new}", change


for kind in (_predictions, _scores, _runs, _fitted, _numbers, _plan, _files):
    for name, planted in kind():
        assert name not in CHANGES, name
        CHANGES[name] = planted
BY_HASH.update(_code())
