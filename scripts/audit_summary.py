"""What pip-audit found, a line for each vulnerability: `make audit` prints it.

python scripts/audit_summary.py build/audit/vulnerabilities.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def summary(report: dict[str, Any]) -> Iterator[str]:
    """The lines about a report in pip-audit's JSON form."""
    parts = report["dependencies"]
    found = [(part, fault) for part in parts for fault in part.get("vulns", [])]
    for part, fault in found:
        fixed = " or ".join(fault.get("fix_versions", [])) or "no version yet"
        yield f"  {part['name']} {part['version']}: {fault['id']}, fixed in {fixed}"
    skipped = sum("skip_reason" in part for part in parts)
    if skipped == len(parts):
        yield f"vulnerabilities: not checked, the service knew none of {len(parts)} packages"
        return
    yield (
        f"vulnerabilities: {len(found)} known in {len(parts) - skipped} packages"
        f" ({skipped} could not be looked up)"
    )


if __name__ == "__main__":
    for line in summary(json.loads(Path(sys.argv[1]).read_text("utf-8"))):
        print(line)
