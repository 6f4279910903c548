from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from alpkd_pipeline.datasets.work import WorkDataset
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.devices import check_devices
from alpkd_pipeline.orchestration.runner import StageRunner

GONE = f"cuda:{torch.cuda.device_count()}"
"""A device that no machine has under this number."""


def chain(root: Path, student: str = "auto", teacher: str = "auto") -> tuple[Pipeline, DataCatalog]:
    params = {"training": {"device": student}, "teacher": {"training": {"device": teacher}}}
    works = {
        f"{stage}_work": WorkDataset(
            filepath=str(root / stage),
            project=str(root),
            run=json.dumps({"stage": stage, "params": params}),
        )
        for stage in ("splits", "teacher", "signals", "student")
    }
    nodes = [
        node(lambda work: work.folder, f"{stage}_work", stage, name=stage)
        for stage in ("splits", "teacher", "signals", "student")
    ]
    return Pipeline(nodes), DataCatalog({**works, "other": MemoryDataset(1)})


@pytest.mark.parametrize("asked", [{"student": GONE}, {"teacher": GONE}])
def test_a_device_that_is_not_there_is_refused_before_anything_is_made(
    tmp_path: Path, asked: dict[str, str]
) -> None:
    pipeline, catalog = chain(tmp_path, **asked)
    with pytest.raises(UserError, match=f"'{GONE}': this machine has no such device"):
        StageRunner().run(pipeline, catalog)
    assert list(tmp_path.iterdir()) == []


def test_only_stages_that_will_run_are_asked(tmp_path: Path) -> None:
    pipeline, catalog = chain(tmp_path, student=GONE, teacher="cpu")
    check_devices(pipeline.only_nodes("splits", "teacher", "signals"), catalog)
    pipeline, catalog = chain(tmp_path, student="cpu", teacher=GONE)
    check_devices(pipeline.only_nodes("splits", "student"), catalog)
    with pytest.raises(UserError):
        check_devices(pipeline.only_nodes("signals"), catalog)
