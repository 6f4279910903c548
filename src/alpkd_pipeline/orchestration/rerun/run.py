"""Makes originals again in one fresh store, compares them, and keeps the record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.compare import compare_models
from alpkd_pipeline.orchestration.rerun.conditions import told
from alpkd_pipeline.orchestration.rerun.execute import Workshop, exact_parameters, made_run
from alpkd_pipeline.orchestration.rerun.fresh import VERDICT, fresh_store, utc_now
from alpkd_pipeline.orchestration.rerun.original import Difference, StoredRun, after_running
from alpkd_pipeline.orchestration.rerun.plan import Planned, what_is_made
from alpkd_pipeline.orchestration.rerun.record import plain, write_record
from alpkd_pipeline.orchestration.rerun.rows import compare_data
from alpkd_pipeline.orchestration.rerun.verdict import (
    BITWISE,
    CellResult,
    ModelResult,
    RerunResult,
    band_of,
    worst,
)
from alpkd_pipeline.orchestration.rerun.worktree import checked_out
from alpkd_pipeline.store.fingerprint import PACKAGE_ROOT
from alpkd_pipeline.store.finished import Damage, noted
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tracking.settings import TrackingSettings

LOG = "rerun.log"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a rerun happens.

    Attributes:
        project: the project's root.
        env: the configuration environment.
        store: the store of records and fresh stores.
        tracking: where runs are tracked; None: nowhere.
        keep: whether the fresh store stays after a bitwise equal rerun too.
        command: the command line, for the record.
        say: tells a person one line.
    """

    project: Path
    env: str | None
    store: Path
    tracking: TrackingSettings | None
    keep: bool
    command: str
    say: Callable[[str], None]


def run_again(
    setting: Setting, planned: Sequence[Planned], name: str, key: str, notes: Sequence[str] = ()
) -> tuple[RerunResult, Path]:
    """Make all that was planned, one after the other, and compare.

    Args:
        setting: where.
        planned: the originals; those with an error are only reported.
        name: what the fresh store is called.
        key: of the one original, or of the comparison that they come from.
        notes: lines for the report.

    Returns:
        What was found, and the report's path.
    """
    begun, warnings = time.monotonic(), list(notes)
    with fresh_store(setting.store, name, what_is_made(planned, setting.project)) as fresh:
        cells = [_given_up(p) for p in planned if p.error]
        # By their code, so that a process and the teachers that it made serve many.
        for commit in dict.fromkeys(p.commit for p in planned if not p.error):
            group = [p for p in planned if p.commit == commit and not p.error]
            cells += _make_group(setting, group, commit, fresh, warnings)
        kept = setting.keep or worst(cell.verdict for cell in cells) != BITWISE
        seconds = time.monotonic() - begun
        result = RerunResult(utc_now(), key, cells, seconds, kept, warnings)
        report = write_record(setting.store, result, setting.command)
        if kept:
            write_json(fresh / VERDICT, plain(result))
            setting.say(f"kept for a look: {fresh}")
        else:
            shutil.rmtree(fresh, ignore_errors=True)
    return result, report


def _given_up(planned: Planned) -> CellResult:
    return CellResult(**_names(planned), differences=planned.differences, error=planned.error)


def _names(planned: Planned) -> dict[str, Any]:
    original = planned.original
    return {
        "original": original.key,
        "name": original.folder.name,
        "task": original.task,
        "commit": planned.commit,
    }


def _make_group(
    setting: Setting,
    group: Sequence[Planned],
    commit: str | None,
    fresh: Path,
    warnings: list[str],
) -> list[CellResult]:
    """Originals of one version of the code; if it cannot be had, none of them is made.

    What is wrong with one of them fails no other.
    """
    # Two versions may make different results from equal parameters: a store for each.
    store = fresh if commit is None else fresh / f"commit-{commit[:8]}"
    cells: list[CellResult] = []
    try:
        with _code(setting, commit, fresh) as (project, source):
            env = setting.env if commit is None else None
            with Workshop(project, source, fresh / LOG, env) as shop:
                for one in group:
                    cells.append(_made(setting, shop, one, store, warnings))
    except UserError as error:
        cells += [_given_up(_with_error(one, str(error))) for one in group[len(cells) :]]
    return cells


