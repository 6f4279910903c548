from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from alpkd_pipeline.datasets.folder import FolderDataset
from alpkd_pipeline.errors import user_error
from alpkd_pipeline.runs.manifest import is_complete, read_json

KEY = "ab" * 32


@pytest.fixture
def result(tmp_path: Path) -> FolderDataset:
    facts = {"key": KEY, "stage": "student", "made_from": {"teacher": "t"}}
    return FolderDataset(filepath=str(tmp_path / "store" / "kd-abababab"), facts=facts)


def made(tmp_path: Path, text: str = "weights") -> Path:
    work = tmp_path / "store" / "kd-abababab.work"
    work.mkdir(parents=True)
    (work / "file").write_text(text)
    return work


def test_a_saved_folder_is_published_under_its_name(result: FolderDataset, tmp_path: Path) -> None:
    assert not result.exists()
    work = made(tmp_path)
    result.save(work)
    assert result.exists()
    assert not work.exists()
    assert result.load() == tmp_path / "store" / "kd-abababab"
    assert (result.path / "file").read_text() == "weights"
    manifest = read_json(result.path / "manifest.json")
    assert (manifest["key"], manifest["made_from"]) == (KEY, {"teacher": "t"})


def test_a_folder_without_its_manifest_is_not_there(result: FolderDataset, tmp_path: Path) -> None:
    made(tmp_path).rename(result.path)
    assert not result.exists()


def test_a_folder_that_lost_a_file_is_not_there(result: FolderDataset, tmp_path: Path) -> None:
    result.save(made(tmp_path))
    (result.path / "file").unlink()
    assert not result.exists()


def test_a_folder_with_another_key_is_not_there(result: FolderDataset, tmp_path: Path) -> None:
    result.save(made(tmp_path))
    other = FolderDataset(filepath=str(result.path), facts={"key": "cd" * 32})
    assert is_complete(result.path)
    assert not other.exists()


def test_bytes_are_compared_before_something_is_made_from_them(
    result: FolderDataset, tmp_path: Path
) -> None:
    result.save(made(tmp_path))
    (result.path / "file").write_text("wEights")
    assert result.exists()
    with pytest.raises(DatasetError) as caught:
        result.load()
    found = user_error(caught.value)
    assert found is not None
    assert f"{result.path / 'file'} is damaged" in str(found)
    assert "\n" not in str(found)


def test_force_makes_it_missing_until_it_is_made_again(
    result: FolderDataset, tmp_path: Path
) -> None:
    result.save(made(tmp_path))
    result.force = True
    assert not result.exists()
    result.save(made(tmp_path, "again"))
    assert result.exists()
    assert (result.path / "file").read_text() == "again"
    assert [path.name for path in result.path.parent.iterdir()] == ["kd-abababab"]


def test_what_a_cell_does_without_is_there_and_none(tmp_path: Path) -> None:
    unused = FolderDataset(filepath=str(tmp_path / "no"), facts={"key": KEY}, used=False)
    assert unused.exists()
    assert unused.load() is None
    unused.force = True
    assert unused.exists()


def test_saving_what_was_not_made_fails(result: FolderDataset, tmp_path: Path) -> None:
    with pytest.raises((DatasetError, FileNotFoundError)):
        result.save(tmp_path / "nowhere")
    assert not result.exists()


def test_kedro_is_told_the_path_and_the_short_key(result: FolderDataset) -> None:
    described = result._describe()
    assert described == {"filepath": str(result.path), "key": "abababab", "used": True}


def test_the_facts_of_the_catalog_are_not_shared(tmp_path: Path) -> None:
    facts = {"key": KEY}
    dataset = FolderDataset(filepath=str(tmp_path), facts=facts)
    facts["key"] = "other"
    assert dataset.facts == {"key": KEY}


def test_a_renamed_result_is_there_under_its_new_name(
    result: FolderDataset, tmp_path: Path
) -> None:
    result.save(made(tmp_path))
    best = result.path.rename(result.path.with_name("best"))
    assert result.exists()
    assert result.load() == result.path == best


def test_what_is_made_again_takes_the_place_of_the_renamed_one(
    result: FolderDataset, tmp_path: Path
) -> None:
    result.save(made(tmp_path))
    best = result.path.rename(result.path.with_name("best"))
    result.force = True
    assert not result.exists()
    result.save(made(tmp_path, "new"))
    assert result.load() == best
    assert (best / "file").read_text() == "new"
    assert [path.name for path in best.parent.iterdir()] == ["best"]


def test_another_result_that_was_given_its_name_is_never_overwritten(
    result: FolderDataset, tmp_path: Path
) -> None:
    other = FolderDataset(filepath=str(result.path), facts={"key": "cd" * 32})
    other.save(made(tmp_path, "of the other"))
    assert not result.exists()
    result.save(made(tmp_path))
    assert result.exists()
    assert other.exists()
    assert result.load() == other.path.with_name("kd-2-abababab")
    assert (other.path / "file").read_text() == "of the other"


def test_a_stray_file_under_its_name_steps_aside_and_stays(
    result: FolderDataset, tmp_path: Path
) -> None:
    result.path.parent.mkdir()
    result.path.write_text("notes")
    assert not result.exists()
    result.save(made(tmp_path))
    assert result.exists()
    (aside,) = (path for path in result.path.parent.iterdir() if path.name.startswith("."))
    assert aside.read_text() == "notes"


def test_a_result_that_another_label_made_while_one_waited_is_used(
    result: FolderDataset, tmp_path: Path
) -> None:
    assert not result.exists()
    other = FolderDataset(filepath=str(result.path.with_name("x-abababab")), facts=result.facts)
    other.save(made(tmp_path))
    assert result.exists()
    assert result.load() == other.path
