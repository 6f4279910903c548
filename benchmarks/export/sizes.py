"""Speed and size of an encoder of the paper's size at 12, 6, 4 and 2 layers, each in all its forms.

    python benchmarks/export/sizes.py MODEL OUT.json [--task sst2] [--repeats 1000] [--batches 10]

MODEL is a folder with an encoder; ALPKD_GLUE_DIR names the folder of GLUE. Students are the first
layers of it under a head from a seed: speed and size do not depend on what they learned. All forms
are timed in turn on the same dev rows, as `kedro run --pipeline=export` does it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from alpkd_pipeline.export.calibrate import Calibration
from alpkd_pipeline.export.graph import CONVERSION, FORMS, convert
from alpkd_pipeline.export.publish import assemble, settings_of, write_settings
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.export.speed import Form, measure
from alpkd_pipeline.models.encoder import load_classifier, load_tokenizer, save_classifier
from alpkd_pipeline.models.student import build_student
from alpkd_pipeline.run_settings import StudentSettings
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.task import SourceSpec, Task

MAX_LENGTH = 128
DEPTHS = (12, 6, 4, 2)


def export(model: Path, folder: Path, task: Task) -> Path:
    """A model's folder with its ONNX files, not calibrated."""
    onnx = folder / "converted"
    onnx.mkdir(parents=True)
    convert(model, onnx, opset=20)
    assemble(folder, model, onnx)
    facts = read_json(onnx / CONVERSION)
    write_settings(folder, settings_of(task, MAX_LENGTH, Calibration(), facts, "int8"))
    return folder


def all_forms(name: str, model: Path, folder: Path) -> list[Form]:
    """A model in torch, and its folder in ONNX."""
    torch = ("model.safetensors", "tokenizer.json")
    return [
        *(Form(name, "torch", kind, model, torch) for kind in ("fp32", "bf16")),
        *(
            Form(name, "onnx", kind, folder, (file, "tokenizer.json"))
            for kind, file in FORMS.items()
        ),
    ]


def run(model: Path, task: Task, repeats: int, batches: int, scratch: Path) -> dict[str, Any]:
    """Cut, convert and time; JSON-ready."""
    spec = SourceSpec("folder", path=os.environ["ALPKD_GLUE_DIR"])
    dev = load_splits(spec, task, Path.cwd())[task.dev_splits[0]]
    rows = list(zip(*(dev[column] for column in task.text_columns), strict=True))
    tokenizer, teacher = load_tokenizer(model), load_classifier(model, task, 0)
    forms, seconds = [], {}
    for depth in DEPTHS:
        place = scratch / f"{depth}"
        made = build_student(teacher, StudentSettings(layers=depth), seed=0)
        save_classifier(made, tokenizer, place, MAX_LENGTH)
        started = time.perf_counter()
        folder = export(place, scratch / f"{depth}-export", task)
        seconds[depth] = time.perf_counter() - started
        forms += all_forms(f"{depth} layers", place, folder)
    lengths = [
        len(tokenizer(*row, truncation=True, max_length=MAX_LENGTH)["input_ids"]) for row in rows
    ]
    found = measure(forms, rows, MAX_LENGTH, ExportSettings(repeats=repeats, batches=batches))
    return {
        "task": task.name,
        "tokens": {"mean": float(np.mean(lengths)), "p95": float(np.percentile(lengths, 95))},
        "conversion_seconds": seconds,
        **found,
    }


def main() -> None:
    """Read the command line, write the file, print a line for each form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", default="sst2", choices=sorted(GLUE))
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=10)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with TemporaryDirectory() as scratch:
        task = GLUE[given.task].task
        found = run(given.model, task, given.repeats, given.batches, Path(scratch))
    found |= {
        "date": time.strftime("%Y-%m-%d"),
        "load_before": load,
        "platform": platform.platform(),
        "model": given.model.name,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    base = next(f for f in found["forms"] if f["name"] == f"{DEPTHS[0]} layers, torch fp32")
    for form in found["forms"]:
        one = form["one"]
        ratio = base["one"]["p50_ms"] / one["p50_ms"]
        print(f"{form['name']:24} {one['p50_ms']:8.2f} ms {ratio:6.1f} x {form['disk_mb']:7.1f} MB")


if __name__ == "__main__":
    main()
