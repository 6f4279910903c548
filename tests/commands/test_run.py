"""`kedro run` as this project has it: Kedro's own options, our runner, one-line errors."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import configure_project
from tests.conftest import Kedro
from tests.projects import copied_project
from tests.reporting.conftest import Store
from tests.reporting.studies import reseal, study, with_event_log

from alpkd_pipeline.commands.common import read_params
from alpkd_pipeline.commands.run import RUNNER, read_conf_source, run
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.experiment_inputs import FORCE_NAMES
from alpkd_pipeline.project.runner import StageRunner
from alpkd_pipeline.reporting.collect import looks_of
from alpkd_pipeline.store.manifest import sha256_file

KEDRO_1_7 = [
    "from_inputs",
    "to_outputs",
    "from_nodes",
    "to_nodes",
    "node_names",
    "runner",
    "is_async",
    "runner_params",
    "env",
    "tags",
    "load_versions",
    "pipeline",
    "pipelines",
    "namespaces",
    "config",
    "conf_source",
    "params",
    "only_missing_outputs",
]
"""Kedro's options; another release that adds one has to be looked at."""


@pytest.fixture(scope="module", autouse=True)
def _project() -> None:
    configure_project("alpkd_pipeline")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(run, list(arguments))


def by_name(command: click.Command) -> dict[str, click.Parameter]:
    return {str(option.name): option for option in command.params}


# Options -----------------------------------------------------------------------------------------


def test_kedro_has_the_options_that_this_command_was_made_for() -> None:
    assert [option.name for option in kedro_run.params] == KEDRO_1_7


def test_options_are_kedro_s_with_force_for_only_missing_outputs() -> None:
    assert [option.name for option in run.params] == [*KEDRO_1_7[:-1], "force"]


def test_kedro_s_options_work_as_in_kedro() -> None:
    ours, theirs = by_name(run), by_name(kedro_run)
    for name in KEDRO_1_7[:-1]:
        one, two = ours[name], theirs[name]
        assert (one.opts, one.type) == (two.opts, two.type), name
        # What cannot be read of these is one line here; in Kedro a traceback, or five lines.
        ours_alone = {"params": read_params, "conf_source": read_conf_source}
        assert one.callback == ours_alone.get(name, two.callback), name
        if name != "runner":
            assert one.default == two.default, name


def test_our_runner_is_the_default_and_kedro_s_command_is_left_alone() -> None:
    from kedro.utils import load_obj

    assert by_name(run)["runner"].default == RUNNER
    assert load_obj(RUNNER, "kedro.runner") is StageRunner
    assert by_name(kedro_run)["runner"].default is None
    assert "force" not in by_name(kedro_run)


def test_help_names_every_stage_that_can_be_forced() -> None:
    done = invoke("--help")
    assert done.exit_code == 0
    words = done.output.replace(",", " ").replace(";", " ").split()
    assert {*FORCE_NAMES, "--force", "--pipelines", "--params"} <= set(words)
    assert "--only-missing-outputs" not in words


# Mistakes ----------------------------------------------------------------------------------------


def test_both_ways_to_name_a_pipeline_are_one_too_many() -> None:
    done = invoke("--pipeline=distill", "--pipelines=evaluate")
    assert done.exit_code == 2
    assert "use --pipeline or --pipelines, not both" in done.output


@pytest.mark.parametrize("option", ["--pipeline", "--pipelines"])
def test_an_unknown_pipeline_is_one_line(option: str) -> None:
    done = invoke(f"{option}=distil")
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert "unknown pipeline 'distil'; did you mean 'distill'?" in line
    assert "(there are: data_prep, finetune_teacher, distill, evaluate, export," in line


def test_one_unknown_pipeline_among_several() -> None:
    done = invoke("--pipelines=distill,zzz")
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert "unknown pipeline 'zzz' (there are" in line


SLICES = [
    ("--nodes=encod", "node 'encod' in distill; did you mean 'encode_splits'?"),
    ("-n prepare_splits,encod", "node 'encod' in distill; did you mean 'encode_splits'?"),
    ("--from-nodes=encod", "node 'encod' in distill; did you mean 'encode_splits'?"),
    (
        "--to-nodes=distil_student",
        "node 'distil_student' in distill; did you mean 'distill_student",
    ),
    ("--tags=stage.distil", "tag 'stage.distil' in distill; did you mean 'stage.distill'?"),
    ("--from-inputs=splitz", "input 'splitz' in distill; did you mean 'splits'?"),
    ("--to-outputs=studnt", "output 'studnt' in distill; did you mean 'student'?"),
    ("--namespaces=x", "namespace 'x' in distill (there are: none)"),
    ("--runner=SequentialRuner", "runner 'SequentialRuner' in kedro.runner; did you mean 'Seq"),
    ("--runner=nowhere.StageRuner", "runner 'StageRuner' in nowhere; did you mean 'StageRunner'?"),
    ("--runner=kedro.runner.task.Task", "runner 'Task' in kedro.runner.task (there are: Stage"),
    ("--runner=.", "runner '' in kedro.runner (there are: StageRunner"),
]


