from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.names import NASTY

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.layout import store_folder


def test_it_lies_in_the_project_unless_it_is_elsewhere(tmp_path: Path) -> None:
    assert store_folder(tmp_path, "data") == tmp_path / "data"
    assert store_folder(tmp_path / "p", str(tmp_path / "s")) == tmp_path / "s"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_a_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert store_folder(tmp_path, f"./{name}") == tmp_path / name


@pytest.mark.parametrize("place", ["06_models", "06_models/students", "08_reporting", ".cache"])
@pytest.mark.parametrize("to", ["gone", "file", "loop"])
def test_a_folder_of_results_that_is_a_link_to_no_folder(
    place: str, to: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    link = tmp_path / "data" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(link if to == "loop" else tmp_path / to)
    with pytest.raises(
        UserError, match="where no folder is: make that folder or mount its disk"
    ) as e:
        store_folder(tmp_path, "data")
    assert str(e.value).startswith(f"{link} is a link to ")


@pytest.mark.parametrize("given", ["loop", "loop/inside", "gone", "gone/inside", "file", "file/x"])
def test_the_store_itself_leads_to_no_folder(given: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"is a link to |is a file, where a folder for results"):
        store_folder(tmp_path, given)


def test_links_to_folders_are_as_good_as_folders(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "06_models").symlink_to(tmp_path / "disk")
    (tmp_path / "other").symlink_to("data")
    assert store_folder(tmp_path, "other") == tmp_path / "data"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not UTF-8; rename it") as error:
        store_folder(tmp_path / os.fsdecode(b"Pr\xfcfung"), "data")
    assert str(error.value).isprintable()
