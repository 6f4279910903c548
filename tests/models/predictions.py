"""Prints what saved classifiers answer; run by the python of any version of transformers.

    python answers.py FOLDER...

One line of JSON: by folder, what `told` gives, or the error that stopped it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, __version__, pipeline

TEXTS: list[tuple[str, ...]] = [
    ("w1 w2 W3",),
    ("the film was good , and [MASK] <mask> w4",),
    ("w1 w2 w3", "w4 w5"),
    ("", "a film"),
    ("w7 " * 40, "w8 w9 " * 40),
]


@torch.no_grad()
def told(folder: str) -> dict[str, Any]:
    """Inputs and logits for single texts and pairs, by name, and what a pipeline says of them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs, logits = [], []
    for texts in TEXTS:
        batch = tokenizer(*texts, truncation=True, return_tensors="pt")
        inputs.append({name: values.tolist() for name, values in batch.items()})
        logits.append(model(**batch).logits[0].tolist())
    ask = pipeline("text-classification", model=folder)
    asked = [dict(zip(("text", "text_pair"), texts, strict=False)) for texts in TEXTS]
    predictions = [ask(one, truncation=True, top_k=None) for one in asked]
    padded = dict(tokenizer(["w1", "w1 w2 w3"], padding=True))
    return {"inputs": inputs, "logits": logits, "answers": predictions, "padded": padded}


def main() -> None:
    """Ask every folder on the command line."""
    found: dict[str, Any] = {"version": __version__}
    for folder in sys.argv[1:]:
        try:
            found[folder] = told(folder)
        except Exception as error:  # whatever the other version makes of it is the answer
            found[folder] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