def _made(
    setting: Setting, shop: Workshop, planned: Planned, store: Path, warnings: list[str]
) -> CellResult:
    try:
        return _make(setting, shop, planned, store, warnings)
    except UserError as error:
        return _given_up(_with_error(planned, str(error)))


def _with_error(planned: Planned, error: str) -> Planned:
    return replace(planned, error=error)


@contextmanager
def _code(setting: Setting, commit: str | None, fresh: Path) -> Iterator[tuple[Path, Path]]:
    """The project's root and the folder of the package, of today or of a commit."""
    if commit is None:
        yield setting.project, PACKAGE_ROOT.parent
        return
    with checked_out(setting.project, commit, fresh / f"code-{commit[:8]}") as root:
        yield root, root / "src"


def _make(
    setting: Setting, shop: Workshop, planned: Planned, store: Path, warnings: list[str]
) -> CellResult:
    original = planned.original
    teacher = original.teacher
    seconds = original.seconds + (teacher.seconds if teacher else 0.0)
    setting.say(f"making {original.folder.name} again (trained for {seconds:.0f} s then)")
    params = exact_parameters(original, setting.project, store, setting.tracking, planned.device)
    error = shop.make(original.stage, params, original.folder.name)
    if error is not None:
        return _given_up(_with_error(planned, _told(error, planned.commit)))
    made = made_run(store, original.stage, params)
    if made is None:
        return _given_up(_with_error(planned, f"nothing with its parameters is in {store}"))
    pairs = [(original, made)]
    if teacher is not None and made.teacher is not None:
        pairs.insert(0, (teacher, made.teacher))
    result = _compared(planned, pairs, setting.store)
    return _tracked(setting, result, pairs, warnings)


def _told(error: str, commit: str | None) -> str:
    if commit is None:
        return error
    return f"with the code of commit {commit[:8]}: {error}; --here runs today's code"


def _compared(
    planned: Planned, pairs: Sequence[tuple[StoredRun, StoredRun]], store: Path
) -> CellResult:
    models, damages = [], list[Damage]()
    for then, now in pairs:
        found, band = compare_models(then, now), None
        if not found.bitwise:
            with noted(damages):
                band = band_of(then, now)
        models.append(ModelResult(found, band))
    then, now = pairs[-1]
    known = {(d.kind, d.what): d for d in planned.differences}
    named = {d.now for d in planned.differences}
    seen = [d for one in damages for d in told([one], f"noise band, {one.folder.name}")]
    seen = [d for d in seen if d.now not in named]
    for difference in (*seen, *(d for pair in pairs for d in after_running(*pair))):
        known.setdefault((difference.kind, difference.what), difference)
    return CellResult(
        **_names(planned),
        differences=_settled(known.values(), planned),
        data=compare_data(then, now),
        models=tuple(models),
        rerun=now.key,
        folder=now.folder.relative_to(store).as_posix(),
    )


def _settled(known: Iterable[Difference], planned: Planned) -> tuple[Difference, ...]:
    """What differed while it ran: the recorded code was run where its commit was."""
    return tuple(d for d in known if not (planned.commit and d.kind == "code"))


def _tracked(
    setting: Setting,
    result: CellResult,
    pairs: Sequence[tuple[StoredRun, StoredRun]],
    warnings: list[str],
) -> CellResult:
    """Tag the MLflow runs; a server that is away costs a warning and no more."""
    if setting.tracking is None:
        return result
    from alpkd_pipeline.tracking.comparison import tag_rerun

    ids: tuple[str | None, str | None] = (None, None)
    try:
        for (then, now), model in zip(pairs, result.models, strict=True):
            verdict = result.verdict_of(model)
            ids = tag_rerun(then.folder, now.folder, verdict, utc_now(), setting.tracking)
    except UserError as error:
        warnings.append(f"warning: {error}")
        return result
    return replace(result, tracked=ids)
