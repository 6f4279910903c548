from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alpkd_pipeline.store import code_graph
from alpkd_pipeline.store.code_graph import CodeFacts
from alpkd_pipeline.store.syntax import FileSyntax, read_syntax


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text("import os\n\n\ndef f():\n    from pack.b import g\n    return g()\n")
    return path


def parse(path: Path) -> FileSyntax:
    return read_syntax(path.read_text(), "a")


def test_a_file_is_parsed_once(file: Path, tmp_path: Path, monkeypatch) -> None:
    cache = tmp_path / "cache" / "code.json"
    first = CodeFacts(cache)
    facts = first.of(file, "a")
    first.save()
    monkeypatch.setattr(code_graph, "_parse", lambda path, *_: pytest.fail(f"parsed {path} again"))
    assert CodeFacts(cache).of(file, "a") == facts == parse(file)


def test_a_process_with_several_stores_parses_a_file_once(file: Path, monkeypatch) -> None:
    first = CodeFacts(None).of(file, "a")
    monkeypatch.setattr(code_graph, "read_syntax", lambda *_, **__: pytest.fail("parsed again"))
    assert CodeFacts(None).of(file, "a") is first


def test_a_file_under_another_name_is_another(tmp_path: Path) -> None:
    (file := tmp_path / "a.py").write_text("from . import b\n\ndef f(): return b.g()\n")
    facts = CodeFacts(tmp_path / "code.json")
    found = {name: facts.of(file, name).imports for name in ("one.a", "two.a")}
    facts.save()
    assert found == {"one.a": {"b": "one.b"}, "two.a": {"b": "two.b"}}
    assert CodeFacts(tmp_path / "code.json").of(file, "one.a").imports == {"b": "one.b"}


def test_a_changed_file_is_parsed_again(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "code.json"
    first = CodeFacts(cache)
    before = first.of(file, "a")
    first.save()
    stat = file.stat()
    file.write_text(file.read_text().replace("g()", "h()"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert CodeFacts(cache).of(file, "a") != before


BROKEN = '{"FILE": {"stamp": 1, "syntax": {"imports": {}}}}'


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"FILE": 3}', '{"FILE": {"stamp": 1}}', BROKEN])
def test_a_broken_cache_costs_time_only(file: Path, tmp_path: Path, text: str) -> None:
    cache = tmp_path / "code.json"
    cache.write_text(text.replace("FILE", str(file)))
    facts = CodeFacts(cache)
    assert facts.of(file, "a") == parse(file)
    facts.save()
    assert CodeFacts(cache).of(file, "a") == parse(file)


@pytest.mark.parametrize("part", ["imports", "statements"])
def test_an_entry_that_lacks_a_part_costs_time_only(file: Path, tmp_path: Path, part: str) -> None:
    first = CodeFacts(cache := tmp_path / "code.json")
    first.of(file, "a")
    first.save()
    held = json.loads(cache.read_text())
    del held[str(file)]["syntax"][part]
    cache.write_text(json.dumps(held))
    assert CodeFacts(cache).of(file, "a") == parse(file)


def test_a_cache_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    facts = CodeFacts(tmp_path / "taken" / "code.json")
    facts.of(file, "a")
    facts.save()


# Edits that leave no trace in size and time of modification ------------------------------------


def edit_unseen(file: Path, old: str, new: str) -> None:
    """As `rsync -t`, `cp -p`, editors and version control may do it."""
    stat = file.stat()
    text = file.read_text()
    assert len(old) == len(new)
    assert old in text
    file.write_text(text.replace(old, new))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def test_an_edit_that_keeps_size_and_time_is_seen(file: Path, tmp_path: Path) -> None:
    first = CodeFacts(tmp_path / "code.json")
    before = first.of(file, "a")
    first.save()
    edit_unseen(file, "g()", "h()")
    assert (
        first.of(file, "a")
        == CodeFacts(tmp_path / "code.json").of(file, "a")
        == parse(file)
        != before
    )


def test_another_file_with_size_and_time_of_the_old_one_is_seen(file: Path, tmp_path: Path) -> None:
    first = CodeFacts(tmp_path / "code.json")
    before = first.of(file, "a")
    first.save()
    other = tmp_path / "other.py"
    shutil.copy2(file, other)
    edit_unseen(other, "g()", "h()")
    os.replace(other, file)
    assert CodeFacts(tmp_path / "code.json").of(file, "a") != before


RUN = "import sys; sys.path.insert(0, sys.argv[1]); import a; print(a.X)"
RUN_AFTER_FACTS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
if len(sys.argv) > 2: import a
from alpkd_pipeline.store import code_graph
from alpkd_pipeline.store.code_graph import CodeFacts
CodeFacts(None).of(Path(sys.argv[1]) / "a.py", "a")
import a
print(a.X)
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    given = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(given, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A module that Python compiled before an edit that it cannot see."""
    module = tmp_path / "a.py"
    module.write_text("X = 1\n")
    assert python(RUN, tmp_path).stdout == "1\n"
    edit_unseen(module, "1", "2")
    assert python(RUN, tmp_path).stdout == "1\n", "Python notices by itself by now"
    return tmp_path


def test_the_code_that_the_key_speaks_of_is_the_code_that_runs(edited: Path) -> None:
    (compiled,) = (edited / "__pycache__").iterdir()
    compiled.chmod(0o600)  # as a copy of the whole folder would: younger than the edit
    assert python(RUN_AFTER_FACTS, edited).stdout == "2\n"
    assert python(RUN, edited).stdout == "2\n"


def test_old_code_that_is_loaded_already_is_refused_once(edited: Path) -> None:
    refused = python(RUN_AFTER_FACTS, edited, "loaded before")
    assert refused.returncode == 1
    assert "was changed without a trace in its size and time" in refused.stderr.splitlines()[-1]
    assert python(RUN_AFTER_FACTS, edited, "loaded before").stdout == "2\n"


def test_a_touched_file_keeps_what_python_compiled(tmp_path: Path) -> None:
    module = tmp_path / "a.py"
    module.write_text("X = 1\n")
    python(RUN, tmp_path)
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    module.chmod(0o600)
    assert python(RUN_AFTER_FACTS, tmp_path, "loaded before").stdout == "1\n"
    assert compiled.is_file()
