from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url
from tests.names import NASTY, folder_names
from tests.properties import for_all

from alpkd_pipeline.errors import PROGRAM, UserError, mask_credentials
from alpkd_pipeline.tracking.settings import sqlite_address, tracking_settings


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


def test_the_address_of_a_database_is_that_of_sqlalchemy_and_leads_to_the_file(
    tmp_path: Path,
) -> None:
    def one(name: str) -> None:
        database = tmp_path / name / "mlflow.db"
        address = sqlite_address(database)
        assert make_url(address).database == str(database)
        url = URL.create("sqlite", database=str(database)).render_as_string()
        assert address.partition(":")[2] == url.partition(":")[2]
        # MLflow would make the parent folder of what follows these words, escapes and all.
        assert address.startswith("sqlite:///") == (address == f"sqlite:///{database}")
        found = tracking_settings("sqlite", "e", tmp_path / name)
        assert found is not None
        assert (found.uri, found.database) == (address, database)
        assert tracking_settings(found.uri, "e", tmp_path) == replace(found, project=tmp_path)
        assert shlex.split(replace(found, project=tmp_path / "else").ui_command)[3] == address

    for name in NASTY:
        one(name)
    for_all(100, folder_names, one)


def test_make_is_named_only_where_its_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tracking_settings("sqlite", "e", tmp_path)
    assert found is not None
    assert found.ui_command == "make mlflow"
    monkeypatch.setenv(PROGRAM, "alpkd")
    assert found.ui_command.startswith("mlflow server --backend-store-uri sqlite:///")


def test_an_address_is_read_as_an_address(tmp_path: Path) -> None:
    (tmp_path / "My Runs").mkdir()
    found = tracking_settings("sqlite:///My%20Runs/a.db?timeout=5", "e", tmp_path)
    assert found is not None
    assert found.database == tmp_path / "My Runs/a.db"
    assert found.uri == f"sqlite:///{tmp_path}/My Runs/a.db?timeout=5"


def test_a_path_that_stands_where_an_address_belongs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "My%20Runs").mkdir()
    with pytest.raises(UserError, match=r"means 'My Runs/a.db'.* write 'My%2520Runs/a.db'$"):
        tracking_settings("sqlite:///My%20Runs/a.db", "e", tmp_path)
    with pytest.raises(UserError, match=r"\? and % in a path are written %3F and %25"):
        tracking_settings(f"sqlite:///{tmp_path}/q?x/mlflow.db", "e", tmp_path)
