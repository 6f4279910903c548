"""The page of results has those of a claim that proves itself."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    path = PROJECT / "scripts" / "results_table.py"
    spec = importlib.util.spec_from_file_location("results_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_claim_says(script):
    page = script.PAGE.read_text("utf-8")
    assert page.count(script.BEGIN) == page.count(script.END) == 1
    assert page == script.with_results(page), "run: python scripts/results_table.py"


@pytest.mark.parametrize("page", ["docs/results.md", "benchmarks/README.md"])
def test_the_sentences_have_the_claim_s_numbers(script, page):
    with ZipFile(script.CLAIM) as file:
        numbers = json.loads(file.read("claim.json"))["numbers"]
    text = " ".join((PROJECT / page).read_text("utf-8").split())
    for question in ("alp_kd/kd", "kd/no_kd"):
        gain, low, high = (
            numbers[f"question/{question}/{name}"] for name in ("gain", "low", "high")
        )
        assert f"({gain} margins" in text or f"({gain}, " in text, (question, gain)
        assert f"{low} to {high})" in text, (question, low, high)


def test_the_claim_proves_itself(script, tmp_path):
    with ZipFile(script.CLAIM) as file:
        file.extractall(tmp_path)
    command = [sys.executable, "-I", "-S", "verify.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "NOT EQUAL" not in done.stdout


def test_it_is_small(script):
    assert script.CLAIM.stat().st_size < 5_000_000
