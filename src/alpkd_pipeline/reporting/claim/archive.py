"""A claim is a zip: for every number of a comparison what it follows from, and how to check it.

Unpacked, a claim is a small store: the same folders with what is needed of them, so that a
comparison reads it as it reads runs, and what others made, or another machine, stands in one table.
It holds row numbers, labels and answers, and never a text.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import alpkd_pipeline
from alpkd_pipeline.errors import UserError, first_line, kind_and_line, plural, some, user_error
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
    evidence,
    facts_of,
)
from alpkd_pipeline.reporting.statistics.answers import read_predictions
from alpkd_pipeline.reporting.statistics.arms import SETTING_COLUMNS
from alpkd_pipeline.store.event_log import EVENT_LOG
from alpkd_pipeline.store.layout import CACHE, LATENCY
from alpkd_pipeline.store.manifest import room_for, seal, sha256_file, write_json
from alpkd_pipeline.store.run_folder import PREDICTIONS, RunFolder
from alpkd_pipeline.store.zipped import write_zip

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.store import RunRecord

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
    """Write the claim of a comparison as one zip; the same evidence gives the same bytes.

    Args:
        sources: of the comparison.
        out: the zip to write.
        work: an empty folder to write it from.

    Raises:
        UserError: there is nothing to claim, runs whose answers were not kept, or scores that do
            not follow from them.
        DamagedError: a file is not what was written.
    """
    known = sources.evidence
    students = [known.students[key] for arm in sources.found for key in arm["runs"]]
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
    teachers = [run for key, run in known.teachers.items() if key in taught and _answered(run)]
    settings = {row["key"]: {n: row[n] for n in SETTING_COLUMNS} for row in sources.records}
    claim: dict[str, Any] = {
        "format": FORMAT,
        "plan": asdict(known.plan),
        "planned": known.planned,
        "searches": known.searches,
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
    answers, csv = run.scored[0], f"{PREDICTIONS}{run.dev_split}.csv"
    lines = run.read(EVENT_LOG).splitlines(keepends=True) if run.has(EVENT_LOG) else []
    event_log = b"".join(line for line in lines if line.startswith(EVALUATION))
    _folder(run, work, ("run.json", "metrics.json"), {EVENT_LOG: event_log} if lines else {})
    said = read_predictions(answers.read(csv))
    columns = (said.idx.tolist(), said.labels.tolist(), said.answers.tolist())
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    text = "\n".join(["idx,label,prediction", *rows, ""])
    _folder(answers, work, ("scores.json",), {csv: text.encode()})
    for other in run.scored[1:]:
        _folder(other, work, ("scores.json",))
    for timed in run.results(LATENCY):
        _folder(timed, work, ("latency.json",))
    return {
        "folder": run.folder,
        "answers": answers.path.relative_to(run.store).as_posix(),
        **facts_of(run.run, answers.json("scores.json")["splits"][run.dev_split]),
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


def claims_below(folder: str) -> dict[str, Path]:
    """Digest -> each claim in a folder, or the claim itself; of several copies one.

    Raises:
        UserError: there is none.
    """
    path = Path(folder).expanduser()
    if not path.exists():
        raise UserError(
            f"parameter 'compare.claims' = '{folder}': there is nothing at {path.absolute()}; name"
            " a claim, or a folder of them, from where the command is typed"
        )
    found = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not (found := [claim for claim in found if claim.is_file()]):
        raise UserError(
            f"parameter 'compare.claims' = '{folder}': there is no claim; `kedro claim FILE.zip`"
            " writes one"
        )
    return {sha256_file(claim): claim for claim in reversed(found)}


def unpacked(store: Path, claims: Mapping[str, Path]) -> list[Path]:
    """The claims as stores, below the cache of a store; each is unpacked once.

    Raises:
        UserError: a file is no claim, one of another format, or its scores do not follow from the
            answers in it.
    """
    places = [store / CACHE / "claims" / digest[:16] for digest in claims]
    for place, claim in zip(places, claims.values(), strict=True):
        if not place.is_dir() or _wrong(place):
            _unpack(claim, place)
    return places


def _unpack(claim: Path, place: Path) -> None:
    work = place.with_name(f"{place.name}.{os.getpid()}.work")
    try:
        remedy = "name a zip that `kedro claim` wrote, or ask whoever made it for it anew"
        if not (wrong := _not_extracted(claim, work)) and (wrong := _wrong(work)):
            remedy = (
                "ask whoever made it for it anew, `python -I verify.py` in its unpacked folder says"
                " all that is wrong"
            )
        if wrong:
            raise UserError(f"{claim} cannot be read as a claim: {wrong}; {remedy}")
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another process was faster
            work.replace(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _not_extracted(claim: Path, work: Path) -> str:
    """Why a file is not a zip with a claim; empty if it is unpacked."""
    try:
        with room_for(work.parent), ZipFile(claim) as file:
            file.extractall(work)
    except Exception as error:  # a damaged zip raises a dozen kinds of them
        if user_error(error) is not None:
            raise
        return f"it is no zip, or not all of one ({first_line(error)})"
    return "" if (work / CLAIM).is_file() else f"it has no {CLAIM}"


def _wrong(place: Path) -> str:
    """What of a claim is not as it says; empty if all is."""
    try:
        found = next((what for good, what in evidence(place) if good is False), "")
    except (ValueError, OSError) as error:
        found = first_line(error)
    except Exception as error:  # whatever a changed file leads to
        found = f"{CLAIM} is no claim's: {kind_and_line(error)}"
    return found.replace(f"{place}/", "")


def is_claim(path: Path) -> bool:
    """Whether a file looks like a claim: a zip that has a claim.json."""
    try:
        with ZipFile(path) as file:
            return CLAIM in file.namelist()
    except Exception:  # whatever a file of another kind leads to
        return False


_BEFORE_COMMENT = re.compile(r"(?:[^%\\]|\\.)*")
_MACRO = re.compile(r"\\alpkd(?![A-Za-z@])\s*\{((?:[^{}]|\{[^{}]*\})*)")


def cited(tex: str) -> Iterator[tuple[int, str]]:
    """Line and name of each number that a manuscript writes by its macro; comments do not count."""
    said = "\n".join(_BEFORE_COMMENT.findall(line)[0] for line in tex.splitlines())
    for macro in _MACRO.finditer(said):
        yield said.count("\n", 0, macro.start()) + 1, " ".join(macro[1].splitlines())
