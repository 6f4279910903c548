"""Whether a result is there, and whole."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment, lacking
from alpkd_pipeline.store.layout import FILES
from alpkd_pipeline.store.manifest import publish, seal


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
    found = ResolvedExperiment(several, {}, tmp_path, tmp_path).wanting({"scores"})
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


STAGE = Artifact("student", "0123abcd" * 8, Path("/s/06/kd-2L-s0-0123abcd"), {"teacher": "t"})


def test_work_is_done_beside_the_final_folder() -> None:
    assert STAGE.work == Path("/s/06/kd-2L-s0-0123abcd.work")


def test_a_dot_in_the_name_is_no_suffix() -> None:
    stage = Artifact("teacher", "k", Path("/s/bert-v1.5-s0-0123abcd"), {})
    assert stage.work.name == "bert-v1.5-s0-0123abcd.work"
    assert stage.work.parent == stage.path.parent


def test_a_stage_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        STAGE.key = "other"  # type: ignore[misc]


def test_a_finished_result_is_found_whatever_its_folder_is_called(tmp_path: Path) -> None:
    stage = Artifact("student", "0123abcd" * 8, tmp_path / "kd-0123abcd", {})
    assert (stage.found, stage.path) == (None, stage.expected)
    best = tmp_path / "best"
    best.mkdir()
    seal(best, {"key": stage.key})
    assert (stage.found, stage.path) == (best, best)
    assert stage.expected == tmp_path / "kd-0123abcd"


def test_it_shows_itself_in_a_line(tmp_path: Path) -> None:
    one = Artifact("data", "ab" * 32, tmp_path / "data-abababab", {"raw": "c" * 64}, {"seed": 1})
    assert repr(one) == f"<data {one.expected}, not made yet>"
    (work := tmp_path / "work").mkdir()
    publish(work, one.path, one.facts)
    assert repr(one) == f"<data {one.path}>"
