"""The comparison of all scored students; its key is what there is to compare."""

from __future__ import annotations

import io
import json
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.collect import Query
from alpkd_pipeline.reporting.store import READ, check_results
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.code_graph import CodeFacts
from alpkd_pipeline.store.fingerprint import PACKAGE_ROOT, code_digest, key_of
from alpkd_pipeline.store.layout import (
    CACHE,
    COMPARED,
    SEARCHES,
    chosen_sweep,
    experiment_keys,
    sweep_records,
)
from alpkd_pipeline.store.manifest import MANIFEST, is_complete, sha256_file
from alpkd_pipeline.store.run_folder import Damage, RunFolder, finished_below, noted

if TYPE_CHECKING:
    import pandas as pd


class ComparisonDataset(AbstractDataset[Artifact, "pd.DataFrame"]):
    """A folder under `filepath`, named by the key of the results that are there to compare.

    The key cannot be part of the catalog's path: this run's own student is not there yet when
    the catalog is loaded.
    """

    def __init__(
        self, *, filepath: str, store: str, compare: str | None = None, metadata: Any = None
    ) -> None:
        """Name the folders, and what is asked, as JSON, if anything; nothing is looked at yet."""
        self.metadata = metadata
        self._base, self._store = Path(filepath), Path(store)
        self._query = Query() if compare is None else Query.of(json.loads(compare))
        self._saved: Path | None = None

    @property
    def path(self) -> Path:
        """The comparison of what is there now; the last one, if results came in meanwhile."""
        now = self._base / comparison_key(self._store, self._query)[:8]
        return now if self._saved is None or now.is_dir() else self._saved

    def load(self) -> pd.DataFrame:
        """The configurations that were compared, a row for each, as in groups.csv.

        Raises:
            UserError: what is in the store now was not compared yet.
        """
        import pandas as pd

        folder = RunFolder(self.path)
        if not folder.is_there:
            raise UserError(
                "what is in the store now was not compared yet: kedro run --pipeline=compare"
            )
        return pd.read_csv(io.BytesIO(folder.read("groups.csv")))

    def save(self, data: Artifact) -> None:
        """Remember what the step has published."""
        self._saved = data.path

    def _exists(self) -> bool:
        key = comparison_key(self._store, self._query)
        return is_complete(self._base / key[:8], key)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._base)}


def comparison_of(base: Artifact, store: Path, query: Query) -> Artifact:
    """The comparison of what is there now; one that is damaged is to be made again.

    `base` is the comparison without its key, at the folder of all of them.

    Raises:
        DamagedError: its key says what the results were when they were finished; if they are
            others by now, it is no comparison of what is there.
        UserError: there is no such sweep.
    """
    key = comparison_key(store, query)
    one = replace(base, key=key, expected=base.expected / key[:8], run={**base.run, COMPARED: key})
    if one.is_made:
        with noted(damages := list[Damage]()):
            one.folder.verify()
        if damages:
            return replace(one, order=time.time())
        check_results(store)
    return one


def comparison_key(store: Path, query: Query) -> str:
    """The hash of all finished results, by the manifests that list their files' hashes, and of
    what is asked about them.

    Raises:
        UserError: there is no such sweep.
    """
    found: dict[str, str] = {}
    for folder in (f.path for place in READ for f in finished_below(store / place, "*/*")):
        with suppress(FileNotFoundError):  # renamed or removed meanwhile
            # Copies have one manifest, and count once.
            found.setdefault(sha256_file(folder / MANIFEST), folder.relative_to(store).as_posix())
    # Of a sweep's record only the experiments count: it is written again while the sweep goes on,
    # and the next one may have the same experiments.
    sweeps = sweep_records(store)
    chosen = query.sweep and chosen_sweep(sweeps, query.sweep)
    parts = {
        "of": found,
        **query.key_parts,
        "cells": sorted(experiment_keys(sweeps)),
        "sweep": sorted(experiment_keys([chosen])) if chosen else None,
        "searches": [sha256_file(path) for path in sorted((store / SEARCHES).glob("*.json"))],
        "code": _code(store),
    }
    return key_of(parts)


@cache
def _code(store: Path) -> str:
    """The hash of the code that writes a comparison, its template and its other files too."""
    folder = PACKAGE_ROOT / "reporting"
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    data = {path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(files)}
    facts = CodeFacts(store / CACHE / "code.json")
    entries = ["alpkd_pipeline.reporting.comparison.write_comparison"]
    return key_of([code_digest(entries, facts=facts), data])
