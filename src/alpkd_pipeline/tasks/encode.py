"""Splits as token ids: tokenised once, kept as one Arrow file each, read through memory maps.

The reading side needs numpy and pyarrow only.
"""

from __future__ import annotations

import logging
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError, first_line
from alpkd_pipeline.tasks import teacher_table
from alpkd_pipeline.tasks.labels import is_hidden
from alpkd_pipeline.tasks.mapped_file import FilePieces, release_pages
from alpkd_pipeline.tasks.task import UNLABELLED, Task

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 1000  # of a call of the tokenizer: enough to be fast, few enough to fit anywhere


@dataclass(frozen=True)
class EncodedSplit:
    """N rows of token ids, unpadded and end to end; T tokens in all."""

    offsets: np.ndarray  # (N + 1,) int64; row i holds the tokens offsets[i] up to offsets[i + 1]
    input_ids: np.ndarray  # (T,) int32
    token_type_ids: np.ndarray | None  # (T,) int8, or None if the tokenizer makes none
    labels: np.ndarray  # (N,) int64 class ids or float64 numbers, hidden ones as in the split
    idx: np.ndarray  # (N,) int64, the rows' numbers in the data set
    max_length: int  # the most tokens a row may have, special ones included
    cut_rows: int  # how many rows lost tokens to that limit
    pages: mmap.mmap | None = None  # the mapped file that the arrays are views of, if they are
    # the same file's `input_ids` and `token_type_ids`, to be read row by row
    pieces: tuple[FilePieces, FilePieces | None] | None = None

    def __len__(self) -> int:
        return len(self.idx)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) int64, the tokens of each row."""
        return np.diff(self.offsets)

    def tokens(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The input ids and token type ids of (R,) rows in any order, end to end."""
        starts, stops = self.offsets[rows], self.offsets[rows + 1]
        if self.pieces is not None:
            ids, kinds = self.pieces
            return ids.read(starts, stops), None if kinds is None else kinds.read(starts, stops)

        def cut(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values[a:b] for a, b in zip(starts, stops, strict=True)])

        types = self.token_type_ids
        return cut(self.input_ids), None if types is None else cut(types)

    def release(self) -> None:
        """Hold none of the file in memory until it is read again."""
        if self.pages is not None:
            release_pages(self.pages)


