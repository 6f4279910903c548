"""What `make audit` says about a report."""

from __future__ import annotations

import importlib.util

from tests.conftest import PROJECT

SCRIPT = PROJECT / "scripts" / "audit_summary.py"


def summary(report: dict) -> list[str]:
    spec = importlib.util.spec_from_file_location("audit_summary", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.summary(report))


def test_each_vulnerability_is_a_line_with_the_version_that_mends_it() -> None:
    vulns = [
        {"id": "CVE-1", "fix_versions": ["1.1", "2.0"]},
        {"id": "CVE-2", "fix_versions": []},
    ]
    parts = [
        {"name": "torch", "version": "1.0", "vulns": vulns},
        {"name": "numpy", "version": "2.0", "vulns": []},
        {"name": "ours", "skip_reason": "not on the index"},
    ]
    assert summary({"dependencies": parts}) == [
        "  torch 1.0: CVE-1, fixed in 1.1 or 2.0",
        "  torch 1.0: CVE-2, fixed in no version yet",
        "vulnerabilities: 2 known in 2 packages (1 could not be looked up)",
    ]


def test_nothing_found_is_said() -> None:
    assert summary({"dependencies": [{"name": "torch", "version": "1.0", "vulns": []}]}) == [
        "vulnerabilities: 0 known in 1 packages (0 could not be looked up)"
    ]


def test_nothing_looked_up_is_not_nothing_found() -> None:
    parts = [{"name": "torch", "skip_reason": "not found"}]
    assert summary({"dependencies": parts}) == [
        "vulnerabilities: not checked, the service knew none of 1 packages"
    ]
