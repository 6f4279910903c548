from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import set_task
from alpkd_pipeline.models.model_files import read_config, tensor_shapes
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.teacher_checks import (
    best_constant,
    check_head,
    check_learned,
    check_predictions,
    check_vocabulary,
    label_order,
)
from alpkd_pipeline.tasks.task import Task

Save = Callable[..., Path]
PAIR = Task("tiny_pair", "classification", ("sentence",), ("no", "yes"), ("accuracy",))


def says(predictions: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[predictions]


def refusal(check: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(UserError) as caught:
        check(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_shapes_are_read_from_the_headers(
    family: str, make_model: Any, save_folder: Save, nli: Task
) -> None:
    model = make_model(family)
    folder = save_folder(model)
    shapes = tensor_shapes(folder)
    assert shapes == {key: tuple(value.shape) for key, value in model.state_dict().items()}
    check_head(read_config(folder), shapes, nli)


def test_a_backbone_is_not_a_teacher(family: str, nli: Task) -> None:
    config = {"model_type": family, "architectures": ["SomeModel"]}
    said = refusal(check_head, config, {"embeddings.weight": (60, 32)}, nli)
    assert "not fine-tuned" in said
    assert "random head would have taught noise" in said


def test_a_head_of_another_kind_is_not_a_teacher_s(nli: Task) -> None:
    """A token classifier has a `classifier.weight` of the right shape."""
    config = {"model_type": "bert", "architectures": ["BertForTokenClassification"]}
    said = refusal(check_head, config, {"classifier.weight": (3, 32)}, nli)
    assert "BertForTokenClassification" in said


def test_a_config_without_architectures_is_judged_by_its_weights(nli: Task) -> None:
    check_head({"model_type": "bert"}, {"classifier.weight": (3, 32)}, nli)
    refusal(check_head, {"model_type": "bert"}, {}, nli)


@pytest.mark.parametrize("family_name", sorted(FAMILIES))
def test_the_number_of_outputs(family_name: str, nli: Task, sts: Task) -> None:
    config = {"model_type": family_name}
    name = FAMILIES[family_name].classifier + ".weight"
    check_head(config, {name: (3, 32)}, nli)
    check_head(config, {name: (1, 32)}, sts)
    said = refusal(check_head, config, {name: (2, 32)}, nli)
    assert "2 outputs, but tiny_nli has 3 labels" in said
    said = refusal(check_head, config, {name: (1, 32)}, nli)
    assert "1 outputs" in said
    said = refusal(check_head, config, {name: (2, 32)}, sts)
    assert "softmax head" in said


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["entailment", "neutral", "contradiction"], (0, 1, 2)),
        (["ENTAILMENT", " Neutral ", "contradiction"], (0, 1, 2)),
        (["contradiction", "entailment", "neutral"], (1, 2, 0)),
        (["contradiction", "neutral", "entailment"], (2, 1, 0)),
        (["LABEL_0", "LABEL_1", "LABEL_2"], None),
        (["entailment", "neutral"], None),
        (["entailment", "neutral", "neutral"], None),
        (["yes", "maybe", "no"], None),
    ],
)
def test_the_order_of_the_labels(
    nli: Task, names: list[str], order: tuple[int, ...] | None
) -> None:
    config = {"id2label": {str(i): name for i, name in enumerate(names)}}
    assert label_order(config, nli) == order


def test_a_head_has_as_many_outputs_as_names(nli: Task) -> None:
    config = {"model_type": "bert", "id2label": {"0": "no", "1": "yes"}}
    said = refusal(check_head, config, {"classifier.weight": (3, 32)}, nli)
    assert "names 2 outputs in id2label, but its head (classifier) has 3" in said


def test_words_of_a_label_may_be_joined_in_any_way() -> None:
    task = Task("t", "classification", ("sentence",), ("not_equivalent", "equivalent"), ("f1",))
    config = {"id2label": {"0": "Equivalent", "1": "not-equivalent"}}
    assert label_order(config, task) == (1, 0)


def test_a_config_without_names_tells_nothing(nli: Task, sts: Task) -> None:
    assert label_order({}, nli) is None
    assert label_order({}, sts) == (0,)


