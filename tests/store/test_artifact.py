"""Whether a result is there, and whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import FILES, Artifact, Experiment, lacking
from alpkd_pipeline.store.manifest import publish


def test_an_order_asks_for_it_once(tmp_path: Path) -> None:
    one = Artifact("data", "ab" * 32, tmp_path / "data-abababab")
    ordered = replace(one, order=2.5)
    assert not one.is_made
    for artifact, made in ((one, [True, False]), (ordered, [True, True])):
        (work := tmp_path / "work").mkdir()
        (work / "made").touch()
        publish(work, artifact.path, artifact.facts)
        assert [one.is_made, ordered.is_made] == made
    assert not replace(one, order=3.5).is_made


def test_what_is_not_there_has_no_reader(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no data of these parameters yet"):
        _ = Artifact("data", "ab" * 32, tmp_path / "data").folder


def test_only_some_of_an_experiment_may_be_wanted(tmp_path: Path) -> None:
    several = {n: Artifact(n, n, tmp_path / n) for n in ("data", "scores")}
    found = Experiment(several, {}, tmp_path, tmp_path).wanting({"scores"})
    assert [found[n].wanted for n in several] == [False, True]
    assert all(artifact.wanted for artifact in several.values())


def test_what_a_folder_lacks() -> None:
    assert lacking("student_scores", ["run.json", "scores.json", "predictions/dev.csv"]) == []
    assert lacking("student_scores", ["run.json"]) == ["scores.json"]
    held = ["run.json", "config.json", "metrics.json", "model-00001-of-00002.safetensors"]
    assert lacking("teacher", held) == []
    assert lacking("teacher", held[:-1]) == ["*.safetensors"]
    assert lacking("of another version", []) == []
    assert all(FILES.values())
