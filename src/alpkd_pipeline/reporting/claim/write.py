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
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import alpkd_pipeline
from alpkd_pipeline.errors import UserError, plural, some
from alpkd_pipeline.reporting.claim.numbers import numbers
from alpkd_pipeline.reporting.claim.verify import CLAIM, SUMS
from alpkd_pipeline.reporting.predictions import read_predictions
from alpkd_pipeline.reporting.render.text import escape
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.store import RunRecord
from alpkd_pipeline.store.journal import JOURNAL
from alpkd_pipeline.store.layout import LATENCY
from alpkd_pipeline.store.manifest import room_for, seal, sha256_file, write_json
from alpkd_pipeline.store.run_folder import PREDICTIONS, RunFolder, results_of

SEALED = "sealed.json"
"""The manifest of the store's folder, which the claim's folder has less of."""

STATISTICS = (
    *("arms", "best", "borrowed", "distributions", "family", "first_questions", "judge"),
    *("new_texts", "paired", "pairing", "scores", "summary", "verdict", "words"),
)
"""The modules that need nothing but Python: `verify.py` runs them."""

EVALUATION = b'{"event": "eval"'

READ_ME = """\
This is a claim: the numbers of a comparison of distilled encoders, with what they follow from.

    python verify.py

needs Python 3.11 or newer and nothing else. It computes every score, mean, interval, p value and
verdict again from the answers of the models and prints `equal` or `NOT EQUAL` for each.

claim.json holds the numbers by name, numbers.tex the same for LaTeX: \\input it and write
\\alpkd{mrpc/2/alp_kd/mean}. The folders are those of the store that the models lie in.
"""


def write_claim(sources: Sources, out: Path, work: Path) -> Path:
    """Write the claim of a comparison as one zip; the same evidence gives the same bytes.

    Args:
        sources: of the comparison.
        out: the zip to write.
        work: an empty folder to write it from.

    Raises:
        UserError: there is nothing to claim, or runs whose answers were not kept.
        DamagedError: a file is not what was written.
    """
    students = [sources.evidence.students[key] for arm in sources.found for key in arm["runs"]]
    if not students:
        raise UserError(
            "there is no scored student to make a claim about: `kedro sweep` makes some"
        )
    silent = [run.path.name for run in students if not run.scored or run.key not in sources.answers]
    if silent:
        raise UserError(
            f"the answers of {plural(len(silent), 'student')} were not kept, so that nobody could"
            f" check their scores ({some(silent)}): `kedro run --pipeline=distill` with their"
            " parameters and --force=distill makes them again"
        )
    taught = {run.keys.get("teacher") for run in students}
    teachers = [
        run for key, run in sources.evidence.teachers.items() if key in taught and run.scored
    ]
    for run in [*students, *teachers]:
        _copy(run, work)
    rows = {row["key"]: row for row in sources.records}
    there = {run.key for run in students}
    planned = dict(sources.evidence.planned)
    found = numbers(sources.judge)
    claim = {
        "format": 1,
        "plan": asdict(sources.judge.plan),
        "planned": planned,
        "missing": sorted(planned.keys() - there),
        "students": [
            rows[run.key] | _facts(run) | {"teacher": run.keys.get("teacher")} for run in students
        ],
        "teachers": [_facts(run) for run in teachers],
        "numbers": found,
    }
    write_json(work / CLAIM, claim)
    (work / "numbers.tex").write_text(latex(found), "utf-8")
    (work / "README.txt").write_text(READ_ME, "utf-8")
    for source, name in _code():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, work / name)
    shutil.copyfile(Path(__file__).with_name("verify.py"), work / "verify.py")
    files = sorted(path for path in work.rglob("*") if path.is_file())
    listed = {path.relative_to(work).as_posix(): sha256_file(path) for path in files}
    (work / SUMS).write_text("".join(f"{digest}  {n}\n" for n, digest in listed.items()), "utf-8")
    _zip(work, out)
    return out


