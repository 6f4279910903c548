"""Writes benchmarks/reliability.md from what was counted: `python -m tests.faults.page`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.faults.record import RECORD, read_record

PAGE = RECORD.with_suffix(".md")

HEAD = """# Faults and what they cost

`make test-faults` does each fault for real, in processes of their own, and counts. *Survived*:
nothing was lost, or what was damaged was refused by name. The rows, their promises and the quick
test of `make test` beside it: [docs/reliability.md](../docs/reliability.md).

| row | fault | tries | survived | lost | seconds | date | code |
|---|---|---:|---:|---:|---:|---|---|
"""


def page(rows: dict[str, dict[str, Any]]) -> str:
    """The page of a record."""
    found = sorted(rows.values(), key=_order)
    lines = [_line(row) for row in found]
    sums = [sum(row[name] for row in found) for name in ("tries", "survived")]
    lost = sum(len(row["lost"]) for row in found)
    seconds = sum(row["seconds"] for row in found)
    lines.append(f"| | **all** | {sums[0]} | {sums[1]} | {lost} | {seconds:.0f} | | |")
    text = HEAD + "\n".join(lines) + "\n"
    notes = [f"- {row['fault']}: {row['note']}." for row in found if row["note"]]
    losses = [f"- {row['fault']}: {line}" for row in found for line in row["lost"]]
    if notes:
        text += "\n## What else was counted\n\n" + "\n".join(notes) + "\n"
    if losses:
        text += "\n## Lost\n\n" + "\n".join(losses) + "\n"
    machines = sorted({row["machine"] for row in found})
    versions = sorted({row["versions"] for row in found})
    text += "\n## Where\n\n" + "\n".join(f"- {line}" for line in [*machines, *versions])
    return text + "\n- A plus after the commit: files were changed since.\n"


def _order(row: dict[str, Any]) -> tuple[int, str]:
    first = row["rows"].partition(",")[0].partition("-")[0].strip()
    return int(first) if first.isdigit() else 99, row["part"]


def _line(row: dict[str, Any]) -> str:
    experiments = (
        row["rows"],
        row["fault"],
        row["tries"],
        row["survived"],
        len(row["lost"]),
        f"{row['seconds']:.0f}",
        row["date"],
        row["commit"],
    )
    return "| " + " | ".join(map(str, experiments)) + " |"


def main(to: Path = PAGE) -> None:
    """Write the page."""
    to.write_text(page(read_record()), "utf-8")
    print(f"written: {to}")


if __name__ == "__main__":
    main()
