"""Which tokens of a vocabulary a training meets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from alpkd_pipeline.tasks.encode import EncodedSplit

AT_ONCE = 1_000_000
"""Tokens looked at together: the splits stay on disk, however long they are."""


def seen_tokens(splits: Iterable[EncodedSplit], pad_id: int) -> np.ndarray:
    """The distinct token ids of some splits and the padding id, (K,) int64, sorted."""
    seen = np.zeros(pad_id + 1, dtype=bool)
    seen[pad_id] = True
    for split in splits:
        for start in range(0, len(split.input_ids), AT_ONCE):
            ids = split.input_ids[start : start + AT_ONCE]
            most = int(ids.max()) + 1
            if most > len(seen):
                seen = np.pad(seen, (0, most - len(seen)))
            seen[ids] = True
            split.release()
    return np.flatnonzero(seen)
