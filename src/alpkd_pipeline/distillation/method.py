"""What distillation methods have in common: three terms, their weights, and a learned bridge.

    L = beta * L_hard + eta * L_soft + lambda * L_inter

The bridge is between student and teacher vectors of different widths. The ALP-KD paper does not
cover such a pair of models. A method that compares s_j with t_k then puts P_j s_j + b_j in the
place of s_j wherever the two meet.

Shapes: B examples, C classes (1 for a regression); m student layers of width D_S, n teacher
layers of width D_T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpkd_pipeline.distillation.buckets import Buckets
from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, raised
from alpkd_pipeline.distillation.losses.soft import hard_loss, soft_loss
from alpkd_pipeline.distillation.method_spec import MethodSettings, MethodSpec, Sizes
from alpkd_pipeline.distillation.signals import (
    LossTerms,
    Signal,
    SignalName,
    check_outputs,
    layer_signals,
    teacher_logits,
    token_mask,
    token_pair,
)
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import TokenLayers
from alpkd_pipeline.tasks.task import TaskKind


@dataclass(frozen=True, slots=True)
class Setup:
    """What every method is built from: its row, complete settings, and the run that it is for.

    `classes` is C, the width of the logits.
    """

    spec: MethodSpec
    settings: MethodSettings
    sizes: Sizes
    task: TaskKind
    seed: int
    classes: int = 2


LabelledLayers = Callable[[Tensor], tuple[Tensor, Tensor]]
"""The teacher's pooled layers (B, n, D_T) and the labels (B,) of rows (B,) of the train split."""


class Intermediate(NamedTuple):
    """A method's own term: a scalar before its weight, and attention weights (B, m, n), if any.

    What to watch are scalars to be logged beside it: copies, without a graph.
    """

    loss: Tensor
    weights: Tensor | None = None
    watch: Mapping[str, Tensor] = MappingProxyType({})


class Method(nn.Module):
    """A distillation loss. A method's class adds `intermediate` and holds only what it learns.

    Move it to the device of the signals and give its parameters to the student's optimiser: what
    a method learns belongs to the training state, never to the exported student.

    Attributes:
        setup: what it was built from.
        reduction: of its own term over student layers.
        needs: the teacher's signals that are read, out of those of `MethodSpec.needs`.
        student_tokens, teacher_tokens: the layers of each whose tokens are read; None for methods
            on pooled layers.
        buckets: A(j) of every student layer; only methods that use buckets have it.
        own_blocks: which of the m student blocks run in the present step, where the teacher's run
            for the others; only methods that swap blocks have it.
        class_weights: (C,) of the hard term, or None.
    """

    buckets: Buckets
    own_blocks: tuple[bool, ...]
    class_weights: Tensor | None
    student_tokens: TokenLayers | None = None
    teacher_tokens: TokenLayers | None = None

    def __init__(self, setup: Setup, reduction: Reduction = "sum") -> None:
        super().__init__()
        self.setup = setup
        self.reduction: Reduction = reduction
        self.needs = setup.spec.needs
        self.register_buffer("class_weights", None, persistent=False)

    @property
    def learned(self) -> tuple[nn.Parameter, ...]:
        """What the method itself learns; empty for most methods. Vectors have no weight decay."""
        return tuple(self.parameters())

    @property
    def rates(self) -> Mapping[nn.Parameter, float]:
        """Peak learning rates of what it learns, where they are not the student's."""
        return {}

    def prepare(self, read: LabelledLayers, rows: Tensor, seed: int) -> None:
        """Called once before training, for methods that learn something of the teacher alone.

        `rows` (N,) are those to be trained on, `seed` is the teacher's.
        """

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch, counted from 0, for methods that change as training goes on."""

    def begin_step(self, step: int, steps: int) -> None:
        """Called before each of all `steps`, counted from 0, for those that change step by step."""

    def forward(
        self, student: Signal, teacher: Signal | None, labels: Tensor, *, rest: bool = False
    ) -> LossTerms:
        """The loss of one batch.

        Args:
            student: logits (B, C); layers (B, m, D_S) where `needs` has layers, tokens as far as
                `student_tokens` says so.
            teacher: logits (B, C), layers (B, n, D_T) and tokens as far as `needs` and
                `teacher_tokens` say so; no gradient ever reaches it. None if `needs` is empty.
            labels: (B,), int64 class ids or the real numbers of a regression; -1, of a regression
                NaN, for a row without a label, which has no part in the hard term.
            rest: whether these may be the rows that are left at an epoch's end. Where they are
                fewer than `MethodSpec.fewest_rows`, the method's own term is 0.

        Returns:
            Each term before its weight, and the weighted total.

        Raises:
            UserError: a signal is missing or has an unexpected shape, or there are too few rows.
                Values are not looked at, which would make the device wait in every step.
        """
        settings, task = self.setup.settings, self.setup.task
        check_outputs(student.logits, labels, task)
        hard = hard_loss(student.logits, labels, task, self.class_weights)
        total = settings.beta * hard
        soft, own = None, None
        if settings.eta is not None and settings.temperature is not None:
            targets = teacher_logits(settings.name, teacher, student.logits)
            scale = settings.soft_scale or "t2"
            soft = soft_loss(student.logits, targets, settings.temperature, task, scale)
            total = total + settings.eta * soft
        if settings.lambda_ is not None:
            few = len(labels) < self.setup.spec.fewest_rows
            if few and not rest:
                raise UserError(
                    f"method {settings.name!r} compares the rows of a batch with one another: pass"
                    f" at least {self.setup.spec.fewest_rows}, not {len(labels)}"
                )
            own = Intermediate(hard.new_zeros(())) if few else self.compare(student, teacher)
            total = total + settings.lambda_ * own.loss
        if own is None:
            return LossTerms(hard, soft, None, total)
        return LossTerms(hard, soft, own.loss, total, own.weights, own.watch)

    def token_vectors(
        self, name: SignalName, student: Signal, teacher: Signal | None, *inner: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A signal (B, *inner, S, width) of both sides, and the mask (B, S) of their tokens."""
        method, sizes = self.setup.spec.name, self.setup.sizes
        mask = token_mask(method, student)
        batch, tokens = mask.shape
        ours = (batch, *inner, tokens, sizes.student_width)
        theirs = (batch, *inner, tokens, sizes.teacher_width)
        return *token_pair(method, name, student, teacher, (ours, theirs)), mask

    def compare(self, student: Signal, teacher: Signal | None) -> Intermediate:
        """The method's own term from whole signals; methods on pooled layers leave it as it is."""
        sizes = self.setup.sizes
        return self.intermediate(*layer_signals(self.setup.spec.name, teacher, student, sizes))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The method's own term on pooled layers; only called where its row has one.

        Args:
            student: (B, m, D_S).
            teacher: (B, n, D_T), cut off from the teacher's gradients.
        """
        raise NotImplementedError


STREAM = 1_000_003
"""Added to the seed: fresh weights of the student are drawn from the seed itself, and a learned
map that began with the same numbers would be tied to them."""


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """A context in which the CPU's random numbers start from `seed` + STREAM.

    Outside it nothing has moved: the CPU's generator continues where it was, and generators of
    other devices are never touched, so a method that learns something sees the same order of
    data and the same dropout as one that does not.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed + STREAM)
        yield


