from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tests.real_glue import real_glue

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.sources.folder import find_files, load
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import DataErrors, check_splits

RTE = GLUE["rte"].task
MRPC = GLUE["mrpc"].task
SPEC = SourceSpec("folder", path="glue_data")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "glue_data").mkdir()
    return tmp_path / "glue_data"


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line.encode("utf-8", "surrogateescape") + b"\n" for line in lines))


def write_rte(root: Path) -> None:
    header = "index\tsentence1\tsentence2"
    write(
        root / "train.tsv", f"{header}\tlabel", '0\t"a\tNA\tentailment', "1\tb\tc\tnot_entailment"
    )
    write(root / "dev.tsv", f"{header}\tlabel", "0\td\te\tentailment")
    write(root / "test.tsv", header, "0\tf\tg", '1\th"\ti')


def read(root: Path, task: Task) -> dict[str, pd.DataFrame]:
    return load(SPEC, task, root.parent)


def refusal(root: Path, task: Task, spec: SourceSpec = SPEC) -> str:
    with pytest.raises(UserError) as caught:
        load(spec, task, root.parent)
    *header, line = str(caught.value).splitlines()
    assert len(header) == isinstance(caught.value, DataErrors)
    return line


@pytest.mark.parametrize("place", ["RTE", "glue_tsv/RTE"])
def test_original_download(root: Path, place: str) -> None:
    write_rte(root / place)
    frames = read(root, RTE)
    assert frames["train"].to_dict("list") == {
        "sentence1": ['"a', "b"],
        "sentence2": ["NA", "c"],
        "label": [0, 1],
        "idx": [0, 1],
    }
    assert frames["dev"]["label"].tolist() == [0]
    assert frames["test"].to_dict("list") == {
        "sentence1": ["f", 'h"'],
        "sentence2": ["g", "i"],
        "label": [-1, -1],
        "idx": [0, 1],
    }
    assert frames["train"].index.tolist() == [2, 3]


@pytest.mark.parametrize("place", ["rte", "glue/rte"])
def test_parquet_comes_before_tsv(root: Path, place: str) -> None:
    write_rte(root / "RTE")
    (root / place).mkdir(parents=True)
    for name, label in (("train", 1), ("validation", 0)):
        row = {"sentence1": ["from"], "sentence2": ["parquet"], "label": [label], "idx": [9]}
        pd.DataFrame(row).to_parquet(root / place / f"{name}.parquet")
    frames = read(root, RTE)
    assert list(frames) == ["train", "dev"]
    assert frames["train"].to_dict("list") == {
        "sentence1": ["from"],
        "sentence2": ["parquet"],
        "label": [1],
        "idx": [9],
    }


def test_cola_has_no_header_where_it_is_labelled(root: Path) -> None:
    write(root / "CoLA" / "train.tsv", "gj04\t1\t\tFine.", "gj04\t0\t*\tNot fine.")
    write(root / "CoLA" / "dev.tsv", "gj04\t1\t\tAlso fine.")
    write(root / "CoLA" / "test.tsv", "index\tsentence", "0\tWho knows?")
    frames = read(root, GLUE["cola"].task)
    assert frames["train"].to_dict("list") == {
        "sentence": ["Fine.", "Not fine."],
        "label": [1, 0],
        "idx": [0, 1],
    }
    assert frames["train"].index.tolist() == [1, 2]
    assert frames["test"]["sentence"].tolist() == ["Who knows?"]


MRPC_HEADER = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def write_mrpc(root: Path) -> None:
    rows = ["1\t10\t11\ta\tb", '0\t12\t13\t"c\td', "1\t14\t15\te\tf"]
    write(root / "MRPC" / "msr_paraphrase_train.txt", MRPC_HEADER, *rows)
    write(root / "MRPC" / "msr_paraphrase_test.txt", MRPC_HEADER, "0\t16\t17\tg\th")
    write(root / "MRPC" / "dev_ids.tsv", "12\t13")


def test_an_original_mrpc_without_rows_is_empty_and_no_crash(root: Path) -> None:
    write_mrpc(root)
    write(root / "MRPC" / "msr_paraphrase_train.txt", MRPC_HEADER)
    frames = read(root, MRPC)
    assert [len(frames[split]) for split in ("train", "dev", "test")] == [0, 0, 1]
    with pytest.raises(DataErrors, match="it has no rows"):
        check_splits(frames, MRPC, 0.0)


