"""What a rerun came to, one cell for each original; and the same in words, for both readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alpkd_pipeline.orchestration.rerun.compare import ModelComparison
from alpkd_pipeline.orchestration.rerun.original import Difference
from alpkd_pipeline.orchestration.rerun.verdict import (
    DRIFTED,
    FAILED,
    FROM_BEST,
    DataComparison,
    Verdict,
    worst,
)
from alpkd_pipeline.reporting.formats import score_text, seconds_text

SOMETHING_ELSE = frozenset({"data", "parameters", "damage"})
"""Where one of these differs, the rerun is a rerun of something else, whatever its score."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """One original (its key) and its rerun (key and folder in the store, if it was made)."""

    original: str
    name: str
    task: str
    commit: str | None  # the commit whose code was run; None: today's code
    differences: tuple[Difference, ...]  # what was otherwise than it had been
    data: DataComparison | None = None
    # the teacher, if the original's is still there, and the student
    models: tuple[ModelComparison, ...] = ()
    rerun: str | None = None
    folder: str | None = None
    # the MLflow runs of the original and of the rerun, where they are known
    tracked: tuple[str | None, str | None] = (None, None)
    error: str | None = None  # why it failed, one line

    @property
    def something_else(self) -> tuple[str, ...]:
        """Why this is no rerun of the same thing."""
        found = [str(d) for d in self.differences if d.kind in SOMETHING_ELSE]
        changes = self.data.changes if self.data else ()
        return (*found, *(f"data changed, {change}" for change in changes))

    @property
    def verdict(self) -> Verdict:
        """The worst of its models; drifted where data or parameters are others."""
        if self.error is not None:
            return FAILED
        return worst(self.verdict_of(model) for model in self.models)

    def verdict_of(self, model: ModelComparison) -> Verdict:
        """What is to be said of one of its models."""
        return worst([model.verdict, DRIFTED]) if self.something_else else model.verdict


@dataclass(frozen=True, slots=True)
class RerunResult:
    """All that one command made again."""

    time: str  # when it ended, `20260314-031500` in UTC
    of: str  # the key of the one original, or of the comparison
    cells: Sequence[CellResult]
    seconds: float
    kept: bool = True  # whether the fresh store stays
    notes: Sequence[str] = ()  # lines for people: what was passed over, what could not be tracked

    @property
    def verdict(self) -> Verdict:
        """The worst of all cells."""
        return worst(cell.verdict for cell in self.cells)


def terminal_text(result: RerunResult, report: str) -> str:
    """The compact account that a command ends with; its last lines say it all."""
    lines = [line for cell in result.cells for line in _cell_lines(cell)]
    return "\n".join([*lines, *result.notes, "", *_closing_lines(result, report)])


def _cell_lines(cell: CellResult) -> Iterator[str]:
    """One cell: a line for each thing that was compared."""
    yield f"{cell.name} ({cell.task}): {cell.verdict}"
    if cell.error:
        yield f"  {cell.error}"
        return
    for model in cell.models:
        yield f"  {model.stage}"
        yield f"    weights  {_weights(model)}"
        yield f"    losses   {model.losses}"
        yield f"    answers  {_answers(model)}"
        yield f"    {_score(model)}"
        yield from (f"    not compared: {why}" for why in (model.missing, model.skipped) if why)
    for name, text in _around(cell):
        yield f"  {name:<10} {text}"


def _closing_lines(result: RerunResult, report: str) -> list[str]:
    """The verdict over all, the cells that are not well, and where to read on."""
    bad = [cell for cell in result.cells if cell.verdict not in FROM_BEST[:2]]
    lines = [f"not reproduced: {cell.name} ({cell.task}): {_why(cell)}" for cell in bad]
    counts = Counter(cell.verdict for cell in result.cells)
    told = ", ".join(f"{counts[name]} {name}" for name in FROM_BEST if counts[name])
    one = len(result.cells) == 1
    of = result.cells[0].name if one else f"of {counts.total()} reruns {told}"
    return [*lines, f"report: {report}", f"{result.verdict}: {of}"]


def _why(cell: CellResult) -> str:
    scores = [f"{model.stage} {_score(model)}" for model in cell.models]
    return cell.error or "; ".join(cell.something_else or scores)


def report_page(result: RerunResult, command: str) -> str:
    """The report in Markdown: the verdict, then the account of each cell."""
    parts = [
        f"# Rerun: {result.verdict}\n",
        f"{result.time} UTC, {seconds_text(result.seconds)} s, `{command}`\n",
        *(f"- {note}\n" for note in result.notes),
    ]
    for cell in result.cells:
        head, *lines = _cell_lines(cell)
        parts.append("\n".join([f"## {head}\n", "```text", *lines, "```\n"]))
    return "\n".join(parts)


def _weights(model: ModelComparison) -> str:
    then, now = model.weights
    return f"equal ({then[:8]})" if then == now else f"differ ({then[:8]} -> {now[:8]})"


def _answers(model: ModelComparison) -> str:
    if not model.answers:
        return "none kept"
    other = [str(answer) for answer in model.answers if not answer.equal]
    return "; ".join(other) or f"all {model.answers[-1].rows} equal"


def _score(model: ModelComparison) -> str:
    """`dev.accuracy 0.8660 -> 0.8640 (-0.0020; noise: ...)`."""
    name, then, now = model.deciding
    text = f"{name} {score_text(then)} -> {score_text(now)}"
    if not model.difference:
        return text
    band = f"noise: {model.band}" if model.band else "no noise band can be made"
    return f"{text} ({model.difference:+.4f}; {band})"


def _around(cell: CellResult) -> Iterator[tuple[str, str]]:
    """What a cell was made from: its rows, its code, and whatever else differs."""
    if cell.data is None or not cell.data.known:
        yield "data", "not known what the original read"
    elif cell.data.same:
        yield "data", "the same rows"
    else:
        yield "data", "changed: " + "; ".join(map(str, cell.data.changes))
    if cell.commit:
        yield "code", f"commit {cell.commit[:8]}, as recorded; today's is another"
    elif any(difference.kind == "code" for difference in cell.differences):
        yield "code", "today's, which is another than the recorded one"
    else:
        yield "code", "unchanged"
    yield from (("differs", str(difference)) for difference in cell.differences)
