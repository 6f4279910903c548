from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DatasetError

from alpkd_pipeline.datasets.inputs import PretrainedDataset
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import sha256_file


def encoder(tmp_path: Path, model: str | None, **more: Any) -> PretrainedDataset:
    return PretrainedDataset(
        model=model, revision=more.pop("revision", None), project=str(tmp_path), **more
    )


def refused(dataset: PretrainedDataset) -> str:
    """The user's line behind Kedro's exception."""
    found = dataset.load()  # looks for nothing
    assert found is not None
    with pytest.raises(UserError) as caught:
        _ = found.path
    assert "\n" not in str(caught.value)
    return str(caught.value)


def located(dataset: PretrainedDataset) -> Path:
    found = dataset.load()
    assert found is not None
    assert os.fspath(found) == str(found.path)
    return found.path


def test_the_demo_is_shipped(tmp_path: Path) -> None:
    assert located(encoder(tmp_path, "demo")) == DEMO_FOLDER


def test_a_folder_is_looked_for_below_the_project(tmp_path: Path) -> None:
    shutil.copytree(DEMO_FOLDER, tmp_path / "models" / "mine")
    assert located(encoder(tmp_path, "models/mine")) == tmp_path / "models" / "mine"
    assert located(encoder(tmp_path / "else", str(tmp_path / "models" / "mine"))).is_dir()


@pytest.mark.parametrize(("model", "used"), [(None, True), ("demo", False), ("./nowhere", False)])
def test_what_a_experiment_does_without_is_none(
    tmp_path: Path, model: str | None, used: bool
) -> None:
    assert encoder(tmp_path, model, used=used).load() is None


def test_pinned_weights(tmp_path: Path) -> None:
    right = sha256_file(DEMO_FOLDER / "model.safetensors")
    assert located(encoder(tmp_path, "demo", sha256=right)) == DEMO_FOLDER
    line = refused(encoder(tmp_path, "demo", sha256="0" * 64))
    assert right in line
    assert "not the pinned 000" in line


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    assert "nowhere" in refused(encoder(tmp_path, "./nowhere"))


def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    assert "no_such_package is not installed" in refused(
        encoder(tmp_path, "package:no_such_package/model")
    )


def test_nothing_is_looked_up_before_it_is_loaded(tmp_path: Path) -> None:
    dataset = encoder(tmp_path, "org/name", revision="a" * 40)
    assert dataset._describe() == {"model": "org/name", "revision": "a" * 40, "used": True}


def test_it_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only an input"):
        encoder(tmp_path, "demo").save(DEMO_FOLDER)  # type: ignore[arg-type]
