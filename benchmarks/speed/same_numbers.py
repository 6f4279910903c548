"""Does the cache of the teacher's signals change a training's numbers?

    python benchmarks/speed/same_numbers.py --out FOLDER
    python benchmarks/speed/same_numbers.py --out FOLDER --task sst2 --rows 2000 --threads 2

On the first rows of RTE, with MiniLM fine-tuned on them as the teacher and a student of 3 of its 6
layers (with --quick: the shipped encoder and a part of the demo task), ALP-KD, all in fp32:

- `signals`: what the cache says of each example beside what `LiveTeacher` says of it in the
  training's own batches, most of which are padded to another length than those in which the cache
  was recorded. The difference of an example is |cached - live| / |live| of its logits, and of each
  of its layers; the largest one counts. For an fp16 cache too, which rounds. Logits may nearly
  vanish where a teacher cannot decide; so their |cached - live| is given as well, and how many
  examples are beyond what is wanted, with the longest |live| among them;
- `first steps`: two trainings with dropout and one seed, from the fp32 cache and beside the live
  teacher: the largest relative difference of a step's total loss;
- `repeated`: two trainings from the same cache, bit by bit: the losses of every step, and the file
  of the weights at the end, saved after the only evaluation;
- `scores`: the best dev score of three seeds with the fp32 cache and of three with the fp16 cache,
  each with its standard deviation over the seeds.

Steps are rounded up to whole epochs. No time is measured. Needs what `real_rows` needs.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demo_rows import demo_rows
from paired import arguments, print_table, record
from real_rows import TASKS, RealRows, real_rows
from torch import Tensor

from alpkd_pipeline.distillation.cache import CachedSignals
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import read_json, sha256_file
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.training.batching import collate, epoch_batches, sorted_batches
from alpkd_pipeline.training.devices import accelerator_for, resolve_hardware
from alpkd_pipeline.training.distill import LiveTeacher
from alpkd_pipeline.training.run_config import RunConfig, read_config
from alpkd_pipeline.training.student import record_signals, train_student
from alpkd_pipeline.training.teacher import train_teacher

WANTED = {"signals": 1e-5, "first_steps": 1e-5}
"""The largest differences that the project wants; recorded beside what was found."""

CACHES = ("fp32", "fp16")
Differences = tuple[Tensor, Tensor]
"""(2, N) of the logits of N examples, (2, N, L) of L layers; see `distances`."""

AT_THE_END = 10**9
"""As `eval_every`: an evaluation after the last step alone."""


class Trainings:
    """A fine-tuned teacher, its caches, and students that differ in little.

    Args:
        data: rows, and a teacher with a fresh head; conf's parameters.
        teacher_epochs: of its fine-tuning.
        layers: of the students.

    Attributes:
        params: of every training, unless it is told otherwise.
        teacher: the folder of the fine-tuned teacher.
        train: the encoded rows.
    """

    def __init__(self, data: RealRows, teacher_epochs: int, layers: int) -> None:
        self._data = data
        teacher, fp32 = data.params["teacher"], {"precision": "fp32"}
        tuning = {**teacher["training"], **fp32, "epochs": teacher_epochs}
        self.params: Mapping[str, Any] = {
            **data.params,
            "method": data.methods["alp_kd"],
            "teacher": {**teacher, "training": tuning},
            "student": {**data.params["student"], "layers": layers},
            "training": {**data.params["training"], **fp32},
        }
        self.train: EncodedSplit = read_encoded(data.folder / "encoded", "train")
        run = self._begin("fine-tuned", "teacher", {"model": data.folder / "teacher"})
        train_teacher(run)
        self.teacher = run.folder
        for dtype in CACHES:
            asked = {"signals": {**self.params["signals"], "dtype": dtype}}
            run = self._begin(f"record-{dtype}", "signals", {"teacher": self.teacher}, **asked)
            record_signals(run, self.cache(dtype))

    def cache(self, dtype: str) -> Path:
        """The folder of the teacher's signals in fp32 or fp16."""
        return self._data.folder / f"signals-{dtype}"

    def epochs(self, steps: int) -> int:
        """Whole epochs that hold so many steps."""
        per_epoch = math.ceil(len(self.train) / self.params["training"]["batch_size"])
        return math.ceil(steps / per_epoch)

    def student(self, name: str, cache: str | None, seed: int, **training: Any) -> Path:
        """Train a student from a cache, or beside the live teacher; its run folder."""
        inputs = {"teacher": self.teacher}
        if cache is not None:
            inputs["signals"] = self.cache(cache)
        asked = {**self.params["training"], **training}
        run = self._begin(name, "student", inputs, training=asked, seed=seed)
        train_student(run)
        return run.folder

    def _begin(self, name: str, stage: str, inputs: dict[str, Path], **blocks: Any) -> RunConfig:
        params = {**self.params, **blocks}
        facts = {"stage": stage, "name": name, "task": self._data.task, "params": params}
        encoded = self._data.folder / "encoded"
        return read_config(Work(self._data.folder / name, facts).begin(encoded=encoded, **inputs))


