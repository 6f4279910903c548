from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import SourceSpec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "web"}, "task.source 'web' is unknown; choose one of demo, hub, folder, table"),
        ({"kind": "demo", "train_rows_by": "last"}, "'last' is unknown; choose one of first, str"),
        ({"kind": "demo", "train_rows": 0}, "task.train_rows is 0"),
        ({"kind": "demo", "dev_fraction": 0.0}, "task.dev_fraction is 0.0"),
        ({"kind": "demo", "dev_fraction": 1.0}, "task.dev_fraction is 1.0"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SourceSpec(**changes)


def test_folder_is_relative_to_the_project(tmp_path: Path) -> None:
    assert SourceSpec("folder", path="raw/glue").folder(tmp_path) == tmp_path / "raw" / "glue"
    assert SourceSpec("folder", path="/glue").folder(tmp_path) == Path("/glue")
    assert SourceSpec("table").folder(tmp_path) == tmp_path


def test_folder_may_start_at_home(tmp_path: Path) -> None:
    assert SourceSpec("folder", path="~/glue").folder(tmp_path) == Path.home() / "glue"
