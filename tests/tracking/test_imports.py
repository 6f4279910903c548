"""What importing the package costs: MLflow only when a run is tracked, Kedro never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import alpkd_pipeline.tracking as package

MODULES = sorted(
    f"alpkd_pipeline.tracking.{path.stem}"
    for path in Path(package.__file__).parent.glob("*.py")
    if path.stem != "__init__"
)

PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
heavy = ("mlflow", "kedro", "torch", "transformers", "pandas", "pydantic", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""


def test_no_module_imports_anything_heavy() -> None:
    assert "alpkd_pipeline.tracking.mlflow_sync" in MODULES
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *MODULES], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
