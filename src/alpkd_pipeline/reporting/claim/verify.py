"""Check a claim: `python verify.py` in its folder, with Python 3.11 or newer and nothing else.

From the answers that every model gave it computes all scores, means, intervals, p values and
verdicts again, and says of each whether it is the one that is claimed. It says what it cannot know:
that these models gave these answers. Whoever has the models can make them answer again.

`python -m alpkd_pipeline.reporting.claim.verify FOLDER` does it with the code of an installed
package instead of the claim's own.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
SUMS, CLAIM, TEX, READ_ME = "SHA256SUMS", "claim.json", "numbers.tex", "README.txt"
_STATISTICS = ("__init__", "arms", "judge", "scores", "summary", "verdict", "words")
_REPORTING = (
    *("__init__", "claim/__init__", "claim/numbers", "grouping", "tex"),
    *(f"statistics/{name}" for name in _STATISTICS),
)
_MODULES = ("__init__", "store/__init__", "store/diff", *(f"reporting/{n}" for n in _REPORTING))
PACKAGE = "alpkd_pipeline/"
CODE = tuple(f"{PACKAGE}{name}.py" for name in _MODULES)
"""The modules that compute the numbers; they need nothing but Python."""

OWN = ("files", "sha256", "schema")
"""What a manifest says of itself and its files; the rest is the key and where it came from."""

Finding = tuple[bool | None, str]
"""Whether something is as it is claimed, and what it is; None: it is there to be known."""


def _finding(good: bool, place: str, so: str, otherwise: str) -> Finding:
    """What is found of a place where all is well, and otherwise."""
    return good, f"{place}{so if good else otherwise}"


@dataclass(frozen=True, slots=True)
class Run:
    """A model as its files tell of it."""

    said: Any  # what is claimed of it
    key: str
    run: Any  # its run.json
    metrics: Any  # its metrics.json
    metadata: dict[str, Any]  # what `metadata_of` says
    rows: tuple[list[str], list[float]]  # the numbers of the dev rows and their labels
    predictions: list[float]


def check(folder: Path) -> Iterator[Finding]:
    """Everything that can be checked of an unpacked claim, one finding a line."""
    claim, runs = yield from evidence(folder)
    code = {p.relative_to(folder).as_posix() for p in folder.glob(f"{PACKAGE}**/*.*")}
    for name in sorted(code ^ set(CODE)):
        # An installed package goes by its own code.
        yield None if __package__ else False, f"file {name} (of another release, or none)"
    students = [run for run in runs if run.metadata["stage"] == "student"]
    there = {run.key for run in students}
    for key, place in claim["planned"].items():
        if key not in there:
            yield None, f"planned: {', '.join(f'{name}={value}' for name, value in place.items())}"
    rows = yield from _settings(claim, students)
    yield from _numbers(folder, claim, rows, students)


def evidence(folder: Path) -> Generator[Finding, None, tuple[Any, list[Run]]]:
    """What does not depend on how numbers follow from scores; the claim and its runs. Raises
    ValueError where the claim is none, or of another format."""
    there = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if not p.is_dir()}
    lines = (folder / SUMS).read_text("utf-8", "backslashreplace").splitlines()
    sums = (line.partition("  ") for line in lines)
    listed = {name or digest: digest for digest, _, name in sums}
    for name in sorted(there.keys() & listed):
        same = _sha256(there[name]) == listed[name]
        yield _finding(same, f"file {name}", "", " is not the one that was hashed")
    missing = listed.keys() - there.keys()
    for name in sorted((there.keys() ^ listed) - {SUMS}):
        yield False, f"file {name} ({'missing' if name in listed else 'not listed'})"
    claim, runs = _json(folder / CLAIM), list[Run]()
    for name, kind in _PARTS.items():
        if not isinstance(claim, dict) or not isinstance(claim.get(name), kind):
            raise ValueError(f"{CLAIM} is no claim's: it has no '{name}'")
    if claim["format"] != FORMAT:
        raise ValueError(f"the claim has the format {claim['format']}; known here is {FORMAT}")
    known = {SUMS, CLAIM, TEX, READ_ME, "verify.py"}
    known |= yield from _folders(folder, {run["key"]: run["folder"] for run in claim["runs"]})
    for name in sorted(known ^ {name for name in there if not name.startswith(PACKAGE)}):
        if name not in missing:  # which has been said
            yield False, f"file {name} ({'missing' if name in known else 'belongs to nothing'})"
    first: dict[Any, Any] = {}
    for said in claim["runs"]:
        try:
            run = yield from _run(folder, said)
            asked = first.setdefault((run.metadata["task"], run.metadata["data"]), run.rows)
            other = "its rows are not those of the other runs of its task"
            yield _finding(asked == run.rows, f"{said['folder']}: ", "the rows of its task", other)
            runs.append(run)
        except Exception as error:  # whatever a changed file leads to
            yield False, f"{said['folder']}: it cannot be read: {_why(error)}"
    return claim, runs


_PARTS = {"format": int, "plan": dict, "planned": dict, "searches": list, "runs": list}
_PARTS |= {"numbers": dict}


def _why(error: Exception) -> str:
    """An error in one line; Python does not show the file of one of the system's."""
    return str(error) if isinstance(error, OSError) else repr(error)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