def _copy(run: RunRecord, work: Path) -> None:
    """What the claim needs of a run and of its results, each folder sealed anew."""
    folder, store = RunFolder(run.path), run.path.parents[3]
    made = _folder(folder, store, work, ("run.json", "metrics.json"))
    if folder.has(JOURNAL):
        lines = [line for line in folder.read(JOURNAL).splitlines() if line.startswith(EVALUATION)]
        (made / JOURNAL).write_bytes(b"".join(line + b"\n" for line in lines))
    _seal(folder, made)
    scored = RunFolder(run.scored[0])
    made = _folder(scored, store, work, ("scores.json",))
    said = read_predictions(scored.read(f"{PREDICTIONS}{run.dev_split}.csv"))
    columns = (said.idx.tolist(), said.labels.tolist(), said.answers.tolist())
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    file = made / PREDICTIONS / f"{run.dev_split}.csv"
    file.parent.mkdir()
    file.write_text("\n".join(["idx,label,prediction", *rows]) + "\n", "utf-8")
    _seal(scored, made)
    for timed in results_of(store / LATENCY / run.path.parent.name, folder)[:1]:
        _seal(timed, _folder(timed, store, work, ("latency.json",)))


def _folder(folder: RunFolder, store: Path, work: Path, names: Sequence[str]) -> Path:
    made = work / folder.path.relative_to(store)
    made.mkdir(parents=True)
    for name in names:
        (made / name).write_bytes(folder.read(name))
    write_json(made / SEALED, dict(folder.manifest))
    return made


def _seal(folder: RunFolder, made: Path) -> None:
    own = ("files", "sha256", "schema")
    seal(made, {name: value for name, value in folder.manifest.items() if name not in own})


def _facts(run: RunRecord) -> dict[str, Any]:
    """What is claimed of a run, and where it is."""
    store = run.path.parents[3]
    return {
        "key": run.key,
        "folder": run.path.relative_to(store).as_posix(),
        "answers": run.scored[0].relative_to(store).as_posix(),
        "split": run.dev_split,
        "task": run.run["task"]["name"],
        "data": run.keys.get("encoded"),
        "metric": run.deciding_metric,
        "score": run.deciding_score,
        "commit": (run.run.get("provenance") or {}).get("git_commit"),
    }


def latex(found: Mapping[str, str]) -> str:
    """The numbers as macros: `\\alpkd{name}` prints one, and stops at a name that is not there."""
    lines = [
        r"% \input this file, then write \alpkd{mrpc/2/alp_kd/mean}.",
        r"\makeatletter",
        r"\newcommand{\alpkd}[1]{\@ifundefined{alpkd@\detokenize{#1}}%",
        r"  {\errmessage{No run supports #1}}{\@nameuse{alpkd@\detokenize{#1}}}}",
        r"\newcommand{\alpkd@number}[2]{\@namedef{alpkd@\detokenize{#1}}{#2}}",
        *(f"\\alpkd@number{{{name}}}{{{escape(text)}}}" for name, text in found.items()),
        r"\makeatother",
    ]
    return "\n".join(lines) + "\n"


_MACRO = re.compile(r"\\alpkd\{([^{}]*)\}")


def unsupported(tex: str, found: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Line and name of every number of a manuscript that a claim does not hold; comments do not
    count.
    """
    for number, line in enumerate(tex.splitlines(), start=1):
        said = re.split(r"(?<!\\)%", line)[0]
        yield from ((number, name) for name in _MACRO.findall(said) if name not in found)


def _code() -> Iterator[tuple[Path, str]]:
    """The files that `verify.py` runs, and their names in the claim."""
    root = Path(alpkd_pipeline.__file__).parent
    here = ("__init__.py", "reporting/__init__.py")
    own = ("reporting/claim/__init__.py", "reporting/claim/numbers.py")
    of_statistics = (f"reporting/statistics/{name}.py" for name in ("__init__", *STATISTICS))
    for name in (*here, *own, *of_statistics):
        yield root / name, f"alpkd_pipeline/{name}"


def _zip(work: Path, out: Path) -> None:
    """All files in their order, with one and the same time."""
    with room_for(out), ZipFile(out, "w", ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(p for p in work.rglob("*") if p.is_file()):
            file.writestr(
                ZipInfo(path.relative_to(work).as_posix()), path.read_bytes(), ZIP_DEFLATED
            )
