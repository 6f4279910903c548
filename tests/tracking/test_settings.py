from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError, mask_credentials
from alpkd_pipeline.tracking.settings import tracking_settings


def test_off_tracks_nothing(tmp_path: Path) -> None:
    assert tracking_settings("off", "e", tmp_path) is None


def test_sqlite_lies_in_the_project_by_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = tracking_settings("sqlite", "e", Path())
    assert found is not None
    assert found.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert found.database == tmp_path / "mlflow.db"
    assert found.artifact_root == tmp_path / "mlartifacts"


def test_a_relative_database_is_read_from_the_project(tmp_path: Path) -> None:
    found = tracking_settings("sqlite:///runs/a.db?timeout=5", "e", tmp_path)
    assert found is not None
    assert found.uri == f"sqlite:///{tmp_path}/runs/a.db?timeout=5"
    assert found.database == tmp_path / "runs/a.db"
    assert found.artifact_root == tmp_path / "runs/mlartifacts"


def test_a_server_decides_on_its_artifacts(tmp_path: Path) -> None:
    found = tracking_settings("https://host:5000", "e", tmp_path)
    assert found is not None
    assert (found.uri, found.artifact_root) == ("https://host:5000", None)
    assert found.database is None


def test_another_database_keeps_artifacts_in_the_project(tmp_path: Path) -> None:
    found = tracking_settings("postgresql+psycopg2://u:pw@host/db", "e", tmp_path)
    assert found is not None
    assert found.artifact_root == tmp_path / "mlartifacts"
    assert found.shown == "postgresql+psycopg2://***@host/db"
    assert "pw" not in repr(found)


@pytest.mark.parametrize("value", ["sqlit", "", "file:///tmp/mlruns", "sqlite://", "ftp://u:pw@h"])
def test_anything_else_is_refused_in_one_line(value: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^parameter 'run.tracking' = ") as error:
        tracking_settings(value, "e", tmp_path)
    assert "\n" not in str(error.value)
    assert "pw" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("see http://u:pw@host/a and b@c", "see http://***@host/a and b@c"),
        ('{"a": "mysql://u:p@w@h/d", "b": "x@y"}', '{"a": "mysql://***@h/d", "b": "x@y"}'),
        ("http://h/a?token=abc&x=1", "http://h/a?token=***&x=1"),
        ("db://h/d?sslpassword=abc", "db://h/d?sslpassword=***"),
        ("http://host:5000/path", "http://host:5000/path"),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_credentials(text) == masked
