from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.evaluation.conftest import TASK, VOCABULARY, split

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import check_split, loaded_model
from alpkd_pipeline.training.devices import Hardware

HERE = Hardware("cpu", "a processor", "fp32", 1)


def test_it_is_ready_to_answer(classifier: Path) -> None:
    before = torch.get_num_threads()
    with loaded_model(classifier, TASK, replace(HERE, threads=before + 1)) as loaded:
        assert not loaded.model.training
        assert loaded.pad_id == 0
        assert (loaded.folder, loaded.accelerator.hardware.device) == (classifier, "cpu")
        assert torch.get_num_threads() == before + 1
        assert next(loaded.model.parameters()).dtype == torch.float32
    assert torch.get_num_threads() == before


def test_a_model_with_another_number_of_outputs_is_refused(classifier: Path) -> None:
    three = replace(TASK, name="nli", label_names=("a", "b", "c"))
    with (
        pytest.raises(UserError, match="2 outputs, but task 'nli' needs 3"),
        loaded_model(classifier, three, HERE),
    ):
        pass


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=str(tmp_path)), loaded_model(tmp_path, TASK, HERE):
        pass


@pytest.mark.parametrize(("top", "fits"), [(VOCABULARY - 1, True), (VOCABULARY, False)])
def test_ids_that_the_model_does_not_know_are_refused(
    classifier: Path, top: int, fits: bool
) -> None:
    rows = split(np.array([0, 1]), top=top)
    with loaded_model(classifier, TASK, HERE) as loaded:
        if fits:
            check_split(loaded, rows, "dev")
            return
        with pytest.raises(UserError) as caught:
            check_split(loaded, rows, "dev")
    line = str(caught.value)
    assert "split 'dev' holds the token id 20" in line
    assert "knows 20 tokens" in line


def test_an_empty_split_fits_any_model(classifier: Path) -> None:
    with loaded_model(classifier, TASK, HERE) as loaded:
        check_split(loaded, split(np.array([], dtype=np.int64)), "test")
