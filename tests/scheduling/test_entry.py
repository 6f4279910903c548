from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alpkd_pipeline.errors import PROGRAM, UserError
from alpkd_pipeline.scheduling.entry import start_words


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALPKD_GLUE_DIR", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_the_start_is_this_interpreter_with_the_name_and_the_command(tmp_path: Path) -> None:
    words = start_words(tmp_path, "weekly", ["rerun", "--latest-green"])
    assert words[:3] == [sys.executable, "-m", "kedro"]
    assert words[3:] == ["schedule", "--start", "weekly", "--", "rerun", "--latest-green"]


def test_beside_the_package_alone_the_start_is_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, "alpkd")
    words = start_words(tmp_path, "weekly", ["rerun", "--latest-green"])
    assert words[:4] == [sys.executable, "-m", "alpkd_pipeline", "schedule"]


def test_variables_that_results_depend_on_are_taken_along_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    words = start_words(tmp_path, "weekly", ["run"])
    assert words[:3] == ["/usr/bin/env", "OMP_NUM_THREADS=2", sys.executable]
    assert "canary" not in str(words)


@pytest.mark.parametrize("name", ["", "../up", "a b", "-x", "x" * 41, "week\nly", "a/b", "ü"])
def test_names_that_are_no_file_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="schedule name"):
        start_words(tmp_path, name, ["run"])


@pytest.mark.parametrize("word", ["two\nlines", r"back\slash", "bell\x07"])
def test_words_that_files_of_schedulers_change_are_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="put such values into conf/") as refused:
        start_words(tmp_path, "weekly", ["run", word])
    assert "\n" not in str(refused.value)


def test_credentials_in_a_command_are_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        start_words(tmp_path, "w", ["sync", "--params=run.tracking=https://me:canary@host"])
    assert "conf/local/" in str(refused.value)
    assert "canary" not in str(refused.value)
