import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.dev_cut import cut_dev
from alpkd_pipeline.tasks.task import Task


def rows(labels: list[int]) -> pd.DataFrame:
    texts = [f"text {i}" for i in range(len(labels))]
    return pd.DataFrame({"sentence": texts, "label": labels, "idx": range(len(labels))})


def test_every_class_gives_its_share(mood: Task) -> None:
    rest, dev = cut_dev(rows([0] * 80 + [1] * 20), mood, 0.1, seed=0)
    assert dev["label"].value_counts().to_dict() == {0: 8, 1: 2}
    assert sorted([*rest["idx"], *dev["idx"]]) == list(range(100))


def test_order_of_the_file_is_kept(mood: Task) -> None:
    rest, dev = cut_dev(rows([0, 1] * 50), mood, 0.3, seed=1)
    assert rest["idx"].is_monotonic_increasing
    assert dev["idx"].is_monotonic_increasing


def test_seed_decides(mood: Task) -> None:
    train = rows([0, 1] * 50)
    first, again, other = (cut_dev(train, mood, 0.2, seed)[1]["idx"].tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_choice_is_the_same_everywhere(mood: Task) -> None:
    """Of the even and the odd rows, the two with the lowest `printf 0:ROW | sha256sum`."""
    dev = cut_dev(rows([0, 1] * 10), mood, 0.2, seed=0)[1]
    assert dev["idx"].tolist() == [4, 7, 15, 18]


def test_small_class_keeps_a_row_in_both(mood: Task) -> None:
    rest, dev = cut_dev(rows([0] * 50 + [1] * 2), mood, 0.01, seed=0)
    assert (dev["label"] == 1).sum() == 1
    assert (rest["label"] == 1).sum() == 1


def test_same_text_never_lies_on_both_sides(mood: Task) -> None:
    train = rows([0, 1] * 50)
    train["sentence"] = [f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(100)]
    rest, dev = cut_dev(train, mood, 0.1, seed=0)
    shared = {t.lower().split()[1] for t in rest["sentence"]} & {
        t.lower().split()[1] for t in dev["sentence"]
    }
    assert not shared
    assert 10 <= len(dev) <= 20


def test_regression_is_not_split_by_value(likeness: Task) -> None:
    train = pd.DataFrame({"first": [str(i) for i in range(50)], "second": "x"})
    train["label"] = [i / 10 for i in range(50)]
    _, dev = cut_dev(train, likeness, 0.1, seed=0)
    assert len(dev) == 5


def test_too_few_rows(mood: Task) -> None:
    with pytest.raises(UserError, match="1 train rows are too few"):
        cut_dev(rows([0]), mood, 0.5, seed=0)
