"""Claims that hold are not refused, whatever they are about and wherever they are checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from tests.reporting.claimed import (
    RIGHT_SHAPE,
    answered,
    claimed,
    described,
    hash_anew,
    predictions,
    scores_of,
    study,
    teacher_key,
    verified,
)
from tests.reporting.conftest import Store
from tests.reporting.studies import reseal, search

from alpkd_pipeline.store.layout import SCORES, SEARCHES, STUDENTS, SWEEPS, TEACHERS
from alpkd_pipeline.store.manifest import read_json, write_json

ONE = {"mrpc": ("accuracy", "f1")}
FEW: dict[str, Any] = {"tasks": ONE, "methods": ("no_kd", "kd"), "seeds": 3, "rows": 24}
REAL = {"stsb": ("pearson", "spearman")}
ERRORS = {"stsb": ("rmse", "mae", "pearson")}

Params = dict[str, Any]


def two_rates(params: Params, run: Params) -> None:
    params["training"]["lr"] = (0.0004, 0.0002)[params["seed"] > 1]


def odd_labels(params: Params, run: Params) -> None:
    run["task"]["label_names"] = ['says "no",\ntwice', "two\nlines"]


def odd_option(params: Params, run: Params) -> None:
    params["method"]["note"] = ("{100%}", "a_b  c\\")[params["seed"] > 1]


def own_rates(params: Params, run: Params) -> None:
    params["training"]["lr"] = {"kd": 0.0004, "no_kd": 0.0001}[params["method"]["name"]]


def trial(params: Params, run: Params) -> None:
    run["identity"]["generation"] = "trial"


def uncommitted(params: Params, run: Params) -> None:
    del run["provenance"], run["identity"]["code"]


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "two tasks, two depths": ({"layers": (4, 2), "rows": 24}, {}),
    "first questions": (FEW, {"primary": [["kd", "no_kd"], ["alp_kd", "kd"]]}),
    "looks": (FEW | {"seeds": 5}, {"looks": [5, 10]}),
    "no planned look": (FEW, {"looks": [5, 10]}),
    "margins": (FEW, {"margin": {"accuracy": 20.0, "f1": 1.0}}),
    "a regression": (FEW | {"tasks": REAL}, {}),
    "errors": (FEW | {"tasks": ERRORS}, {}),
    "errors with a margin": (FEW | {"tasks": ERRORS}, {"margin": {"rmse": 0.5}}),
    "correlations and counts": (FEW | {"tasks": {**REAL, **ONE}}, {"primary": [["kd", "no_kd"]]}),
    "several teachers a seed": (FEW | {"teachers": 2}, {"primary": [["kd", "no_kd"]]}),
    "two settings": (FEW | {"seeds": 5, "change": two_rates}, {}),
    "options that TeX could not read": (FEW | {"change": odd_option}, {}),
    "missing experiments": (FEW | {"missing": [("mrpc", "kd", 4, 1)]}, {}),
    "one run": (FEW | {"methods": ("kd",), "seeds": 1}, {}),
    "one seed": (FEW | {"seeds": 1}, {}),
    "no baseline": (FEW | {"methods": ("alp_kd", "ckd")}, {}),
    "no sweep": (FEW | {"planned": False}, {}),
    "labels with line breaks": (FEW | {"change": odd_labels}, {}),
    "a task with letters of its own": (FEW | {"tasks": {"größe_日本": ("f1_macro",)}}, {}),
    "scores of evaluations": (FEW | {"place": SCORES[1]}, {}),
    "chosen experiments": (FEW, {"only": "method=kd,seed=0|1"}),
    "a chosen sweep": (FEW, {"sweep": "latest"}),
    "trials that a sweep lists": (FEW | {"change": trial}, {}),
    "nothing known of code and commit": (FEW | {"change": uncommitted}, {}),
}
"""Name -> what the store is, and what is asked of it."""


def held(out: Path, to: Path) -> str:
    """What the claim's own program says; nothing may be wrong."""
    with ZipFile(out) as file:
        file.extractall(to)
    done = verified(to)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:] + done.stderr
    assert "NOT EQUAL" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_a_sound_claim_is_accepted(tmp_path: Path, name: str) -> None:
    made, asked = CASES[name]
    study(tmp_path / "data", **made)
    held(claimed(tmp_path / "data", tmp_path / "claim.zip", **asked), tmp_path / "claim")


