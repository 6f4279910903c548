"""Which data a training read, in the form that MLflow shows as data set lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import mask_credentials
from alpkd_pipeline.runs.finished import FinishedFolder
from alpkd_pipeline.tasks.glue import HUB_DATASET, HUB_REVISION

DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """One split as MLflow knows it.

    Attributes:
        name: task and split, `mrpc-train`.
        digest: the first characters of the split's sha256, or of the data's key.
        context: what the split was used for, `train` or `dev`.
        source_type: one of MLflow's types of source.
        source: JSON that MLflow can turn back into a source of this type.
        schema: JSON with the column names and types.
    """

    name: str
    digest: str
    context: str
    source_type: str
    source: str
    schema: str


def split_digests(folder: Path, run: Mapping[str, Any]) -> dict[str, str]:
    """The sha256 of each encoded split that a training read, from the manifest beside them.

    Args:
        folder: the run folder.
        run: the content of run.json.

    Returns:
        Split name -> sha256; empty where the splits are not on this machine.

    Raises:
        DamagedError: the manifest is not what was written.
    """
    encoded = FinishedFolder(folder / run.get("inputs", {}).get("encoded", "nowhere"))
    files = encoded.manifest["files"] if encoded.is_there else {}
    ends = ".arrow"
    return {n.removesuffix(ends): f["sha256"] for n, f in files.items() if n.endswith(ends)}


def dataset_facts(
    run: Mapping[str, Any], digests: Mapping[str, str] | None = None
) -> list[DatasetFacts]:
    """The train split and the first dev split of a training; empty when its data has no key.

    Args:
        run: the content of run.json.
        digests: what `split_digests` found; the data's key stands in for what is missing.
    """
    data_key = run["identity"].get("keys", {}).get("splits")
    if not data_key:
        return []
    task = run["task"]
    source_type, source = _source(run["params"]["task"])
    splits = {"train": "train", "dev": task.get("dev_splits", ["dev"])[0]}
    return [
        DatasetFacts(
            name=f"{task['name']}-{split}",
            digest=(digests or {}).get(split, data_key)[:DIGEST_LENGTH],
            context=context,
            source_type=source_type,
            source=mask_credentials(json.dumps(source)),
            schema=json.dumps({"mlflow_colspec": _columns(task)}),
        )
        for context, split in splits.items()
    ]


def _source(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind = params.get("source")
    if kind == "hub":
        return "hugging_face", {
            "path": params.get("dataset") or HUB_DATASET,
            "config_name": params.get("config") or params.get("name"),
            "revision": params.get("revision") or (None if params.get("dataset") else HUB_REVISION),
        }
    if kind in {"folder", "table"}:
        files = params.get("files")
        glue = f"$ALPKD_GLUE_DIR/{params.get('name')}"
        return "local", {"uri": params.get("path") or (json.dumps(files) if files else glue)}
    return "code", {"tags": {"mlflow.source.name": f"alpkd_pipeline: {kind}"}}


def _columns(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    label = "double" if task.get("kind") == "regression" else "long"
    types = {**dict.fromkeys(task.get("text_columns", []), "string"), "label": label}
    return [{"type": kind, "name": name, "required": True} for name, kind in types.items()]
