"""A student's step, with methods and signals small enough to be worked out beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.training.toys import WIDTH, loaded, random_rows, tiny_bert
from torch import Tensor

from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.registry import build_method
from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.models.shape import TokenLayers
from alpkd_pipeline.training.batching import Batch, collate
from alpkd_pipeline.training.devices import Accelerator, Hardware, accelerator_for
from alpkd_pipeline.training.distill import LiveTeacher, distill_step, model_signal

TEACHER_LAYERS, LAYERS = 3, 2


@pytest.fixture(params=["fp32"])
def accelerator(request: pytest.FixtureRequest) -> Iterator[Accelerator]:
    with accelerator_for(Hardware("cpu", "", request.param, 1)) as made:
        yield made


@pytest.fixture
def batch() -> Batch:
    return collate(random_rows(5), np.array([4, 0, 3]), pad_id=0)


def method(name: str) -> Method:
    return build_method(
        name,
        teacher_layers=TEACHER_LAYERS,
        student_layers=LAYERS,
        teacher_width=WIDTH,
        student_width=WIDTH,
        teacher_heads=2,
        student_heads=2,
    )


class Told:
    """A source with fixed signals for 5 rows; remembers what it was asked."""

    def __init__(self) -> None:
        self.logits = torch.sin(torch.arange(10.0)).reshape(5, 2)
        self.layers = torch.cos(torch.arange(5.0 * TEACHER_LAYERS * WIDTH)).reshape(5, -1, WIDTH)
        self.asked: list[list[int]] = []

    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        self.asked.append(rows.tolist())
        return Signal(self.logits[rows], self.layers[rows])


def said_by(model: torch.nn.Module, batch: Batch) -> Signal:
    """What a model says, with plain Hugging Face calls."""
    with torch.no_grad():
        out = model(**batch.inputs, output_hidden_states=True)
    return Signal(out.logits, torch.stack([h[:, 0] for h in out.hidden_states[1:]], dim=1))


@pytest.mark.parametrize("name", ["no_kd", "kd", "pkd", "alp_kd", "ckd"])
def test_the_method_sees_the_student_and_its_own_rows_of_the_teacher(
    name: str, accelerator: Accelerator, batch: Batch
) -> None:
    student, chosen, source = tiny_bert().eval(), method(name), Told()
    step = distill_step(loaded(student, accelerator), chosen, source, "cls")
    found = step(batch)
    teacher = Signal(source.logits[[4, 0, 3]], source.layers[[4, 0, 3]])
    expected = chosen(said_by(student, batch), teacher, torch.tensor([0, 0, 1]))
    for term in ("hard", "soft", "intermediate", "total"):
        ours, theirs = getattr(found, term), getattr(expected, term)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_a_method_without_a_teacher_asks_nobody(accelerator: Accelerator, batch: Batch) -> None:
    source = Told()
    distill_step(loaded(tiny_bert(), accelerator), method("no_kd"), source, "cls")(batch)
    distill_step(loaded(tiny_bert(), accelerator), method("no_kd"), None, "cls")(batch)
    distill_step(loaded(tiny_bert(), accelerator), method("kd"), source, "cls")(batch)
    assert source.asked == [[4, 0, 3]]


def test_pooling_is_that_of_the_run(accelerator: Accelerator, batch: Batch) -> None:
    student = tiny_bert().eval()
    losses = [
        distill_step(loaded(student, accelerator), method("pkd"), Told(), p)(
            batch
        ).intermediate.item()
        for p in ("cls", "mean")
    ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("accelerator", ["bf16"], indirect=True)
def test_losses_are_added_up_in_fp32(accelerator: Accelerator, batch: Batch) -> None:
    terms = distill_step(loaded(tiny_bert().eval(), accelerator), method("alp_kd"), Told(), "cls")(
        batch
    )
    for term in (terms.hard, terms.soft, terms.intermediate, terms.total):
        assert term is not None
        assert term.dtype == torch.float32


# The live teacher --------------------------------------------------------------------------------


def test_a_live_teacher_says_what_its_model_says(accelerator: Accelerator, batch: Batch) -> None:
    model = tiny_bert(TEACHER_LAYERS, seed=1)
    said = LiveTeacher(model, accelerator, "cls", layers=True).signals(batch.rows, batch.inputs)
    expected = said_by(model.eval(), batch)
    torch.testing.assert_close(said.logits, expected.logits)
    torch.testing.assert_close(said.layers, expected.layers)


def test_a_live_teacher_never_drops_out_and_never_learns(
    accelerator: Accelerator, batch: Batch
) -> None:
    model = tiny_bert(TEACHER_LAYERS).train()
    teacher = LiveTeacher(model, accelerator, "cls", layers=True)
    one, two = (teacher.signals(batch.rows, batch.inputs) for _ in range(2))
    assert torch.equal(one.logits, two.logits)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    step = distill_step(loaded(tiny_bert().eval(), accelerator), method("alp_kd"), teacher, "cls")
    step(batch).total.backward()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", ["minilmv2", "tinybert"])
def test_methods_on_tokens_see_the_same_tokens_of_both_sides(
    name: str, accelerator: Accelerator, batch: Batch
) -> None:
    student, chosen = tiny_bert().eval(), method(name)
    teacher_model = tiny_bert(TEACHER_LAYERS, seed=1)
    teacher = LiveTeacher(
        teacher_model, accelerator, "cls", layers=False, tokens=chosen.teacher_tokens
    )
    step = distill_step(loaded(student, accelerator), chosen, teacher, "cls")
    terms = step(batch)

    def heard(model: torch.nn.Module, tokens: TokenLayers | None) -> Signal:
        with torch.no_grad():
            return model_signal(model, batch.inputs, pooling="cls", layers=False, tokens=tokens)

    expected = chosen(
        heard(student, chosen.student_tokens),
        heard(teacher_model, chosen.teacher_tokens),
        batch.labels,
    )
    assert terms.total.item() == pytest.approx(expected.total.item(), rel=1e-5)
    terms.total.backward()
    assert all(p.grad is None for p in teacher_model.parameters())
    assert student.bert.encoder.layer[1].attention.self.query.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["minilmv2", "tinybert"])
def test_other_padding_changes_no_loss_on_tokens(name: str, accelerator: Accelerator) -> None:
    split, chosen, student = random_rows(5), method(name), tiny_bert().eval()
    teacher = LiveTeacher(
        tiny_bert(TEACHER_LAYERS, seed=1), accelerator, "cls", False, chosen.teacher_tokens
    )
    step = distill_step(loaded(student, accelerator), chosen, teacher, "cls")
    rows = np.array([4, 0, 3])
    together = step(collate(split, rows, pad_id=0)).intermediate
    alone = [step(collate(split, rows[[i]], pad_id=0)).intermediate for i in range(3)]
    assert together is not None
    mean = torch.stack([part for part in alone if part is not None]).mean()
    torch.testing.assert_close(together, mean, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("accelerator", ["bf16"], indirect=True)
@pytest.mark.parametrize("name", ["minilmv2", "tinybert"])
def test_losses_on_tokens_are_in_fp32_too(
    name: str, accelerator: Accelerator, batch: Batch
) -> None:
    chosen = method(name)
    teacher = LiveTeacher(
        tiny_bert(TEACHER_LAYERS), accelerator, "cls", False, chosen.teacher_tokens
    )
    step = distill_step(loaded(tiny_bert().eval(), accelerator), chosen, teacher, "cls")
    terms = step(batch)
    assert terms.total.dtype == torch.float32
    terms.total.backward()
    said = teacher.signals(batch.rows, batch.inputs)
    for values in (said.states, said.scores, said.qkv):
        assert values is None or values.dtype == torch.float32


def test_layers_are_read_only_where_they_are_wanted(accelerator: Accelerator, batch: Batch) -> None:
    teacher = LiveTeacher(tiny_bert(), accelerator, "cls", layers=False)
    assert teacher.signals(batch.rows, batch.inputs).layers is None


@pytest.mark.parametrize("accelerator", ["bf16"], indirect=True)
def test_a_live_teacher_speaks_fp32(accelerator: Accelerator, batch: Batch) -> None:
    said = LiveTeacher(tiny_bert(), accelerator, "mean", layers=True).signals(
        batch.rows, batch.inputs
    )
    assert said.layers is not None
    assert (said.logits.dtype, said.layers.dtype) == (torch.float32, torch.float32)
