"""The comparison of all scored students; its key is what there is to compare."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from alpkd_pipeline.reporting.store import READ, check_results
from alpkd_pipeline.reporting.sweeps import SEARCHES, cell_keys, chosen_sweep, sweep_records
from alpkd_pipeline.runs.fingerprint import PACKAGE_ROOT, code_digest, key_of
from alpkd_pipeline.runs.finished import Damage, FinishedFolder, noted, published
from alpkd_pipeline.runs.manifest import MANIFEST, is_complete, publish, read_json, sha256_file
from alpkd_pipeline.runs.run_folder import RUN_CONFIG

KEY = "compared"
"""Entry of a comparison's run.json: the key of what it was made from, taken before it was read."""


class ComparisonDataset(AbstractDataset[Path, Path]):
    """A folder under `filepath`, named by the key of the results that are there to compare.

    The key cannot be part of the catalog's path: this run's own student is not there yet when
    the catalog is loaded.
    """

    def __init__(
        self, *, filepath: str, store: str, sweep: str | None = None, metadata: Any = None
    ) -> None:
        """Name the folders; nothing is looked at yet.

        Args:
            filepath: the folder of all comparisons.
            store: the folder of all results.
            sweep: the sweep to look at, by its id, its beginning, or `latest`; None: all students.
            metadata: free for Kedro plugins.
        """
        self.metadata = metadata
        self._base, self._store, self._sweep = Path(filepath), Path(store), sweep
        self._saved: Path | None = None
        self.force = False
        """Whether the table is to be written again although nothing has changed."""

    @property
    def key(self) -> str:
        """The key of what is there now: `comparison_key`."""
        return comparison_key(self._store, self._sweep)

    @property
    def path(self) -> Path:
        """The folder of the comparison of what is there now.

        Where results came in while the last one was written, that last one.
        """
        now = self._base / self.key[:8]
        return now if self._saved is None or now.is_dir() else self._saved

    def load(self) -> Path:
        """The folder."""
        return self.path

    def save(self, data: Path) -> None:
        """Publish the work folder `data` under the key that its run.json names as `compared`.

        Other processes may add results while a comparison is written: the present key would
        promise what is not in it. Without that name the present key is taken.
        """
        config = data / RUN_CONFIG
        key = str((read_json(config) if config.is_file() else {}).get(KEY) or self.key)
        self._saved = self._base / key[:8]
        publish(data, self._saved, {"stage": "comparison", "key": key, "made_from": {}})
        self.force = False

    def _exists(self) -> bool:
        """Whether it is there and whole, and so is what it was made from.

        Raises:
            DamagedError: its key says what the results were when they were finished; if they are
                others by now, it is no comparison of what is there.
        """
        key = self.key
        if self.force or not is_complete(self._base / key[:8], key):
            return False
        with noted(damages := list[Damage]()):
            FinishedFolder(self._base / key[:8]).verify()
        if not damages:
            check_results(self._store)
        return not damages

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._base)}


def comparison_key(store: Path, sweep: str | None = None) -> str:
    """The hash of all finished results, by the manifests that list their files' hashes.

    Args:
        store: the folder of all results.
        sweep: the sweep to look at, by its id, its beginning, or `latest`; None: all students.

    Raises:
        UserError: there is no such sweep.
    """
    found: dict[str, str] = {}
    for folder in (folder for place in READ for folder in published(store / place)):
        with suppress(FileNotFoundError):  # renamed or removed meanwhile
            # Copies have one manifest, and count once.
            found.setdefault(sha256_file(folder / MANIFEST), folder.relative_to(store).as_posix())
    return key_of({"of": found, **_asked_for(store, sweep), "code": _code()})


def _asked_for(store: Path, sweep: str | None) -> dict[str, Any]:
    """What sweeps and searches say: which trials count, which cells are wanted, what was tuned.

    Of a sweep's record only the cells count: it is written again while the sweep goes on.
    """
    sweeps = sweep_records(store)
    wanted = None
    if sweep is not None:
        chosen = chosen_sweep(sweeps, sweep)
        wanted = [chosen["id"], *sorted(cell_keys([chosen]))]
    return {
        "cells": sorted(cell_keys(sweeps)),
        "sweep": wanted,
        "searches": [sha256_file(path) for path in sorted((store / SEARCHES).glob("*.json"))],
    }


@cache
def _code() -> str:
    """The hash of the code that writes a comparison, its template and its other files too."""
    folder = PACKAGE_ROOT / "reporting"
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    data = {path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(files)}
    return key_of([code_digest(["alpkd_pipeline.reporting.comparison.write_comparison"]), data])
