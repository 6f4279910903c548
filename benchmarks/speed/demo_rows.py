"""The shipped encoder and the first rows of the demo task, where `real_rows` needs files."""

from __future__ import annotations

from pathlib import Path

from kedro.framework.startup import bootstrap_project
from paired import PROJECT
from real_rows import RealRows, write_rows

from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS


def demo_rows(folder: Path, rows: int, threads: int) -> RealRows:
    """Encode the rows, and write the teacher with a fresh head; parameters are those of conf/base.

    Args:
        folder: where it all goes.
        rows: rows of the train split; the other splits are left whole.
        threads: of every training and pass.
    """
    given = {
        "task": {"train_rows": rows},
        "teacher": {"training": {"threads": threads}},
        "training": {"threads": threads},
        "run": {"tracking": "off"},
    }
    bootstrap_project(PROJECT)
    loader = ExperimentConfigLoader(
        str(PROJECT / "conf"), runtime_params=given, **CONFIG_LOADER_ARGS
    )
    return write_rows(
        folder, loader.experiment, {"alp_kd": loader.experiment.params.plain()["method"]}
    )
