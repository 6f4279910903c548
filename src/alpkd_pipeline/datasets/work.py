"""The place where a stage works, handed to its node as an input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset

from alpkd_pipeline.runs.provenance import provenance
from alpkd_pipeline.runs.run_folder import Work


class WorkDataset(AbstractDataset[NoReturn, Work]):
    """The stable folder beside the final one, and what its run.json will say."""

    def __init__(
        self, *, filepath: str, project: str, run: str = "{}", metadata: Any = None
    ) -> None:
        """Describe the folder; the node begins it.

        Args:
            filepath: the work folder.
            project: the project's root, whose git commit is recorded.
            run: the facts of the run as JSON; OmegaConf would read `${...}` in a nested value.
            metadata: free for Kedro plugins.
        """
        self.path = Path(filepath)
        self.metadata = metadata
        self._run = run
        self._project = Path(project)

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json will say of the run itself."""
        facts: dict[str, Any] = json.loads(self._run)
        return facts

    def load(self) -> Work:
        """The folder, the facts, and the code and libraries at work; asking git takes time."""
        facts = {**self.facts, "provenance": provenance(self._project)}
        # A training that was interrupted under another name of its model goes on too.
        end = self.path.name[-len("-01234567.work") :]
        others = (p for p in sorted(self.path.parent.glob(f"*{end}")) if p != self.path)
        works = [Work(path, facts) for path in (self.path, *others)]
        return next((work for work in works if work.goes_on), works[0])

    def save(self, data: NoReturn) -> None:
        """Refused: nodes write into the folder itself."""
        raise NotImplementedError("a work folder is only an input")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}