def test_names_in_another_order_make_the_right_outputs(make_model: Any, nli: Task) -> None:
    """The order found by name, applied to the head, gives the answers the names promised."""
    names = ("contradiction", "entailment", "neutral")
    model = make_model("roberta")
    model.config.id2label = dict(enumerate(names))
    inputs = model.dummy_inputs
    before = {name: model(**inputs).logits[:, i] for i, name in enumerate(names)}
    order = label_order(json.loads(model.config.to_json_string(use_diff=False)), nli)
    assert order is not None
    set_task(model, nli, order)
    after = model(**inputs).logits
    for i, name in enumerate(nli.label_names):
        np.testing.assert_allclose(
            after[:, i].detach(), before[name].detach(), rtol=1e-5, atol=1e-6
        )


def test_a_tokenizer_larger_than_the_table() -> None:
    check_vocabulary(60, 60)
    check_vocabulary(60, 64)
    said = refusal(check_vocabulary, 61, 60)
    assert "61 tokens" in said
    assert "only 60" in said


LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_a_good_teacher_passes(nli: Task) -> None:
    check_predictions(nli, says([0, 0, 0, 1, 1, 1, 2, 2, 2, 2], 3), LABELS)


@pytest.mark.parametrize("order", [p for p in permutations(range(3)) if p != (0, 1, 2)])
def test_every_other_order_of_the_labels_is_found(nli: Task, order: tuple[int, ...]) -> None:
    """Output order[j] means label j; one answer of ten is wrong."""
    right = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    said = refusal(check_predictions, nli, says([order[j] for j in right], 3), LABELS)
    meant = [nli.label_names[order.index(i)] for i in range(3)]
    assert "0.900" in said
    assert f"outputs mean {', '.join(meant)};" in said
    assert f'"id2label": {json.dumps(dict(enumerate(meant)))}' in said


@pytest.mark.parametrize("true", list(permutations(range(3))))
@pytest.mark.parametrize("written", [None, *permutations(range(3))])
def test_the_advice_for_wrong_names_is_not_what_stands_there_and_helps(
    nli: Task, written: tuple[int, ...] | None, true: tuple[int, ...]
) -> None:
    """Output true[j] means label j; the teacher's config.json says that output written[j] does."""
    names = nli.label_names
    stands = {} if written is None else {str(i): names[j] for j, i in enumerate(written)}
    outputs = says([true[j] for j in LABELS], 3)

    def check(id2label: dict[str, str]) -> None:
        order = label_order({"id2label": id2label}, nli)
        columns = outputs if order is None else outputs[:, list(order)]
        check_predictions(nli, columns, LABELS, order)

    if true == (written or (0, 1, 2)):
        check(stands)
        return
    said = refusal(check, stands)
    advice = json.loads(said.split('write "id2label": ')[1].split("}")[0] + "}")
    assert advice != stands
    assert advice == {str(i): names[j] for j, i in enumerate(true)}
    assert "task.labels" in said
    check(advice)


def test_a_binary_teacher_worse_than_a_coin_has_its_labels_swapped() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    said = refusal(check_predictions, PAIR, says([1, 1, 1, 0, 0, 1], 2), labels)
    assert "another order" in said
    assert "0.167 as given, 0.833" in said


def test_with_many_classes_the_orders_are_not_tried() -> None:
    names = tuple("abcdef")
    task = Task("many", "classification", ("sentence",), names, ("accuracy",))
    labels = np.arange(6)
    said = refusal(check_predictions, task, says([1, 2, 3, 4, 5, 0], 6), labels)
    assert "constant answer" in said


@pytest.mark.parametrize("answer", [0, 1, 2])
def test_a_constant_answer_is_no_teacher(nli: Task, answer: int) -> None:
    said = refusal(check_predictions, nli, says([answer] * 10, 3), LABELS)
    assert "another order" in said if answer else "0.4000, a constant answer has 0.4000" in said


def test_the_best_constant_follows_the_primary_metric() -> None:
    task = Task("rare", "classification", ("sentence",), ("no", "yes"), ("f1",))
    labels = np.array([0] * 8 + [1] * 2)
    # always yes: precision 2/10, recall 1, F1 = 2 * 2 / (10 + 2)
    assert best_constant(task, labels) == pytest.approx(1 / 3)
    assert best_constant(PAIR, labels) == 0.8


ONE_OF_TEN = np.array([0.0] * 9 + [10.0])
"""Mean 1, variance 9, median 0: the best constants are 1 for squares and 0 for absolute errors."""


def primary(metric: str) -> Task:
    return Task("numbers", "regression", ("sentence",), (), (metric,))


