"""Write the tables of docs/results.md from the claim that it is made of.

    python scripts/results_table.py

A test fails while the page says anything else than the claim, and checks the claim itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

from alpkd_pipeline.reporting.render import markdown_table

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "results.md"
CLAIM = PROJECT / "benchmarks" / "2026-11-29-minilm" / "claim.zip"
BEGIN, END = "<!-- results: made by scripts/results_table.py -->", "<!-- end of results -->"


def tables() -> str:
    """Mean and deviation over seeds of every method, a table for each depth."""
    with ZipFile(CLAIM) as file:
        claim = json.loads(file.read("claim.json"))
    numbers = claim["numbers"]
    runs = [run for run in claim["runs"] if "method" in run]  # teachers have none
    places = {(run["task"], run["layers"]) for run in runs}
    tasks = sorted({task for task, _ in places})
    methods = list(dict.fromkeys(run["method"] for run in runs))
    methods.sort(key=list(dict.fromkeys(["no_kd", "kd", "pkd", *methods])).index)
    parts = []
    for layers in sorted({layers for _, layers in places}, reverse=True):
        rows = [
            [f"`{method}`", *(_score(numbers, f"{task}/{layers}/{method}") for task in tasks)]
            for method in methods
        ]
        here = [task for task in tasks if (task, layers) in places]
        parts.append(markdown_table([f"{layers} of 6 layers", *here], rows))
    return "\n".join(parts)


def _score(numbers: dict[str, str], name: str) -> str:
    return f"{numbers[f'{name}/mean']} ± {numbers[f'{name}/std']}"


def with_results(page: str) -> str:
    """The page with the tables between their two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}{END}{after}"


def main() -> None:
    """Write them."""
    PAGE.write_text(with_results(PAGE.read_text("utf-8")), "utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