def test_original_mrpc_is_parted_by_the_list_of_dev_rows(root: Path) -> None:
    write_mrpc(root)
    frames = read(root, MRPC)
    assert frames["train"]["idx"].tolist() == [0, 2]
    assert frames["dev"].to_dict("list") == {
        "sentence1": ['"c'],
        "sentence2": ["d"],
        "label": [0],
        "idx": [1],
    }
    assert frames["test"]["label"].tolist() == [0]
    roles = find_files(SPEC, MRPC, root.parent)
    assert {path.name for path in roles.values()} == {
        "msr_paraphrase_train.txt",
        "msr_paraphrase_test.txt",
        "dev_ids.tsv",
    }


def test_mrpc_needs_its_list(root: Path) -> None:
    write_mrpc(root)
    (root / "MRPC" / "dev_ids.tsv").unlink()
    assert "dev_ids.tsv does not exist" in refusal(root, MRPC)


def test_mrpc_in_the_common_layout(root: Path) -> None:
    write(root / "MRPC" / "train.tsv", MRPC_HEADER, "1\t10\t11\ta\tb")
    write(root / "MRPC" / "dev.tsv", MRPC_HEADER, "0\t12\t13\tc\td")
    write(root / "MRPC" / "test.tsv", "index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t1\t2\te\tf")
    frames = read(root, MRPC)
    assert {split: frame["label"].tolist() for split, frame in frames.items()} == {
        "train": [1],
        "dev": [0],
        "test": [-1],
    }


def test_mnli_has_five_files(root: Path) -> None:
    header = "index\tpromptID\tsentence1\tsentence2\tlabel1\tgold_label"
    for name in ("train", "dev_matched", "dev_mismatched"):
        write(root / "MNLI" / f"{name}.tsv", header, f"0\t1\t{name}\tx\tneutral\tcontradiction")
    frames = read(root, GLUE["mnli"].task)
    assert list(frames) == ["train", "dev", "dev_mismatched"]
    assert frames["dev_mismatched"].to_dict("list") == {
        "premise": ["dev_mismatched"],
        "hypothesis": ["x"],
        "label": [2],
        "idx": [0],
    }


def test_stsb_labels_are_numbers(root: Path) -> None:
    header = "index\tsentence1\tsentence2\tscore"
    for name in ("train", "dev"):
        write(root / "STS-B" / f"{name}.tsv", header, "0\ta\tb\t3.800")
    assert read(root, GLUE["stsb"].task)["dev"]["label"].tolist() == [3.8]


def test_broken_qqp_rows_are_left_out(root: Path) -> None:
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
    rows = ["1\t2\t3\ta?\tb?\t1", '"\tWas it?\t0', "4\t5\t6\tc?\t\t0", "7\t8\t9\td?\te?\t0"]
    write(root / "QQP" / "train.tsv", header, *rows)
    write(root / "QQP" / "dev.tsv", header, rows[0])
    frames = read(root, GLUE["qqp"].task)
    assert frames["train"]["idx"].tolist() == [0, 3]
    assert frames["train"]["label"].tolist() == [1, 0]


def test_short_line_elsewhere_is_a_fault_with_its_line(root: Path) -> None:
    write_rte(root / "RTE")
    write(
        root / "RTE" / "dev.tsv",
        "index\tsentence1\tsentence2\tlabel",
        "0\ta\tb\tentailment",
        "1\tc",
    )
    with pytest.raises(UserError) as caught:
        check_splits(read(root, RTE), RTE, 0.0)
    dev = root / "RTE" / "dev.tsv"
    assert str(caught.value).splitlines()[1:] == [
        f"  - dev ({dev}), 1 line (3): sentence2 is missing",
        f"  - dev ({dev}), 1 line (3): label is missing",
    ]


def test_bad_bytes_and_unknown_labels_are_reported_with_file_and_line(root: Path) -> None:
    write_rte(root / "RTE")
    header = "index\tsentence1\tsentence2\tlabel"
    write(root / "RTE" / "train.tsv", header, "0\tb\udce4d\tc\tentailment", "1\tx\ty\tmaybe")
    with pytest.raises(DataErrors) as caught:
        load_splits(SPEC, RTE, root.parent)
    train = root / "RTE" / "train.tsv"
    assert str(caught.value).splitlines()[1:] == [
        f"  - train ({train}), 1 line (2): sentence1 is not UTF-8",
        "  - labels: they are neither all class names (entailment, not_entailment) nor all ids"
        " (0 to 1): 'maybe' (train line 3); correct them, or task.labels; all splits are read"
        " alike",
    ]