def test_there_are_enough() -> None:
    assert len(CASES) >= 20


def own_metrics(store: Store) -> None:
    """An evaluation beside the scores, with a metric of the user's own."""
    for folder in store.root.glob(f"{STUDENTS}/*/*"):
        run = read_json(folder / "run.json")
        draw = (1, run["params"]["seed"])
        said = predictions("mrpc", ONE["mrpc"], 0.2, draw, 24)
        scores = scores_of(ONE["mrpc"], *said) | {"mine": 2.5}
        answered(store, folder, scores, *said, SCORES[1], metrics={"mine": "1" * 64})


def no_teachers(store: Store) -> None:
    shutil.rmtree(store.root / TEACHERS)


def own_teachers(store: Store) -> None:
    """Nothing else of what a claim could have: neither records nor event logs nor times."""
    for folder in (SWEEPS, "07_model_output/latency"):
        shutil.rmtree(store.root / folder, ignore_errors=True)


def searched(store: Store) -> None:
    for method, rate in (("kd", 0.0004), ("no_kd", 0.0001)):
        search(store.root, method, {"training.lr": rate})
        path = store.root / SEARCHES / f"{method}.json"
        found = read_json(path)
        found["studies"][0]["method"] = method
        write_json(path, found)


MORE: dict[str, tuple[dict[str, Any], Callable[[Store], None]]] = {
    "metrics of a user's own": (FEW, own_metrics),
    "no teacher is left": (FEW, no_teachers),
    "neither records nor times": (FEW, own_teachers),
    "searched rates": (FEW | {"change": own_rates}, searched),
}


@pytest.mark.parametrize("name", MORE)
def test_a_sound_claim_of_a_store_with_more_or_less_is_accepted(tmp_path: Path, name: str) -> None:
    made, change = MORE[name]
    change(study(tmp_path / "data", **made))
    said = held(claimed(tmp_path / "data", tmp_path / "claim.zip"), tmp_path / "claim")
    if change is searched:
        # The rates differ, and are each method's own choice: so the two may be compared.
        assert "against/no_kd/verdict not distinguishable" not in said.replace("better", "")
        assert "mrpc/4/kd/against/no_kd/verdict" in said


def placed(store: Store, said: list[Any], metrics: tuple[str, ...], task: str, **more: Any) -> Path:
    """A student that answered this."""

    def change(params: Params, run: Params) -> None:
        params["task"]["name"], params["method"]["name"] = task, more.get("method", "kd")
        run["task"] |= described(task, metrics)
        run["identity"]["keys"]["teacher"] = teacher_key(task, 0)

    scores = scores_of(metrics, *said)
    folder = store.student(more["seed"], change=change)
    write_json(folder / "metrics.json", {**RIGHT_SHAPE, "scores": {"dev": scores}})
    reseal(folder)
    answered(store, folder, scores, *said)
    return folder


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_models_that_say_the_same_of_every_row(tmp_path: Path, noise: float) -> None:
    store = Store(tmp_path / "data")
    for seed in range(3):
        for method in ("kd", "no_kd"):
            for task, metrics in (("stsb", ("pearson", "rmse")), ("mrpc", ("accuracy", "f1"))):
                idx, labels, said = predictions(task, metrics, 0.3, (seed,), 24)
                flat = 1 + 0 * said if task == "mrpc" else np.float32(2.5 + noise * said)
                same = [idx, labels, flat.astype(said.dtype)]
                placed(store, same, metrics, task, seed=seed, method=method)
    said = held(claimed(store.root, tmp_path / "claim.zip"), tmp_path / "claim")
    assert "equal      stsb/4/kd/mean 0.0\n" in said


def test_one_seed_twice_is_told_and_pooled_with_none(tmp_path: Path) -> None:
    store = study(tmp_path / "data", **FEW)
    placed(store, [*predictions("mrpc", ONE["mrpc"], 0.2, (9,), 24)], ONE["mrpc"], "mrpc", seed=1)
    twin = placed(
        store, [*predictions("mrpc", ONE["mrpc"], 0.2, (8,), 24)], ONE["mrpc"], "mrpc", seed=1
    )
    said = held(claimed(store.root, tmp_path / "claim.zip"), tmp_path / "claim")
    assert f"to know    {twin.relative_to(store.root)}: its seed stands twice" in said


