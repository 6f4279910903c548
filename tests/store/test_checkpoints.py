from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.checkpoints import (
    BEST,
    CHECKPOINTS,
    config_changed,
    copy_best,
    drop_beaten,
    drop_checkpoints,
    folder_of,
    good_checkpoints,
    has_checkpoint,
    keep_only,
    publish_step,
    steps_of,
)
from alpkd_pipeline.store.manifest import describe, seal, write_json


def save(work: Path, step: int, best: int | None = None) -> Path:
    return publish_step(
        work / CHECKPOINTS, step, lambda to: write_json(to / "facts.json", {"best_step": best})
    )


def write_model(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "predictions").mkdir()
    (folder / "predictions" / "dev.csv").write_text("idx")


def test_the_last_one_comes_first(tmp_path: Path) -> None:
    assert not has_checkpoint(tmp_path)
    for step in (5, 120, 30):
        save(tmp_path, step)
    assert has_checkpoint(tmp_path)
    assert [folder.name for folder, _ in good_checkpoints(tmp_path)] == [
        "step-00000120",
        "step-00000030",
        "step-00000005",
    ]


def test_a_save_that_dies_leaves_nothing(tmp_path: Path) -> None:
    def dies(folder: Path) -> None:
        (folder / "facts.json").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_step(tmp_path / CHECKPOINTS, 7, dies)
    assert steps_of(tmp_path / CHECKPOINTS) == []
    assert list((tmp_path / CHECKPOINTS).iterdir()) == []


def test_what_a_killed_save_left_is_never_taken_and_swept_up(tmp_path: Path) -> None:
    save(tmp_path, 3)
    half = tmp_path / CHECKPOINTS / ".making-123"
    half.mkdir()
    assert steps_of(tmp_path / CHECKPOINTS) == [3]
    keep_only(tmp_path / CHECKPOINTS, {3})
    assert not half.exists()


def test_a_step_can_be_published_again(tmp_path: Path) -> None:
    save(tmp_path, 3, best=None)
    publish_step(tmp_path / BEST, 1, write_model)
    save(tmp_path, 3, best=1)
    ((_, facts),) = good_checkpoints(tmp_path)
    assert facts["best_step"] == 1


def test_beaten_models_go_unless_a_checkpoint_may_go_back_to_them(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        publish_step(tmp_path / BEST, step, write_model)
    save(tmp_path, 2, best=1)
    (save(tmp_path, 3, best=3) / "facts.json").write_text("{dam")
    drop_beaten(tmp_path, 4)
    assert steps_of(tmp_path / BEST) == [1, 4]
    drop_beaten(tmp_path, None)
    assert steps_of(tmp_path / BEST) == [1]


def test_one_whose_best_model_is_damaged_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish_step(tmp_path / BEST, 1, write_model)
    publish_step(tmp_path / BEST, 2, write_model)
    save(tmp_path, 1, best=1)
    save(tmp_path, 2, best=2)
    (folder_of(tmp_path / BEST, 2) / "model.safetensors").write_bytes(b"Weights")
    assert [facts["best_step"] for _, facts in good_checkpoints(tmp_path)] == [1]
    assert "checkpoint of step 2 is passed over: " in caplog.text
    assert "model.safetensors is damaged" in caplog.text


def test_the_best_model_becomes_the_result_and_stays_until_it_is_published(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"of an earlier try")
    publish_step(tmp_path / BEST, 4, write_model)
    copy_best(tmp_path, 4)
    assert set(describe(tmp_path)) == {"model.safetensors", "predictions/dev.csv"}
    assert (tmp_path / "model.safetensors").read_bytes() == b"weights"
    assert steps_of(tmp_path / BEST) == [4]
    drop_checkpoints(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "predictions"]


def test_a_damaged_best_model_becomes_no_result(tmp_path: Path) -> None:
    publish_step(tmp_path / BEST, 4, write_model)
    (folder_of(tmp_path / BEST, 4) / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(UserError, match="is damaged"):
        copy_best(tmp_path, 4)
    assert not (tmp_path / "model.safetensors").exists()


def test_one_whose_event_log_was_damaged_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    event_log = tmp_path / "events.jsonl"
    event_log.write_text("one\n")
    save(tmp_path, 1)
    event_log.write_text("one\ntwo\n")
    save(tmp_path, 2)
    event_log.write_text("one\ntwo\nthree\n")  # written later
    assert len(list(good_checkpoints(tmp_path))) == 2
    event_log.write_text("one\ntwp\nthree\n")
    assert [folder.name for folder, _ in good_checkpoints(tmp_path)] == ["step-00000001"]
    assert "events.jsonl is damaged: its first 8 bytes differ" in caplog.text
    event_log.write_text("on")
    assert list(good_checkpoints(tmp_path)) == []


def test_one_that_lies_in_another_step_s_place_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = save(tmp_path, 10)
    save(tmp_path, 20).rename(folder_of(tmp_path / CHECKPOINTS, 30))
    assert [folder for folder, _ in good_checkpoints(tmp_path)] == [kept]
    assert "it speaks of step 20" in caplog.text


def test_another_run_json_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"lr": 1e-4})
    save(tmp_path, 1)
    assert not config_changed(tmp_path)
    write_json(tmp_path / "run.json", {"lr": 2e-4})
    assert config_changed(tmp_path)
    with pytest.raises(UserError, match=r"run\.json was changed after its training began"):
        list(good_checkpoints(tmp_path))


def test_a_checkpoint_of_an_older_version_needs_no_hashes_of_others(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    seal(folder, {"step": 1})
    write_json(tmp_path / "run.json", {"lr": 1e-4})
    assert len(list(good_checkpoints(tmp_path))) == 1


@pytest.mark.parametrize("name", ["step-00000003.bak", "step-3", "step-", "step-0000000x"])
def test_a_copy_that_somebody_put_beside_the_checkpoints_is_none(tmp_path: Path, name: str) -> None:
    save(tmp_path, 5)
    (tmp_path / CHECKPOINTS / name).mkdir()
    assert steps_of(tmp_path / CHECKPOINTS) == [5]
    keep_only(tmp_path / CHECKPOINTS, {5})
    assert (tmp_path / CHECKPOINTS / name).is_dir()
