"""Every number of a claim is computed again by a program that shares no code with the package."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest
from tests.conftest import PROJECT
from tests.reporting.claim.test_verify_sound import CASES
from tests.reporting.claimed import claimed, study

from alpkd_pipeline.store.manifest import read_json, write_json

SCRIPT = PROJECT / "benchmarks" / "second_opinion.py"


@pytest.fixture(scope="module")
def second() -> ModuleType:
    spec = importlib.util.spec_from_file_location("second_opinion", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["second_opinion"] = module
    spec.loader.exec_module(module)
    return module


def test_it_shares_no_code() -> None:
    assert not re.search(r"^\s*(?:from|import) alpkd_pipeline", SCRIPT.read_text(), re.MULTILINE)


def opinion(second: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["second_opinion.py", str(folder)])
    return second.main()


def unpacked(root: Path, made: dict[str, Any], asked: dict[str, Any]) -> Path:
    study(root / "data", **made)
    ZipFile(claimed(root / "data", root / "claim.zip", **asked)).extractall(root / "claim")
    return root / "claim"


BOTH = {"primary": [["alp_kd", "kd"], ["kd", "no_kd"]]}
WANTED = [
    *("two tasks, two depths", "first questions", "looks", "no planned look", "margins"),
    *("a regression", "errors", "errors with a margin", "correlations and counts"),
    *("several teachers a seed", "two settings", "options that TeX could not read"),
    *("missing experiments", "one run", "one seed", "a task with letters of its own"),
]


@pytest.mark.parametrize("name", WANTED)
def test_all_numbers_agree(
    second: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: Any
) -> None:
    made, asked = CASES[name]
    code = opinion(second, unpacked(tmp_path, made, asked), monkeypatch)
    said = capsys.readouterr().out
    assert code == 0, said
    assert re.fullmatch(r"(\d+) of \1 numbers agree\n", said)


def test_what_is_told_wrong_is_found(
    second: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    missing = [("mrpc", "pkd", 4, 3)]
    folder = unpacked(tmp_path, {"rows": 24, "missing": missing}, BOTH | {"looks": [3, 4]})
    assert opinion(second, folder, monkeypatch) == 0
    whole = read_json(folder / "claim.json")
    kinds = {name.rpartition("/")[2]: name for name in whole["numbers"]}
    assert len(kinds) == 15
    for name in kinds.values():
        was = whole["numbers"][name]
        number = re.fullmatch(r"[+-]?\d+(\.\d+)?", was)
        now = f"{float(was) + 0.1:.{len(was.partition('.')[2])}f}" if number else f"not {was}"
        told = {**whole, "numbers": {**whole["numbers"], name: now if now != was else "9"}}
        write_json(folder / "claim.json", told)
        assert opinion(second, folder, monkeypatch) == 1
        assert f"{name}: claimed " in capsys.readouterr().out
    for numbers in ({**whole["numbers"], "x": "1"}, {}):
        write_json(folder / "claim.json", {**whole, "numbers": numbers})
        assert opinion(second, folder, monkeypatch) == 1
