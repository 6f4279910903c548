"""A finished result: a folder that counts as existing only with its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from alpkd_pipeline.runs.by_key import find_result, free_place
from alpkd_pipeline.runs.checkpoints import drop_checkpoints
from alpkd_pipeline.runs.finished import verify
from alpkd_pipeline.runs.manifest import publish


class FolderDataset(AbstractDataset[Path, Path | None]):
    """A folder that is known by the key of its contents, whatever it is called.

    `save` takes the work folder in which the result was made and publishes it under its final
    name; `load` gives the path, since models and arrays are too large to hand around in memory.
    """

    def __init__(
        self, *, filepath: str, facts: dict[str, Any], used: bool = True, metadata: Any = None
    ) -> None:
        """Describe the folder; nothing is touched yet.

        Args:
            filepath: where the folder is expected, and where it is published.
            facts: what the manifest says about it: `key`, `stage`, `made_from`.
            used: False if this cell does without: it then counts as there, and loads as None.
            metadata: free for Kedro plugins.
        """
        self._expected = Path(filepath)
        self.facts = dict(facts)
        self.metadata = metadata
        self.force = False
        """Whether the result is to be made again although it is there; `save` takes it back."""
        self._used = used

    @property
    def path(self) -> Path:
        """Where the result lies, or else where it is expected; looked for each time."""
        return find_result(self._expected, self.facts["key"]) or self._expected

    def load(self) -> Path | None:
        """The folder's path, or None if this cell does without it.

        Raises:
            UserError: a file is missing or damaged. All bytes are compared with the manifest: a
                folder is loaded only when something is about to be made from it.
        """
        if not self._used:
            return None
        path = self.path
        verify(path)
        return path

    def save(self, data: Path) -> None:
        """Publish the work folder `data` as this result, in place of the one that is there.

        Raises:
            FileNotFoundError: there is no such folder.
        """
        if not data.is_dir():
            raise FileNotFoundError(data)
        path = free_place(self.path, self.facts["key"])
        publish(data, path, self.facts)
        drop_checkpoints(path)
        self.force = False

    def _exists(self) -> bool:
        if not self._used:
            return True
        return not self.force and find_result(self._expected, self.facts["key"]) is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "key": self.facts["key"][:8], "used": self._used}
