"""Where raw splits come from: the demo, the hub, a local GLUE folder, or files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.fingerprint import sha256_cached
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd


def load_splits(spec: SourceSpec, task: Task, project: Path = Path(".")) -> dict[str, pd.DataFrame]:
    """Read the raw splits of a task; relative paths start at the project.

    Returns:
        `train`, the task's first dev split, and what other dev and test splits there are. Each
        frame holds the text columns (str), `label` (int64 class id, -1 when hidden; float64 for a
        regression) and `idx` (int64), in the order of the file. Faulty cells stay as they were
        found: pass the frames to `validate.check_splits` before anything else.

    Raises:
        UserError: the source is not there or does not fit the task. Where its files are to blame,
            every fault of every file is named.
    """
    from alpkd_pipeline.tasks.sources import demo, folder, hub, table
    from alpkd_pipeline.tasks.sources.cuts import finish

    loaders = {"hub": hub.load, "folder": folder.load, "table": table.load}
    try:
        frames = demo.load() if spec.kind == "demo" else loaders[spec.kind](spec, task, project)
    except UserError as error:
        from alpkd_pipeline.tasks.sources.file_faults import every_fault

        raise every_fault(spec, task, project, error) from None
    return finish(frames, spec, task)


def source_digest(
    spec: SourceSpec, task: Task, project: Path = Path("."), cache_file: Path | None = None
) -> dict[str, Any]:
    """The identity of the raw data, cheap and without reading it into memory.

    Which columns are read is part of it; which rows are kept (train_rows, dev_fraction, seed) is
    not. `cache_file` remembers hashes of files, see `store.digest_cache`.

    Returns:
        JSON-ready: sha256 of each file, or commit of the hub data set, or hash of the demo; and
        the column names where they are mapped.

    Raises:
        UserError: a file is missing, or the revision is no commit.
    """
    from alpkd_pipeline.tasks.sources import demo, folder, hub, table

    if spec.kind == "demo":
        return {"kind": "demo", "sha256": demo.digest()}
    if spec.kind == "hub":
        ref = hub.resolve(spec, task)
        return {
            "kind": "hub",
            "dataset": ref.dataset,
            "revision": ref.revision,
            "config": ref.config,
            "splits": dict(ref.splits),
            "columns": dict(spec.columns),
        }
    files = (folder if spec.kind == "folder" else table).find_files(spec, task, project)
    return {
        "kind": spec.kind,
        "columns": dict(spec.columns),
        "files": {
            role: {"name": path.name, "sha256": sha256_cached(path, cache_file)}
            for role, path in files.items()
        },
    }
