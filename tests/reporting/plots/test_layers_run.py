from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alpkd_pipeline.reporting.plots.layers import run_pictures
from alpkd_pipeline.store.manifest import seal, write_json

ATTENTION = {
    "weights": [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]],
    "entropy": [0.5, 0.69],
    "max_entropy": [0.693, 0.693],
    "examples": 9,
}
PNG = b"\x89PNG\r\n\x1a\n"


def finished(folder: Path, **metrics: object) -> Path:
    write_json(folder / "metrics.json", {"steps": 1, **metrics})
    write_json(folder / "run.json", {"name": "demo-3to2-alp_kd-s0"})
    seal(folder, {})
    return folder


def test_a_student_with_attention_has_a_heat_map(tmp_path: Path) -> None:
    found = run_pictures(finished(tmp_path, attention=ATTENTION))
    assert list(found) == ["attention.png"]
    assert found["attention.png"].startswith(PNG)


def test_the_picture_shows_these_weights(tmp_path: Path) -> None:
    one = run_pictures(finished(tmp_path / "a", attention=ATTENTION))
    same = run_pictures(finished(tmp_path / "b", attention=ATTENTION))
    turned = {**ATTENTION, "weights": ATTENTION["weights"][::-1]}
    other = run_pictures(finished(tmp_path / "c", attention=turned))
    assert one == same != other


def test_others_have_none_and_pay_nothing_for_it(tmp_path: Path) -> None:
    assert run_pictures(finished(tmp_path)) == {}
    program = (
        "import sys; from pathlib import Path\n"
        "from alpkd_pipeline.reporting.plots.layers import run_pictures\n"
        "assert run_pictures(Path(sys.argv[1])) == {}\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
