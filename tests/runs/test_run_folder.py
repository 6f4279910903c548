from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.runs.manifest import read_json
from alpkd_pipeline.runs.run_folder import Work


def test_begin_empties_the_folder_and_writes_relative_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "students" / "a.work"
    folder.mkdir(parents=True)
    (folder / "left.over").touch()
    work = Work(folder, {"name": "a"})
    assert work.begin(encoded=tmp_path / "store" / "encoded", signals=None) == folder
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    assert read_json(folder / "run.json") == {"name": "a", "inputs": {"encoded": "../../encoded"}}