def signals(trainings: Trainings) -> dict[str, Any]:
    """Largest differences between each cache and the live teacher in the training's batches."""
    params, split = trainings.params, trainings.train
    asked, pooling = params["training"], params["method"]["pooling"]
    pad_id = int(load_tokenizer(trainings.teacher).pad_token_id)
    batches = epoch_batches(
        split.lengths, np.arange(len(split)), asked["batch_size"], params["seed"], 0
    )
    found: dict[str, list[Differences]] = {dtype: [] for dtype in CACHES}
    hardware = resolve_hardware(asked["device"], "fp32", asked["threads"])
    with accelerator_for(hardware) as on:
        model = load_finetuned(trainings.teacher).to(on.device)
        live = LiveTeacher(model, on, pooling, layers=True)
        caches = {
            dtype: CachedSignals(trainings.cache(dtype), "train", on.device, layers=True)
            for dtype in CACHES
        }
        for rows in batches:
            batch = collate(split, rows, pad_id).to(on.device)
            said = live.signals(batch.rows, batch.inputs)
            for dtype, cache in caches.items():
                kept = cache.signals(batch.rows, batch.inputs)
                assert kept.layers is not None
                assert said.layers is not None
                found[dtype].append(
                    (distances(kept.logits, said.logits), distances(kept.layers, said.layers))
                )
    recorded = sorted_batches(split.lengths, params["teacher"]["training"]["eval_batch_size"])
    elsewhere = widths(split, list(recorded)) != widths(split, batches)
    return {
        "examples": len(split),
        "padded_to_another_length": int(elsewhere.sum()),
        **{dtype: largest(differences) for dtype, differences in found.items()},
    }


def largest(differences: list[Differences]) -> dict[str, float]:
    """The largest difference of any example, and how small the logits are where it is large."""
    logits, layers = (torch.cat([d[i].flatten(1) for d in differences], 1) for i in (0, 1))
    away, norm = logits
    over = away / norm > WANTED["signals"]
    return {
        "logits": float((away / norm).max()),
        "layers": float((layers[0] / layers[1]).max()),
        "logits_absolute": float(away.max()),
        "logits_median_norm": float(norm.median()),
        "logits_over": int(over.sum()),
        "logits_over_longest": float(norm[over].max()) if over.any() else 0.0,
    }


def distances(kept: Tensor, said: Tensor) -> Tensor:
    """(2, ...) |kept - said| and |said| of the vectors (..., D)."""
    exact = said.double()
    return torch.stack([(kept.double() - exact).norm(dim=-1), exact.norm(dim=-1)])


def widths(split: EncodedSplit, batches: list[np.ndarray]) -> np.ndarray:
    """(N,) to how many tokens each row is padded."""
    found = np.zeros(len(split), dtype=np.int64)
    for rows in batches:
        found[rows] = split.lengths[rows].max()
    return found


def losses(folder: Path) -> list[dict[str, float]]:
    """The losses of each step; the event log holds every digit of them."""
    events, _ = read_event_log(folder)
    return [event["loss"] for event in events if event["event"] == "step"]


def first_steps(trainings: Trainings, steps: int) -> dict[str, Any]:
    """The first losses of a training from the cache and of one beside the live teacher."""
    asked = {"epochs": trainings.epochs(steps), "log_every": 1, "eval_every": AT_THE_END}
    seed = trainings.params["seed"]
    cached, live = (
        [loss["total"] for loss in losses(trainings.student(name, cache, seed, **asked))[:steps]]
        for name, cache in (("cached", "fp32"), ("live", None))
    )
    pairs = zip(cached, live, strict=True)
    apart_by = [abs(a - b) / abs(b) for a, b in pairs]
    return {"cached": cached, "live": live, "difference": max(apart_by), "of_each": apart_by}