_SEALED = (" as it was sealed", " is not as it was sealed")


def _folders(folder: Path, claimed: dict[str, str]) -> Generator[Finding, None, set[str]]:
    """Every folder against what the store sealed, and whether it is of a run that is claimed; the
    names of all files in them."""
    known = set()
    for path in sorted(folder.rglob("manifest.json")):
        place, name = path.parent, path.parent.relative_to(folder).as_posix()
        known.add(f"{name}/manifest.json")
        try:
            manifest = _json(path)
            sealed, made_from = manifest["sealed"], manifest.get("made_from") or {}
            text = json.dumps({n: v for n, v in sealed.items() if n != "sha256"}, sort_keys=True)
            whole = sealed.get("sha256") == hashlib.sha256(text.encode()).hexdigest()
            metadata = {n: v for n, v in manifest.items() if n not in (*OWN, "sealed")}
            whole &= metadata == {n: v for n, v in sealed.items() if n not in OWN}
            yield _finding(whole or "schema" not in sealed, f"{name}: manifest.json", *_SEALED)
            for file in manifest["files"]:
                known.add(f"{name}/{file}")
                if file.endswith(".json"):
                    digest = sealed["files"][file]["sha256"]
                    yield _finding(digest == _sha256(place / file), f"{name}: {file}", *_SEALED)
            of = made_from.get("student", made_from.get("teacher"))
            ours = claimed.get(manifest["key"]) == name if "run.json" in manifest["files"] else None
            ours = of in claimed if ours is None else ours
            yield _finding(
                ours, f"{name}: ", "of a run of the claim", "it is of no run of the claim"
            )
        except Exception as error:  # whatever a changed file leads to
            yield False, f"{name}: it cannot be read: {_why(error)}"
    return known


def metadata_of(run: Any, scored: Any) -> dict[str, Any]:
    """What a claim says of a run: from its run.json, and from its scores.json on the first dev
    split.
    """
    from alpkd_pipeline.store.diff import flat

    known, metric = flat(run), run["task"]["metrics"][0]
    metadata = {name: known.get(place) for name, place in _METADATA.items()}
    return metadata | {"metric": metric, "score": scored["scores"][metric], "rows": scored["rows"]}


_METADATA = {
    "stage": "stage",
    "key": "identity.key",
    "task": "task.name",
    "data": "identity.keys.encoded",
    "method": "params.method.name",
    "layers": "params.student.layers",
    "seed": "params.seed",
    "commit": "provenance.git_commit",
}


