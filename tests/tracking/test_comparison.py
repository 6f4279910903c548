from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import MANIFEST, seal
from alpkd_pipeline.tracking.comparison import compared_folders, log_comparison
from alpkd_pipeline.tracking.mlflow_sync import MlflowStore, prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings

Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "comparison"
    (folder / "plots").mkdir(parents=True)
    (folder / "students.csv").write_text("a\n1\n")
    (folder / "plots" / "a.png").write_bytes(b"png")
    (folder / ".hidden").write_text("x")
    return sealed(folder, "0" * 64)


def sealed(folder: Path, key: str) -> Path:
    (folder / MANIFEST).unlink(missing_ok=True)
    seal(folder, {"key": key})
    return folder


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"method": ["kd", "alp_kd"], "accuracy": [0.5, 0.75], "seed": [0, None]})


def key(rows: Rows) -> str:
    """What was compared, as the run says."""
    ((found,),) = rows("select value from tags where key = 'key'")
    return str(found)


def artifacts(project: Path) -> set[str]:
    (root,) = (project / "mlartifacts").glob("*/artifacts")
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_comparison_is_one_run_with_table_and_files(
    folder: Path, table: pd.DataFrame, settings: TrackingSettings, rows: Rows, tmp_path: Path
) -> None:
    run_id = log_comparison(folder, settings, table)
    assert rows("select run_uuid, name, status from runs") == [
        (run_id, f"comparison-{key(rows)[:8]}", "FINISHED")
    ]
    tags = dict(rows("select key, value from tags"))
    assert tags["stage"] == "compare"
    assert tags["mlflow.note.content"].startswith("2 students compared: 2 methods.")
    assert "`table.json`" in tags["mlflow.note.content"]
    assert artifacts(tmp_path) == {"table.json", "students.csv", "plots/a.png"}
    (stored,) = (tmp_path / "mlartifacts").glob("*/artifacts/table.json")
    assert json.loads(stored.read_text())["data"] == [["kd", 0.5, 0.0], ["alp_kd", 0.75, None]]


def test_the_same_comparison_is_recorded_once_and_another_one_again(
    folder: Path, table: pd.DataFrame, settings: TrackingSettings, rows: Rows
) -> None:
    run_id = log_comparison(folder, settings, table)
    assert log_comparison(folder, settings, table) == run_id
    sealed(folder, "1" * 64)
    assert log_comparison(folder, settings, table) != run_id
    assert rows("select status, count(*) from runs group by 1") == [("FINISHED", 2)]


def test_a_record_that_was_cut_off_is_completed(
    folder: Path,
    table: pd.DataFrame,
    settings: TrackingSettings,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = MlflowStore.log_files, iter([True])

    def broken(self: MlflowStore, *args: Any) -> None:
        if next(calls, False):
            raise ConnectionError("gone")
        real(self, *args)

    monkeypatch.setattr(MlflowStore, "log_files", broken)
    with pytest.raises(UserError, match=r"did not get into MLflow at .*ConnectionError: gone"):
        log_comparison(folder, settings, table)
    log_comparison(folder, settings, table)
    assert rows("select status from runs") == [("FINISHED",)]
    (stored,) = (tmp_path / "mlartifacts").glob("*/artifacts/table.json")
    assert len(json.loads(stored.read_text())["data"]) == 2


def test_a_server_that_is_away_gives_one_line(
    folder: Path, table: pd.DataFrame, settings: TrackingSettings, closed_port: int
) -> None:
    uri = f"http://u:c4n4ry@127.0.0.1:{closed_port}"
    with pytest.raises(UserError) as error:
        log_comparison(folder, replace(settings, uri=uri, artifact_root=None), table)
    assert "\n" not in str(error.value)
    assert "c4n4ry" not in str(error.value)


def test_tables_show_up_in_mlflow(
    folder: Path, table: pd.DataFrame, settings: TrackingSettings
) -> None:
    run_id = log_comparison(folder, settings, table)
    tags = prepare_store(settings).client.get_run(run_id).data.tags
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "table.json", "type": "table"}]


def test_the_note_says_where_to_click(
    folder: Path, table: pd.DataFrame, settings: TrackingSettings, rows: Rows, tmp_path: Path
) -> None:
    (folder / "report.html").write_text("<p>")
    log_comparison(folder, settings, table)
    note = dict(rows("select key, value from tags"))["mlflow.note.content"]
    assert note.endswith("Open Artifacts, then `report.html` or `table.json`.")
    assert "report.html" in artifacts(tmp_path)


def test_of_each_method_the_least_seed_is_looked_at(tmp_path: Path) -> None:
    rows = [("rte", "kd", 4, 1), ("rte", "kd", 4, 0), ("rte", "kd", 2, 5), ("rte", "pkd", 4, 3)]
    students = [
        {"task": task, "method": method, "layers": layers, "seed": seed, "path": f"{number}"}
        for number, (task, method, layers, seed) in enumerate(rows)
    ]
    (tmp_path / "comparison.json").write_text(json.dumps({"students": students}))
    seal(tmp_path, {})
    found = compared_folders(tmp_path, Path("store"))
    assert sorted(found) == [Path("store/1"), Path("store/2"), Path("store/3")]
