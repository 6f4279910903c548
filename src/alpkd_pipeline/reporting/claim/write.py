"""Write a claim: for every number of a comparison what it follows from, and how to check it.

A claim is a small store: the same folders with what is needed of them, so that a comparison reads
it as it reads runs. It holds row numbers, labels and answers, and never a text.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import alpkd_pipeline
from alpkd_pipeline.errors import UserError, plural, some
from alpkd_pipeline.reporting.claim.numbers import latex, numbers
from alpkd_pipeline.reporting.claim.verify import (
    CLAIM,
    CODE,
    FORMAT,
    OWN,
    READ_ME,
    SUMS,
    TEX,
    check,
    metadata_of,
)
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.arms import SETTING_COLUMNS
from alpkd_pipeline.reporting.statistics.predictions import read_predictions
from alpkd_pipeline.reporting.store import RunRecord
from alpkd_pipeline.store.event_log import EVENT_LOG
from alpkd_pipeline.store.layout import LATENCY
from alpkd_pipeline.store.manifest import seal, sha256_file, write_json, write_zip
from alpkd_pipeline.store.run_folder import PREDICTIONS, RunFolder

EVALUATION = b'{"event": "eval"'

HOW_TO_READ = """\
This is a claim: the numbers of a comparison of distilled encoders, with what they follow from.

    python -I verify.py

needs Python 3.11 or newer and nothing else. It computes every score, mean, interval, p value and
verdict again from the answers of the models and prints `equal` or `NOT EQUAL` for each.

claim.json holds the numbers by name, numbers.tex the same for LaTeX: \\input it and write
\\alpkd{mrpc/2/alp_kd/mean}. The folders are those of the store that the models lie in.
"""


def write_claim(sources: Sources, out: Path, work: Path) -> Path:
    """Write the claim of a comparison as one zip, from an empty folder `work`; the same evidence
    gives the same bytes.

    Raises:
        UserError: there is nothing to claim, runs whose answers were not kept, or scores that do
            not follow from them.
        DamagedError: a file is not what was written.
    """
    evidence = sources.evidence
    students = [evidence.students[key] for arm in sources.found for key in arm["runs"]]
    if not students:
        raise UserError(
            "there is no scored student to make a claim about: `kedro sweep` makes some"
        )
    if silent := [run for run in students if not _answered(run)]:
        raise UserError(
            f"the answers of {plural(len(silent), 'student')} were not kept, so that nobody could"
            f" check their scores ({some([run.path.name for run in silent])}):"
            f" `kedro run --pipeline=distill` with their parameters {_makes_them(silent)}"
        )
    taught = {run.keys.get("teacher") for run in students}
    teachers = [run for key, run in evidence.teachers.items() if key in taught and _answered(run)]
    settings = {row["key"]: {n: row[n] for n in SETTING_COLUMNS} for row in sources.records}
    claim: dict[str, Any] = {
        "format": FORMAT,
        "plan": asdict(evidence.plan),
        "planned": evidence.planned,
        "searches": evidence.searches,
        "runs": [_copy(run, work) | settings.get(run.key, {}) for run in [*students, *teachers]],
        "numbers": numbers(sources.judge),
    }
    write_json(work / CLAIM, claim)
    (work / TEX).write_text(latex(claim["numbers"]), "utf-8")
    (work / READ_ME).write_text(HOW_TO_READ, "utf-8")
    package = Path(alpkd_pipeline.__file__).parent
    for name in CODE:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package.parent / name, work / name)
    shutil.copyfile(Path(__file__).with_name("verify.py"), work / "verify.py")
    files = sorted(path for path in work.rglob("*") if path.is_file())
    listed = {path.relative_to(work).as_posix(): sha256_file(path) for path in files}
    (work / SUMS).write_text("".join(f"{digest}  {n}\n" for n, digest in listed.items()), "utf-8")
    if wrong := [what for good, what in check(work) if good is False]:
        raise UserError(
            f"the claim would not hold: {some(wrong)}; `kedro verify` looks at the store"
        )
    names = sorted([*listed, SUMS], key=Path)
    write_zip(out, ((name, (work / name).read_bytes()) for name in names))
    return out


def _makes_them(silent: Sequence[RunRecord]) -> str:
    """Scores that are not there are made; those without answers are there, unless forced."""
    scored = [run.path.name for run in silent if run.scored]
    if len(scored) == len(silent):
        return "and --force=distill makes them again"
    force = f", with --force=distill too where scores without answers are there ({some(scored)})"
    return "makes them" + (force if scored else "")


def _answered(run: RunRecord) -> bool:
    """Whether the answers behind the score that counts were kept."""
    return bool(run.scored) and run.scored[0].has(f"{PREDICTIONS}{run.dev_split}.csv")


def _copy(run: RunRecord, work: Path) -> dict[str, Any]:
    """Copy what the claim needs of a run and of its results, and give what it says of it."""
    predictions, csv = run.scored[0], f"{PREDICTIONS}{run.dev_split}.csv"
    lines = run.read(EVENT_LOG).splitlines(keepends=True) if run.has(EVENT_LOG) else []
    event_log = b"".join(line for line in lines if line.startswith(EVALUATION))
    _folder(run, work, ("run.json", "metrics.json"), {EVENT_LOG: event_log} if lines else {})
    said = read_predictions(predictions.read(csv))
    columns = (said.idx.tolist(), said.labels.tolist(), said.predictions.tolist())
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    text = "\n".join(["idx,label,prediction", *rows, ""])
    _folder(predictions, work, ("scores.json",), {csv: text.encode()})
    for other in run.scored[1:]:
        _folder(other, work, ("scores.json",))
    for timed in run.results(LATENCY):
        _folder(timed, work, ("latency.json",))
    return {
        "folder": run.folder,
        "answers": predictions.path.relative_to(run.store).as_posix(),
        **metadata_of(run.run, predictions.json("scores.json")["splits"][run.dev_split]),
    }


def _folder(
    folder: RunFolder, work: Path, names: Sequence[str], own: Mapping[str, bytes] | None = None
) -> None:
    """Some files of a folder, and others instead of its own, beside what its manifest said."""
    made = work / folder.path.relative_to(folder.store)
    for name, data in {**{n: folder.read(n) for n in names}, **(own or {})}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    sealed = folder.manifest.get("sealed") or dict(folder.manifest)
    seal(made, {n: v for n, v in sealed.items() if n not in OWN} | {"sealed": sealed})


_BEFORE_COMMENT = re.compile(r"(?:[^%\\]|\\.)*")
_MACRO = re.compile(r"\\alpkd(?![A-Za-z@])\s*\{((?:[^{}]|\{[^{}]*\})*)")


def cited(tex: str) -> Iterator[tuple[int, str]]:
    """Line and name of each number that a manuscript writes by its macro; comments do not count."""
    said = "\n".join(_BEFORE_COMMENT.findall(line)[0] for line in tex.splitlines())
    for macro in _MACRO.finditer(said):
        yield said.count("\n", 0, macro.start()) + 1, " ".join(macro[1].splitlines())
