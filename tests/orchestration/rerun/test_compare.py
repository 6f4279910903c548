from __future__ import annotations

from tests.orchestration.rerun.conftest import Make

from alpkd_pipeline.orchestration.rerun.compare import compare_models
from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.reporting.store import SCORES
from alpkd_pipeline.runs.manifest import seal, write_json


def test_the_same_files_are_bitwise_equal(then: StoredRun, now: Make) -> None:
    found = compare_models(then, now())
    assert found.bitwise
    assert found.losses.steps == 3
    assert [(answer.name, answer.rows) for answer in found.answers] == [("training/dev", 4)]
    assert found.deciding == ("dev.accuracy", 0.75, 0.75)


def test_the_key_is_no_part_of_it(then: StoredRun, now: Make) -> None:
    assert compare_models(then, now(key="2" * 64)).bitwise


def test_other_weights_alone_are_no_longer_equal(then: StoredRun, now: Make) -> None:
    found = compare_models(then, now(weights=b"weighty"))
    assert not found.bitwise
    assert found.losses.equal
    assert all(answer.equal for answer in found.answers)


def test_scores_of_the_saved_model_come_first(then: StoredRun, now: Make) -> None:
    folder = then.store / SCORES[0] / "mrpc" / f"{then.folder.name}-12345678"
    write_json(
        folder / "scores.json", {"splits": {"dev": {"scores": {"f1": 0.5, "accuracy": 0.7}}}}
    )
    seal(folder, {"key": "9" * 64, "made_from": {"student": then.key}})
    found = compare_models(then, now())
    assert found.deciding == ("dev.accuracy", 0.7, 0.75)
    assert not found.bitwise
