"""The shipped encoder and the first rows of the demo task, where `real_rows` needs files."""

from __future__ import annotations

from pathlib import Path

from kedro.framework.startup import bootstrap_project
from paired import PROJECT
from real_rows import RealRows

from alpkd_pipeline.models.encode_folder import encode_folder
from alpkd_pipeline.models.encoder import load_classifier, load_tokenizer, save_classifier
from alpkd_pipeline.models.source import locate
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.splits import write_splits


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
    loader = CellConfigLoader(str(PROJECT / "conf"), runtime_params=given, **CONFIG_LOADER_ARGS)
    cell, facts, splits = loader.cell, loader.cell.task.to_dict(), folder / "splits"
    splits.mkdir(parents=True)
    write_splits(load_splits(cell.source, cell.task, PROJECT), facts, 1.0, splits)
    model = locate(cell.model, PROJECT, download=False)
    encode_folder(splits, facts, model, cell.params.task.max_length, folder / "encoded")
    (folder / "teacher").mkdir()
    save_classifier(
        load_classifier(model, cell.task, seed=0), load_tokenizer(model), folder / "teacher"
    )
    params = cell.params.plain()
    return RealRows(folder, facts, params, {"alp_kd": params["method"]})
