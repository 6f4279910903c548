"""What would end a training after its first epoch, looked for before its first step.

Rows longer than the model's positions, tokens without embedding, a model that its library refuses
to save: each is one line that names the file to mend.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from alpkd_pipeline.errors import UserError, no_room
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer, save_classifier
from alpkd_pipeline.models.model_files import CONFIG
from alpkd_pipeline.models.seen_rows import AT_ONCE
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.training.devices import LoadedModel
from alpkd_pipeline.training.memory import MicrobatchSize, is_out_of_memory
from alpkd_pipeline.training.predict import iterate_outputs


def check_fits(loaded: LoadedModel, encoded: Path) -> None:
    """Refuse a model that cannot read some row of some split; its longest rows are tried.

    So is one that lacks an embedding or positions, or gives logits that are not finite. It has its
    whole embedding; its weights, its mode and the random state stay as they are.
    """
    names = sorted(path.stem for path in encoded.glob("*.arrow"))
    splits = {name: split for name in names if len(split := read_encoded(encoded, name))}
    for name, split in splits.items():
        # Numbers first: on a GPU a row of a table that is not there would end the process.
        _check_ids(name, split, loaded)
        _check_length(name, split, loaded)
    one, source = MicrobatchSize(1, "evaluation"), loaded.folder
    for name, split in splits.items():
        what = f"{source}: the model cannot read the longest row of split {name}"
        with _as_user_error(what, let_through=UserError):
            row = np.array([split.lengths.argmax()])
            for out in iterate_outputs(loaded, split, one, layers=True, only=row):
                if not out.logits.isfinite().all():
                    raise UserError(
                        f"{source}: the model's answer to the longest row of split {name} is"
                        f" {out.logits[0].tolist()}: its weights are damaged; copy them again"
                    )


def check_saves(loaded: LoadedModel, room: Path) -> None:
    """Refuse a model that does not come back from a file as it was, which is tried in `room`."""
    what = f"{loaded.folder / CONFIG}: the model made with it cannot be saved and loaded again"
    # Nothing is let through: it would speak of a folder that is gone.
    with tempfile.TemporaryDirectory(dir=room, prefix=".preflight-") as place, _as_user_error(what):
        save_classifier(loaded.model, loaded.tokenizer, Path(place))
        load_tokenizer(Path(place))
        again = load_finetuned(Path(place)).state_dict()
        for name, weight in loaded.model.state_dict().items():
            if not torch.allclose(weight.cpu(), again[name], rtol=0, atol=0, equal_nan=True):
                raise ValueError(f"its weight {name} is another one then")


def _check_ids(name: str, split: EncodedSplit, loaded: LoadedModel) -> None:
    model, source = loaded.model, loaded.folder
    rows, highest = _rows(model.get_input_embeddings()), _highest(split, split.input_ids)
    if rows is not None and highest >= rows:
        token = loaded.tokenizer.convert_ids_to_tokens(highest)
        raise UserError(
            f"split {name}: the token {token!r} has the id {highest}, but the model in {source} has"
            f" embeddings for {rows} tokens only, 0 to {rows - 1}: tokens were added to its"
            " tokenizer.json and not to the model; resize the model"
            " (model.resize_token_embeddings(len(tokenizer))) and save it there, or take the tokens"
            " out of its tokenizer.json"
        )
    types = _rows(getattr(model.base_model.embeddings, "token_type_embeddings", None)) or 0
    # Models with less than two types are fed none.
    if split.token_type_ids is None or types < 2:
        return
    if (highest := _highest(split, split.token_type_ids)) >= types:
        raise UserError(
            f"split {name}: the tokenizer in {source} gives the token type {highest}, but the"
            f" model knows {types} (type_vocab_size in its {CONFIG}), 0 to {types - 1}: put the"
            " tokenizer.json there that belongs to the model"
        )


def _check_length(name: str, split: EncodedSplit, loaded: LoadedModel) -> None:
    table = getattr(loaded.model.base_model.embeddings, "position_embeddings", None)
    if (rows := _rows(table)) is None:
        return
    # RoBERTa counts positions from the one after that of the padding.
    padding, longest = getattr(table, "padding_idx", None), int(split.lengths.max())
    reads = rows if padding is None else rows - padding - 1
    if longest > reads:
        raise UserError(
            f"split {name}: its longest row has {longest} tokens, but the model in {loaded.folder}"
            f" reads {reads} ({rows} positions in its {CONFIG}): set task.max_length to {reads} or"
            f' less, and "model_max_length": {reads} in its tokenizer_config.json'
        )


@contextmanager
def _as_user_error(what: str, let_through: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    try:
        yield
    except let_through:
        raise
    except Exception as error:
        # Libraries raise errors of every kind here. Memory and disks have lines of their own.
        if is_out_of_memory(error) or no_room(error):
            raise
        why = str(error).strip().split("\n")[-1].strip() or type(error).__name__
        raise UserError(f"{what}: {why}; mend its {CONFIG}, or copy the model again") from None


def _rows(table: object) -> int | None:
    return table.num_embeddings if isinstance(table, nn.Embedding) else None


def _highest(split: EncodedSplit, ids: np.ndarray) -> int:
    highest = 0
    for start in range(0, len(ids), AT_ONCE):
        highest = max(highest, int(ids[start : start + AT_ONCE].max()))
        split.release()
    return highest
