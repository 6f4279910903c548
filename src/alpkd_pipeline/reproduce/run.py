"""Makes originals again in one fresh store, compares them, and keeps records below the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from alpkd_pipeline.coordinates import matches
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.execute import (
    VERDICT,
    WorkerProcess,
    checked_out,
    exact_parameters,
    fresh_store,
    made_run,
    utc_now,
)
from alpkd_pipeline.reproduce.original import Difference, StoredRun, after_running, read_run
from alpkd_pipeline.reproduce.plan import told, what_is_made
from alpkd_pipeline.reproduce.result import Rerun, RerunResult, report_page
from alpkd_pipeline.reproduce.verdict import (
    BITWISE,
    DRIFTED,
    FAILED,
    Verdict,
    band_of,
    compare_data,
    worst,
)
from alpkd_pipeline.store.fingerprint import PACKAGE_ROOT
from alpkd_pipeline.store.layout import COMMIT, COMPARISONS, RERUN_REPORTS
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import (
    Damage,
    RunFolder,
    finished_below,
    newest_first,
    noted,
    verify,
)
from alpkd_pipeline.tracking.settings import TrackingSettings


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a rerun happens."""

    project: Path
    env: str | None
    store: Path  # the store of records and fresh stores
    tracking: TrackingSettings | None  # where runs are tracked; None: nowhere
    keep: bool  # whether the fresh store stays after a bitwise equal rerun too
    command: str  # the command line, for the record
    say: Callable[[str], None]  # tells a person one line


def run_again(
    setting: Setting, planned: Sequence[Rerun], name: str, key: str, notes: Sequence[str] = ()
) -> tuple[RerunResult, Path]:
    """Make all that was planned, one after the other, and compare; gives the report's path too.

    Originals with an error are only reported. The fresh store gets the `name`; the `key` is that of
    the one original, or of the comparison that they come from; `notes` are lines for the report.
    """
    begun, warnings = time.monotonic(), list(notes)
    with fresh_store(setting.store, name, what_is_made(planned, setting.project)) as fresh:
        experiments = [p for p in planned if p.error]
        # By their code, so that a process and the teachers that it made serve many.
        for commit in dict.fromkeys(p.commit for p in planned if not p.error):
            group = [p for p in planned if p.commit == commit and not p.error]
            experiments += _make_group(setting, group, commit, fresh, warnings)
        kept = setting.keep or worst(experiment.verdict for experiment in experiments) != BITWISE
        seconds = time.monotonic() - begun
        result = RerunResult(utc_now(), key, experiments, seconds, kept, warnings)
        report = write_record(setting.store, result, setting.command)
        if kept:
            shutil.copyfile(report.with_name(VERDICT), fresh / VERDICT)
            setting.say(f"kept for a look: {fresh}")
        else:
            shutil.rmtree(fresh, ignore_errors=True)
    return result, report


def _make_group(
    setting: Setting, group: Sequence[Rerun], commit: str | None, fresh: Path, warnings: list[str]
) -> list[Rerun]:
    """Originals of one version of the code; what is wrong with one of them fails no other."""
    store, env = fresh, setting.env
    tree: AbstractContextManager[Path] = nullcontext(setting.project)
    if commit is not None:
        # Two versions may make different results from equal parameters: a store for each.
        store, env = fresh / f"{COMMIT}{commit[:8]}", None
        tree = checked_out(setting.project, commit, fresh / f"code-{commit[:8]}")
    experiments: list[Rerun] = []
    try:
        with tree as project:
            source = project / "src" if commit else PACKAGE_ROOT.parent
            with WorkerProcess(project, source, fresh / "rerun.log", env) as shop:
                for one in group:
                    try:
                        experiments.append(_make(setting, shop, one, store, warnings))
                    except UserError as error:
                        experiments.append(replace(one, error=str(error)))
        return experiments
    except UserError as error:
        return [replace(one, error=str(error)) for one in group]


def _make(
    setting: Setting, shop: WorkerProcess, planned: Rerun, store: Path, warnings: list[str]
) -> Rerun:
    original, commit, teacher = planned.original, planned.commit, planned.original.teacher
    seconds = original.seconds + (teacher.seconds if teacher else 0.0)
    setting.say(f"making {original.path.name} again (trained for {seconds:.0f} s then)")
    params = exact_parameters(original, setting.project, store, setting.tracking, planned.device)
    error = shop.make(original.stage, params, original.path.name)
    if error and commit:
        error = f"with the code of commit {commit[:8]}: {error}; --here runs today's code"
    made = None if error else made_run(store, original.stage, params)
    if made is None:
        raise UserError(error or f"nothing with its parameters is in {store}")
    pairs = [(original, made)]
    if teacher is not None and made.teacher is not None:
        pairs.insert(0, (teacher, made.teacher))
    result = compared(planned, pairs, setting.store)
    if setting.tracking is None:
        return result
    from alpkd_pipeline.tracking.comparison import tag_rerun

    try:
        for (then, now), model in zip(pairs, result.models, strict=True):
            verdict = result.verdict_of(model)
            ids = tag_rerun(then.path, now.path, verdict, utc_now(), setting.tracking)
        return replace(result, tracked=ids)
    except UserError as error:  # a server that is away costs a warning and no more
        warnings.append(f"warning: {error}")
        return result


