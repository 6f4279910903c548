"""The report for people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from alpkd_pipeline.commands.verify import MOST_NOTES, report_lines
from alpkd_pipeline.store.contents import Finding, Report


def report(*findings: Finding) -> Report:
    made = Report(Path("/data"), seconds=1.5)
    made.counts["teacher"] = Counter(folders=2, files=16, bytes=3_000_000)
    made.counts["splits"] = Counter()
    made.findings += findings
    return made


def damaged(folder: str = "a") -> Finding:
    return Finding("damaged", "teacher", folder, "x is not", "do this", "x", "e" * 64, "f" * 64)


def test_a_sound_store() -> None:
    lines = list(report_lines(report()))
    assert lines == [
        "store: /data",
        "  kind     folders  files   bytes  bad",
        "  teacher        2     16  3.0 MB    0",
        "sound: all that is finished is what was written (3.0 MB read in 1.5 s)",
    ]


def test_damage_comes_first_with_hashes_and_advice() -> None:
    note = Finding("orphaned", "student", "b", "made from", "harmless")
    lines = list(report_lines(report(note, damaged(), damaged())))
    assert lines[2].split() == ["teacher", "2", "16", "3.0", "MB", "1"]
    assert lines[3:8] == [
        "damaged: a",
        "  x is not",
        f"  expected sha256 {'e' * 64}",
        f"  found    sha256 {'f' * 64}",
        "  do this",
    ]
    assert lines.index("orphaned: b") > lines.index("damaged: a")
    assert lines[-1].startswith("not sound: 1 folder is bad")


def test_many_notes_are_counted_and_all_damage_is_listed() -> None:
    count = MOST_NOTES + 5
    notes = [Finding("extra", "student", str(n), "what") for n in range(count)]
    lines = list(report_lines(report(*notes, *(damaged(str(n)) for n in range(count)))))
    assert "extra: 5 more, see --json" in lines
    assert len([line for line in lines if line.startswith("damaged: ")]) == count
