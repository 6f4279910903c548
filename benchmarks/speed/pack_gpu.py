"""Students an hour where several experiments train on one GPU at once.

    PYTHONPATH=src python benchmarks/speed/pack_gpu.py --out FOLDER
    PYTHONPATH=src python benchmarks/speed/pack_gpu.py --out FOLDER --compile none layers

A batch of 32 short sentences, as in the paper, leaves most of a large GPU idle. K processes, each
with an experiment and a student of its own (`synthetic_experiment`, BERT-base 12 -> 6, ALP-KD from
cached signals, bf16), train through our loop `fit`; each warms up, waits for all the others, and
then does the same number of timed steps. The time is that from the first to begin to the last to
end. The numbers of processes take turns, with and without torch.compile of the student's forward
where that is asked for; compiling is part of the warm-up of a round that is thrown away.

The processes live as long as the benchmark, those without a turn wait. Their start, the loading of
data and evaluation are left out. A student is counted as `--student-steps` steps.

Whether the CUDA Multi-Process Service ran is recorded; this script does not start it. Without it
the processes share the GPU by turns. Linux, for the processes' clocks must agree.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch
from paired import arguments, paired, print_table, record, summary
from synthetic_experiment import BERT_BASE, COMPILING, TINY, Experiment, Span, Steps, Student

from alpkd_pipeline.training.devices import accelerator_for, resolve_hardware

MOST_SECONDS = 540.0
"""How long a process waits for the others: compiling takes minutes, a lost process for ever."""


class Plan(NamedTuple):
    """What every process trains."""

    method: str
    layers: int
    batch_size: int
    steps: Steps
    precision: str
    threads: int


class Turn(NamedTuple):
    """What a process is told to do: train beside the others, `together` in all."""

    together: int
    compiling: str


def work(plan: Plan, experiment: Experiment, orders: Connection, barriers: dict[int, Any]) -> None:
    """A process: train at each order until there are no more; answer with spans or an error."""
    hardware = resolve_hardware("auto", plan.precision, plan.threads)
    students: dict[str, Student] = {}
    with accelerator_for(hardware) as on:
        while (turn := orders.recv()) is not None:
            barrier = barriers[turn.together]
            try:
                if turn.compiling not in students:
                    students[turn.compiling] = Student(
                        experiment, on, plan.method, plan.layers, turn.compiling
                    )
                begin = partial(barrier.wait, MOST_SECONDS)
                orders.send(students[turn.compiling].train(plan.batch_size, plan.steps, begin))
            except Exception as error:
                barrier.abort()  # nobody need wait for this process
                orders.send(repr(error))


class Pack:
    """Processes that are ready to train at once.

    Args:
        plan: what each of them trains.
        experiment: rows and signals, read by all of them.
        counts: the numbers of processes that will be asked for.
    """

    def __init__(self, plan: Plan, experiment: Experiment, counts: list[int]) -> None:
        context = get_context("spawn")  # a forked process cannot use CUDA
        # Held here, for a barrier is gone for all as soon as its maker lets go of it.
        self._barriers = {count: context.Barrier(count) for count in counts}
        self._lines: list[Connection] = []
        self._processes = []
        for _ in range(max(counts)):
            ours, theirs = context.Pipe()
            given = (plan, experiment, theirs, self._barriers)
            process = context.Process(target=work, args=given, daemon=True)
            process.start()
            theirs.close()  # else the end of a lost process would go unnoticed
            self._lines.append(ours)
            self._processes.append(process)

    def seconds(self, turn: Turn) -> float:
        """From the first to begin its timed steps to the last to end them."""
        lines = self._lines[: turn.together]
        for line in lines:
            line.send(turn)
        predictions: list[Span | str] = [line.recv() for line in lines]
        errors = [answer for answer in predictions if isinstance(answer, str)]
        if errors:
            raise RuntimeError(f"{turn}: {errors}")
        spans = [answer for answer in predictions if not isinstance(answer, str)]
        return max(span.ended for span in spans) - min(span.began for span in spans)

    def end(self) -> None:
        """Let the processes go, and wait until they have gone."""
        for line in self._lines:
            line.send(None)
        for process in self._processes:
            process.join()


def multi_process_service() -> dict[str, Any]:
    """What there is to see of the CUDA Multi-Process Service."""
    pipes = os.environ.get("CUDA_MPS_PIPE_DIRECTORY")
    return {
        "CUDA_MPS_PIPE_DIRECTORY": pipes,
        "control_program": shutil.which("nvidia-cuda-mps-control"),
        "running": (Path(pipes or "/tmp/nvidia-mps") / "control").exists(),
    }


def rates(
    seconds: dict[str, float], turns: dict[str, Turn], steps: int, student_steps: int
) -> dict[str, Any]:
    """From the seconds of each side: steps a second of all processes, students an hour, gains.

    `gain` is over the same thing one at a time, `gain_over_plain` over one at a time without
    torch.compile; None where that was not measured.
    """
    speed = {name: turns[name].together * steps / took for name, took in seconds.items()}
    found = {(turn.together, turn.compiling): speed[name] for name, turn in turns.items()}

    def gain(name: str, alone: tuple[int, str]) -> float | None:
        return speed[name] / found[alone] if alone in found else None

    return {
        name: {
            "together": turn.together,
            "compile": turn.compiling,
            "steps_a_second": speed[name],
            "students_an_hour": 3600 * speed[name] / student_steps,
            "gain": gain(name, (1, turn.compiling)),
            "gain_over_plain": gain(name, (1, "none")),
        }
        for name, turn in turns.items()
    }


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("--together", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--compile", nargs="+", default=["none"], choices=COMPILING)
    parser.add_argument("--method", default="alp_kd")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100, help="timed steps of each training")
    parser.add_argument("--warm-up", type=int, default=20, help="steps before them")
    parser.add_argument("--student-steps", type=int, default=1000, help="steps that make a student")
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp32"))
    asked = parser.parse_args()
    sizes = BERT_BASE
    if asked.quick:
        sizes, asked.together, asked.layers, asked.batch = TINY, [1, 2], 2, 4
        asked.warm_up, asked.steps, asked.repeats = 2, 4, 1
    steps = Steps(asked.warm_up, asked.steps)
    plan = Plan(asked.method, asked.layers, asked.batch, steps, asked.precision, asked.threads)
    turns = {
        f"{count} at once, compile {how}": Turn(count, how)
        for how in asked.compile
        for count in asked.together
    }
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(sizes, asked.batch * steps.all, Path(folder) / "signals")
        experiment.write_signals()
        pack = Pack(plan, experiment, asked.together)
        sides: dict[str, Callable[[], float]] = {
            name: partial(pack.seconds, turn) for name, turn in turns.items()
        }
        found = summary(paired(sides, asked.repeats), [])
        pack.end()
        facts = experiment.facts
    results = rates(found["medians"], turns, steps.timed, asked.student_steps)
    hardware = resolve_hardware("auto", asked.precision, asked.threads)
    path = record(
        asked.out,
        "pack_gpu",
        {
            "synthetic": facts,
            "plan": {**plan._asdict(), "steps": {"warm_up": steps.warm_up, "timed": steps.timed}},
            "teacher_layers": sizes.teacher_layers,
            "student_steps": asked.student_steps,
            "repeats": asked.repeats,
            "multi_process_service": multi_process_service(),
            "seconds": found["seconds"],
            "medians": found["medians"],
            "rates": results,
        },
        threads=hardware.threads,
        precision=hardware.precision,
        device=hardware.device_name,
        cuda=torch.version.cuda,
    )
    print_table(
        ["processes", "seconds", "steps/s", "students/h", "gain", "gain over plain"],
        [
            [
                name,
                found["medians"][name],
                result["steps_a_second"],
                round(result["students_an_hour"]),
                result["gain"],
                result["gain_over_plain"],
            ]
            for name, result in results.items()
        ],
    )
    print(path)


if __name__ == "__main__":
    main()