def repeated(trainings: Trainings, steps: int) -> dict[str, Any]:
    """Whether two trainings from the same cache agree in every bit."""
    asked = {"epochs": trainings.epochs(steps), "log_every": 1, "eval_every": AT_THE_END}
    one, two = (
        trainings.student(name, "fp32", trainings.params["seed"], **asked)
        for name in ("once", "again")
    )
    a, b = losses(one), losses(two)
    digests = [sha256_file(folder / "model.safetensors") for folder in (one, two)]
    return {
        "steps": len(a),
        "steps_with_equal_losses": sum(x == y for x, y in zip(a, b, strict=True)),
        "equal_losses": a == b,
        "equal_weights": digests[0] == digests[1],
        "weights": digests,
    }


def scores(trainings: Trainings, seeds: int, epochs: int) -> dict[str, Any]:
    """The dev scores of some seeds with each cache; the seeds take turns."""
    found: dict[str, list[float]] = {dtype: [] for dtype in CACHES}
    for seed in range(seeds):
        for dtype, values in found.items():
            folder = trainings.student(f"score-{dtype}-{seed}", dtype, seed, epochs=epochs)
            values.append(next(iter(read_json(folder / "metrics.json")["scores"]["dev"].values())))
    means = {dtype: statistics.mean(values) for dtype, values in found.items()}
    return {
        "epochs": epochs,
        "found": found,
        "means": means,
        "sds": {dtype: statistics.stdev(values) for dtype, values in found.items()},
        "mean_difference": means["fp16"] - means["fp32"],
        "of_each_seed": [b - a for a, b in zip(*found.values(), strict=True)],
    }


def rows_of_table(facts: dict[str, Any]) -> list[list[Any]]:
    """What was found beside what is wanted."""
    heard, first, same, dev = (facts[n] for n in ("signals", "first_steps", "repeated", "scores"))
    spread = [f"{dev['means'][d]:.4f} ± {dev['sds'][d]:.4f}" for d in CACHES]
    steps = f"{same['steps']} steps"
    return [
        *(
            [f"signals, {dtype} cache, {kind}", f"{heard[dtype][kind]:.1e}", limit]
            for dtype, limit in (("fp32", f"{WANTED['signals']:.0e}"), ("fp16", ""))
            for kind in ("logits", "layers")
        ),
        [
            "logits' fp32 rows over it, their longest",
            f"{heard['fp32']['logits_over']}, {heard['fp32']['logits_over_longest']:.2g}",
            f"(median {heard['fp32']['logits_median_norm']:.2g})",
        ],
        [
            f"loss, first {len(first['live'])} steps, cached or live",
            f"{first['difference']:.1e}",
            f"{WANTED['first_steps']:.0e}",
        ],
        [f"losses of {steps}, repeated", "equal" if same["equal_losses"] else "differ", "equal"],
        [f"weights after {steps}", "equal" if same["equal_weights"] else "differ", "equal"],
        ["dev score, fp32 cache", spread[0], ""],
        ["dev score, fp16 cache", spread[1], "within the spread"],
    ]


def main() -> None:
    """Compare, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("--task", choices=TASKS, default="rte")
    parser.add_argument("--rows", type=int, default=640, help="the first rows of train")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--first", type=int, default=20, help="steps cached and live")
    parser.add_argument("--steps", type=int, default=200, help="steps done twice")
    parser.add_argument("--seeds", type=int, default=3, help="for each cache, 2 or more")
    parser.add_argument("--epochs", type=int, default=3, help="of the trainings that are scored")
    parser.add_argument("--teacher-epochs", type=int, default=3)
    asked = parser.parse_args()
    if asked.quick:
        asked.task, asked.rows, asked.first, asked.steps = "demo", 160, 5, 10
        asked.epochs = asked.teacher_epochs = 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.quick:
            data = demo_rows(folder, asked.rows, asked.threads)
        else:
            data = real_rows(folder, asked.task, asked.rows, asked.threads)
        trainings = Trainings(data, asked.teacher_epochs, asked.layers)
        facts = {
            "task": asked.task,
            "rows": len(trainings.train),
            "layers": asked.layers,
            "teacher": read_json(trainings.teacher / "metrics.json")["scores"],
            "wanted": WANTED,
            "signals": signals(trainings),
            "first_steps": first_steps(trainings, asked.first),
            "repeated": repeated(trainings, asked.steps),
            "scores": scores(trainings, asked.seeds, asked.epochs),
        }
    hardware = resolve_hardware("auto", "fp32", asked.threads)
    path = record(
        asked.out,
        "same_numbers",
        facts,
        threads=hardware.threads,
        precision=hardware.precision,
        device=hardware.device_name,
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )
    print_table(["what", "found", "wanted"], rows_of_table(facts))
    print(path)


if __name__ == "__main__":
    main()
