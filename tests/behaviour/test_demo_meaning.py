"""What the demo promises, over three seeds of teacher and student."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from alpkd_pipeline.store.manifest import read_json

SEEDS = (0, 1, 2)
STUDENTS = (("alp_kd", 4), ("alp_kd", 2), ("kd", 2), ("no_kd", 2))


@pytest.mark.slow
def test_teachers_teach_and_depth_matters(kedro, tmp_path: Path) -> None:
    scores: dict[tuple[str, int], list[float]] = {}
    for seed in SEEDS:
        for method, layers in STUDENTS:
            params = (
                f"run.store={tmp_path},run.tracking=off,seed={seed},teacher.seed={seed},"
                f"method.name={method},student.layers={layers}"
            )
            done = kedro("run", "--pipeline=distill", f"--params={params}")
            assert done.returncode == 0, done.stderr
            (folder,) = tmp_path.glob(f"06_models/students/demo/{method}-{layers}L-s{seed}-*/")
            student = read_json(folder / "metrics.json")["scores"]["dev"]["accuracy"]
            teacher_folder = (
                folder / read_json(folder / "run.json")["inputs"]["teacher"]
            ).resolve()
            teacher = read_json(teacher_folder / "metrics.json")["scores"]["dev"]["accuracy"]
            assert teacher >= 0.93
            assert student <= teacher - 0.05
            scores.setdefault((method, layers), []).append(student)
    print({name: [round(v, 4) for v in values] for name, values in scores.items()})
    assert mean(scores["kd", 2]) > mean(scores["no_kd", 2])
    assert mean(scores["alp_kd", 4]) > mean(scores["alp_kd", 2])