@pytest.mark.parametrize(("words", "line"), SLICES, ids=[words for words, _ in SLICES])
def test_a_misspelt_slice_is_one_line(words: str, line: str) -> None:
    done = invoke("--pipeline=distill", *words.split())
    assert done.exit_code == 1
    (said,) = done.output.splitlines()
    assert said.startswith(f"Error: unknown {line}")
    assert "(there are: " in said


def test_a_node_of_another_pipeline_is_not_in_this_one(called: Callable) -> None:
    done = invoke("--pipeline=data_prep", "--nodes=compare_students")
    assert done.exit_code == 1
    assert done.output == (
        "Error: unknown node 'compare_students' in data_prep"
        " (there are: prepare_splits, encode_splits)\n"
    )
    assert called("--nodes=compare_students")["node_names"] == ["compare_students"]


def test_slices_that_have_nothing_in_common_are_one_line() -> None:
    done = invoke("--nodes=encode_splits", "--tags=stage.distill")
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith("Error: nothing to run: no node is in all of the slices")


def test_a_configuration_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    for words in ("--conf-source=cnf", f"--conf-source={tmp_path}/cnf"):
        done = invoke(words)
        assert done.exit_code == 1
        there = f"there is no {tmp_path}/cnf; did you mean 'conf'?"
        assert done.output == f"Error: --conf-source: {there}\n"
    done = invoke("--conf-source=no/where")
    assert done.output == f"Error: --conf-source: there is no {tmp_path}/no/where\n"


@pytest.mark.parametrize("address", ["s3://u:pw@bucket/conf", "memory://conf", "file:///conf"])
def test_a_configuration_elsewhere_is_one_line_that_says_what_works(address: str) -> None:
    done = invoke(f"--conf-source={address}")
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert "only folders and files of a local or shared file system work" in line
    assert "pw" not in line


def test_only_missing_outputs_is_no_option_because_it_is_how_things_are() -> None:
    done = invoke("--only-missing-outputs")
    assert done.exit_code == 2
    assert "only-missing-outputs" in done.output


# What is handed to Kedro -------------------------------------------------------------------------


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs our command, and gives what Kedro's own would have been called with."""

    def invoked(*arguments: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        monkeypatch.setattr(kedro_run, "callback", lambda **given: seen.update(given))
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
        return seen

    return invoked


def test_kedro_is_told_the_pipeline_in_the_way_that_it_prefers(called: Callable) -> None:
    seen = called("--pipeline=distill")
    assert (seen["pipeline"], seen["pipelines"]) == (None, ["distill"])
    assert called("--pipelines=distill,compare")["pipelines"] == ["distill", "compare"]
    assert called()["pipelines"] == []


def test_every_option_of_kedro_is_passed_on(called: Callable) -> None:
    seen = called("--params=student.layers=2,seed=3", "--env=minilm", "--nodes=encode_splits")
    assert set(seen) == set(KEDRO_1_7)
    assert seen["params"] == {"student": {"layers": 2}, "seed": 3}
    assert (seen["env"], seen["node_names"]) == ("minilm", ["encode_splits"])
    assert seen["runner"] == RUNNER
    assert seen["only_missing_outputs"] is True


def test_force_reaches_the_steps(called: Callable) -> None:
    assert called("--force=signals+distill")["params"] == {"force": "signals+distill"}
    both = called("--force=all", "--params=seed=3")["params"]
    assert both == {"force": "all", "seed": 3}
    assert "force" not in called()["params"]


def test_a_runner_goes_by_its_name(called: Callable) -> None:
    assert called("--runner=StageRunner")["runner"] == RUNNER
    assert called("--runner=ThreadRunner")["runner"] == "kedro.runner.ThreadRunner"
    assert called("-r", RUNNER)["runner"] == RUNNER


def test_slices_that_are_there_reach_kedro(called: Callable) -> None:
    names = {"from_nodes": ["encode_splits"], "to_outputs": ["student"], "tags": ["stage.distill"]}
    words = [f"--{name.replace('_', '-')}={value[0]}" for name, value in names.items()]
    seen = called("--pipeline=distill", "--from-inputs=teacher", *words)
    assert {name: seen[name] for name in names} == names


def test_a_configuration_is_a_folder_or_an_archive(called: Callable, tmp_path: Path) -> None:
    (tmp_path / "conf.tar.gz").touch()
    for source in (tmp_path, tmp_path / "conf.tar.gz"):
        assert called(f"--conf-source={source}")["conf_source"] == str(source)
    assert called()["conf_source"] is None


# Ends --------------------------------------------------------------------------------------------


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], Result]:
    """Runs our command over a run that ends with an exception."""

    def invoked(error: BaseException) -> Result:
        def callback(**_given: Any) -> None:
            raise error

        monkeypatch.setattr(kedro_run, "callback", callback)
        return invoke("--pipeline=distill")

    return invoked


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_stop_says_how_to_go_on(ends_with: Callable, stop: BaseException, code: int) -> None:
    done = ends_with(stop)
    assert done.exit_code == code
    assert "the same command goes on" in done.output


