"""What the catalog gives for a result."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DatasetError

from alpkd_pipeline.datasets.artifact import ArtifactDataset, ExperimentDataset, Values
from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.manifest import publish

KEY = "ab" * 32


def dataset(tmp_path: Path, name: str = "student_scores", **more: Any) -> ArtifactDataset:
    place = tmp_path / "store" / "kd-abababab"
    facts = {"name": name, "key": KEY, "expected": str(place), "made_from": {"student": "s"}}
    return ArtifactDataset(artifact=json.dumps(facts | more))


def made(tmp_path: Path, artifact: Artifact, **files: bytes) -> Path:
    """Publish a folder as a step does."""
    work = tmp_path / "store" / "kd-abababab.work"
    for name, content in {"scores.json": b"{}", **files}.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    publish(work, artifact.path, artifact.facts)
    return artifact.path


def test_it_loads_as_a_handle_whether_it_is_there_or_not(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    assert not result.exists()
    handle = result.load()
    assert os.fspath(handle) == str(tmp_path / "store" / "kd-abababab") == str(result.path)
    assert not handle.is_made
    made(tmp_path, handle)
    assert result.exists()
    assert handle.is_made
    assert pickle.loads(pickle.dumps(handle)).is_made


def test_a_folder_without_its_manifest_is_not_there(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    (made(tmp_path, result.artifact) / "manifest.json").unlink()
    assert not result.exists()


def test_a_folder_that_lost_a_file_is_not_there(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    (made(tmp_path, result.artifact) / "scores.json").unlink()
    assert not result.exists()


def test_a_folder_with_another_key_is_not_there(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    made(tmp_path, result.artifact)
    assert not dataset(tmp_path, key="cd" * 32).exists()


def test_a_renamed_result_is_there_under_its_new_name(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    folder = made(tmp_path, result.artifact)
    best = folder.rename(folder.with_name("best"))
    assert result.exists()
    assert result.path == result.load().path == best


def test_what_an_experiment_does_without_is_there(tmp_path: Path) -> None:
    unused = dataset(tmp_path, used=False, order=3.5)
    assert unused.exists()
    assert unused._describe()["used"] is False


def test_only_what_a_step_has_made_is_saved(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    result.save(result.load())
    for other in (Path("elsewhere"), dataset(tmp_path, key="cd" * 32).load()):
        with pytest.raises(DatasetError) as caught:
            result.save(other)  # type: ignore[arg-type]
        assert "student_scores is made by its step, not by saving" in str(user_error(caught.value))


def test_kedro_is_told_the_path_and_the_short_key(tmp_path: Path) -> None:
    result = dataset(tmp_path)
    assert result._describe() == {"filepath": str(result.path), "key": "abababab"}


def test_dollars_are_left_alone(tmp_path: Path) -> None:
    result = dataset(tmp_path, run={"name": "${experiment:secret} ${oc.env:HOME}"})
    assert result.load().run["name"] == "${experiment:secret} ${oc.env:HOME}"


# What people do with it ------------------------------------------------------------------------


def test_scores_are_a_dictionary(tmp_path: Path) -> None:
    scores = dataset(tmp_path).load()
    assert isinstance(scores, Values)
    content = {"splits": {"dev": {"rows": 3, "scores": {"accuracy": 0.75}}}}
    made(tmp_path, scores, **{"scores.json": json.dumps(content).encode()})
    assert scores["dev"]["scores"] == {"accuracy": 0.75}
    assert dict(scores) == content["splits"]
    assert (len(scores), repr(scores)) == (1, repr(content["splits"]))


def test_predictions_are_a_frame(tmp_path: Path) -> None:
    scores = dataset(tmp_path).load()
    assert isinstance(scores, Values)
    made(tmp_path, scores, **{"predictions/dev.csv": b"idx,prediction\n0,1\n"})
    assert scores.predictions("dev").to_dict("list") == {"idx": [0], "prediction": [1]}
    with pytest.raises(UserError, match=r"no predictions for 'tets' \(there are: dev\)"):
        scores.predictions("tets")


def test_splits_are_frames(tmp_path: Path) -> None:
    splits = dataset(tmp_path, "splits").load()
    frame = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})
    made(tmp_path, splits, **{"dev.parquet": frame.to_parquet(), "train.parquet": b"no frame"})
    assert list(splits) == ["dev", "train"]
    pd.testing.assert_frame_equal(splits["dev"], frame)
    with pytest.raises(KeyError, match="no split 'tets'"):
        splits["tets"]


def test_a_damaged_file_is_said_when_it_is_read(tmp_path: Path) -> None:
    scores = dataset(tmp_path).load()
    folder = made(tmp_path, scores, **{"predictions/dev.csv": b"idx,prediction\n0,1\n"})
    (folder / "predictions/dev.csv").write_bytes(b"idx,prediction\n0,0\n")
    assert isinstance(scores, Values)
    assert dict(scores) == {}
    with pytest.raises(UserError, match=r"dev\.csv is damaged"):
        scores.predictions("dev")


def test_what_is_not_made_yet_is_one_line(tmp_path: Path) -> None:
    for name in ("splits", "student", "student_scores"):
        handle = dataset(tmp_path, name).load()
        with pytest.raises(UserError, match=f"there is no {name} of these parameters yet"):
            _ = handle.folder
    assert repr(dataset(tmp_path).load()) == "<student_scores: not made yet>"


# The experiment --------------------------------------------------------------------------------


def test_an_experiment_knows_its_results_and_parameters(tmp_path: Path) -> None:
    facts = json.loads(json.dumps({"name": "splits", "key": KEY, "expected": str(tmp_path)}))
    given = {
        "artifacts": {"splits": facts},
        "params": {"task": {"max_length": 64}},
        "project": "/p",
        "store": "/s",
    }
    source = ExperimentDataset(experiment=json.dumps(given))
    experiment = source.load()
    assert experiment["splits"].key == KEY
    assert experiment.param("task.max_length") == 64
    assert experiment["splits"].wanted
    assert not experiment.wanting(set())["splits"].wanted
    assert pickle.loads(pickle.dumps(experiment)).store == Path("/s")
    with pytest.raises(DatasetError, match="only an input"):
        source.save(experiment)  # type: ignore[arg-type]