def test_missing_folder(root: Path) -> None:
    message = refusal(root, RTE, SourceSpec("folder", path="elsewhere"))
    assert message == (
        "task.path: the folder elsewhere does not exist; name a folder that holds"
        " rte/train.parquet or RTE/train.tsv (the original download)"
    )
    assert "(not given) does not exist" in refusal(root, RTE, SourceSpec("folder"))


def test_folder_without_the_task(root: Path) -> None:
    assert f"{root} has no data of task 'rte': no rte/train.parquet or" in refusal(root, RTE)
    assert "MRPC/msr_paraphrase_train.txt" in refusal(root, MRPC)


def test_missing_dev_file(root: Path) -> None:
    write_rte(root / "RTE")
    (root / "RTE" / "dev.tsv").unlink()
    assert (
        refusal(root, RTE) == f"{root / 'RTE' / 'dev.tsv'} does not exist; it holds the split 'dev'"
    )


def test_missing_column(root: Path) -> None:
    write_rte(root / "RTE")
    write(root / "RTE" / "dev.tsv", "index\tpremise\tsentence2\tlabel", "0\ta\tb\tentailment")
    assert "dev.tsv): has no column 'sentence1'" in refusal(root, RTE)


def test_other_tasks_are_refused(root: Path) -> None:
    message = refusal(root, replace(RTE, name="mine"))
    assert "holds GLUE tasks (cola, sst2," in message
    assert "task.source: table" in message


TSV_ROWS = {
    "cola": {
        "train": ("CoLA/train.tsv", 0),
        "dev": ("CoLA/dev.tsv", 0),
        "test": ("CoLA/test.tsv", 1),
    },
    "rte": {"train": ("RTE/train.tsv", 1), "dev": ("RTE/dev.tsv", 1), "test": ("RTE/test.tsv", 1)},
}


def lines_of(path: Path) -> int:
    """As `wc -l`, and one more where the last line lacks its line feed."""
    content = path.read_bytes()
    return content.count(b"\n") + (not content.endswith(b"\n"))


@pytest.mark.glue
@pytest.mark.parametrize("name", TSV_ROWS)
def test_real_rows_equal_lines(name: str) -> None:
    folder = real_glue(name, "tsv")
    frames = load(SourceSpec("folder", path=str(folder)), GLUE[name].task, Path())
    for split, (file, header) in TSV_ROWS[name].items():
        assert len(frames[split]) == lines_of(folder / file) - header


@pytest.mark.glue
def test_real_mrpc_rows_equal_lines() -> None:
    folder = real_glue("mrpc", "tsv") / "MRPC"
    frames = load(SourceSpec("folder", path=str(folder.parent)), MRPC, Path())
    assert len(frames["dev"]) == lines_of(folder / "dev_ids.tsv")
    whole = lines_of(folder / "msr_paraphrase_train.txt") - 1
    assert len(frames["train"]) + len(frames["dev"]) == whole
    assert len(frames["test"]) == lines_of(folder / "msr_paraphrase_test.txt") - 1


@pytest.mark.glue
@pytest.mark.parametrize("name", ["cola", "mrpc", "rte"])
def test_real_tsv_agrees_with_parquet(name: str) -> None:
    task = GLUE[name].task
    tsv, parquet = (
        load(SourceSpec("folder", path=str(real_glue(name, layout))), task, Path())
        for layout in ("tsv", "parquet")
    )
    assert set(tsv) == set(parquet) == {"train", "dev", "test"}
    for split, frame in tsv.items():
        assert frame.attrs["file"].endswith((".tsv", ".txt"))
        assert parquet[split].attrs["file"].endswith(".parquet")
        pd.testing.assert_frame_equal(
            frame.reset_index(drop=True), parquet[split].reset_index(drop=True), check_flags=False
        )


@pytest.mark.glue
@pytest.mark.parametrize(
    ("name", "shared"),
    [("cola", (16, 19)), ("mrpc", (0, 0)), ("rte", (0, 0)), ("sst2", (0, 2))],
)
def test_real_splits_are_sound(name: str, shared: tuple[int, int]) -> None:
    spec, task = SourceSpec("folder", path=str(real_glue(name, "parquet"))), GLUE[name].task
    facts = check_splits(load(spec, task, Path()), task, 0.02)
    assert (facts["dev"]["overlap"], facts["test"]["overlap"]) == shared
