"""Flipped bits and missing bytes in every kind of file of a store, met by the real commands.

A damage is lost if the command does not name it, shows a traceback or more than one error, writes
something, or comes to another result. What a command does not read may not change what it says.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.faults.attempts import TRIES, attempt, changes, folders, refused, reports
from tests.faults.clones import RESULTS, SIGNALS, STUDENT, Hit, unnamed
from tests.faults.forked_commands import start

from alpkd_pipeline.store.manifest import MANIFEST, is_complete

SCORES, EVALUATION, LATENCY, GEOMETRY = RESULTS
SPLITS, ENCODED = "02_intermediate/splits/demo", "05_model_input/encoded/demo"
TEACHER = "06_models/teachers/demo"
DEV = "predictions/dev.csv"

KINDS = {
    "run.json": (STUDENT, "run.json"),
    "metrics.json": (STUDENT, "metrics.json"),
    "journal": (STUDENT, "events.jsonl"),
    "model.safetensors": (STUDENT, "model.safetensors"),
    "tokenizer.json": (STUDENT, "tokenizer.json"),
    "predictions CSV of a training": (STUDENT, DEV),
    "manifest.json of a model": (STUDENT, MANIFEST),
    "scores.json": (SCORES, "scores.json"),
    "predictions CSV of scores": (SCORES, DEV),
    "manifest.json of scores": (SCORES, MANIFEST),
    "scores.json of an evaluation": (EVALUATION, "scores.json"),
    "predictions CSV of an evaluation": (EVALUATION, "predictions/train.csv"),
    "size.json": (EVALUATION, "size.json"),
    "latency.json": (LATENCY, "latency.json"),
    "geometry.json": (GEOMETRY, "geometry.json"),
    "signals.json": (SIGNALS, "signals.json"),
    "signals .npy": (SIGNALS, "train.layers.npy"),
    "Arrow split": (ENCODED, "train.arrow"),
    "Parquet split": (SPLITS, "train.parquet"),
}
"""Kind of file -> folders of the store, and file."""

RELIED_ON = {
    "sync": ["run.json", "metrics.json", "journal", "manifest.json of a model", "scores.json"],
    "sweep": ["run.json", "metrics.json", "manifest.json of a model"],
    "pair": [
        "run.json",
        "manifest.json of a model",
        "predictions CSV of scores",
        "manifest.json of scores",
    ],
    "rerun": ["run.json", "metrics.json", "manifest.json of a model"],
}
"""Command -> what it reads. `kedro run --pipeline=compare` is tried with every kind of result."""

COMPARED = [kind for kind, (place, _) in KINDS.items() if place not in (SPLITS, ENCODED)]

RERUN = ("events.jsonl", "model.safetensors", "tokenizer.json", DEV)
"""Files of a model that a rerun is compared with."""


def _given(store: Path, *more: str) -> str:
    return ",".join([f"--params=run.store={store},run.tracking=off", *more])


def _clean(store: Path) -> None:
    shutil.rmtree(store / "08_reporting", ignore_errors=True)


@pytest.mark.parametrize("kind", COMPARED)
def test_compare(kind: str, clones: list[Path]) -> None:
    place, file = KINDS[kind]

    def arguments(store: Path) -> list[str]:
        return ["run", "--pipeline=compare", _given(store)]

    def judge(store: Path, code: int, said: str, hits: Sequence[Hit]) -> Iterator[str]:
        if code == 0:
            same = reports(store) == wanted
            yield from ("" if same else f"{hit.path} went unnoticed" for hit in hits)
        else:
            yield from refused(store, code, said, hits)
        _clean(store)

    done = start(*arguments(clones[0]), log=clones[0].with_suffix(".txt"))
    assert done.wait() == 0, done.said
    wanted = reports(clones[0])
    assert len(wanted) == 6
    _clean(clones[0])
    attempt(
        "run --pipeline=compare",
        kind,
        clones,
        arguments,
        lambda store: [(folder, file) for folder in folders(store, place)],
        judge,
    )


@pytest.mark.parametrize("kind", RELIED_ON["sync"])
def test_sync(kind: str, clones: list[Path]) -> None:
    place, file = KINDS[kind]

    def judge(store: Path, code: int, said: str, hits: Sequence[Hit]) -> Iterator[str]:
        fault = "" if "Traceback" not in said else said[-250:]
        if code != int(bool(changes(hits))) or said.count("Error: ") != len(changes(hits)):
            fault = f"exit code {code}: {said[-250:]}"
        pushed = list((store / STUDENT).glob("*/.mlflow.json"))
        # Of the scores one is the teacher's, which is no run of its own.
        if len(pushed) > max(0, len(folders(store, STUDENT)) - len(changes(hits))):
            fault = f"pushed: {pushed[0].parent.name}"
        yield from (fault or unnamed(hit, said) for hit in hits)
        for state in pushed:
            state.unlink()

    attempt(
        "sync",
        kind,
        clones,
        lambda store: [
            "sync",
            f"--params=run.store={store},run.tracking=sqlite:///{store.with_suffix('.db')}",
        ],
        lambda store: [(folder, file) for folder in folders(store, place)],
        judge,
    )


@pytest.mark.parametrize("kind", RELIED_ON["sweep"])
def test_the_estimate_of_a_sweep(kind: str, clones: list[Path]) -> None:
    place, file = KINDS[kind]
    attempt(
        "sweep --dry-run",
        kind,
        clones,
        lambda store: ["sweep", "--dry-run", "--only=method=alp_kd,layers=4,seed=0", _given(store)],
        lambda store: [(folder, file) for folder in folders(store, place)],
        refused,
    )


@pytest.mark.parametrize("kind", ["scores.json", "manifest.json of scores"])
def test_a_experiment_of_a_sweep(kind: str, stores: list[Path], small: str) -> None:
    place, file = KINDS[kind]
    given = small.replace("student.layers=2,", "")  # an experiment's own

    def judge(store: Path, code: int, said: str, hits: Sequence[Hit]) -> Iterator[str]:
        (hit,) = hits
        again = f"stale: demo alp_kd 2L s0 (damaged: {hit.folder.name}/{file})"
        if code == 0:
            done = "done: demo alp_kd 2L s0" in said
            yield "" if again in said or (done and not changes(hits)) else said[-250:]
        else:
            yield from refused(store, code, said, hits)

    attempt(
        "sweep --dry-run",
        kind,
        stores,
        lambda s: ["sweep", "--dry-run", "--only=method=alp_kd,layers=2,seed=0", _given(s, given)],
        lambda store: [(_student(store, place), file)],
        judge,
    )


def _student(store: Path, place: str) -> Path:
    """The student, or what was made from it."""
    return next(folder for folder in folders(store, place) if folder.name.startswith("alp_kd"))


def _names(store: Path) -> list[str]:
    return [folders(store, place)[0].name for place in (STUDENT, TEACHER)]


@pytest.mark.parametrize("kind", RELIED_ON["pair"])
def test_pair(kind: str, stores: list[Path]) -> None:
    place, file = KINDS[kind]
    attempt(
        "pair",
        kind,
        stores,
        lambda store: ["pair", *_names(store), _given(store)],
        lambda store: [(_student(store, place), file)],
        refused,
    )


def test_pair_without_scores(stores: list[Path], tmp_path: Path) -> None:
    bare = [Path(shutil.copytree(store, tmp_path / store.name)) for store in stores]
    for store in bare:
        shutil.rmtree(store / "07_model_output")
    attempt(
        "pair",
        "predictions CSV of a training",
        bare,
        lambda store: ["pair", *_names(store), _given(store)],
        lambda store: [(_student(store, STUDENT), DEV)],
        refused,
    )


@pytest.mark.parametrize("kind", RELIED_ON["rerun"])
def test_rerun(kind: str, stores: list[Path]) -> None:
    place, file = KINDS[kind]
    attempt(
        "rerun",
        kind,
        stores,
        lambda store: ["rerun", "--dry-run", _names(store)[0], _given(store)],
        lambda store: [(_student(store, place), file)],
        refused,
    )


@pytest.mark.parametrize("of", ["a student", "its teacher", "their scores"])
def test_what_a_rerun_is_compared_with(of: str, stores: list[Path]) -> None:
    """Files of the original that say nothing about how it is made: each is told, the code is 1."""
    place, files = {
        "a student": (STUDENT, RERUN),
        "its teacher": (TEACHER, RERUN),
        "their scores": (SCORES, ("scores.json", DEV)),
    }[of]

    def targets(store: Path) -> list[tuple[Path, str]]:
        return [(folder, file) for folder in folders(store, place) for file in files]

    def judge(store: Path, code: int, said: str, hits: Sequence[Hit]) -> Iterator[str]:
        fault = "" if code == 1 and "Traceback" not in said else f"exit code {code}: {said[-250:]}"
        yield from (fault or unnamed(hit, said) for hit in hits)

    attempt(
        "rerun",
        f"all that is compared, of {of}",
        stores,
        lambda store: ["rerun", "--dry-run", _names(store)[0], _given(store)],
        targets,
        judge,
        tries=TRIES * 4,  # each kind of file
    )


@pytest.mark.parametrize("kind", ["Parquet split", "Arrow split", "signals .npy"])
def test_inputs_of_a_stage(kind: str, stores: list[Path], small: str, tmp_path: Path) -> None:
    """A flip is refused before anything is made from it; what lost bytes is made again."""
    place, file = KINDS[kind]
    own, after, missing = {
        "Parquet split": ("splits", "encoded", ENCODED),
        "Arrow split": ("encoded", "signals", SIGNALS),
        "signals .npy": ("signals", "student", STUDENT),
    }[kind]
    wanted = (folders(stores[0], place)[0] / file).read_bytes()
    bare = [Path(shutil.copytree(store, tmp_path / store.name)) for store in stores]
    for store in bare:
        shutil.rmtree(folders(store, missing)[0])

    def arguments(store: Path) -> list[str]:
        goal = after if is_complete(folders(store, place)[0]) else own
        return ["run", "--pipeline=distill", f"--to-outputs={goal}", _given(store, small)]

    def judge(store: Path, code: int, said: str, hits: Sequence[Hit]) -> Iterator[str]:
        (hit,) = hits
        if code == 0:
            yield "" if hit.path.read_bytes() == wanted else f"{hit.path} went unnoticed"
        else:
            yield from refused(store, code, said, hits)

    attempt(
        "run --pipeline=distill",
        kind,
        bare,
        arguments,
        lambda store: [(folders(store, place)[0], file)],
        judge,
    )
