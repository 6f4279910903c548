from pathlib import Path

from alpkd_pipeline.tasks.task import SourceSpec


def test_folder_is_relative_to_the_project(tmp_path: Path) -> None:
    assert SourceSpec("folder", path="raw/glue").folder(tmp_path) == tmp_path / "raw" / "glue"
    assert SourceSpec("folder", path="/glue").folder(tmp_path) == Path("/glue")
    assert SourceSpec("table").folder(tmp_path) == tmp_path


def test_folder_may_start_at_home(tmp_path: Path) -> None:
    assert SourceSpec("folder", path="~/glue").folder(tmp_path) == Path.home() / "glue"
