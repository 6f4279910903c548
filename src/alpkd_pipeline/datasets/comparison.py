"""The comparison of all scored students; its key is what there is to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from alpkd_pipeline.runs.fingerprint import code_digest, key_of
from alpkd_pipeline.runs.manifest import MANIFEST, is_complete, publish, sha256_file

COMPARED = (
    "06_models/teachers",
    "06_models/students",
    "07_model_output/scores",
    "07_model_output/evaluation",
    "07_model_output/latency",
)


class ComparisonDataset(AbstractDataset[Path, Path]):
    """A folder under `filepath`, named by the key of the results that are there to compare.

    The key cannot be part of the catalog's path: this run's own student is not there yet when
    the catalog is loaded.
    """

    def __init__(self, *, filepath: str, store: str, metadata: Any = None) -> None:
        """Name the folders; nothing is looked at yet.

        Args:
            filepath: the folder of all comparisons.
            store: the folder of all results.
            metadata: free for Kedro plugins.
        """
        self.metadata = metadata
        self._base, self._store = Path(filepath), Path(store)
        self.force = False
        """Whether the table is to be written again although nothing has changed."""

    @property
    def key(self) -> str:
        """The hash of all finished results, by the manifests that list their files' hashes."""
        found = {
            manifest.parent.relative_to(self._store).as_posix(): sha256_file(manifest)
            for kind in COMPARED
            for manifest in self._store.glob(f"{kind}/*/*/{MANIFEST}")
        }
        return key_of({"of": found, "code": code_digest(["alpkd_pipeline.reporting.comparison"])})

    @property
    def path(self) -> Path:
        """The folder of the comparison of what is there now."""
        return self._base / self.key[:8]

    def load(self) -> Path:
        """The folder."""
        return self.path

    def save(self, data: Path) -> None:
        """Publish the work folder `data` under the present key."""
        key = self.key
        publish(data, self._base / key[:8], {"stage": "comparison", "key": key, "made_from": {}})
        self.force = False

    def _exists(self) -> bool:
        return not self.force and is_complete(self.path, self.key)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._base)}
