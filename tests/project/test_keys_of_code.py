"""Edits of a copy of this package: a tidy-up keeps every key, a change moves what it reaches."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.project.conftest import Load

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.project import experiment as experiment_module
from alpkd_pipeline.store import fingerprint
from alpkd_pipeline.store.code_graph import LOOSE, WHOLE, CodeFacts, CodeGraph
from alpkd_pipeline.tasks.sources import demo

STAGES = (
    "splits",
    "encoded",
    "teacher",
    "teacher_scores",
    "signals",
    "student",
    "student_scores",
    "student_evaluation",
    "student_latency",
    "student_geometry",
)
OF_STUDENT = {"student", "student_scores", "student_evaluation", "student_latency"}
OF_STUDENT |= {"student_geometry"}
OF_TEACHER = {"teacher", "teacher_scores", "signals"} | OF_STUDENT
ALL = set(STAGES)


class Tree:
    """A copy of the package that can be edited."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r} any more"
        path.write_text(text.replace(old, new))

    def everywhere(self, old: str, new: str) -> None:
        for path in self.root.rglob("*.py"):
            path.write_text(re.sub(old, new, path.read_text()))

    def cut(self, file: str, name: str) -> str:
        """Take a top-level function out of a file."""
        text = (self.root / file).read_text()
        start = text.index(f"def {name}(")
        rest = re.search(r"\n(?=[^\s)])", text[start:])
        end = start + rest.start() if rest else len(text)
        (self.root / file).write_text(text[:start] + text[end:])
        return text[start:end]

    def append(self, file: str, text: str) -> None:
        with (self.root / file).open("a") as out:
            out.write("\n\n" + text)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree") / "alpkd_pipeline"
    kept = shutil.ignore_patterns("__pycache__", "*.safetensors")
    return Path(shutil.copytree(fingerprint.PACKAGE_ROOT, root, ignore=kept))


@pytest.fixture
def moved(
    load: Load, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Tree], None]], set[str]]:
    """Which keys differ after an edit of the copy."""

    def keys(root: Path) -> dict[str, str]:
        monkeypatch.setattr(fingerprint, "PACKAGE_ROOT", root)
        monkeypatch.setattr(demo, "FOLDER", root / "tasks/sources/demo_sentences")
        return {name: load().experiment.stage(name).key for name in STAGES}

    def find(edit: Callable[[Tree], None]) -> set[str]:
        root = Path(shutil.copytree(original, tmp_path / "alpkd_pipeline"))
        edit(Tree(root))
        before, after = keys(original), keys(root)  # the first is parsed once for all tests
        return {name for name in STAGES if before[name] != after[name]}

    return find


Moved = Callable[[Callable[[Tree], None]], set[str]]


IMPORTS = "import os\nimport random\n\nimport numpy as np\nimport torch\n\n\n"


def move_to_a_file_of_its_own(tree: Tree) -> None:
    text = tree.cut("training/run.py", "seed_everything")
    (tree.root / "training/seed.py").write_text(IMPORTS + text)
    tree.append("training/run.py", "from alpkd_pipeline.training.seed import seed_everything\n")


def merge_two_files(tree: Tree) -> None:
    text = (tree.root / "training/optim.py").read_text()
    (tree.root / "training/optim.py").unlink()
    tree.append("training/batching.py", text.replace("from __future__ import annotations\n", ""))
    tree.everywhere(r"training\.optim import", "training.batching import")


def rename_a_module(tree: Tree) -> None:
    (tree.root / "training/optim.py").rename(tree.root / "training/adamw.py")
    tree.everywhere(r"training\.optim\b", "training.adamw")


def rename_a_package(tree: Tree) -> None:
    (tree.root / "distillation/losses").rename(tree.root / "distillation/terms")
    tree.everywhere(r"distillation\.losses\b", "distillation.terms")


def rename_a_private_function(tree: Tree) -> None:
    tree.everywhere(r"\b_require_finite\b", "_stop_unless_finite")


def rename_a_public_function(tree: Tree) -> None:
    tree.everywhere(r"\bmake_adamw\b", "adamw_for")


def describe_everything_anew(tree: Tree) -> None:
    for path in tree.root.rglob("*.py"):
        text = re.sub(r'^(\s*)"""(?=\w)', r'\1"""Once more: ', path.read_text(), flags=re.MULTILINE)
        path.write_text("# A comment.\n" + text)


def turn_the_order_around(tree: Tree) -> None:
    tree.append("training/optim.py", tree.cut("training/optim.py", "make_adamw"))


def add_what_nobody_uses(tree: Tree) -> None:
    for file in ("training/run.py", "training/student.py", "models/encoder.py"):
        tree.append(file, "def _new() -> int:\n    return 1\n")


