"""How many dynamic int8 answers depend on which texts stand beside them in a batch.

    python benchmarks/export/neighbours.py EXPORT STORE_SPLITS OUT.json [--batch 32] [--orders 10]

EXPORT is a published folder, STORE_SPLITS the folder of its splits (`dev.parquet`). Every row is
answered alone, as the runtime does it, and in padded batches, in the order of the file and in
others. What is counted are likeliest classes, without temperature and threshold.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from onnxruntime import InferenceSession

from alpkd_pipeline.export.runtime import Published


def batched(
    session: InferenceSession, feeds: list[dict[str, np.ndarray]], pad: int, size: int
) -> np.ndarray:
    """Logits (N, C) of rows that are answered `size` at a time, padded to the longest of them."""
    found = []
    for at in range(0, len(feeds), size):
        part = feeds[at : at + size]
        longest = max(feed["input_ids"].shape[1] for feed in part)
        whole = {
            name: np.concatenate(
                [
                    np.pad(
                        feed[name],
                        ((0, 0), (0, longest - feed[name].shape[1])),
                        constant_values=pad if name == "input_ids" else 0,
                    )
                    for feed in part
                ]
            )
            for name in part[0]
        }
        found.append(session.run(None, whole)[0])
    return np.concatenate(found)


def main() -> None:
    """Read the command line, write the file, print a line for each form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("splits", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--orders", type=int, default=10)
    given = parser.parse_args()
    told = {"export": given.export.name, "batch": given.batch, "date": time.strftime("%Y-%m-%d")}
    pad = json.loads((given.export / "config.json").read_text())["pad_token_id"]
    for form in ("fp32", "int8"):
        model = Published(given.export, form)
        frame = pd.read_parquet(given.splits / "dev.parquet")
        columns = [frame[name].tolist() for name in model.settings["text_columns"]]
        feeds = [model.encode(*row)[0] for row in zip(*columns, strict=True)]
        alone = np.array([model.run(feed) for feed in feeds])
        session = InferenceSession(str(given.export / model.settings["forms"][form]))
        changed, largest, draw = [], 0.0, np.random.default_rng(0)
        for turn in range(given.orders):
            order = np.arange(len(feeds)) if turn == 0 else draw.permutation(len(feeds))
            logits = batched(session, [feeds[i] for i in order], pad, given.batch)
            changed.append(int((logits.argmax(1) != alone[order].argmax(1)).sum()))
            largest = max(largest, float(np.abs(logits - alone[order]).max()))
        told[form] = {"rows": len(feeds), "changed": changed, "largest_logit_difference": largest}
        print(f"{form}: {changed} of {len(feeds):,} answers changed, logits by up to {largest:.2g}")
    given.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
