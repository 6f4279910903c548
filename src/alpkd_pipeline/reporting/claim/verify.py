"""Check a claim: `python verify.py` in its folder, with Python 3.11 or newer and nothing else.

From the answers that every model gave it computes all scores, means, intervals, p values and
verdicts again, and says of each whether it is the one that is claimed. It says what it cannot know:
that these models gave these answers. Whoever has the models can make them answer again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUMS = "SHA256SUMS"
CLAIM = "claim.json"

Finding = tuple[bool, str]
"""Whether something is as it is claimed, and what it is."""


def check(folder: Path) -> Iterator[Finding]:
    """Everything that can be checked of an unpacked claim, one finding a line."""
    yield from _files(folder)
    claim = json.loads((folder / CLAIM).read_text("utf-8"))
    answers: dict[str, tuple[list[str], list[float], list[float]]] = {}
    for run in [*claim["students"], *claim["teachers"]]:
        answers[run["key"]] = _answers(folder, run)
        yield from _run(folder, run, answers[run["key"]])
    yield from _same_rows(claim, answers)
    yield from _plan(claim)
    yield from _numbers(claim, answers)


def _files(folder: Path) -> Iterator[Finding]:
    """Every file against its hash, and no file beside them."""
    lines = (folder / SUMS).read_text("utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    for name, digest in listed.items():
        path = there.get(name)
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path else "missing"
        yield found == digest, f"file {name}" + ("" if path else " (missing)")
    for name in sorted(there.keys() - listed.keys() - {SUMS}):
        if "__pycache__" not in name:
            yield False, f"file {name} (not listed)"


def _answers(folder: Path, run: Any) -> tuple[list[str], list[float], list[float]]:
    """Row numbers, labels and answers."""
    path = folder / run["answers"] / "predictions" / f"{run['split']}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row[:3] for row in csv.reader(file)][1:]
    return [row[0] for row in rows], [float(r[1]) for r in rows], [float(r[2]) for r in rows]


def _run(
    folder: Path, run: Any, said: tuple[list[str], list[float], list[float]]
) -> Iterator[Finding]:
    """What a run says of itself against what is claimed of it, and its score from its answers."""
    from alpkd_pipeline.reporting.statistics.scores import score_of

    name = f"{run['folder']}:"
    facts = json.loads((folder / run["folder"] / "run.json").read_text("utf-8"))
    params, identity = facts["params"], facts["identity"]
    told = {
        "key": identity["key"],
        "task": facts["task"]["name"],
        "metric": facts["task"]["metrics"][0],
        "split": facts["task"]["dev_splits"][0],
        "commit": (facts.get("provenance") or {}).get("git_commit"),
    }
    if "method" in run:
        told |= {"method": params["method"]["name"], "layers": params["student"]["layers"]}
        told |= {"seed": params["seed"], "teacher": identity["keys"].get("teacher")}
    for what, value in told.items():
        yield value == run[what], f"{name} {what} {value}"
    sealed = json.loads((folder / run["folder"] / "sealed.json").read_text("utf-8"))
    for file in ("run.json", "metrics.json"):
        digest = hashlib.sha256((folder / run["folder"] / file).read_bytes()).hexdigest()
        yield sealed["files"][file]["sha256"] == digest, f"{name} {file} as it was sealed"
    yield sealed["key"] == run["key"], f"{name} key as it was sealed"
    scored = json.loads((folder / run["answers"] / "scores.json").read_text("utf-8"))
    for metric, score in scored["splits"][run["split"]]["scores"].items():
        try:
            found = score_of(metric, said[1], said[2])
        except KeyError:
            continue  # a metric of the user's own
        yield abs(found - score) < 1e-12, f"{name} {metric} {found:.6f}"
    yield scored["splits"][run["split"]]["rows"] == len(said[0]), f"{name} {len(said[0])} rows"
    deciding = scored["splits"][run["split"]]["scores"][run["metric"]]
    yield deciding == run["score"], f"{name} score {run['score']:.6f}"


def _same_rows(claim: Any, answers: Any) -> Iterator[Finding]:
    """Whether all models of one task and data answered the same questions."""
    first: dict[Any, str] = {}
    for run in [*claim["students"], *claim["teachers"]]:
        key = first.setdefault((run["task"], run["data"]), run["key"])
        yield answers[key][:2] == answers[run["key"]][:2], f"{run['folder']}: rows of the task"


def _plan(claim: Any) -> Iterator[Finding]:
    """What was planned and is not here, and what stands here twice."""
    there = [run["key"] for run in claim["students"]]
    for key, name in claim["planned"].items():
        missing = key not in there
        if missing or key in claim["missing"]:
            yield missing == (key in claim["missing"]), f"planned and missing: {name}"
    seen: set[Any] = set()
    for run in claim["students"]:
        place = tuple(run[n] for n in ("task", "layers", "arm", "seed", "teacher_key"))
        if place in seen:
            yield False, f"{run['folder']}: its seed stands twice"
        seen.add(place)


def _numbers(claim: Any, answers: Any) -> Iterator[Finding]:
    """All numbers, computed from the answers."""
    from alpkd_pipeline.reporting.claim.numbers import numbers
    from alpkd_pipeline.reporting.statistics.arms import arms
    from alpkd_pipeline.reporting.statistics.judge import Answers, Judge
    from alpkd_pipeline.reporting.statistics.words import Plan

    try:
        table = arms({**run, "rows": len(answers[run["key"]][0])} for run in claim["students"])
    except ValueError as error:
        yield False, str(error)
        return
    said = {key: Answers(labels, given) for key, (_, labels, given) in answers.items()}
    found = numbers(Judge(table, Plan(**claim["plan"]), said))
    for name in [*claim["numbers"], *(found.keys() - claim["numbers"].keys())]:
        claimed, now = claim["numbers"].get(name, "nothing"), found.get(name, "nothing")
        other = "" if claimed == now else f", claimed {claimed}"
        yield claimed == now, f"{name} {now}{other}"


def main() -> int:
    """Print every finding, the bad ones again at the end; 1 if there are any."""
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder))
    bad, count = [], 0
    try:
        for good, what in check(folder):
            count += 1
            sys.stdout.write(f"{'equal    ' if good else 'NOT EQUAL'}  {what}\n")
            bad += [] if good else [what]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        bad.append(f"it cannot be read to its end: {error!r}")
    sums = hashlib.sha256((folder / SUMS).read_bytes()).hexdigest()
    sys.stdout.write(f"\n{count - len(bad)} of {count} equal; claim {sums[:16]}\n")
    sys.stdout.writelines(f"NOT EQUAL  {what}\n" for what in bad)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
