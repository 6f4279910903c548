"""Kedro's catalog commands, and the paths that ours adds."""

from __future__ import annotations

from kedro.framework.cli.catalog import catalog as kedro_catalog
from kedro.framework.cli.catalog import describe_datasets

from alpkd_pipeline.commands.catalog import catalog


def test_it_offers_what_kedro_offers() -> None:
    assert set(catalog.commands) == set(kedro_catalog.commands)
    ours = catalog.commands["describe-datasets"]
    assert [o.name for o in ours.params] == [*(o.name for o in describe_datasets.params), "params"]
    assert kedro_catalog.commands["describe-datasets"] is describe_datasets


def test_paths_are_those_of_the_parameters(kedro) -> None:
    done = kedro("catalog", "describe-datasets", "--pipeline=distill")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("paths:")[1].splitlines()
    paths = dict(line.strip().split(": ", 1) for line in lines if ":" in line)
    assert "/06_models/students/demo/alp_kd-4L-s0-" in paths["student"]
    assert "/06_models/teachers/demo/demo-s0-" in paths["teacher"]
    assert "student_work" not in paths


def test_parameters_of_the_command_line_move_the_paths(kedro) -> None:
    done = kedro("catalog", "describe-datasets", "--params=seed=3,method.name=kd")
    assert done.returncode == 0, done.stderr
    assert "/06_models/students/demo/kd-4L-s3-" in done.stdout
    done = kedro("catalog", "describe-datasets", "--params=sead=3")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line] == [
        "Error: unknown parameter 'sead'; did you mean 'seed'?"
    ]
