"""What of an original is not what was sealed, found out before anything is made again."""

from __future__ import annotations

from collections.abc import Iterable

from alpkd_pipeline.orchestration.rerun.difference import Difference
from alpkd_pipeline.orchestration.rerun.original import StoredRun, altered_files
from alpkd_pipeline.orchestration.rerun.scores import scores_folder
from alpkd_pipeline.runs.finished import Damage, DamagedError


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
