"""The catalog's results: handles that steps pass on and that people work with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from alpkd_pipeline.datasets.inputs import Input
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment
from alpkd_pipeline.store.run_folder import PREDICTIONS, RUN_CONFIG

if TYPE_CHECKING:
    import pandas as pd
    from transformers import Pipeline, PreTrainedModel, PreTrainedTokenizerBase


class Frames(Artifact, Mapping[str, "pd.DataFrame"]):
    """Splits, checked or as token ids: a pandas frame for each name, read when it is asked for."""

    def __getitem__(self, split: str) -> pd.DataFrame:
        import pandas as pd

        folder = self.folder
        if split not in [*self]:
            raise KeyError(f"{self.name} has no split {split!r} (there are: {', '.join(self)})")
        if folder.has(f"{split}.parquet"):
            folder.verify([f"{split}.parquet"])
            return pd.read_parquet(self.path / f"{split}.parquet")
        import pyarrow as pa

        folder.verify([f"{split}.arrow"])
        with pa.memory_map(str(self.path / f"{split}.arrow")) as file:
            frame: pd.DataFrame = pa.ipc.open_file(file).read_all().to_pandas()
        return frame

    def __iter__(self) -> Iterator[str]:
        files = [Path(name) for name in self.folder.manifest["files"]]
        return iter(sorted(f.stem for f in files if f.suffix in (".parquet", ".arrow")))

    def __len__(self) -> int:
        return len([*iter(self)])

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """All splits by their names."""
        return dict(self)


class Predicted(Artifact):
    """What holds a model's answers."""

    def predictions(self, split: str) -> pd.DataFrame:
        """The answers on a split; of a training, on one that the best epoch was chosen by.

        Raises:
            UserError: there are none of that split.
        """
        import pandas as pd

        folder = self.folder
        found = folder.predictions(split)
        if found is None:
            files = map(Path, folder.manifest["files"])
            names = sorted(path.stem for path in files if path.match(f"{PREDICTIONS}*"))
            there = ", ".join(names) or "none"
            raise UserError(f"{self.name} has no predictions for {split!r} (there are: {there})")
        return pd.read_csv(io.BytesIO(found))


class Model(Predicted):
    """A teacher or a student."""

    def model(self) -> PreTrainedModel:
        """The fine-tuned model, as `transformers` loads it.

        Raises:
            UserError: it is not there, is damaged, or is a table, which is no model.
        """
        from alpkd_pipeline.models.encoder import load_finetuned

        self.folder.verify()
        if self.name == "teacher" and self.folder.run["params"]["teacher"].get("source") == "table":
            raise UserError("the teacher is a table: it has predictions and metrics, and no model")
        return load_finetuned(self.path)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer."""
        from alpkd_pipeline.models.encoder import load_tokenizer

        self.folder.verify()
        return load_tokenizer(self.path)

    def pipeline(self, **options: Any) -> Pipeline:
        """A `text-classification` pipeline of `transformers`; `options` are its own."""
        from transformers import pipeline

        given = {"model": self.model(), "tokenizer": self.tokenizer(), **options}
        made: Pipeline = pipeline("text-classification", **given)
        return made

    @property
    def metrics(self) -> dict[str, Any]:
        """What its training measured: metrics.json."""
        return self.folder.metrics


class Values(Predicted, Mapping[str, Any]):
    """Scores, an evaluation, latencies or a geometry: the content of its JSON files, as a dict.

    Scores stand by split.
    """

    @property
    def _content(self) -> dict[str, Any]:
        folder = self.folder
        names = [n for n in folder.manifest["files"] if n.endswith(".json") and "/" not in n]
        found: dict[str, Any] = {}
        for name in sorted(set(names) - {RUN_CONFIG}):
            found |= folder.json(name)
        return {**found.pop("splits", {}), **found}

    def __getitem__(self, name: str) -> Any:
        return self._content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return repr(self._content) if self.is_made else f"<{self.name}: not made yet>"


HANDLES = {"splits": Frames, "encoded": Frames, "teacher": Model, "student": Model}
"""What results load as that are not `Values`."""


def handle(name: str, facts: Mapping[str, Any]) -> Artifact:
    """The handle of a result, from the attributes of `Artifact` as JSON has them."""
    kind = Artifact if name == "signals" else HANDLES.get(name, Values)
    return kind(**{**facts, "expected": Path(facts["expected"])})


class ArtifactDataset(AbstractDataset[Artifact, Artifact]):
    """A result of the experiment: loads as its handle, whether it is there or not.

    Steps make it and verify what they read; saving takes what a step has published.
    """

    def __init__(self, *, artifact: str, metadata: Any = None) -> None:
        """Take the handle as JSON; OmegaConf would read `${...}` in a nested value."""
        facts = json.loads(artifact)
        self.artifact = handle(facts["name"], facts)
        self.metadata = metadata

    @property
    def path(self) -> Path:
        """Where the result lies, or else where it is expected."""
        return self.artifact.path

    def load(self) -> Artifact:
        """The handle."""
        return self.artifact

    def save(self, data: Artifact) -> None:
        """Accept the handle of this result; anything else is refused.

        Raises:
            UserError: it is another one, or no handle at all.
        """
        if not isinstance(data, Artifact) or data.key != self.artifact.key:
            raise UserError(f"{self.artifact.name} is made by its step, not by saving {data!r}")

    def _exists(self) -> bool:
        return self.artifact.is_made

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "key": self.artifact.key[:8]} | (
            {} if self.artifact.used else {"used": False}
        )


class ExperimentDataset(Input[ResolvedExperiment]):
    """Loads as the experiment: what the parameters define, each result with its key and folder."""

    what = "an experiment"

    def __init__(self, *, experiment: str, metadata: Any = None) -> None:
        self.metadata = metadata
        given = json.loads(experiment)
        artifacts = {n: handle(n, facts) for n, facts in given.pop("artifacts").items()}
        places = Path(given.pop("project")), Path(given.pop("store"))
        self.handle = ResolvedExperiment(artifacts, given.pop("params"), *places, **given)

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"store": str(self.handle.store)}