def test_sigterm_ends_like_any_stop(ends_with: Callable) -> None:
    ends_with(UserError("x"))
    handler = signal.getsignal(signal.SIGTERM)
    assert callable(handler)
    with pytest.raises(SystemExit) as caught:
        handler(signal.SIGTERM, None)
    assert caught.value.code == 143


def test_a_user_s_mistake_is_its_line_alone(ends_with: Callable) -> None:
    done = ends_with(UserError("task.max_length 2 leaves no room"))
    assert done.exit_code == 1
    assert done.output == "Error: task.max_length 2 leaves no room\n"


def test_a_bug_keeps_its_traceback(ends_with: Callable) -> None:
    bug = ZeroDivisionError("a bug")
    done = ends_with(bug)
    assert done.exception is bug


def test_a_line_is_found_behind_kedro_s_own_exception(kedro: Kedro, tmp_path: Path) -> None:
    """The data set that holds the encoder fails to load, and Kedro wraps what it says."""
    wrong = "a" * 64
    params = f"run.store={tmp_path},run.tracking=off,teacher.sha256={wrong}"
    done = kedro("run", "--pipeline=data_prep", f"--params={params}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *making, line = done.stderr.splitlines()
    assert making == ["making splits", "making encoded"]
    assert line.startswith("Error: ")
    assert f"not the pinned {wrong}" in line


def test_a_digit_of_a_score_is_named_and_nothing_is_compared(tmp_path: Path, kedro: Kedro) -> None:
    """Also where a comparison is there already, whose key says nothing of what files hold now."""
    root, store = copied_project(tmp_path / "project", tracking="off"), Store(tmp_path / "data")
    store.teacher()
    for seed in range(2):
        folder = store.student(seed)
        with_event_log(folder)
        reseal(folder)
        scores = store.scores(folder, {"dev": {"rows": 408, "scores": {"accuracy": 0.75}}})
    compare = ("run", "--pipeline=compare", f"--params=run.store={store.root}")
    gone = kedro(*compare[:2], "--params=run.store=nowhere", cwd=root)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert f"Error: there is no store {root / 'nowhere'}: " in gone.stderr
    assert not (root / "nowhere").exists()
    done = kedro(*compare, cwd=root)
    assert done.returncode == 0, done.stderr
    path = scores / "scores.json"
    sealed = sha256_file(path)
    path.write_text(path.read_text().replace("0.75", "0.85"))
    before = {p: p.read_bytes() for p in (store.root / "08_reporting").rglob("*") if p.is_file()}
    for force in ((), ("--force=compare",)):
        done = kedro(*compare, *force, cwd=root)
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert f"{path} is damaged: sha256 {sha256_file(path)} instead of {sealed}" in line
        assert f"rm -r {scores}, then " in line
        assert "Traceback" not in done.stderr
        now = {p: p.read_bytes() for p in (store.root / "08_reporting").rglob("*") if p.is_file()}
        assert now == before


def test_a_comparison_remembers_with_how_many_seeds_it_looked(tmp_path: Path, kedro: Kedro) -> None:
    root, store = copied_project(tmp_path / "project", tracking="off"), Store(tmp_path / "data")
    study(store, tasks=["mrpc"], methods=["no_kd", "kd"], seeds=3)
    done = kedro("run", "--pipeline=compare", f"--params=run.store={store.root}", cwd=root)
    assert done.returncode == 0, done.stderr
    assert list(looks_of(store.root).values()) == [[3]]
