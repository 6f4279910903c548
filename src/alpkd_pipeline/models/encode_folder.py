"""The folder of encoded splits: the checked rows as a model's token ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_tokenizer
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import encode_splits
from alpkd_pipeline.tasks.task import Task


def encode_folder(
    splits: Path, task: Mapping[str, Any], pretrained: Path, max_length: int, folder: Path
) -> None:
    """Encode every split of a folder written by `write_splits` with a model folder's tokenizer.

    Rows have `max_length` tokens at most, special ones included.
    """
    import pandas as pd

    frames = {path.stem: pd.read_parquet(path) for path in sorted(splits.glob("*.parquet"))}
    tokenizer = load_tokenizer(pretrained)
    try:
        report = encode_splits(frames, Task.from_dict(dict(task)), tokenizer, max_length, folder)
    except Exception as error:
        # Ids that no model has overflow; the tokenizers library raises bare exceptions.
        if not isinstance(error, OverflowError) and type(error) is not Exception:
            raise
        raise UserError(
            f"the tokenizer in {pretrained} cannot encode the rows ({error}): put the"
            " tokenizer.json there that belongs to the model"
        ) from None
    write_json(folder / "report.json", report)
