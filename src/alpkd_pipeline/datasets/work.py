"""The place where a stage works, handed to its node as an input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset

from alpkd_pipeline.runs.run_folder import Work


class WorkDataset(AbstractDataset[NoReturn, Work]):
    """The stable folder beside the final one, and what its run.json will say."""

    def __init__(self, *, filepath: str, run: str = "{}", metadata: Any = None) -> None:
        """Describe the folder; the node begins it.

        Args:
            filepath: the work folder.
            run: the facts of the run as JSON; OmegaConf would read `${...}` in a nested value.
            metadata: free for Kedro plugins.
        """
        self.path = Path(filepath)
        self.metadata = metadata
        self._run = run

    def load(self) -> Work:
        """The folder and the facts."""
        return Work(self.path, json.loads(self._run))

    def save(self, data: NoReturn) -> None:
        """Refused: nodes write into the folder itself."""
        raise NotImplementedError("a work folder is only an input")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}
