from __future__ import annotations

import os
from pathlib import Path

import pytest

from alpkd_pipeline.store import fingerprint
from alpkd_pipeline.store.code_graph import CodeFacts
from alpkd_pipeline.store.fingerprint import code_digest, key_of, library_versions


def test_a_key_does_not_depend_on_the_order_of_a_dictionary() -> None:
    assert key_of({"a": 1, "b": [2, "é"]}) == key_of({"b": [2, "é"], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5}) != key_of({"a": "1"})


def test_versions_have_no_local_part() -> None:
    assert "+" not in library_versions(["torch"])["torch"]
    assert library_versions(["no-such-package"]) == {"no-such-package": "missing"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `toy` in which a imports b inside a function, and b imports c."""
    root = tmp_path / "toy"
    root.mkdir()
    (root / "a.py").write_text("def f():\n    from toy.b import g\n    return g()\n")
    (root / "b.py").write_text("import os\nfrom toy import c\n\ndef g():\n    return c.X\n")
    (root / "c.py").write_text("X = 1\n")
    monkeypatch.setattr(fingerprint, "PACKAGE_ROOT", root)
    return root


def rewrite(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = code_digest(["toy.a.f"])
    rewrite(package / "c.py", '"""Now with a docstring."""\n\n# and a comment\nX   =   1\n')
    rewrite(
        package / "b.py", 'import os\nfrom toy import c\ndef g():\n    """Doc."""\n    return c.X'
    )
    assert code_digest(["toy.a.f"]) == before


def test_a_change_that_keeps_size_and_time_counts(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "code.json"
    before = code_digest(["toy.a.f"], (), CodeFacts(cache))
    assert code_digest(["toy.a.f"], (), CodeFacts(cache)) == before
    changed = package / "c.py"
    stat = changed.stat()
    changed.write_text("X = 2\n")
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (changed.stat().st_size, changed.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert code_digest(["toy.a.f"], (), CodeFacts(cache)) != before


def test_a_real_change_counts_wherever_it_is(package: Path) -> None:
    before = code_digest(["toy.a.f"])
    rewrite(package / "c.py", "X = 2\n")
    assert code_digest(["toy.a.f"]) != before


def test_what_is_left_out_does_not_count(package: Path) -> None:
    before = code_digest(["toy.a.f"], ["toy.c"])
    rewrite(package / "c.py", "X = 2\n")
    assert code_digest(["toy.a.f"], ["toy.c"]) == before


def test_what_is_remembered_has_the_hash_of_what_is_parsed(package: Path, tmp_path: Path) -> None:
    (package / "a.py").write_text(
        "from toy.c import X as z\nfrom toy.b import g as y\nfrom importlib import import_module\n"
        "def f(x):\n    return import_module(x)\n"
    )
    first = code_digest(["toy.a.f"], (), CodeFacts(tmp_path / "code.json"))
    assert code_digest(["toy.a.f"], (), CodeFacts(tmp_path / "code.json")) == first
    assert code_digest(["toy.a.f"]) == first
