from __future__ import annotations

import os
from pathlib import Path

import pytest

from alpkd_pipeline.runs import code_facts
from alpkd_pipeline.runs.code_facts import CodeFacts, parse


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text("import os\n\n\ndef f():\n    from pack.b import g\n    return g()\n")
    return path


def test_imports_are_found_wherever_they_stand(file: Path) -> None:
    assert parse(file).imports == ("os", "pack.b", "pack.b.g")


def test_a_file_is_parsed_once(file: Path, tmp_path: Path, monkeypatch) -> None:
    cache = tmp_path / "cache" / "code.json"
    first = CodeFacts(cache)
    facts = first.of(file)
    first.save()
    monkeypatch.setattr(code_facts, "parse", lambda path: pytest.fail(f"parsed {path} again"))
    assert CodeFacts(cache).of(file) == facts


def test_a_changed_file_is_parsed_again(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "code.json"
    first = CodeFacts(cache)
    before = first.of(file)
    first.save()
    stat = file.stat()
    file.write_text(file.read_text().replace("g()", "h()"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert CodeFacts(cache).of(file).meaning != before.meaning


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"FILE": 3}', '{"FILE": {"stamp": 1}}'])
def test_a_broken_cache_costs_time_only(file: Path, tmp_path: Path, text: str) -> None:
    cache = tmp_path / "code.json"
    cache.write_text(text.replace("FILE", str(file)))
    facts = CodeFacts(cache)
    assert facts.of(file) == parse(file)
    facts.save()
    assert CodeFacts(cache).of(file) == parse(file)


def test_a_cache_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    facts = CodeFacts(tmp_path / "taken" / "code.json")
    facts.of(file)
    facts.save()


def test_docstrings_of_functions_and_classes_are_no_code(tmp_path: Path) -> None:
    text = "class A:{0}\n    x = 1\n\n    def f(self):{1}\n        return 1\n"
    (tmp_path / "a.py").write_text(text.format("", ""))
    (tmp_path / "b.py").write_text(text.format('\n    """A."""', '\n        """F."""'))
    assert parse(tmp_path / "a.py") == parse(tmp_path / "b.py")