@pytest.mark.parametrize(("metric", "best"), [("rmse", 3.0), ("mae", 1.0), ("pearson", 0.0)])
def test_the_best_constant_of_a_regression(metric: str, best: float) -> None:
    assert best_constant(primary(metric), ONE_OF_TEN) == pytest.approx(best)


def test_a_teacher_with_a_larger_error_than_a_constant_is_none() -> None:
    # Squares (9 * 1.44 + 1) / 10 = 1.396, far below 9; absolute (9 * 1.2 + 1) / 10 = 1.18.
    predictions = np.array([1.2] * 9 + [9.0])[:, None]
    check_predictions(primary("rmse"), predictions, ONE_OF_TEN)
    said = refusal(check_predictions, primary("mae"), predictions, ONE_OF_TEN)
    assert "mae on numbers dev is 1.1800, a constant answer has 1.0000" in said
    check_predictions(primary("mae"), predictions - 0.7, ONE_OF_TEN)  # 0.62


def test_a_useful_teacher_of_a_rare_class_passes_below_the_majority() -> None:
    """Accuracy 0.7 is under the majority's 0.8, but F1 decides and the rare class is found."""
    task = Task("rare", "classification", ("sentence",), ("no", "yes"), ("f1",))
    labels = np.array([0] * 8 + [1] * 2)
    check_predictions(task, says([0] * 5 + [1] * 5, 2), labels)


def test_a_regression_teacher(sts: Task) -> None:
    labels = np.array([0.0, 1, 2, 3, 4, 5])
    check_predictions(sts, (labels + 0.3)[:, None], labels)
    said = refusal(check_predictions, sts, (labels / 5)[:, None], labels)
    assert "another scale" in said
    assert "0.00 to 1.00" in said
    said = refusal(check_predictions, sts, np.full((6, 1), 2.5), labels)
    assert "not fine-tuned" in said


def test_a_regression_teacher_that_runs_backwards(sts: Task) -> None:
    """Near enough for the scale, and still no better than a constant."""
    labels = np.array([0.0, 5, 5, 5, 5, 5])
    values = np.array([4.17, 4.17, 4.17, 4.17, 4.17, 4.16])
    said = refusal(check_predictions, sts, values[:, None], labels)
    assert "mean squared error" in said


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_predictions_that_are_not_finite(nli: Task, bad: float) -> None:
    logits = says([0] * 10, 3)
    logits[4, 1] = bad
    assert "not finite" in refusal(check_predictions, nli, logits, LABELS)


def test_a_trained_teacher_that_is_no_better_than_a_constant(sts: Task) -> None:
    labels = np.array([0] * 3 + [1] * 3 + [2] * 4)
    task = Task("nli", "classification", ("a",), ("no", "maybe", "yes"), ("accuracy",))
    said = refusal(check_learned, task, "demo-s0-01234567", "dev", np.full(10, 2), labels)
    assert said.startswith(
        "the teacher demo-s0-01234567 learned nothing: its accuracy on nli dev is 0.4000, a"
        " constant answer has 0.4000"
    )
    for remedy in ("teacher.training.epochs", "teacher.training.lr", "allow_constant=true"):
        assert remedy in said
    refusal(check_learned, task, "t", "dev", np.array([0] * 3 + [2, 2, 2, 0, 0, 0, 0]), labels)
    check_learned(task, "t", "dev", np.array([0] * 2 + [2] * 8), labels)
    numbers = np.array([0.0, 1.0, 2.0, 5.0])
    said = refusal(check_learned, sts, "t", "holdout", np.full(4, 2.5), numbers)
    assert f"its {sts.primary_metric} on {sts.name} holdout is 0.0000" in said
    refusal(check_learned, sts, "t", "holdout", -numbers, numbers)
    check_learned(sts, "t", "holdout", numbers / 100, numbers)
    refusal(check_learned, primary("rmse"), "t", "dev", np.full(10, 5.0), ONE_OF_TEN)
    check_learned(primary("rmse"), "t", "dev", ONE_OF_TEN + 1, ONE_OF_TEN)


def test_a_teacher_that_finds_a_rare_class_learned_something() -> None:
    task = Task("rare", "classification", ("sentence",), ("no", "yes"), ("f1",))
    labels = np.array([0] * 8 + [1] * 2)
    check_learned(task, "t", "dev", np.array([0] * 5 + [1] * 5), labels)
    # Always yes has an F1 of 1/3.
    refusal(check_learned, task, "t", "dev", np.array([1] * 10), labels)
