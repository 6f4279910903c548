from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    path = PROJECT / "scripts" / "count_checks.py"
    spec = importlib.util.spec_from_file_location("count_checks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lines_are_counted_by_kind_and_room(script):
    text = "def test_a():\n    assert f() == approx(1)\n    with pytest.raises(E):\n        f()\n"
    rooms = script.by_room(iter([("a/test_b.py", text), ("a/c/test_d.py", text), ("x.py", "1\n")]))
    assert dict(rooms["a"]) == {"tests": 2, "assert": 2, "raises": 2, "approx": 2, "lines": 8}
    assert rooms["(top)"]["lines"] == 1
    assert rooms["all"]["lines"] == 9


def test_a_revision_that_is_not_there_is_named(script):
    with pytest.raises(SystemExit, match="no-such-revision"):
        script.main(["no-such-revision"])