def encode_split(
    frame: pd.DataFrame, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> EncodedSplit:
    """Tokenise a checked split, longest text of a pair cut first where a row is too long.

    `max_length` is the most tokens that a row may have, special ones included.
    """
    special = tokenizer.num_special_tokens_to_add(pair=len(task.text_columns) > 1)
    if max_length <= special:
        raise UserError(
            f"task.max_length {max_length} leaves no room for text: {special} tokens are special"
        )
    if max_length > (most := tokenizer.model_max_length):
        name = tokenizer.name_or_path or type(tokenizer).__name__
        raise UserError(
            f"task.max_length {max_length} is more than the {most} tokens that the model of {name}"
            f" reads; set it to {most} or less"
        )
    texts = [frame[name].tolist() for name in task.text_columns]
    lengths, ids, types, cut_rows = [0], [], [], 0
    wants_types = "token_type_ids" in tokenizer.model_input_names
    for start in range(0, len(frame), ROWS_AT_ONCE):
        part = [column[start : start + ROWS_AT_ONCE] for column in texts]
        batch = tokenizer(*part, truncation="longest_first", max_length=max_length)
        for encoding in batch.encodings or ():
            lengths.append(len(encoding.ids))
            ids.append(np.array(encoding.ids, dtype=np.int32))
            if wants_types:
                types.append(np.array(encoding.type_ids, dtype=np.int8))
            cut_rows += bool(encoding.overflowing)
    return EncodedSplit(
        offsets=np.cumsum(lengths, dtype=np.int64),
        input_ids=np.concatenate([*ids, np.empty(0, np.int32)]),
        token_type_ids=np.concatenate([*types, np.empty(0, np.int8)]) if wants_types else None,
        labels=frame["label"].to_numpy(),
        idx=frame["idx"].to_numpy(),
        max_length=max_length,
        cut_rows=cut_rows,
    )


def encode_splits(
    splits: Mapping[str, pd.DataFrame],
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """Encode every split into a folder, and log each one that lost tokens.

    What a table says of the rows as teacher goes beside them, as logits.

    Returns:
        For each split, JSON-ready: rows, tokens, cut_rows, mean_length, max_length (the longest
        row, in tokens); of train also how many are unlabelled, if any are.
    """
    report = {}
    for split, frame in splits.items():
        encoded = encode_split(frame, task, tokenizer, max_length)
        write_encoded(folder, split, encoded)
        if (said := teacher_table.logits_of(frame, task)) is not None:
            np.save(folder / teacher_table.logits_file(split), said)
        report[split] = {
            "rows": len(encoded),
            "tokens": len(encoded.input_ids),
            "cut_rows": encoded.cut_rows,
            "mean_length": float(encoded.lengths.mean()) if len(encoded) else 0.0,
            "max_length": int(encoded.lengths.max(initial=0)),
        }
        if split == "train" and (lacking := int(is_hidden(encoded.labels, task).sum())):
            report[split][UNLABELLED] = lacking
        if encoded.cut_rows:
            log.warning(
                "%s, %s: %d of %d rows are longer than max_length %d and lost their end",
                *(task.name, split, encoded.cut_rows, len(encoded), max_length),
            )
    return report


def write_encoded(folder: Path, name: str, encoded: EncodedSplit) -> None:
    """Write `<folder>/<name>.arrow`, one record batch, so that reading it copies nothing."""
    import pyarrow as pa

    offsets = pa.array(encoded.offsets)
    columns = {
        column: pa.LargeListArray.from_arrays(offsets, pa.array(values))
        for column in ("input_ids", "token_type_ids")
        if (values := getattr(encoded, column)) is not None
    }
    columns |= {"label": pa.array(encoded.labels), "idx": pa.array(encoded.idx)}
    batch = pa.RecordBatch.from_pydict(
        columns, metadata={"max_length": str(encoded.max_length), "cut_rows": str(encoded.cut_rows)}
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (
        pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, batch.schema) as writer,
    ):
        writer.write_batch(batch)


def read_encoded(folder: Path, name: str) -> EncodedSplit:
    """Open `<folder>/<name>.arrow`; the arrays are views of the memory-mapped file.

    Raises:
        UserError: the file is missing or is not an encoded split.
    """
    import pyarrow as pa

    path = folder / f"{name}.arrow"

    def pieces(values: np.ndarray) -> FilePieces:
        """Numbers of the file, found by where they lie in its map."""
        offset = values.ctypes.data - np.frombuffer(pages, np.uint8).ctypes.data
        return FilePieces(path, offset, values.dtype)

    # from_dlpack and not to_numpy, which imports pandas on the way.
    try:
        with path.open("rb") as file:
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.py_buffer(pages))
        batch = reader.get_batch(0)
        limits = {key.decode(): int(value) for key, value in reader.schema.metadata.items()}
        has_types = "token_type_ids" in reader.schema.names
        ids = np.from_dlpack(batch.column("input_ids").values)
        types = np.from_dlpack(batch.column("token_type_ids").values) if has_types else None
        return EncodedSplit(
            offsets=np.from_dlpack(batch.column("input_ids").offsets),
            input_ids=ids,
            token_type_ids=types,
            labels=np.from_dlpack(batch.column("label")),
            idx=np.from_dlpack(batch.column("idx")),
            max_length=limits["max_length"],
            cut_rows=limits["cut_rows"],
            pages=pages,
            pieces=(pieces(ids), None if types is None else pieces(types)),
        )
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run data preparation again") from None
    except (pa.ArrowException, KeyError, ValueError, AttributeError, OSError) as error:
        raise UserError(
            f"{path} is not an encoded split ({type(error).__name__}: {first_line(error)}); delete"
            " its folder and run data preparation again"
        ) from None
