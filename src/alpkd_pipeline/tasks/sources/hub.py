"""Hugging Face data sets, pinned to a commit and read from the hub's cache once they are there."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError, first_line
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION, HUB_SPLITS
from alpkd_pipeline.tasks.sources import frames
from alpkd_pipeline.tasks.sources.raw import RawTable, column_cells
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset, DatasetDict

PROBE_SECONDS = 5.0
"""How long the hub may take to answer the first request; its own client would wait for minutes."""
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubRef:
    """What to fetch."""

    dataset: str  # `owner/name`
    revision: str  # a commit
    config: str | None  # None: the only or the default one
    splits: Mapping[str, str]  # our splits -> theirs
    required: tuple[str, ...] = ("train",)  # those of ours that must be there


def resolve(spec: SourceSpec, task: Task) -> HubRef:
    """Fill in what GLUE tasks know about themselves."""
    is_glue = task.name in GLUE and (spec.dataset or HUB_DATASET) == HUB_DATASET
    dataset = HUB_DATASET if is_glue else spec.dataset
    if not dataset:
        raise UserError("task.dataset is missing: name the Hugging Face data set, owner/name")
    revision = spec.revision or (HUB_REVISION if is_glue else "")
    if not COMMIT.fullmatch(revision):
        raise UserError(
            f"task.revision {spec.revision!r} of the data set {dataset} is not a commit of 40 hex"
            " digits, so it could change under your results; copy one from the 'History' of the"
            " data set's page ('Files and versions')"
        )
    if is_glue:
        needed = ("train", *task.dev_splits)
        return HubRef(dataset, revision, task.name, GLUE[task.name].hub_splits, needed)
    needed = tuple(dict.fromkeys(("train", *spec.files)))
    return HubRef(dataset, revision, spec.config, {**HUB_SPLITS, **spec.files}, needed)


def load(spec: SourceSpec, task: Task, project: Path) -> dict[str, pd.DataFrame]:
    """Fetch (or find in the cache, that of HF_HUB_CACHE or HF_HOME) and read the splits of a hub
    data set; only data files, as code in a repository is never run."""
    ref = resolve(spec, task)
    columns = frames.wanted_columns(task, spec.columns)
    broken = ref.dataset == HUB_DATASET and task.name in GLUE and GLUE[task.name].broken_rows
    with tempfile.TemporaryDirectory(prefix="alpkd-hub-") as scratch:
        read = _read(ref, scratch)
        for ours in ref.required:
            if ref.splits[ours] not in read:
                raise UserError(
                    f"the data set {ref.dataset} has no split '{ref.splits[ours]}' for '{ours}'; it"
                    f" has {', '.join(read)}; name the right one in task.files.{ours}"
                )
        splits = {}
        for ours, theirs in ref.splits.items():
            if theirs in read:
                raw = _raw_table(ref, read[theirs], theirs, columns)
                frame = frames.split_frame(raw, task, ours, columns)
                splits[ours] = frames.without_broken_rows(frame, task, ours) if broken else frame
    return frames.read_label_columns(splits, task, minus_one_hides=True)


def snapshot(ref: HubRef, patterns: Sequence[str] | None) -> Path:
    """The folder that holds a commit's files, or those of some patterns, from cache or hub."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    options: dict[str, Any] = {"revision": ref.revision, "allow_patterns": patterns}
    fetch = partial(snapshot_download, ref.dataset, repo_type="dataset", **options)
    with suppress(LocalEntryNotFoundError):
        return Path(fetch(local_files_only=True))
    try:
        # Without this probe a machine without network waits through the client's retries.
        HfApi().dataset_info(ref.dataset, revision=ref.revision, timeout=PROBE_SECONDS)
        return Path(fetch())
    # The HTTP library under the hub's client, and so its error types, changes between versions.
    except Exception as error:
        raise UserError(
            f"the data set {ref.dataset} at revision {ref.revision} is not in the cache"
            f" {constants.HF_HUB_CACHE} (set by HF_HOME or HF_HUB_CACHE) and could not be fetched"
            f" ({type(error).__name__}: {first_line(error)}); connect once, copy that cache here,"
            " or use another task.source: demo, folder or table"
        ) from None


def _read(ref: HubRef, scratch: str) -> DatasetDict:
    """Read the configuration's files into Arrow files below `scratch`."""
    import datasets
    from datasets.info import DatasetInfosDict
    from huggingface_hub import metadata_load

    config, folder = ref.config, snapshot(ref, ["README.md"])
    card, bars = folder / "README.md", datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        about = (metadata_load(card) if card.is_file() else None) or {}
        config, files = _config_and_files(ref, about)
        patterns = ["README.md", *(one for many in (files or {}).values() for one in many)]
        folder = snapshot(ref, patterns if files else None)
        infos = DatasetInfosDict.from_dataset_card_data(about) if files else {}
        features = infos[config].features if config in infos else None
        return datasets.load_dataset(
            str(folder), config, data_files=files, features=features, cache_dir=scratch
        )
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the data set {ref.dataset} at revision {ref.revision}, configuration {config}, in"
            f" {folder} cannot be read ({type(error).__name__}: {first_line(error)})"
        ) from None
    finally:
        if bars:
            datasets.enable_progress_bars()


def _config_and_files(
    ref: HubRef, about: dict[str, Any]
) -> tuple[str | None, dict[str, list[str]] | None]:
    """The configuration to read and, where the data set's card lists them, its files by split:
    named, those of every other configuration need not be fetched (or looked for)."""
    from datasets.data_files import sanitize_patterns
    from datasets.utils.metadata import MetadataConfigs

    configs = MetadataConfigs.from_dataset_card_data(about)
    if not configs:
        return ref.config, None
    name = ref.config or configs.get_default_config_name()
    if name not in configs:
        raise UserError(
            f"the data set {ref.dataset} has no configuration {name!r}; set task.config to one of"
            f" {', '.join(sorted(configs))}"
        )
    files = configs[name].get("data_files")
    return name, None if files is None or "data_dir" in configs[name] else sanitize_patterns(files)


def _raw_table(ref: HubRef, data: Dataset, split: str, columns: Mapping[str, str]) -> RawTable:
    names = tuple(data.column_names)
    table = data.with_format("arrow")[:]
    wanted = [name for name in names if name in columns.values()]
    return RawTable(
        f"{ref.dataset}@{ref.revision[:8]}, split {split}",
        names,
        {name: column_cells(table.column(name)) for name in wanted},
        range(1, len(data) + 1),
        "row",
        {n: data.features[n].names for n in wanted if hasattr(data.features[n], "names")},
    )
