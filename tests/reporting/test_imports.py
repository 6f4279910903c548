import subprocess
import sys
from pathlib import Path

import alpkd_pipeline.reporting

HEAVY = ("torch", "transformers", "mlflow", "kedro", "pandas", "matplotlib", "rich")


def test_importing_any_report_stays_cheap():
    folder = Path(alpkd_pipeline.reporting.__file__).parent
    names = [f"alpkd_pipeline.reporting.{path.stem}" for path in folder.glob("[a-z]*.py")]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(names) > 8
    assert [name for name in HEAVY if name in out.stdout.split()] == []
