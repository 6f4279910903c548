"""Fails for a module without a test file of its name, and for a test file that tests nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import alpkd_pipeline

SOURCE = Path(alpkd_pipeline.__file__).parent
TESTS = Path(__file__).parent

COVERED_ELSEWHERE = {
    "settings.py": "test_pipeline_registry.py",
    "distillation/signals.py": "distillation/test_method.py",
    "reporting/report/pictures.py": "reporting/report/test_sections.py",
    "reporting/sources.py": "reporting/report/test_sections.py",
    "reporting/tables/runs.py": "reporting/test_comparison.py",
    "reporting/tables/verdicts.py": "reporting/report/test_sections.py",
    "training/progress.py": "training/test_loop.py",
    "training/run.py": "training/test_training.py",
    "training/student.py": "training/test_training.py",
    "pipelines/compare.py": "behaviour/test_demo_chain.py",
    "pipelines/data_prep.py": "behaviour/test_demo_chain.py",
    "pipelines/distill.py": "behaviour/test_demo_chain.py",
    "pipelines/evaluate.py": "behaviour/test_demo_chain.py",
    "pipelines/export.py": "behaviour/test_export.py",
    "pipelines/finetune_teacher.py": "behaviour/test_demo_chain.py",
}
"""Modules that are tested with others, and where: one story told as a whole, plain values, and
nodes that call one function each."""

WITHOUT_A_MODULE = ("behaviour", "browser", "faults", "golden", "mutants", "scripts")
"""Folders of tests about something larger than a module."""


def modules() -> list[str]:
    return sorted(
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if not path.stem.startswith("__")
    )


def path_of_test(module: str) -> Path:
    path = Path(module)
    return TESTS / COVERED_ELSEWHERE.get(module, path.with_name(f"test_{path.name}").as_posix())


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_test(module: str) -> None:
    path = path_of_test(module)
    assert path.is_file(), f"write {path.relative_to(TESTS.parent)}"
    assert re.search(r"^def test_", path.read_text("utf-8"), re.MULTILINE), f"{path} tests nothing"


@pytest.mark.parametrize("module", COVERED_ELSEWHERE)
def test_exceptions_are_still_needed(module: str) -> None:
    assert (SOURCE / module).is_file(), f"{module} is gone"
    own = TESTS / Path(module).with_name(f"test_{Path(module).name}")
    assert not own.is_file(), f"{module} has {own}: take it off the list"


def test_test_files_lie_where_their_modules_do() -> None:
    """A test whose module was moved or renamed stays behind unnoticed otherwise."""
    folders = {path.parent.relative_to(SOURCE) for path in SOURCE.rglob("*.py")}
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS)
        if folder.parts[:1] and folder.parts[0] in WITHOUT_A_MODULE:
            continue
        assert folder in folders, f"{path}: there is no such folder in src"
