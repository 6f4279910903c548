"""What has changed between a run and today: code, data, libraries, Python, parameters, machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import TRAINING_LIBRARIES, Cell
from alpkd_pipeline.orchestration.check import check
from alpkd_pipeline.orchestration.rerun.original import Difference, Kind, StoredRun, altered_files
from alpkd_pipeline.orchestration.rerun.rows import scores_folder
from alpkd_pipeline.orchestration.rerun.worktree import same_source
from alpkd_pipeline.store.finished import Damage, DamagedError
from alpkd_pipeline.store.run_folder import provenance


def damage(original: StoredRun) -> list[Difference]:
    """The files of an original, of its teacher and of both their scores that somebody has changed.

    Args:
        original: the original; all these files are read.

    Raises:
        DamagedError: the teacher's run.json or metrics.json, which say how it was made.
    """
    teacher = original.teacher
    found = [*_model(original), *(_model(teacher) if teacher else ())]
    if teacher is None and original.teacher_folder is not None:
        found += told(altered_files(original.teacher_folder), "teacher")
    return found


def _model(run: StoredRun) -> list[Difference]:
    return told(run.altered, run.stage) + told(_scores(run), f"{run.stage}'s scores")


def _scores(run: StoredRun) -> tuple[Damage, ...]:
    """The damage of the scores that would be compared."""
    try:
        folder = scores_folder(run)
    except DamagedError as error:
        return error.damages
    return () if folder is None else altered_files(folder.path)


def told(damages: Iterable[Damage], of: str) -> list[Difference]:
    """Damage as differences, with the hashes of then and now."""
    return [
        Difference(
            "damage",
            f"{damage.file} of the {of}",
            f"sha256 {damage.expected or 'of a manifest'}",
            f"{damage.found or damage.what}",
        )
        for damage in damages
    ]


MADE_IN_ORDER = ("splits", "encoded", "teacher", "signals", "student")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is known before anything runs.

    Attributes:
        moved: the stages whose keys are others today, in the order in which they are made.
        differences: what has changed.
        today: what today's results would be known by: the keys, and the raw data as `source`;
            empty if today's code refuses the parameters.
    """

    moved: tuple[str, ...]
    differences: tuple[Difference, ...]
    today: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def kinds(self) -> frozenset[str]:
        """The sorts of things that have changed."""
        return frozenset(difference.kind for difference in self.differences)


def conditions(original: StoredRun, project: Path, store: Path) -> Conditions:
    """Compare the time of a run with today.

    Args:
        original: the run.
        project: the project's root.
        store: where hashes of code and data may be remembered.

    Raises:
        UserError: the data or the encoder is not there any more.
    """
    found = [*_software(original, provenance(project)), *damage(original)]
    cell = _today(original, project, store)
    if isinstance(cell, UserError):
        unknown = Difference("code", "code", "knew the parameters", str(cell))
        return Conditions(MADE_IN_ORDER, (*found, unknown))
    keys = {name: cell.stage(name).key for name in MADE_IN_ORDER if name in original.keys}
    moved = tuple(name for name in keys if keys[name] != original.keys[name])
    causes = _causes(original, cell, moved, project, found)
    today = {**keys, "source": cell.source_digest}
    return Conditions(moved, (*found, *causes), today)


def _today(original: StoredRun, project: Path, store: Path) -> Cell | UserError:
    """The cell that the stored parameters define today; an error if today's code refuses them."""
    try:
        given = {**original.run["params"], "run": {"store": str(store)}}
        return Cell(check(given), project)
    except UserError as error:
        return error


def _software(original: StoredRun, now: Mapping[str, Any]) -> list[Difference]:
    then = original.provenance
    theirs, ours = then.get("libraries") or {}, now["libraries"]
    found = [
        Difference("libraries", name, str(theirs[name]), str(ours.get(name, "missing")))
        for name in theirs
        if theirs[name] != ours.get(name, "missing")
    ]
    if then.get("lock") != now["lock"]:
        found.append(
            Difference("libraries", "lock file", _digits(then.get("lock")), _digits(now["lock"]))
        )
    kinds: tuple[tuple[Kind, str, str], ...] = (
        ("python", "Python", "python"),
        ("device", "vector instructions", "instructions"),
    )
    return found + [
        Difference(kind, what, str(then[name]), str(now[name]))
        for kind, what, name in kinds
        if then.get(name) not in (None, now[name])
    ]


def _causes(
    original: StoredRun,
    cell: Cell,
    moved: tuple[str, ...],
    project: Path,
    found: list[Difference],
) -> list[Difference]:
    """Why keys have moved; what follows from a key before it needs no cause of its own."""
    causes = _code(original, cell, moved)
    edited = any(difference.kind == "parameters" for difference in found)
    for name in moved:
        if any(upstream in moved for upstream in cell.stage(name).made_from):
            continue
        if name == "splits" and (change := _source(original, cell)) is not None:
            causes.append(change)
        elif not _explained(name, causes, found):
            still = edited or name in ("teacher", "student") or same_source(original, project)
            causes.append(_unexplained(name, still))
    return causes


def _code(original: StoredRun, cell: Cell, moved: tuple[str, ...]) -> list[Difference]:
    found = []
    for run in (original.teacher, original):
        if run is None or run.stage not in moved or _other_python(run):
            continue
        then = run.run["identity"].get("code")
        now = cell.student_code if run.stage == "student" else cell.teacher_code
        if then != now:
            found.append(Difference("code", f"code of the {run.stage}", _digits(then), now[:8]))
    return found


def _other_python(run: StoredRun) -> bool:
    """Whether hashes of code cannot be compared: Pythons write syntax trees differently."""
    import platform

    then = str(run.provenance.get("python") or "")
    return then.split(".")[:2] != platform.python_version().split(".")[:2]


def _source(original: StoredRun, cell: Cell) -> Difference | None:
    then, now = original.run.get("source"), cell.source_digest
    if then is None or then == now:
        return None
    before, after = then.get("files") or {}, now.get("files") or {}
    files = sorted(
        name for name in {*before, *after} if before.get(name, {}) != after.get(name, {})
    )
    what = f"raw data ({', '.join(files)})" if files else "raw data"
    return Difference("data", what, *(_sha(facts, files) for facts in (then, now)))


def _sha(source: Mapping[str, Any], files: list[str]) -> str:
    hashes = [str(source["files"].get(name, {}).get("sha256", "none"))[:8] for name in files]
    return ", ".join(hashes) or _digits(source.get("sha256") or source.get("revision"))


def _explained(name: str, causes: list[Difference], found: list[Difference]) -> bool:
    if any(cause.what == f"code of the {name}" for cause in causes):
        return True
    if any(difference.kind == "python" for difference in found):
        return True
    reads = {"encoded": ("tokenizers",), "splits": (), "signals": ()}.get(name, TRAINING_LIBRARIES)
    return any(difference.what in reads for difference in found)


def _unexplained(name: str, same_code: bool) -> Difference:
    if same_code:
        what = f"parameters or input files of the {name}"
        return Difference("parameters", what, "those of its key", "others")
    return Difference("code", f"code of the {name}", "that of its key", "another")


def _digits(value: Any) -> str:
    return str(value)[:8] if value else "not known"
