import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.run import write_submission

THREE = {"test": 3, "test_mismatched": 3}


def predictions(*values, idx=None):
    return pd.DataFrame({"idx": idx or range(len(values)), "label": -1, "prediction": values})


def written(task, predictions, out):
    return {p.name: p.read_bytes() for p in write_submission(task, predictions, out, rows=THREE)}


def test_rte_speaks_in_words(tmp_path):
    assert written("rte", {"test": predictions(0, 1, 1)}, tmp_path) == {
        "RTE.tsv": b"index\tprediction\n0\tentailment\n1\tnot_entailment\n2\tnot_entailment\n"
    }


@pytest.mark.parametrize("task", ["cola", "sst2", "mrpc", "qqp", "wnli"])
def test_these_tasks_speak_in_class_ids(task, tmp_path):
    (text,) = written(task, {"test": predictions(1, 0, 1)}, tmp_path).values()
    assert text == b"index\tprediction\n0\t1\n1\t0\n2\t1\n"


def test_mnli_has_a_file_for_each_genre(tmp_path):
    found = written(
        "mnli", {"test": predictions(0, 1, 2), "test_mismatched": predictions(2, 2, 0)}, tmp_path
    )
    assert found == {
        "MNLI-m.tsv": b"index\tprediction\n0\tentailment\n1\tneutral\n2\tcontradiction\n",
        "MNLI-mm.tsv": b"index\tprediction\n0\tcontradiction\n1\tcontradiction\n2\tentailment\n",
    }


def test_stsb_has_three_decimals_between_0_and_5(tmp_path):
    found = written("stsb", {"test": predictions(-0.2, 5.31, 2.71828)}, tmp_path)
    assert found == {"STS-B.tsv": b"index\tprediction\n0\t0.000\n1\t5.000\n2\t2.718\n"}


def test_rows_are_put_in_order(tmp_path):
    found = written("rte", {"test": predictions(1, 0, 0, idx=[2, 0, 1])}, tmp_path)
    assert found["RTE.tsv"].endswith(b"0\tentailment\n1\tentailment\n2\tnot_entailment\n")


@pytest.mark.parametrize(
    ("task", "predictions", "words"),
    [
        ("rtee", {}, "did you mean 'rte'"),
        ("demo", {}, "choose from cola"),
        ("rte", {}, "split 'test'"),
        ("mnli", {"test": predictions(0, 1, 2)}, "split 'test_mismatched'"),
        ("rte", {"test": predictions(0, 1)}, "2 rows, but GLUE's split has 3"),
        ("rte", {"test": predictions(0, 1, 0, idx=[0, 1, 1])}, "not numbered 0 to 2"),
        (
            "rte",
            {"test": predictions(0, 1, 0, idx=[1, 2, 3])},
            "not numbered 0 to 2.* 0 is missing",
        ),
        ("rte", {"test": predictions(0, 1, 2)}, "2, which is no class id: 0 to 1 are"),
        ("stsb", {"test": predictions(0.0, float("nan"), 1.0)}, "NaN"),
    ],
)
def test_what_the_leader_board_would_refuse_is_refused_here(task, predictions, words, tmp_path):
    with pytest.raises(UserError, match=words):
        write_submission(task, predictions, tmp_path / "out", rows=THREE)
    assert not (tmp_path / "out").exists()


def test_the_default_is_glue_s_own_number_of_rows(tmp_path):
    with pytest.raises(UserError, match="GLUE's split has 3000"):
        write_submission("rte", {"test": predictions(0, 1)}, tmp_path)
