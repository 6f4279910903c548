"""What was found in a store, in words for people and programs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal[
    "damaged",
    "missing",
    "mismatched",
    "extra",
    "unfinished",
    "at work",
    "left over",
    "copied",
    "renamed",
    "orphaned",
]
"""The first three are bad: what is there is not what was written, or not what it says it is."""

BAD: tuple[State, ...] = ("damaged", "missing", "mismatched")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it would be in a store that is whole and at rest.

    Attributes:
        state: what it is.
        kind: the kind of folder.
        folder: the folder, relative to the store.
        what: one sentence.
        do: what to do about it; empty if nothing.
        file: the file inside the folder, if it is about one.
        expected: the sha256 that was written down.
        found: the sha256 of what is there.
    """

    state: State
    kind: str
    folder: str
    what: str
    do: str = ""
    file: str = ""
    expected: str = ""
    found: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether a store with it is not sound."""
        return self.state in BAD


@dataclass(slots=True)
class Count:
    """How much of a kind was looked at."""

    folders: int = 0
    files: int = 0
    bytes: int = 0

    def add(self, other: Count) -> None:
        """Count in what was counted elsewhere."""
        self.folders += other.folders
        self.files += other.files
        self.bytes += other.bytes


@dataclass(slots=True)
class Report:
    """What a look at a store came to.

    Attributes:
        store: the store, or the folder that was looked at alone.
        counts: by kind.
        findings: in the order of the walk.
        seconds: how long it took.
    """

    store: Path
    counts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether nothing bad was found."""
        return not any(finding.is_bad for finding in self.findings)

    def bad_folders(self, kind: str) -> int:
        """How many folders of a kind have something bad."""
        return len({f.folder for f in self.findings if f.is_bad and f.kind == kind})

    def plain(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        kinds = [
            {"kind": kind, **asdict(count), "bad": self.bad_folders(kind)}
            for kind, count in self.counts.items()
        ]
        return {
            "store": str(self.store),
            "sound": self.is_sound,
            "seconds": round(self.seconds, 3),
            "kinds": kinds,
            "findings": [asdict(finding) for finding in self.findings],
        }
