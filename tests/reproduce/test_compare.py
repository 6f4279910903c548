from __future__ import annotations

from tests.reproduce.conftest import Make, write_scores

from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.original import StoredRun


def test_the_same_files_are_bitwise_equal(then: StoredRun, now: Make) -> None:
    found = compare_models(then, now())
    assert found.bitwise
    assert found.losses.steps == 3
    assert [(answer.name, answer.rows) for answer in found.predictions] == [("training/dev", 4)]
    assert found.primary == ("dev.accuracy", 0.75, 0.75)


def test_the_key_is_no_part_of_it(then: StoredRun, now: Make) -> None:
    assert compare_models(then, now(key="2" * 64)).bitwise


def test_other_weights_alone_are_no_longer_equal(then: StoredRun, now: Make) -> None:
    found = compare_models(then, now(weights=b"weighty"))
    assert not found.bitwise
    assert found.losses.equal
    assert all(answer.equal for answer in found.predictions)


def test_a_damaged_event_log_is_told_and_not_equal(then: StoredRun, now: Make) -> None:
    path = then.path / "events.jsonl"
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    found = compare_models(then, now())
    assert not found.losses.readable
    assert not found.losses.equal
    assert not found.bitwise
    assert all(answer.equal for answer in found.predictions)


def test_damaged_scores_are_told_and_not_equal(then: StoredRun, now: Make) -> None:
    rerun = now()
    for run in (then, rerun):
        write_scores(run, dev={"accuracy": 0.75})
    assert compare_models(then, rerun).bitwise
    (write_scores(then) / "scores.json").write_text("{")
    found = compare_models(then, rerun)
    assert "cannot be read" in (found.missing or "")
    assert not found.bitwise
