"""What a rerun came to, in words: for the terminal and for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from alpkd_pipeline.orchestration.rerun.compare import AnswerComparison, LossComparison
from alpkd_pipeline.orchestration.rerun.verdict import (
    BITWISE,
    FROM_BEST,
    CellResult,
    ModelResult,
    RerunResult,
)
from alpkd_pipeline.reporting.report.words import markdown_table
from alpkd_pipeline.reporting.statistics.summary import score_text, seconds_text

COLUMNS = ("model", "weights", "losses", "answers", "score", "difference", "noise band")


def terminal_text(result: RerunResult, report: str) -> str:
    """The compact account that a command ends with; its last lines say it all.

    Args:
        result: what was found.
        report: where the whole report is.
    """
    lines = [line for cell in result.cells for line in cell_lines(cell)]
    return "\n".join([*lines, *result.notes, "", *closing_lines(result, report)])


def cell_lines(cell: CellResult) -> Iterator[str]:
    """One cell: a line for each thing that was compared."""
    yield f"{cell.name} ({cell.task}): {cell.verdict}"
    if cell.error:
        yield f"  {cell.error}"
        return
    for model in cell.models:
        found = model.found
        yield f"  {found.stage}"
        yield f"    weights  {_weights(model)}"
        yield f"    losses   {loss_words(found.losses)}"
        yield f"    answers  {_answers(model)}"
        yield f"    {score_words(model)}"
        yield from (f"    not compared: {why}" for why in _not_compared(model))
    yield f"  data       {data_words(cell)}"
    yield f"  code       {code_words(cell)}"
    for difference in cell.differences:
        yield f"  differs    {difference}"


def closing_lines(result: RerunResult, report: str) -> list[str]:
    """The verdict over all, the cells that are not well, and where to read on."""
    bad = [cell for cell in result.cells if cell.verdict not in FROM_BEST[:2]]
    lines = [f"not reproduced: {cell.name} ({cell.task}): {_why(cell)}" for cell in bad]
    counts = Counter(cell.verdict for cell in result.cells)
    told = ", ".join(f"{counts[name]} {name}" for name in FROM_BEST if counts[name])
    one = result.cells[0] if len(result.cells) == 1 else None
    head = f"{result.verdict}: {one.name}" if one else f"{result.verdict}: of {counts.total()}"
    return [*lines, f"report: {report}", head if one else f"{head} reruns {told}"]


def _why(cell: CellResult) -> str:
    if cell.error:
        return cell.error
    if cell.something_else:
        return "; ".join(cell.something_else)
    return "; ".join(f"{m.found.stage} {score_words(m)}" for m in cell.models)


def loss_words(losses: LossComparison) -> str:
    """`80 lines equal`, or where the first difference is and how large they become."""
    if not losses.readable:
        return "cannot be read"
    if not losses.steps:
        return "none recorded"
    if losses.equal:
        return f"all {losses.steps} recorded steps equal"
    there = [f"{value:.6g}" if value is not None else "none" for value in (losses.then, losses.now)]
    text = (
        f"differ from step {losses.first} on: {there[0]} -> {there[1]},"
        f" at most {losses.largest:.2g} apart"
    )
    if losses.rate_from is not None:
        text += f"; the learning rate differs from step {losses.rate_from} on"
    return text


def score_words(model: ModelResult) -> str:
    """`dev.accuracy 0.8660 -> 0.8640 (-0.0020; noise: ...)`."""
    name, then, now = model.found.deciding
    text = f"{name} {score_text(then)} -> {score_text(now)}"
    if not model.difference:
        return text
    band = f"noise: {model.band}" if model.band else "no noise band can be made"
    return f"{text} ({model.difference:+.4f}; {band})"


def data_words(cell: CellResult) -> str:
    """Whether the rows were the same."""
    if cell.data is None or not cell.data.known:
        return "not known what the original read"
    if cell.data.same:
        return "the same rows"
    return "changed: " + "; ".join(str(change) for change in cell.data.changes)


def code_words(cell: CellResult) -> str:
    """Which code was run."""
    if cell.commit:
        return f"commit {cell.commit[:8]}, as recorded; today's is another"
    moved = any(difference.kind == "code" for difference in cell.differences)
    return "today's, which is another than the recorded one" if moved else "unchanged"


def _weights(model: ModelResult) -> str:
    then, now = model.found.weights
    return f"equal ({then[:8]})" if then == now else f"differ ({then[:8]} -> {now[:8]})"


def _not_compared(model: ModelResult) -> list[str]:
    return [why for why in (model.found.missing, model.found.skipped) if why]


def _answers(model: ModelResult) -> str:
    if not model.found.answers:
        return "none kept"
    if all(answer.equal for answer in model.found.answers):
        return f"all {model.found.answers[-1].rows} equal"
    return "; ".join(answer_words(a) for a in model.found.answers if not a.equal)


def answer_words(answer: AnswerComparison) -> str:
    """`scores/dev: 3 of 1000 answered differently, 990 not the same to the last digit`."""
    if answer.rows is None:
        return f"{answer.name}: cannot be read"
    if not answer.same_examples:
        return f"{answer.name}: other examples"
    return (
        f"{answer.name}: {answer.differing} of {answer.rows} answered differently,"
        f" {answer.unequal} not the same to the last digit"
    )


def report_page(result: RerunResult, command: str) -> str:
    """The report in Markdown: the verdict, then what moved in each cell."""
    parts = [
        f"# Rerun: {result.verdict}\n",
        f"{result.time} UTC, {seconds_text(result.seconds)} s, `{command}`\n",
        *(f"- {note}\n" for note in result.notes),
    ]
    if len(result.cells) > 1:
        rows = [[cell.name, cell.task, cell.verdict] for cell in result.cells]
        parts.append(markdown_table(["run", "task", "verdict"], rows))
    return "\n".join([*parts, *map(_section, result.cells)])


def _section(cell: CellResult) -> str:
    head = f"## {cell.name} ({cell.task}): {cell.verdict}\n"
    if cell.error:
        return f"{head}\n{cell.error}\n"
    rows = [
        [
            model.found.stage,
            _weights(model),
            loss_words(model.found.losses),
            _answers(model),
            " ".join(score_words(model).split()[:4]),
            "-" if model.difference is None else f"{model.difference:+.4f}",
            str(model.band or "-") if model.verdict != BITWISE else "-",
        ]
        for model in cell.models
    ]
    lines = [f"Data: {data_words(cell)}.", f"Code: {code_words(cell)}."]
    lines += [
        f"Not compared of the {model.found.stage}: {why}."
        for model in cell.models
        for why in _not_compared(model)
    ]
    lines += [f"Differs: {difference}." for difference in cell.differences]
    listed = "".join(f"- {line}\n" for line in lines)
    return f"{head}\n{markdown_table(COLUMNS, rows)}\n{listed}"
