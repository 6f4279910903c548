"""`kedro pair`: two models on the same dev examples."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import UserError, as_typed, plural

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.statistics.predictions import DevPredictions, PairBootstrap

TEXT_LINES = 3  # so many of a text are shown


@click.command("pair")
@click.argument("run_a")
@click.argument("run_b")
@click.option(
    "--show",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show the N examples, with their texts, on which the two differ most.",
)
@project_options("Where to look, such as run.store=...")
def pair(project: Project, run_a: str, run_b: str, show: int | None) -> None:
    """Compare two finished models on the same dev examples.

    RUN_A and RUN_B: 8 or more digits of a run's key, the name of its folder, or a path to it.
    """
    # Line by line: texts that are gone must not take the numbers along.
    for line in compared(project.store, run_a, run_b, show or 0):
        click.echo(line)


def compared(store: Path, run_a: str, run_b: str, show: int = 0) -> Iterator[str]:
    """What two models have in common and what not, in lines, with so many examples."""
    from alpkd_pipeline.reporting.statistics import predictions
    from alpkd_pipeline.store.artifact import find_run

    folders = [find_run(store, text) for text in (run_a, run_b)]
    if folders[0] == folders[1]:
        raise UserError(f"'{run_a}' and '{run_b}' are one run, {folders[0].name}: name two")
    candidate, reference = map(predictions.dev_predictions, folders)
    found = predictions.compare_predictions(candidate, reference)
    width = max(len(candidate.name), len(reference.name), len("difference"))
    interval, why = _interval(found, candidate.task.kind == "classification")
    yield f"{candidate.task.name}, {candidate.split}: {found.rows} examples, {found.metric}"
    yield f"  {candidate.name:{width}}  {found.candidate:8.4f}"
    yield f"  {reference.name:{width}}  {found.reference:8.4f}"
    yield f"  {'difference':{width}}  {found.difference:+8.4f}   {interval}"
    yield why
    yield as_typed(
        "This describes these two models on these examples. It says nothing about the methods that"
        " made them:\nthat takes several seeds of each (`kedro run --pipeline=compare`)."
    )
    if show:
        yield from _examples(candidate, reference, show)


def _interval(found: PairBootstrap, classes: bool) -> tuple[str, str]:
    """The interval of a difference, and where it comes from; or why there is none."""
    from alpkd_pipeline.reporting.statistics.predictions import RESAMPLES, unseen_share

    if found.has_interval:
        written = ((f"{found.low:+.{d}f}", f"{found.high:+.{d}f}") for d in range(4, 16))
        low, high = next(ends for ends in written if float(ends[0]) < float(ends[1]))
        # How many answers differ, where they are classes; two real numbers nearly always do.
        differing = f"; {found.differing} of them are answered differently" if classes else ""
        return (
            f"95 % interval {low} to {high}",
            f"The interval is a bootstrap over the dev examples ({RESAMPLES:,} resamples)"
            f"{differing}.",
        )
    how = "right by one of the two alone" if found.differing else "differently"
    none = f"Not one of {found.rows:,} examples is answered {how}"
    if found.metric == "accuracy" and not found.difference:
        points = f"{math.ceil(1e4 * unseen_share(found.rows)) / 100:g}"
        why = (
            f"{none}: with 95 % confidence less than {points} % of\nall texts like these are, so"
            f" the accuracies differ by less than {points} points."
        )
    elif found.differing:
        why = "All resamples of the examples give this difference: there is no spread to read."
    else:
        none += ", nor is any in a resample: there is no spread to\nread, nor an exact bound for"
        why = f"{none} {found.metric}."
    return "no interval", why


def _examples(candidate: DevPredictions, reference: DevPredictions, count: int) -> Iterator[str]:
    """The examples on which two models differ most, each with its texts."""
    from alpkd_pipeline.reporting.statistics.predictions import most_different, texts_of

    classes, names = candidate.task.kind == "classification", candidate.task.label_names

    def said(value: float) -> str:
        return names[int(value)] if classes else f"{value:.4g}"

    rows = most_different(candidate, reference)
    shown, idx = rows[:count], candidate.rows.idx[rows[:count]]
    if not len(rows):
        yield "\nThere is no example that the two answer differently."
        return
    by = "probabilities" if classes else "predictions"
    order = f"those first whose\n{by} differ most"
    if classes and not min(model.rows.probabilities.size for model in (candidate, reference)):
        order = "in the order of\nthe rows"
    yield (
        f"\n{len(shown):,} of {plural(len(rows), 'example')} that the two answer differently,"
        f" {order}:"
    )
    width = max(len(candidate.name), len(reference.name))
    for row, number, texts in zip(shown, idx, texts_of(candidate, idx), strict=True):
        label = candidate.rows.labels[row]
        yield f"\nrow {number}, label: {said(label)}"
        for model in (candidate, reference):
            given = model.rows.predictions[row]
            right = "" if not classes else "right  " if given == label else "wrong  "
            yield f"  {model.name:{width}}  {right}{said(given)}"
        for name, text in texts.items():
            yield from _cut(f"{name}: {text}")


def _cut(text: str) -> list[str]:
    """The first lines of a text as the terminal has room for them; of 80 columns in a pipe."""
    from rich.console import Console
    from rich.text import Text

    # A terminal would obey some of the characters that cannot be printed.
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    width = shutil.get_terminal_size().columns - 4
    lines = Text(plain).wrap(Console(width=width), max(20, width))
    if len(lines) > TEXT_LINES:
        lines[TEXT_LINES - 1].truncate(width - 3)
        lines[TEXT_LINES - 1].append("...")
    return [f"    {line.plain.rstrip()}" for line in lines[:TEXT_LINES]]