def _run(folder: Path, said: Any) -> Generator[Finding, None, Run]:
    """What a run's files say against what is claimed of it, and its scores from its answers."""
    from alpkd_pipeline.reporting.statistics.scores import score_of

    name, place, scored = said["folder"], folder / said["folder"], folder / said["answers"]
    run = _json(place / "run.json")
    split = run["task"]["dev_splits"][0]
    told = _json(scored / "scores.json")["splits"][split]
    with (scored / "predictions" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        cells = [*csv.reader(file)][1:]
    rows = [(idx, float(label), float(answer)) for idx, label, answer in cells]
    idx, labels, predictions = map(list, zip(*rows, strict=True))
    twice = "of which one stands twice, or that its scores do not count"
    once = len(set(idx)) == len(idx) == told["rows"]
    yield _finding(once, f"{name}: {len(idx)} rows, ", "each once", twice)
    for metric, score in told["scores"].items():
        try:
            found = score_of(metric, labels, predictions)
        except KeyError:
            continue  # a metric of the user's own, which decides nothing
        same = math.isclose(found, score, rel_tol=1e-9, abs_tol=1e-12)
        claimed = "" if same else f" by its answers, claimed {score}"
        yield same, f"{name}: {metric} {found:.6f}{claimed}"
    metadata = metadata_of(run, told)
    for what, value in metadata.items():
        yield said.get(what) == value, f"{name}: {what} {value}{_other(said.get(what), value)}"
    made_from = _json(scored / "manifest.json")["made_from"]
    own = made_from.get(metadata["stage"]) == metadata["key"]
    yield _finding(own, f"{name}: ", "its own answers", "its answers are of another run")
    metrics = _json(place / "metrics.json")
    return Run(said, metadata["key"], run, metrics, metadata, (idx, labels), predictions)


def _other(was: Any, now: Any) -> str:
    """What is claimed, where it is something else."""
    return "" if was == now else f", claimed {was}"


def _settings(claim: Any, runs: list[Any]) -> Generator[Finding, None, list[dict[str, Any]]]:
    """Which runs are seeds of one method in one setting, from their parameters."""
    from alpkd_pipeline.reporting.grouping import (
        add_settings_of,
        findings,
        metadata_but_seed,
        study_of,
    )
    from alpkd_pipeline.reporting.statistics.arms import SETTING_COLUMNS

    searched, rows = findings(claim["searches"]), [dict(run.metadata) for run in runs]
    for run in runs:
        run.run["identity"]["generation"] = "cell"
    metadata = [metadata_but_seed(run) for run in runs]
    add_settings_of(rows, metadata, [study_of(run.run, searched) for run in runs])
    for run, row, known in zip(runs, rows, metadata, strict=True):
        name = run.said["folder"]
        if "key.student" in known:
            yield None, f"{name}: its seed stands twice, so it is pooled with no other"
        for what in SETTING_COLUMNS:
            other = _other(run.said.get(what), row[what])
            yield run.said.get(what) == row[what], f"{name}: {what} {row[what]}{other}"
    return rows


def _numbers(folder: Path, claim: Any, rows: list[Any], runs: list[Any]) -> Iterator[Finding]:
    """All numbers, computed from the answers."""
    from alpkd_pipeline.reporting.claim.numbers import latex, numbers
    from alpkd_pipeline.reporting.statistics.arms import arms
    from alpkd_pipeline.reporting.statistics.judge import Judge, LabelledPredictions
    from alpkd_pipeline.reporting.statistics.words import Plan

    said = {run.key: LabelledPredictions(run.rows[1], run.predictions) for run in runs}
    found, claimed = numbers(Judge(arms(rows), Plan(**claim["plan"]), said)), claim["numbers"]
    for name in [*claimed, *(found.keys() - claimed.keys())]:
        was, now = claimed.get(name, "nothing"), found.get(name, "nothing")
        yield was == now, f"{name} {now}{_other(was, now)}"
    if (folder / TEX).is_file():  # otherwise it is missing, which has been said
        same = (folder / TEX).read_text("utf-8") == latex(claimed)
        yield _finding(same, TEX, " has these numbers", " has other numbers")


def _shown(text: str) -> str:
    """One line, without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def main() -> int:
    """Print every finding, the bad ones again at the end; 1 if there are any."""
    here = Path(__file__).resolve().parent
    folder = Path(sys.argv[1]) if sys.argv[1:] else here
    if not any((folder / name).is_file() for name in (SUMS, CLAIM)):
        told = f"{folder} is no folder of an unpacked claim: unpack its zip first, and give the"
        sys.exit(f"{_shown(told)} folder with its {CLAIM}")
    if not __package__:
        # Only the sources that have been hashed are run, and nothing is written beside them.
        sys.pycache_prefix, sys.dont_write_bytecode = str(here / SUMS), True
        sys.path.insert(0, str(here))
    words = {True: "equal    ", False: "NOT EQUAL", None: "to know  "}
    found = list[Finding]()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        for good, what in check(folder):
            found.append((good, _shown(what)))
            sys.stdout.write(f"{words[good]}  {found[-1][1]}\n")
    except Exception as error:  # whatever a changed file leads to
        found.append((False, _shown(f"it cannot be read to its end: {_why(error)}")))
    count = [good for good, _ in found if good is not None]
    digits = _sha256(folder / SUMS)[:16] if (folder / SUMS).is_file() else "without hashes"
    sys.stdout.write(f"\n{sum(count)} of {len(count)} equal; claim {digits}\n")
    for good, what in sorted((one for one in found if not one[0]), key=lambda one: one[0] is False):
        sys.stdout.write(f"{words[good]}  {what}\n")
    return 0 if all(count) else 1


if __name__ == "__main__":
    raise SystemExit(main())
