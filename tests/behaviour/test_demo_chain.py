"""The whole chain as a user runs it: `kedro run` in processes of its own, on the demo task."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.behaviour.conftest import Demo
from tests.conftest import Kedro
from tests.own_metrics import write_metric

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import verify
from alpkd_pipeline.tasks.metrics import folder_digest

STUDENT = "06_models/students/demo"
TEACHER = "06_models/teachers/demo"


def query(database: Path, sql: str) -> list[tuple]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute(sql).fetchall()


def test_it_ends_with_a_table_a_folder_and_a_way_to_mlflow(demo: Demo) -> None:
    said = (demo.root / "first-run.txt").read_text()
    assert "teacher" in said
    assert "0.63 M" in said
    assert "student: " in said
    assert "mlflow server" in said
    assert "Traceback" not in said
    assert "deprecated" not in said


def test_the_demo_means_something(demo: Demo) -> None:
    teacher, student = (
        read_json(demo.one(place) / "metrics.json")["scores"]["dev"]["accuracy"]
        for place in (TEACHER, STUDENT)
    )
    assert teacher >= 0.93
    assert 0.6 < student <= teacher - 0.05


def test_saved_scores_are_those_of_the_training(demo: Demo) -> None:
    for place in (TEACHER, STUDENT):
        folder = demo.one(place)
        (scores,) = demo.store.glob(f"07_model_output/scores/demo/{folder.name}-*/scores.json")
        scored = read_json(scores)["splits"]["dev"]["scores"]
        trained = read_json(folder / "metrics.json")["scores"]["dev"]
        assert scored == pytest.approx(trained, abs=0.002)


def test_the_student_loads_as_it_is(demo: Demo) -> None:
    from transformers import AutoModelForSequenceClassification, pipeline

    folder = demo.one(STUDENT)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.num_hidden_layers == 2
    answer = pipeline("text-classification", model=str(folder))("the film was good .")
    assert answer[0]["label"] in {"negative", "positive"}
    verify(folder)
    names = {path.name for path in folder.iterdir()}
    assert {"run.json", "metrics.json", "events.jsonl", "predictions", "tokenizer.json"} <= names


def test_a_second_run_trains_nothing_and_imports_nothing_heavy(demo: Demo) -> None:
    # Other tests evaluate and compare in this store meanwhile, below 07 and 08.
    def trained() -> list[Path]:
        return sorted(path for path in demo.store.glob("0[2-6]_*/**/*") if path.is_file())

    before = trained()
    script = (
        "import sys; sys.argv[0] = 'kedro'\n"
        "from kedro.framework.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('HEAVY', sorted({'torch', 'mlflow', 'transformers', 'datasets',"
        " 'evaluate', 'pandas', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            "run",
            "--pipeline=distill",
            f"--params=run.store={demo.store},student.layers=2,"
            f"run.tracking=sqlite:///{demo.database}",
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
    assert "making" not in done.stderr
    assert before
    assert trained() == before


def test_n_trainings_are_n_finished_runs(demo: Demo) -> None:
    runs = query(demo.database, "select run_uuid, name, status from runs")
    keys = [read_json(demo.one(place) / "manifest.json")["key"] for place in (STUDENT, TEACHER)]
    assert sorted(run[1:] for run in runs if "alp_kd" in run[1] or "teacher" in run[1]) == [
        (f"demo-12to2-alp_kd-s0-{keys[0][:4]}", "FINISHED"),
        (f"demo-teacher-demo-s0-{keys[1][:4]}", "FINISHED"),
    ]


def test_the_tracked_steps_are_those_of_the_event_log(demo: Demo) -> None:
    events = [json.loads(x) for x in (demo.one(STUDENT) / "events.jsonl").open()]
    steps = sorted(e["step"] for e in events if e["event"] == "step")
    found = query(
        demo.database,
        "select step from metrics join runs using (run_uuid)"
        " where key = 'loss/soft' and name like '%alp_kd%' order by step",
    )
    assert [step for (step,) in found] == steps


def test_tags_find_comparable_students(demo: Demo) -> None:
    tags = dict(
        query(
            demo.database,
            "select key, value from tags join runs using (run_uuid) where name like '%alp_kd%'",
        )
    )
    assert tags["stage"] == "student"
    assert tags["method"] == "alp_kd"
    assert tags["layers"] == "2"
    assert tags["parent_key"] in {
        read_json(demo.one(TEACHER) / "manifest.json")["key"],
    }


def test_evaluation_and_comparison(demo: Demo) -> None:
    done = demo.run("student.layers=2", pipeline="evaluate")
    assert done.returncode == 0, done.stderr
    done = demo.run("student.layers=2", pipeline="compare")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(next(demo.store.glob("08_reporting/comparison/*/students.csv")))
    assert table["method"].tolist() == ["alp_kd"]
    assert table["layers"].tolist() == [2]
    folder = next(demo.store.glob("07_model_output/evaluation/demo/alp_kd-2L*"))
    assert set(read_json(folder / "scores.json")["splits"]) == {"train", "dev", "test"}
    assert len(pd.read_csv(folder / "predictions" / "test.csv")) == 500
    latency = read_json(
        next(demo.store.glob("07_model_output/latency/demo/alp_kd-2L*/latency.json"))
    )
    assert latency["environment"]["threads"] == 1
    again = demo.run("student.layers=2", pipeline="compare")
    assert "making" not in again.stderr
    compared = query(demo.database, "select count(*) from tags where value = 'compare'")
    assert compared == [(1,)]


def test_a_metric_of_a_user_s_own_is_evaluated_and_trains_nothing(
    demo: Demo, kedro: Kedro, tmp_path: Path
) -> None:
    store, metric = tmp_path / "store", write_metric(tmp_path / "too_much")
    shutil.copytree(demo.store, store)
    given = f"run.store={store},run.tracking=off,student.layers=2,task.metrics=accuracy|{metric}|f1"
    made = []
    for _ in range(2):
        done = kedro(
            "run", "--pipeline=evaluate", "--to-outputs=student_evaluation", f"--params={given}"
        )
        assert done.returncode == 0, done.stderr
        made.append([line for line in done.stderr.splitlines() if "making" in line])
        write_metric(metric, "return {'pairs': len(pairs), 'half': 0.5}")
    assert [line.split()[-1] for line in made[0]] == ["student_evaluation"]
    assert made[1] == made[0]
    folders = store.glob("07_model_output/evaluation/demo/alp_kd-2L*")
    found = [read_json(f / "scores.json") for f in folders if folder_digest(metric) in text_of(f)]
    (edited,) = found
    assert set(edited["splits"]["dev"]["scores"]) == {
        "accuracy", "f1", "too_much.pairs", "too_much.half"
    }  # fmt: skip
    assert edited["splits"]["dev"]["scores"]["too_much.pairs"] == 1000
    row = gather(store).runs.iloc[0]
    assert (row["dev.too_much.half"], row["score"]) == (0.5, row["dev.accuracy"])


def text_of(folder: Path) -> str:
    """What an evaluation says of itself."""
    return (folder / "run.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--params=student.layer=2"], "did you mean 'student.layers'"),
        (["--params=student:layers=2"], "student"),
        (["--params=student.layers=13"], "has 12 layers"),
        (["--params=method.name=alp"], "did you mean 'alp_kd'"),
        (["--env=minilm", "--params=task.path=/no/such/folder"], "/no/such/folder"),
        (["--params=task.metrics=accuracy|user/metric"], "'user/metric' is no folder"),
        (["--params=task.metrics=./mine|accuracy"], "begins with the folder './mine'"),
        (["--force=students"], "unknown stage"),
        (["--pipelines=distil"], "did you mean 'distill'"),
    ],
)
def test_a_mistake_is_one_line(kedro, arguments: list[str], line: str) -> None:
    options = [] if any("pipelines" in a for a in arguments) else ["--pipeline=distill"]
    done = kedro("run", *options, *arguments)
    assert done.returncode != 0
    lines = [x for x in (done.stdout + done.stderr).splitlines() if x.strip()]
    assert len(lines) == 1, lines
    assert line in lines[0]


def test_the_catalog_shows_real_paths(kedro) -> None:
    done = kedro("catalog", "describe-datasets", "--pipeline=distill")
    assert done.returncode == 0
    assert "ArtifactDataset" in done.stdout
    assert "/data/06_models/students/demo/alp_kd-4L-s0-" in done.stdout
    done = kedro("catalog", "resolve-patterns")
    assert done.returncode == 0