def add_a_row_to_a_table(tree: Tree) -> None:
    tree.edit("tasks/metrics.py", "Metric] = {", "Metric] = {'new': Metric(mae, 'regression'),")
    tree.edit("models/shape.py", "Family] = {", "Family] = {'new': Family('a', (1, 2, 3, 4), {}),")


TIDY = (
    add_a_row_to_a_table,
    move_to_a_file_of_its_own,
    merge_two_files,
    rename_a_module,
    rename_a_package,
    rename_a_private_function,
    rename_a_public_function,
    describe_everything_anew,
    turn_the_order_around,
    add_what_nobody_uses,
)


@pytest.mark.parametrize("edit", TIDY, ids=lambda edit: edit.__name__)
def test_a_tidy_up_keeps_every_key(moved: Moved, edit: Callable[[Tree], None]) -> None:
    assert moved(edit) == set()


def another_function_of_the_same_name(tree: Tree) -> None:
    text = (tree.root / "training/optim.py").read_text()
    (tree.root / "training/other.py").write_text(text.replace("int(total * ratio)", "total // 2"))
    tree.edit("training/progress.py", "training.optim import", "training.other import")


def replaced(file: str, old: str, new: str) -> Callable[[Tree], None]:
    return lambda tree: tree.edit(file, old, new)


CHANGES: dict[str, tuple[Callable[[Tree], None], set[str]]] = {
    "a loss": (
        replaced(
            "distillation/losses/layer_attention.py", "return weights @", "return 2 * weights @"
        ),
        OF_STUDENT,
    ),
    "a constant of training": (
        replaced("training/batching.py", "MEGA_BATCH = 16", "MEGA_BATCH = 8"),
        OF_TEACHER,
    ),
    "a flag of the seed": (
        replaced("training/run.py", "cudnn.benchmark = False", "cudnn.benchmark = True"),
        OF_TEACHER,
    ),
    "a function of the same name": (another_function_of_the_same_name, OF_TEACHER),
    "how the configuration is read": (
        replaced("training/run_config.py", 'stage=values["stage"]', 'stage=str(values["stage"])'),
        OF_TEACHER,
    ),
    "how rows become token ids": (
        replaced("models/encoder.py", "(dict(task)), tok", "(task), tok"),
        {"encoded"} | OF_TEACHER,
    ),
    "the demo's sentences": (
        replaced("tasks/sources/demo_sentences/train.tsv", "was splendid", "was lovely"),
        ALL,
    ),
    "how the demo's sentences are read": (
        replaced("tasks/sources/demo.py", '.tsv", sep="\\t")', '.tsv", sep="\\t").iloc[1:]'),
        ALL,
    ),
    "a metric": (
        replaced("tasks/metrics.py", "predictions == labels", "predictions != labels"),
        OF_TEACHER,
    ),
    "latency": (
        replaced("evaluation/latency.py", "np.", "2 * np."),
        {"student_latency"},
    ),
    "the submission file": (
        replaced("evaluation/run.py", r"index\t", r"id\t"),
        {"student_evaluation"},
    ),
    "the geometry of layers": (
        replaced("evaluation/geometry.py", "1.0 - ", "2.0 - "),
        {"student_geometry"},
    ),
    "a method of another name": (
        replaced("distillation/methods/ckd.py", "class ", "@print\nclass "),
        set(),
    ),
    "a command": (replaced("commands/run.py", "130", "131"), set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_moves_what_it_reaches(moved: Moved, name: str) -> None:
    edit, expected = CHANGES[name]
    assert moved(edit) == expected


def test_all_of_a_key_s_code_can_be_resolved(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for where a method's class is found by its text: that class is an entry itself."""
    entries: set[str] = set()
    digest = experiment_module.code_digest

    def noted(given: tuple[str, ...], *more: object) -> str:
        entries.update(given)
        return digest(given, *more)

    monkeypatch.setattr(experiment_module, "code_digest", noted)
    for method in METHODS:
        experiment = load({"method.name": method}).experiment
        for name in STAGES:
            experiment.stage(name)
    _ = load({"teacher.finetuned": True}).experiment.teacher
    entries |= {f"alpkd_pipeline.tasks.sources.{kind}.load" for kind in ("hub", "folder", "table")}
    graph = CodeGraph(fingerprint.PACKAGE_ROOT, CodeFacts(None), experiment_module.NO_RESULT)
    places = graph.reached(sorted(entries))
    loose = {str(place) for place in places if place.name in (WHOLE, LOOSE)}
    assert loose == {"alpkd_pipeline.distillation.registry.*"}
    assert len(entries) > len({row.class_path for row in METHODS.values()}) + 10
    names = {place.module for place in places}
    assert not {name for name in names if name.startswith("alpkd_pipeline.store")}
    assert not {str(place) for place in places} & set(experiment_module.NO_RESULT)