class PreciseLinear(nn.Linear):
    """A linear map in at least fp32, also under automatic mixed precision."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., D) to (..., E), in the widest precision of vectors and weights."""
        vectors, weight, *bias = raised(
            *(t for t in (vectors, self.weight, self.bias) if t is not None)
        )
        with no_autocast(vectors):
            return F.linear(vectors, weight, *bias)


class LayerMaps(nn.Module):
    """W_j x_j + b_j with its own W_j and b_j for every layer j; without a bias b_j is 0.

    Drawn in fp32 on the CPU by PyTorch's default for linear layers, in the order of the layers.
    """

    def __init__(self, widths: Sequence[tuple[int, int]], bias: bool = True) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            PreciseLinear(before, after, bias, device="cpu", dtype=torch.float32)
            for before, after in widths
        )

    def forward(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """One tensor (B, D_j) per map to one tensor (B, E_j) per map."""
        return [linear(x) for linear, x in zip(self.maps, layers, strict=True)]


class Projection(nn.Module):
    """P_j s_j + b_j for every compared student layer, or s_j itself when nothing is learned."""

    def __init__(self, setup: Setup, layers: int) -> None:
        """Prepare the bridge of a method that compares so many student layers."""
        super().__init__()
        ours, theirs = setup.sizes.student_width, setup.sizes.teacher_width
        linear = setup.settings.projection == "linear"
        if ours != theirs and not linear:
            raise UserError(
                f"method {setup.spec.name!r} compares student layers of width {ours} with teacher"
                f" layers of width {theirs}: set projection=linear, or take a student of width"
                f" {theirs}"
            )
        self.maps = LayerMaps([(ours, theirs)] * layers) if linear else None

    def forward(self, student: Tensor) -> Tensor:
        """The compared student layers (B, L, D_S), in order, at the teacher's width (B, L, D_T)."""
        if self.maps is None:
            return student
        return torch.stack(self.maps(student.unbind(dim=1)), dim=1)


Measure = Callable[[Tensor, Tensor, Reduction], Tensor]


class LayerPairs(Method):
    """L_inter is a measure over pairs (j, g(j)) of a student and a teacher layer.

    Attributes:
        pairs: the pairs, layers counted from 1.
    """

    def __init__(
        self, setup: Setup, pairs: Sequence[tuple[int, int]], measure: Measure, reduction: Reduction
    ) -> None:
        """Fix the pairs, without any of which the term is 0, and a loss on (B, L, D_T) of both."""
        super().__init__(setup, reduction)
        self.pairs = tuple(pairs)
        self.measure = measure
        self.projection = Projection(setup, len(self.pairs))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The measure over the pairs."""
        if not self.pairs:
            return Intermediate(student.new_zeros((), dtype=torch.float32))
        ours = torch.stack([student[:, j - 1] for j, _ in self.pairs], dim=1)
        theirs = torch.stack([teacher[:, k - 1] for _, k in self.pairs], dim=1)
        return Intermediate(self.measure(self.projection(ours), theirs, self.reduction))