def test_a_claim_of_claims(tmp_path: Path) -> None:
    claims = tmp_path / "claims"
    claims.mkdir()
    for name, methods in (("ours", ("kd", "alp_kd")), ("theirs", ("no_kd",))):
        study(tmp_path / name, **FEW | {"methods": methods, "missing": [("mrpc", "kd", 4, 2)]})
        claimed(tmp_path / name, claims / f"{name}.zip")
    (tmp_path / "empty").mkdir()
    both = claimed(tmp_path / "empty", tmp_path / "both.zip", claims=str(claims))
    said = held(both, tmp_path / "claim")
    assert "mrpc/4/alp_kd/against/no_kd/verdict" in said
    assert "to know    planned: layers=4, method=kd, seed=2, task=mrpc, teacher_seed=0" in said
    again = claimed(tmp_path / "empty", tmp_path / "again.zip", claims=str(both))
    assert again.read_bytes() == both.read_bytes()


@pytest.mark.parametrize("name", ["ein Ordner (2)", "it's", "日本", "-dash", "a=b&c"])
def test_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    study(tmp_path / f"{name} store", **FEW | {"seeds": 1})
    out = claimed(tmp_path / f"{name} store", tmp_path / f"{name}.zip")
    held(out, tmp_path / name)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    study(root / "data", **FEW | {"tasks": {"größe": ("accuracy",)}})
    out = claimed(root / "data", root / "claim.zip")
    held(out, root / "claim")
    return root / "claim"


@pytest.mark.parametrize("options", [(), ("-I",), ("-O",), ("-OO", "-I"), ("-X", "dev")])
def test_any_way_to_call_python(small: Path, options: tuple[str, ...]) -> None:
    assert verified(small, *options).returncode == 0
    assert not [*small.rglob("__pycache__")]


def test_a_terminal_without_the_letters_of_a_task(small: Path) -> None:
    words = [sys.executable, "-S", "verify.py"]
    env = {"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]}
    done = subprocess.run(words, cwd=small, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "gr\\xf6\\xdfe/4/kd/mean" in done.stdout


def test_with_the_code_of_the_installed_package(small: Path, tmp_path: Path) -> None:
    """Whatever a claim's own code says."""
    copy = shutil.copytree(small, tmp_path / "copy")
    words = [sys.executable, "-m", "alpkd_pipeline.reporting.claim.verify", str(copy)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (copy / "verify.py").write_text("print('all is equal')")
    numbers = copy / "alpkd_pipeline" / "reporting" / "claim" / "numbers.py"
    numbers.write_text("raise SystemExit(0)")
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "NOT EQUAL  file verify.py" in done.stdout


def test_an_installed_package_only_names_files_of_another_release(
    small: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(small, tmp_path / "copy")
    (copy / "alpkd_pipeline" / "reporting" / "statistics" / "older.py").write_text("")
    hash_anew(copy)
    words = [sys.executable, "-m", "alpkd_pipeline.reporting.claim.verify", str(copy)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = "file alpkd_pipeline/reporting/statistics/older.py (of another release, or none)"
    assert f"to know    {told}\n" in done.stdout
    assert f"NOT EQUAL  {told}\n" in verified(copy).stdout


def test_compiled_code_in_a_claim_is_never_run(small: Path, tmp_path: Path) -> None:
    """Python would run a file of bytecode that says it need not be compared with its source."""
    copy = shutil.copytree(small, tmp_path / "copy")
    source = copy / "alpkd_pipeline" / "reporting" / "claim" / "numbers.py"
    text = source.read_text()
    source.write_text("raise SystemExit(0)")
    words = "import py_compile, sys; py_compile.compile(sys.argv[1], invalidation_mode=mode)"
    mode = "from py_compile import PycInvalidationMode; mode = PycInvalidationMode.UNCHECKED_HASH"
    subprocess.run([sys.executable, "-c", f"{mode}; {words}", str(source)], check=True)
    source.write_text(text)
    done = verified(copy)
    assert done.returncode == 1
    assert "numbers.tex has these numbers" in done.stdout


def test_what_a_claim_says_cannot_write_lines_of_its_own(small: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small, tmp_path / "copy")
    claim = read_json(copy / "claim.json")
    claim["numbers"]["x\n9 of 9 equal; claim 0123\x1b[2J"] = "1"
    write_json(copy / "claim.json", claim)
    said = verified(copy).stdout
    assert "\n9 of 9 equal" not in said
    assert "\x1b" not in said
