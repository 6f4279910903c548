"""Write docs/published.md, the audit of published numbers, from the file of these numbers.

    python scripts/published_page.py

A test fails while the page is older than what it is made from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from alpkd_pipeline.reporting.render import markdown, markdown_table
from alpkd_pipeline.reporting.tables.published import (
    FILE,
    LARGER,
    NOISE,
    UNSURE,
    audit_table,
    pairs,
    percent,
    published,
)
from alpkd_pipeline.reporting.tables.table import listed
from alpkd_pipeline.tasks.glue import DEV_ROWS

PAGE = Path(__file__).parents[1] / "docs" / "published.md"

INTRODUCTION = """\
# Published numbers, audited

<!-- Made by scripts/published_page.py. Change the numbers or the code, then run it again. -->

Papers on distillation hold methods against one another by single scores on GLUE's dev sets, often
a few tenths of a point apart. This page holds each such difference against the noise that the
choice of the dev rows alone brings. The report shows the same for the tasks of a store
([report.md](report.md)).
"""

METHOD = """\
## How it was computed

A pair is two methods with the same teacher, depth, task, metric and split, each by its own source's
number, the one whose paper is newer first. **Only leads are shown**, as only they are claimed:
pairs in which the newer method is level or behind are left out. Numbers of two sources were not
measured under the same conditions: data, width, starting weights, search and seeds differ, too.
Reruns by others against the number that they repeat stand below.

On n rows one model is right and the other wrong on a share q, the disagreement; their accuracies
differ by d. The variance of the difference is (q - d²) / n, its 95 % interval has the half-width

    1.96 · sqrt((q - d²) / n)

as in McNemar's test. Papers do not say q, so half-widths stand here for 5, 10 and 15 %. As q is at
least |d|, |d| is taken where that is more. For a feeling: the two students that `kedro pair`
compares in [statistics.md](statistics.md) answer 56 of the 408 rows of MRPC differently, 14 %.
"Unpaired" is the half-width of two models that answer different rows. "Rows needed" is the size of
a dev set on which the half-width at 10 % is the difference itself, 1.96² · (q - d²) / d². With so
many rows a true difference of that size is found in half of all tries; to find it in 80 % takes
twice as many.

**What is not counted** makes the true noise larger: seeds, the search for hyper-parameters, the
best epoch, chosen on the same rows, and the number of pairs, for which nothing is corrected. So
"larger" means that these dev rows do not explain the difference, and not that the method does.

**What is left out**: Matthews correlation, F1, Pearson and Spearman. Their noise depends on the
answers themselves, so they need a bootstrap over answers, and papers publish scores. Also numbers
of which the source does not say the metric, teachers, and models without a depth.
"""


def page() -> str:
    """The whole page as Markdown."""
    found = published()
    tasks = list(dict.fromkeys(found["task"]))
    sources = FILE.with_name("README.md").read_text("utf-8").partition("\n")[2].strip()
    parts = [INTRODUCTION, _findings(found, tasks), METHOD, "## All pairs\n"]
    parts.append(f"Columns: {audit_table(found, tasks).explanation}\n")
    for task in tasks:
        table = audit_table(found, [task])
        parts.append(f"### {table.bodies[0].heading}\n\n{markdown(table)}")
    parts.append(f"## Sources\n\n{sources}\n")
    return "\n".join(parts)


def _findings(found: pd.DataFrame, tasks: list[str]) -> str:
    headings = ("dev set", "rows", "± at 10 %", "leads", NOISE, UNSURE, LARGER)
    lines, all_pairs = [], [(task, pair) for task in tasks for pair in pairs(found, task)]
    for task in dict.fromkeys(task for task, _ in all_pairs):
        leads = [p for of, p in all_pairs if of == task and not p["newer"].rerun_of]
        counts = Counter(pair["verdict"] for pair in leads)
        width = max(pair["half_widths"][1] for pair in leads)
        said = [counts[word] for word in (NOISE, UNSURE, LARGER)]
        lines.append(
            [task, f"{DEV_ROWS[task]:,}", f"{width:.1f}", str(len(leads)), *map(str, said)]
        )
    table = markdown_table(
        headings, sorted(lines, key=lambda line: DEV_ROWS[line[0]]), headings[1:]
    )
    return f"## What follows\n\n{table}\n{''.join(f'- {said}' for said in _said(found, all_pairs))}"


def _said(found: pd.DataFrame, all_pairs: list) -> Iterator[str]:
    example = next(
        pair
        for task, pair in all_pairs
        if (task, pair["newer"].method, pair["older"].method) == ("rte", "universal_kd", "alp_kd")
    )
    rows, d = DEV_ROWS["rte"], example["difference"]
    yield (
        f"Universal-KD against ALP-KD, 4 layers, RTE: {d} points are {d * rows / 100:.0f} of {rows}"
        f" rows. At 10 % disagreement the dev set allows ±{example['half_widths'][1]:.1f} points;"
        f" {example['needed']:,} rows are needed.\n"
    )
    leads = [
        f"{task} ({percent(pair['difference'], '+')}, {pair['verdict']})"
        for task, pair in all_pairs
        if (pair["newer"].method, pair["older"].method) == ("alp_kd", "pkd")
    ]
    yield (
        f"ALP-KD is ahead of PKD, 6 layers, on {listed(leads)}; on the other dev sets here it is"
        " not.\n"
    )
    for task, pair in all_pairs:
        again, paper = pair["newer"], pair["older"]
        if again.rerun_of and pair["verdict"] == LARGER:
            yield (
                f"{again.source}: {task} {percent(again.score)}, in the paper"
                f" {percent(paper.score)}. The same method under the same name is"
                f" {percent(abs(pair['difference']))} points off, more than its dev rows explain.\n"
            )
    place = ["source", "model", "layers", "method", "task", "metric"]
    both = found[found["split"] == "test"].merge(
        found[found["split"] == "dev"], on=place, suffixes=("", "_dev")
    )
    for source, of in both.groupby("source"):
        falls = [
            f"{row.task} {percent(round(row.score - row.score_dev, 2), '+')}"
            for row in of.itertuples()
        ]
        yield (f"{source} has a test row, too; test less dev, in points: {listed(falls)}.\n")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
