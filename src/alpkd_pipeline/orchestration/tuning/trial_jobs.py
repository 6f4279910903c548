"""The jobs of a round of trials: what they share first, then their students."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.sweep.jobs import Job
from alpkd_pipeline.orchestration.tuning.trials import is_done, shared


def student_jobs(cells: Iterable[tuple[str, Cell]]) -> dict[str, Job]:
    """One job for each student that is missing.

    Args:
        cells: each with the name of its job.

    Returns:
        The jobs by the student's key. Cells of the same key share the job of the first one.
    """
    found: dict[str, Job] = {}
    for name, cell in cells:
        if cell.student.key not in found and not is_done(cell):
            found[cell.student.key] = Job(
                name=name,
                pipeline="distill",
                to_outputs=("student",),
                params=cell.params.plain(),
                command=cell.command,
                expect={"student": cell.student.key},
                needs=tuple(job.name for job in shared_jobs(cell)),
            )
    return found


def shared_jobs(cell: Cell) -> Iterator[Job]:
    """The jobs that make what a student shares with others, as far as it is missing.

    Two cells with the same teacher give jobs of the same name.
    """
    seed, teacher = cell.params.teacher.seed, cell.teacher
    needs: tuple[str, ...] = ()
    wanted = [(teacher, "finetune_teacher", "teacher")]
    if cell.needs_signals:
        wanted.append((cell.signals, "distill", "signals of teacher"))
    for stage, pipeline, what in wanted:
        if stage.found is not None:
            continue
        job = Job(
            name=f"{cell.task.name} {what} s{seed} {stage.key[:8]}",
            pipeline=pipeline,
            to_outputs=(stage.name,),
            params=shared(cell).plain(),
            command=cell.command,
            expect={stage.name: stage.key},
            needs=needs,
        )
        yield job
        needs = (job.name,)
