"""The lines of docs/notebooks.md, run on the demo's store."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests.behaviour.conftest import Demo
from tests.conftest import PROJECT

START = """
import json, sys
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
session = KedroSession.create(Path.cwd(), runtime_params=json.loads(sys.argv[1]))
catalog = session.load_context().catalog
"""


def test_the_page_s_lines_work(demo: Demo) -> None:
    page = (PROJECT / "docs" / "notebooks.md").read_text()
    lines = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert 8 <= len(lines.splitlines()) <= 12
    compared = demo.run("student.layers=2", pipeline="compare")
    assert compared.returncode == 0, compared.stderr
    given = {"run": {"store": str(demo.store), "tracking": "off"}, "student": {"layers": 2}}
    done = subprocess.run(
        [sys.executable, "-c", START + lines, json.dumps(given)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "'label': 'positive'" in done.stdout or "'label': 'negative'" in done.stdout
    assert "sentence" in done.stdout
    assert "accuracy" in done.stdout
    assert "alp_kd" in done.stdout
