from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.presets import Preset, preset_path, write_presets

KD = Preset({"task": "demo", "method": "kd", "layers": 4}, {"training.lr": 1e-5}, "search a")
PKD = Preset({"task": "demo", "method": "pkd", "layers": 4}, {"method.lambda": 0.5})


def read(path: Path) -> list[dict]:
    return yaml.safe_load(path.read_text())["tuned"]


def test_presets_go_where_kedro_reads_the_environment_s_parameters(tmp_path: Path) -> None:
    assert preset_path(tmp_path, None) == tmp_path / "base" / "parameters" / "tuned.yml"
    assert preset_path(tmp_path, "minilm") == tmp_path / "minilm" / "parameters" / "tuned.yml"


def test_a_file_is_made_with_a_word_about_itself(tmp_path: Path) -> None:
    path = tmp_path / "parameters" / "tuned.yml"
    write_presets(path, [KD])
    assert path.read_text().startswith("# Written by `kedro tune`")
    assert read(path) == [{"where": KD.where, "set": {"training.lr": 1e-5}, "by": "search a"}]


def test_entries_of_the_same_experiments_are_replaced_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "tuned.yml"
    write_presets(path, [KD, PKD])
    write_presets(path, [Preset(KD.where, {"method.eta": 0.5}, "search b")])
    assert read(path) == [
        PKD.plain(),
        {"where": KD.where, "set": {"method.eta": 0.5}, "by": "search b"},
    ]
    assert [p.name for p in tmp_path.glob("[!.]*")] == ["tuned.yml"]
    assert not list(tmp_path.glob("*.tmp"))


def test_searches_that_end_together_keep_one_another_s_entries(tmp_path: Path) -> None:
    path = tmp_path / "tuned.yml"
    presets = [Preset({"task": f"t{n}"}, {"training.lr": 1e-5}) for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda preset: write_presets(path, [preset]), presets))
    assert len(read(path)) == 24


@pytest.mark.parametrize("text", ["tuned: [", "training: {lr: 1}\n", "tuned: [3]\n"])
def test_a_file_that_a_search_did_not_write_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tuned.yml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        write_presets(path, [KD])
    assert "\n" not in str(caught.value)
    assert path.read_text() == text
