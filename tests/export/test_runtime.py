from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.export.conftest import MAX_LENGTH, MakeWorld

from alpkd_pipeline.export import runtime
from alpkd_pipeline.export.calibrate import Calibration
from alpkd_pipeline.export.runtime import Answer, Published, read_settings


def folder_of(world: MakeWorld, tmp_path: Path, task: str = "pairs", **how: float) -> Path:
    encoder = {"pairs": "bert", "three": "roberta", "number": "distilbert"}[task]
    return world(encoder, task).export(tmp_path / "export", Calibration(**how))  # type: ignore[arg-type]


def test_pairs_are_answered_one_by_one(world: MakeWorld, tmp_path: Path) -> None:
    model = Published(folder_of(world, tmp_path))
    ones, twos = ["w1 w2", "w30", ""], ["w3", "w1 w1", "w2"]
    found = model(ones, twos)
    assert found == [model([one], [two])[0] for one, two in zip(ones, twos, strict=True)]
    assert all(isinstance(one, Answer) and not one.truncated for one in found)
    for one in found:
        assert one.score == max(one.probabilities.values())
        assert one.probabilities[one.label] == one.score
        assert sum(one.probabilities.values()) == pytest.approx(1)


def test_int8_is_served_and_both_can_be_had(world: MakeWorld, tmp_path: Path) -> None:
    folder = folder_of(world, tmp_path)
    assert Published(folder).form == "int8"
    ones, twos = ["w1 w2", "w30 w4"], ["w3", "w1"]
    fp32, int8 = (Published(folder, form).logits(ones, twos) for form in ("fp32", "int8"))
    assert fp32.shape == (2, 2)
    assert fp32.dtype == np.float32
    assert 0 < np.abs(fp32 - int8).max() < 0.5
    with pytest.raises(ValueError, match=r"holds no form 'fp16' \(there are: fp32, int8\)"):
        Published(folder, "fp16")


def test_a_long_text_is_cut_and_said_to_be(world: MakeWorld, tmp_path: Path) -> None:
    model = Published(folder_of(world, tmp_path, "three"))
    feed, cut = model.encode("w1 " * 100)
    assert feed["input_ids"].shape == (1, MAX_LENGTH)
    assert cut
    assert [one.truncated for one in model(["w1", "w1 " * 100])] == [False, True]


def test_temperature_and_threshold_decide(world: MakeWorld, tmp_path: Path) -> None:
    model = Published(folder_of(world, tmp_path, temperature=2.0, threshold=0.9))
    answer = model.answer(np.array([0.0, 4.0], np.float32))
    assert answer.probabilities["yes"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert answer.label == "no"  # .88 is less than .9
    assert model.answer(np.array([0.0, 4.5], np.float32)).label == "yes"


def test_a_regression_gives_its_number(world: MakeWorld, tmp_path: Path) -> None:
    model = Published(folder_of(world, tmp_path, "number"))
    (found,) = model(["w1 w2"])
    assert found == Answer("value", float(model.logits(["w1 w2"])[0, 0]), {}, False)


@pytest.mark.parametrize("file", ["onnx/model.onnx", "tokenizer.json", "config.json"])
def test_a_file_that_was_changed_is_refused(world: MakeWorld, tmp_path: Path, file: str) -> None:
    folder = folder_of(world, tmp_path)
    (folder / file).write_bytes((folder / file).read_bytes() + b" ")
    with pytest.raises(ValueError, match=f"{file} is not what was published: export it again"):
        Published(folder)
    if file == "config.json":
        Published(folder, check=False)


@pytest.mark.parametrize(
    "change", [{"threshold": 0.3}, {"temperature": 2.0}, {"labels": ["a", "b"]}]
)
def test_settings_that_were_changed_are_refused(
    world: MakeWorld, tmp_path: Path, change: dict[str, object]
) -> None:
    folder = folder_of(world, tmp_path)
    said = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps({**said, **change}))
    with pytest.raises(ValueError, match=r"export.json was changed after it was published"):
        read_settings(folder)


def test_what_is_no_text_or_no_pair_is_refused(world: MakeWorld, tmp_path: Path) -> None:
    model = Published(folder_of(world, tmp_path))
    with pytest.raises(ValueError, match="the model reads one and two, nothing else"):
        model(["w1"])
    for wrong in (None, 5, True, ["w1"], "half \ud83d"):
        with pytest.raises(ValueError, match="a text is needed, not"):
            model([wrong], ["w1"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="give a list of texts, also for a single one"):
        model("w1", "w2")


def test_its_file_works_alone(world: MakeWorld, tmp_path: Path) -> None:
    """Where neither torch nor transformers nor this package is imported."""
    folder = folder_of(world, tmp_path)
    code = (
        "import sys, runtime; from dataclasses import asdict; import json\n"
        "print(json.dumps([asdict(a) for a in runtime.Published('.')(['w1 w2'], ['w3'])]))\n"
        "heavy = {'torch', 'transformers', 'alpkd_pipeline', 'pandas', 'mlflow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (here,) = Published(folder)(["w1 w2"], ["w3"])
    assert json.loads(done.stdout)[0]["probabilities"] == here.probabilities
    assert (folder / "runtime.py").read_bytes() == Path(runtime.__file__).read_bytes()
