"""Real short trainings of the demo encoder: what they write, and that they repeat themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tests.training.conftest import PARAMS
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.distillation.methods.lad import Lad
from alpkd_pipeline.distillation.methods.rail_kd import RailKd
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_tokenizer
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import is_complete, read_json, sha256_file
from alpkd_pipeline.tasks.encode import encode_splits, read_encoded
from alpkd_pipeline.tasks.sources.demo import TASK, load
from alpkd_pipeline.training import student as student_module
from alpkd_pipeline.training.dispatch import run_stage, train_folder
from alpkd_pipeline.training.optim import decay_left
from alpkd_pipeline.training.update import DivergedError


def weights(folder: Path) -> str:
    return sha256_file(folder / "model.safetensors")


def steps(folder: Path) -> list[dict]:
    return [event for event in read_event_log(folder)[0] if event["event"] == "step"]


def test_a_teacher_leaves_a_whole_folder(teacher: Path) -> None:
    metrics = read_json(teacher / "metrics.json")
    assert metrics["steps"] == 6
    assert metrics["parameters"]["total"] > metrics["parameters"]["without_embeddings"] > 600_000
    assert 0 <= metrics["scores"]["dev"]["accuracy"] <= 1
    model = AutoModelForSequenceClassification.from_pretrained(teacher)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert AutoTokenizer.from_pretrained(teacher)("the film was good")["input_ids"][0] == 2


def test_a_model_cuts_texts_where_its_training_cut_them(begin, encoded, encoded_short) -> None:
    """A student of another length than its teacher, too."""
    teacher = run_stage(begin("t", "teacher", {"encoded": encoded_short, "model": DEMO_FOLDER}))
    assert AutoTokenizer.from_pretrained(teacher).model_max_length == 12
    student = run_stage(begin("s", "student", {"encoded": encoded, "teacher": teacher}))
    assert AutoTokenizer.from_pretrained(student).model_max_length == 64


def test_the_event_log_tells_every_logged_step(teacher: Path) -> None:
    logged = steps(teacher)
    assert [event["step"] for event in logged] == [1, 2, 4, 6]
    assert logged[-1]["epoch"] == 1.0
    assert logged[0]["loss"]["hard"] == logged[0]["loss"]["total"] > 0
    assert {"lr", "grad_norm", "examples_per_second", "memory_mb"} <= set(logged[0])


def test_the_event_log_tells_how_each_epoch_went(teacher: Path) -> None:
    (event,) = [event for event in read_event_log(teacher)[0] if event["event"] == "epoch"]
    assert (event["epoch"], event["step"]) == (1, 6)
    assert 0 < event["padding_percent"] < 60
    assert event["tokens_per_second"] > event["examples_per_second"] > 0


def test_plainly_random_batches_hold_more_padding(begin, encoded, teacher: Path) -> None:
    inputs = {"encoded": encoded, "model": DEMO_FOLDER}
    plain = run_stage(begin("plain", "teacher", inputs, teacher__training__group_by_length=False))
    grouped, random = (
        next(e["padding_percent"] for e in read_event_log(folder)[0] if e["event"] == "epoch")
        for folder in (teacher, plain)
    )
    assert random > grouped


def test_rows_of_words_that_no_text_has_only_decay(teacher: Path, encoded: Path) -> None:
    tokens = np.concatenate([read_encoded(encoded, name).input_ids for name in ("train", "dev")])
    unseen = np.setdiff1d(np.arange(1, len(embedding(DEMO_FOLDER))), tokens)
    assert len(unseen) > 50
    before, after = embedding(DEMO_FOLDER)[unseen], embedding(teacher)[unseen]
    left = decay_left(6, 6, 0, lr=4e-4, weight_decay=0.01)
    assert 1e-5 < 1 - left < 2e-5
    assert torch.allclose(after, before * left, rtol=1e-6, atol=1e-9)
    seen = np.unique(tokens)
    assert not torch.allclose(embedding(teacher)[seen], embedding(DEMO_FOLDER)[seen], rtol=1e-3)


def embedding(folder: Path) -> torch.Tensor:
    weights = load_file(folder / "model.safetensors")
    return weights["bert.embeddings.word_embeddings.weight"].float()


def test_frozen_embeddings_stay_as_they_are(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = run_stage(begin("frozen", "student", inputs, training__freeze_embeddings=True))
    before, after = (load_file(f / "model.safetensors") for f in (teacher, folder))
    kept = [name for name in after if ".embeddings." in name]
    assert len(kept) > 3
    assert all(torch.equal(after[name], before[name]) for name in kept)
    layer = "bert.encoder.layer.0.output.dense.weight"
    assert not torch.equal(after[layer], before[layer])


def test_predictions_are_those_of_the_saved_weights(teacher: Path, encoded: Path) -> None:
    frame = pd.read_csv(teacher / "predictions" / "dev.csv")
    dev = read_encoded(encoded, "dev")
    assert frame["idx"].tolist() == dev.idx.tolist()
    model = AutoModelForSequenceClassification.from_pretrained(teacher).eval()
    first = torch.tensor(dev.input_ids[: dev.offsets[1]][None].astype(np.int64))
    with torch.no_grad():
        odds = model(input_ids=first).logits.softmax(-1)[0]
    assert frame.loc[0, ["p_negative", "p_positive"]].tolist() == pytest.approx(
        odds.tolist(), abs=1e-5
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains(name, begin, encoded, teacher, signals) -> None:
    row = METHODS[name]
    method = {"name": name, "pooling": "cls", "projection": "none", "beta": 1.0}
    if "soft" in row.terms:
        method |= {"beta": 0.2, "eta": 0.8, "temperature": 2.0}
    if "intermediate" in row.terms:
        method |= {"lambda": 0.5}
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = run_stage(begin(name, "student", inputs, method=method))
    last = steps(folder)[-1]
    assert set(last["loss"]) == {*row.terms, "total"}
    assert set(last["weighted"]) == set(row.terms)
    assert last["loss"]["total"] == pytest.approx(sum(last["weighted"].values()), rel=1e-4)
    exported = load_file(folder / "model.safetensors")
    assert {key.split(".")[0] for key in exported} == {"bert", "classifier"}
    assert "bert.encoder.layer.1.output.dense.weight" in exported
    assert "bert.encoder.layer.2.output.dense.weight" not in exported


@pytest.mark.parametrize("name", ["rail_kd", "minilmv2", "tinybert", "fdd", "lad"])
def test_what_a_method_watches_is_in_the_event_log(name, begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    own = {
        "rail_kd": ({"mode": "layer", "width": 128, "reduction": "sum"}, ["teacher_variance"]),
        "minilmv2": ({"teacher_layer": 6, "relation_heads": 4}, ["queries", "keys", "values"]),
        "tinybert": ({"reduction": "mean"}, ["embeddings", "hidden", "attention"]),
        "fdd": ({}, ["trajectory", "dynamics"]),
        "lad": ({"gate_lr": 1e-5}, ["gates"]),
    }
    options, watched = own[name]
    method = {**PARAMS["method"], "name": name, "pooling": "mean", **options}
    folder = run_stage(begin(name, "student", inputs, method=method))
    for event in steps(folder):
        assert list(event["watch"]) == watched
        assert all(value > 0 for value in event["watch"].values())
        if name not in ("rail_kd", "lad"):
            assert sum(event["watch"].values()) == pytest.approx(event["loss"]["intermediate"])


@pytest.mark.parametrize("name", ["rail_kd", "universal_kd", "minilmv2", "tinybert", "cka", "lad"])
def test_they_repeat_themselves(name, begin, encoded, teacher) -> None:
    inputs = {"encoded": encoded, "teacher": teacher}
    method = {**PARAMS["method"], "name": name, "pooling": "mean"}
    one, two = (
        run_stage(begin(f"{name}{i}", "student", inputs, method=method, training__epochs=2))
        for i in range(2)
    )
    assert weights(one) == weights(two)


def test_gates_learn_at_their_own_rate(begin, encoded, teacher, signals, monkeypatch) -> None:
    moved: dict[float, float] = {}
    built = []
    monkeypatch.setattr(Lad, "__init__", remembering(Lad.__init__, built))
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    for rate in (1e-6, 1e-3):
        method = {**PARAMS["method"], "name": "lad", "gate_lr": rate}
        run_stage(begin(f"lad{rate}", "student", inputs, method=method))
        bias = built[-1].gates[0].norm.bias.detach()  # 0 before
        moved[rate] = bias.abs().max().item()
    # AdamW goes about as far as its rates sum up to; 6 steps of which one is a warm-up.
    for rate, way in moved.items():
        assert rate < way < 6 * rate


def remembering(init: Any, built: list[Lad]) -> Any:
    def wrapped(self: Lad, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        built.append(self)

    return wrapped


def test_a_rest_that_is_too_small_to_compare_is_said_and_trained_on_without_it(
    begin, encoded, teacher, signals, caplog
) -> None:
    # 96 rows in batches of 13: seven, and a rest of 5.
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    method = {**PARAMS["method"], "name": "cka"}
    numbers = {"training__batch_size": 13, "training__log_every": 1}
    with caplog.at_level("WARNING"):
        folder = run_stage(begin("cka", "student", inputs, method=method, **numbers))
    (said,) = [record.message for record in caplog.records if "cka" in record.message]
    assert said == (
        "cka needs 8 rows to compare: for the 5 that are left at the end of an epoch its"
        " intermediate term is left out"
    )
    terms = [event["loss"]["intermediate"] for event in steps(folder)]
    assert len(terms) == 8
    assert sum(term == 0.0 for term in terms) == 1


def test_too_few_rows_to_compare_are_refused(begin, teacher, tmp_path) -> None:
    few = tmp_path / "few"
    frames = {name: frame.head(7) for name, frame in load().items()}
    encode_splits(frames, TASK, load_tokenizer(DEMO_FOLDER), 64, few)
    method = {**PARAMS["method"], "name": "cka"}
    with pytest.raises(UserError, match="needs at least 8, but there are 7 to train on"):
        run_stage(begin("seven", "student", {"encoded": few, "teacher": teacher}, method=method))


def test_rail_kd_draws_anew_for_each_epoch(begin, encoded, teacher, monkeypatch) -> None:
    drawn, begin_epoch = [], RailKd.begin_epoch

    def watched(self: RailKd, epoch: int) -> None:
        begin_epoch(self, epoch)
        drawn.append((epoch, self.drawn))

    monkeypatch.setattr(RailKd, "begin_epoch", watched)
    inputs = {"encoded": encoded, "teacher": teacher}
    method = {**PARAMS["method"], "name": "rail_kd"}
    run_stage(begin("drawn", "student", inputs, method=method, training__epochs=3))
    # Once more at the start, so that the method can be used without a loop.
    assert [epoch for epoch, _ in drawn] == [0, 0, 1, 2]
    assert len({layers for _, layers in drawn}) > 1


def test_rail_kd_from_the_cache_is_rail_kd_live(begin, encoded, teacher, signals) -> None:
    method = {**PARAMS["method"], "name": "rail_kd"}
    live = {"encoded": encoded, "teacher": teacher}
    one = steps(run_stage(begin("live", "student", live, method=method)))
    two = steps(run_stage(begin("cached", "student", {**live, "signals": signals}, method=method)))
    for left, right in zip(one, two, strict=True):
        assert left["loss"]["total"] == pytest.approx(right["loss"]["total"], rel=1e-5)


def test_two_runs_of_one_experiment_are_bitwise_equal(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    one = run_stage(begin("one", "student", inputs, training__epochs=2))
    two = run_stage(begin("two", "student", inputs, training__epochs=2))
    other = run_stage(begin("other", "student", inputs, training__epochs=2, seed=2))
    assert weights(one) == weights(two) != weights(other)
    assert [e["loss"] for e in steps(one)] == [e["loss"] for e in steps(two)]


def test_a_live_teacher_says_what_the_cache_says(begin, encoded, teacher, signals) -> None:
    cached = {"encoded": encoded, "teacher": teacher, "signals": signals}
    live = {"encoded": encoded, "teacher": teacher}
    one = steps(run_stage(begin("cached", "student", cached)))
    two = steps(run_stage(begin("live", "student", live)))
    for left, right in zip(one, two, strict=True):
        assert left["loss"]["total"] == pytest.approx(right["loss"]["total"], rel=1e-5)


def test_attention_is_looked_at_on_dev(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = run_stage(begin("alp", "student", inputs))
    attention = read_json(folder / "metrics.json")["attention"]
    table = np.array(attention["weights"])
    assert table.shape == (2, 12)
    assert table.sum(axis=1) == pytest.approx([1, 1])
    assert attention["examples"] == 48
    assert attention["max_entropy"] == pytest.approx([np.log(12)] * 2)
    assert all(0 <= e <= np.log(12) for e in attention["entropy"])


def test_a_holdout_leaves_dev_alone(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = run_stage(begin("held", "student", inputs, training__selection="holdout"))
    metrics = read_json(folder / "metrics.json")
    assert list(metrics["scores"]) == ["holdout"]
    assert len(pd.read_csv(folder / "predictions" / "holdout.csv")) == 24
    assert metrics["examples"] == 72


def test_accumulation_makes_fewer_steps(begin, encoded, teacher) -> None:
    inputs = {"encoded": encoded, "model": DEMO_FOLDER}
    folder = run_stage(begin("acc", "teacher", inputs, teacher__training__accumulation=2))
    assert read_json(folder / "metrics.json")["steps"] == 3


def test_evaluation_every_n_steps_and_patience(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    changes = {"training__eval_every": 2, "training__patience": 1, "training__lr": 1e-12}
    folder = run_stage(begin("patient", "student", inputs, training__epochs=4, **changes))
    evals = [e for e in read_event_log(folder)[0] if e["event"] == "eval"]
    assert [e["step"] for e in evals] == [2, 4]
    assert [e["best"] for e in evals] == [True, False]
    assert read_json(folder / "metrics.json")["epochs"] == 1


def test_bf16_trains(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = run_stage(begin("bf16", "student", inputs, training__precision="bf16"))
    said = read_json(folder / "metrics.json")["environment"]
    assert (said["precision"], said["attention"]) == ("bf16", "sdpa")
    exported = load_file(folder / "model.safetensors")
    assert {t.dtype for t in exported.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("changes", "layers", "width"),
    [
        ({"student__init": "skip"}, 2, 64),
        ({"student__init": "last", "student__head": "teacher"}, 2, 64),
        ({"student__init": "random"}, 2, 64),
        (
            {
                "student__init": "random",
                "student__hidden_size": 32,
                "student__heads": 2,
                "student__intermediate_size": 64,
                "method__projection": "linear",
            },
            2,
            32,
        ),
        ({"student__init_from": "pretrained"}, 2, 64),
        ({"student__init": "checkpoint"}, 2, 64),
    ],
    ids=["skip", "last", "random", "narrower", "pretrained", "checkpoint"],
)
def test_every_start(changes, layers, width, begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    inputs |= {"model": DEMO_FOLDER, "checkpoint": DEMO_FOLDER}
    folder = run_stage(begin("start", "student", inputs, **changes))
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (layers, width)


def test_a_poisoned_teacher_is_named(begin, encoded, teacher, tmp_path) -> None:
    from safetensors.torch import save_file

    poisoned = tmp_path / "poisoned"
    poisoned.mkdir()
    for path in teacher.iterdir():
        if path.is_file():
            (poisoned / path.name).write_bytes(path.read_bytes())
    state = load_file(poisoned / "model.safetensors")
    state["bert.encoder.layer.3.output.dense.bias"][0] = float("nan")
    save_file(state, poisoned / "model.safetensors", metadata={"format": "pt"})
    folder = begin("signals", "signals", {"encoded": encoded, "teacher": poisoned})
    with pytest.raises(UserError, match="not finite"):
        run_stage(folder)


def test_a_loss_that_diverges_stops_at_that_step(begin, encoded, teacher, signals) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = begin("nan", "student", inputs, method__lambda=1e38, training__lr=1e30)
    with pytest.raises(DivergedError, match=r"at step \d+ \(epoch 1\).*example ids \d+"):
        run_stage(folder)


def test_train_folder_seals_what_it_made(begin, encoded) -> None:
    folder = begin("sealed", "teacher", {"encoded": encoded, "model": DEMO_FOLDER})
    train_folder(folder)
    assert is_complete(folder, "sealed")


def test_a_finished_folder_is_not_trained_again(begin, encoded) -> None:
    folder = begin("twice", "teacher", {"encoded": encoded, "model": DEMO_FOLDER})
    train_folder(folder)
    before = weights(folder)
    with pytest.raises(UserError, match="is finished"):
        train_folder(folder)
    assert weights(folder) == before


def test_an_interrupted_training_begins_its_event_log_again(begin, encoded) -> None:
    folder = begin("again", "teacher", {"encoded": encoded, "model": DEMO_FOLDER})
    (folder / "events.jsonl").write_text('{"event": "step", "time": 0, "step": 99}\n')
    train_folder(folder)
    assert [e["step"] for e in steps(folder)] == [1, 2, 4, 6]


def test_a_folder_without_run_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.json does not exist"):
        train_folder(tmp_path)


def test_the_task_travels_with_the_model(teacher: Path) -> None:
    assert read_json(teacher / "run.json")["task"]["label_names"] == list(TASK.label_names)


def test_a_finished_folder_loses_what_a_killed_process_left(begin, encoded) -> None:
    folder = begin("done", "teacher", {"encoded": encoded, "model": DEMO_FOLDER})
    train_folder(folder)
    (folder / ".checkpoints" / "step-00000006").mkdir(parents=True)
    with pytest.raises(UserError, match="is finished"):
        train_folder(folder)
    assert not (folder / ".checkpoints").exists()
    assert is_complete(folder, "done")


def test_batches_of_a_step_see_the_same_blocks_and_nothing_of_the_teacher_learns(
    begin, encoded, teacher, monkeypatch
) -> None:
    seen: list[tuple[tuple[bool, ...], int]] = []
    real = student_module.swapped

    def watched(model: Any, others: Any, own: tuple[bool, ...]) -> Any:
        assert not any(p.requires_grad for p in others.parameters())
        assert not any(block.training for block in others.modules())
        seen.append((own, len(others)))
        return real(model, others, own)

    monkeypatch.setattr(student_module, "swapped", watched)
    method = {"name": "theseus", "pooling": "cls", "projection": "none", "beta": 1.0}
    inputs = {"encoded": encoded, "teacher": teacher}
    changes = {"training__accumulation": 2, "training__batch_size": 8, "training__epochs": 2}
    run_stage(begin("theseus", "student", inputs, method=method, **changes))
    # 96 rows in steps of two batches of 8, for two epochs; the second half runs alone.
    assert len(seen) == 24
    assert seen[::2] == seen[1::2]
    assert {size for _, size in seen} == {12}
    assert len({own for own, _ in seen[:12]}) > 1
    assert {own for own, _ in seen[12:]} == {(True, True)}
