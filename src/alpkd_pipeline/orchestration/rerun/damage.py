"""What of an original is not what was sealed, found out before anything is made again."""

from __future__ import annotations

from alpkd_pipeline.orchestration.rerun.difference import Difference, Kind
from alpkd_pipeline.orchestration.rerun.original import StoredRun, altered_files
from alpkd_pipeline.orchestration.rerun.scores import scores_folder
from alpkd_pipeline.reporting.store import SCORES
from alpkd_pipeline.runs.manifest import MANIFEST, read_manifest
from alpkd_pipeline.runs.run_folder import RUN_CONFIG


def damage(original: StoredRun) -> list[Difference]:
    """The files of an original, of its teacher and of both their scores that somebody has changed.

    Args:
        original: the original; all these files are read.
    """
    teacher = original.teacher
    found = [*_model(original), *(_model(teacher) if teacher else ())]
    if teacher is None and original.teacher_folder is not None:
        found.append(_altered("damage", MANIFEST, "teacher"))
    return found


def _model(run: StoredRun) -> list[Difference]:
    found = []
    for name in run.altered:
        kind: Kind = "parameters" if name == RUN_CONFIG else "damage"
        found.append(_altered(kind, name, run.stage))
    return found + [_altered("damage", name, f"{run.stage}'s scores") for name in _scores(run)]


def _scores(run: StoredRun) -> tuple[str, ...]:
    """The altered files of the scores that would be compared."""
    folder = scores_folder(run)
    if folder is not None:
        return altered_files(folder, read_manifest(folder) or {"files": {}})
    # Scores whose manifest is damaged cannot be told from others, so they are found by their name.
    near = (run.store / SCORES[0] / run.task).glob(f"{run.folder.name}-*/{MANIFEST}")
    return (MANIFEST,) if any(read_manifest(path.parent) is None for path in near) else ()


def _altered(kind: Kind, name: str, of: str) -> Difference:
    return Difference(kind, f"{name} of the {of}", "as it was sealed", "another content")
