import subprocess
import sys
from pathlib import Path

import alpkd_pipeline.reporting

HEAVY = (
    "torch",
    "transformers",
    "mlflow",
    "kedro",
    "pandas",
    "matplotlib",
    "rich",
    "scipy",
    "jinja2",
)


def test_importing_any_report_stays_cheap():
    folder = Path(alpkd_pipeline.reporting.__file__).parent
    paths = [path.relative_to(folder).with_suffix("") for path in folder.rglob("[a-z]*.py")]
    names = [".".join(("alpkd_pipeline.reporting", *path.parts)) for path in paths]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(names) > 30
    assert [name for name in HEAVY if name in out.stdout.split()] == []
