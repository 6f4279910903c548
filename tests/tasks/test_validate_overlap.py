import pandas as pd
import pytest

from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import DataErrors, check_splits, text_keys


def test_both_texts_of_a_pair_must_agree(pair: Task) -> None:
    rows = {"label": [0, 1, 0], "idx": [0, 1, 2]}
    train = pd.DataFrame({"first": ["A b", "c", "f"], "second": ["D", "e", "g"], **rows})
    other = pd.DataFrame({"first": ["a  B", "a b", "d"], "second": ["d", "e", "a b"], **rows})
    report = check_splits({"train": train, "dev": other}, pair, 1.0)
    assert [report[split]["overlap"] for split in report] == [0, 1]


def test_texts_do_not_run_together(pair: Task) -> None:
    frame = pd.DataFrame({"first": ["a b", "a"], "second": ["c", "b c"]})
    assert len(set(text_keys(frame, pair))) == 2


def test_missing_texts_are_not_shared(mood: Task) -> None:
    frame = pd.DataFrame({"sentence": [None, "", "None"], "label": [0, 1, 0], "idx": [0, 1, 2]})
    with pytest.raises(DataErrors, match=r"dev: 1 of 3 rows \(33.33%\) are also in train"):
        check_splits({"train": frame, "dev": frame}, mood, 0.0)
