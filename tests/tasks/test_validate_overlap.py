import pandas as pd

from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import count_shared, text_keys


def test_both_texts_of_a_pair_must_agree(pair: Task) -> None:
    train = pd.DataFrame({"first": ["A b", "c"], "second": ["D", "e"]})
    other = pd.DataFrame({"first": ["a  B", "a b", "d"], "second": ["d", "e", "a b"]})
    assert count_shared(text_keys(other, pair), set(text_keys(train, pair))) == 1


def test_texts_do_not_run_together(pair: Task) -> None:
    frame = pd.DataFrame({"first": ["a b", "a"], "second": ["c", "b c"]})
    assert len(set(text_keys(frame, pair))) == 2


def test_missing_texts_are_not_shared(mood: Task) -> None:
    frame = pd.DataFrame({"sentence": [None, "", "None"]})
    assert count_shared(text_keys(frame, mood), set(text_keys(frame, mood))) == 1
