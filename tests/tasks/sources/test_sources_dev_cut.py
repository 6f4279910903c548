import pandas as pd
import pytest
from hypothesis import strategies as st
from tests.properties import EFFORTS, for_all

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import cut_dev, draw_rows
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


def test_a_large_share_leaves_every_class_a_train_row(mood: Task) -> None:
    rest, dev = cut_dev(rows([0] * 50 + [1] * 2), mood, 0.9, seed=0)
    assert rest["label"].value_counts().to_dict() == {0: 5, 1: 1}
    assert dev["label"].value_counts().to_dict() == {0: 45, 1: 1}


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


@pytest.mark.parametrize("texts", [["same"] * 6, ["same", "Same", " same ", "same"]])
def test_one_text_alone_cannot_be_parted(mood: Task, texts: list[str]) -> None:
    train = rows([0, 1] * (len(texts) // 2)).assign(sentence=texts)
    with pytest.raises(UserError) as caught:
        cut_dev(train, mood, 0.1, seed=0)
    assert str(caught.value) == (
        f"task 'mood' has no dev split, and none can be cut from its {len(texts)} train rows: rows"
        " of the same text stay together, and these are one text or nearly so; give a dev split"
    )


@pytest.mark.parametrize("examples", EFFORTS)
def test_every_class_keeps_its_share(mood: Task, examples: int) -> None:
    def check(given: tuple[list[int], float]) -> None:
        labels, share = given
        train, classes = rows(labels), set(labels)
        wanted = max(round(share * len(labels)), len(classes))
        if wanted >= len(labels):
            return
        found = draw_rows(train, mood, wanted, seed=0)
        assert len(found) == wanted
        assert found["idx"].is_monotonic_increasing
        assert set(found["label"]) == classes
        for one in classes:
            exact = wanted * labels.count(one) / len(labels)
            kept = (found["label"] == one).sum()
            assert kept == 1 or exact - len(classes) < kept < exact + 1

    lists = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2]), min_size=2, max_size=60)
    for_all(examples, st.tuples(lists, st.floats(0.01, 0.99)), check)


def test_a_class_of_one_row_is_not_asked_for_two(mood: Task) -> None:
    found = draw_rows(rows([0] * 6 + [1, 1, 2]), mood, 7, seed=0)
    assert found["label"].value_counts().to_dict() == {0: 5, 1: 1, 2: 1}


def test_drawn_rows_are_the_same_everywhere(mood: Task) -> None:
    """Of the even and the odd rows, the two with the lowest `printf rows:0:ROW | sha256sum`."""
    found = draw_rows(rows([0, 1] * 10), mood, 4, seed=0)
    assert found["idx"].tolist() == [0, 10, 13, 19]


def test_more_drawn_rows_hold_the_fewer(mood: Task) -> None:
    train = rows([0, 1, 1] * 30)
    few, many = (set(draw_rows(train, mood, n, seed=0)["idx"]) for n in (12, 30))
    assert few < many


def test_rows_of_a_regression_are_drawn_plainly(likeness: Task) -> None:
    train = pd.DataFrame({"first": "a", "second": "b", "label": [0.0] * 90 + [1.0] * 10})
    found = draw_rows(train, likeness, 50, seed=0)
    assert len(found) == 50
    assert 0 < found["label"].sum() < 10


def test_fewer_rows_than_classes_are_refused(mood: Task) -> None:
    with pytest.raises(UserError, match=r"1 rows cannot hold one of each of the 2 classes"):
        draw_rows(rows([0, 1] * 5), mood, 1, seed=0)