def compared(planned: Rerun, pairs: Sequence[tuple[StoredRun, StoredRun]], store: Path) -> Rerun:
    """What came of an original: it and its rerun are the last pair, their teachers the first."""
    models, seen = [], list(planned.differences)
    named = {difference.now for difference in seen}
    for then, now in pairs:
        model = compare_models(then, now)
        if not model.bitwise:
            with noted(damages := list[Damage]()):
                model = replace(model, band=band_of(then, now))
            band = (told(one, f"noise band, {one.folder.name}") for one in damages)
            seen += (difference for difference in band if difference.now not in named)
        models.append(model)
    seen += (difference for pair in pairs for difference in after_running(*pair))
    known: dict[tuple[str, str], Difference] = {}
    for d in seen:
        # The recorded code was run where its commit was.
        if not (planned.commit and d.kind == "code"):
            known.setdefault((d.kind, d.what), d)
    then, now = pairs[-1]
    return replace(
        planned,
        differences=tuple(known.values()),
        data=compare_data(then, now),
        models=tuple(models),
        rerun=now.key,
        folder=now.path.relative_to(store).as_posix(),
    )


def write_record(store: Path, result: RerunResult, command: str) -> Path:
    """Write `rerun.json` and `report.md` into a folder of their own; gives the report."""
    folder = store / RERUN_REPORTS / f"{result.time}-{result.of[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.md"
    page.write_text(report_page(result, command), encoding="utf-8", newline="\n")
    # Last: a record that can be read is a whole one.
    write_json(folder / VERDICT, {**result.plain, "command": command})
    return page


def last_verdicts(store: Path) -> dict[str, Verdict]:
    """Key of an original -> the verdict of the last time that it could be made again."""
    found: dict[str, Verdict] = {}
    for path in sorted((store / RERUN_REPORTS).glob(f"*/{VERDICT}")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # such a record says nothing
            verdicts = {one["original"]: one["verdict"] for one in read_json(path)["cells"]}
            found |= {key: verdict for key, verdict in verdicts.items() if verdict != FAILED}
    return found


class GreenComparison(NamedTuple):
    """A comparison to repeat, its students that were asked for, and why newer ones are not."""

    folder: Path
    key: str
    runs: Sequence[StoredRun]
    passed_over: Sequence[str]


def latest_green(store: Path, where: Mapping[str, Any]) -> GreenComparison:
    """The newest green comparison that has experiments of the kind `where`, as for `matches`.

    Green is one whose files are what was sealed, its students' and their teachers' too, and none of
    whose students drifted the last time that it could be made again. A UserError says that there
    is none, none with such experiments, or none that is green.
    """
    passed_over, verdicts = list[str](), last_verdicts(store)
    for comparison in newest_first(finished_below(store / COMPARISONS)):
        try:
            runs = _green_runs(comparison, store, where, verdicts)
            return GreenComparison(comparison.path, comparison.key, runs, passed_over)
        except UserError as error:
            passed_over.append(f"comparison {comparison.path.name} is passed over: {error}")
    none = f"no comparison in {store / COMPARISONS}: `kedro run --pipeline=compare` makes one"
    raise UserError(f"no green comparison: {'; '.join(passed_over)}" if passed_over else none)


def _green_runs(
    comparison: RunFolder, store: Path, where: Mapping[str, Any], verdicts: Mapping[str, Verdict]
) -> list[StoredRun]:
    verify(comparison.path)
    try:
        students = list(comparison.json("comparison.json")["students"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"its comparison.json cannot be read ({error!r})") from None
    rows = [row for row in students if matches(where, row)]
    if not rows:
        raise UserError("it has no student that fits the filter")
    for row in rows:
        verify(store / row["path"])
        if verdicts.get(row["key"]) == DRIFTED:
            raise UserError(
                f"the last rerun of {Path(row['path']).name} drifted; once that is understood,"
                f" `kedro rerun {row['key'][:8]}` that does not drift makes it green again"
            )
    runs = [read_run(store / row["path"]) for row in rows]
    # Students share teachers, which are large: each is read once.
    for teacher in filter(None, dict.fromkeys(run.teacher_folder for run in runs)):
        verify(teacher)
    return runs
