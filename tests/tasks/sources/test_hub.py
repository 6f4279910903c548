import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from huggingface_hub import constants

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.sources import hub
from alpkd_pipeline.tasks.task import SourceSpec, Task

COMMIT = "0123456789abcdef" * 2 + "01234567"
RTE = GLUE["rte"].task

GLUE_CARD = """---
dataset_info:
- config_name: ax
  features:
  - {name: premise, dtype: string}
- config_name: rte
  features:
  - {name: sentence1, dtype: string}
  - {name: sentence2, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': entailment, '1': not_entailment}}}
  - {name: idx, dtype: int32}
configs:
- config_name: ax
  data_files:
  - {split: test, path: ax/test-*}
- config_name: rte
  data_files:
  - {split: train, path: rte/train-*}
  - {split: validation, path: rte/validation-*}
  - {split: test, path: rte/test-*}
---
"""

OWN_CARD = """---
dataset_info:
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': positive, '1': negative}}}
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train.parquet}
  - {split: test, path: data/test.parquet}
---
"""


def commit_folder(cache: Path, dataset: str, revision: str) -> Path:
    """Where the hub's cache keeps the files of a commit."""
    name = "datasets--" + dataset.replace("/", "--")
    folder = cache / name / "snapshots" / revision
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def glue_cache(tmp_path: Path) -> Path:
    """A cache with GLUE's card and its RTE files; those of the other configurations are missing."""
    folder = commit_folder(tmp_path, HUB_DATASET, HUB_REVISION)
    (folder / "README.md").write_text(GLUE_CARD)
    (folder / "rte").mkdir()
    for split, labels in (("train", [0, 1]), ("validation", [1, 0]), ("test", [-1, -1])):
        frame = pd.DataFrame(
            {
                "sentence1": ['"NA', split],
                "sentence2": ["null", "x"],
                "label": labels,
                "idx": pd.Series([7, 8], dtype="int32"),
            }
        )
        frame.to_parquet(folder / "rte" / f"{split}-00000-of-00001.parquet")
    return tmp_path


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    folder = commit_folder(tmp_path, "me/moods", COMMIT)
    (folder / "README.md").write_text(OWN_CARD)
    (folder / "data").mkdir()
    frame = pd.DataFrame({"text": ["good", "bad"], "label": [0, 1]})
    frame.to_parquet(folder / "data" / "train.parquet")
    frame.to_parquet(folder / "data" / "test.parquet")
    return tmp_path


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "PROBE_SECONDS", 0.3)
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which nobody listens stands for the hub."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def moods(**changes: Any) -> SourceSpec:
    options: dict[str, Any] = {"dataset": "me/moods", "revision": COMMIT}
    options["columns"] = {"sentence": "text"}
    return SourceSpec("hub", **options | changes)


def load(spec: SourceSpec, task: Task, cache: Path) -> dict[str, pd.DataFrame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        return hub.load(spec, task, Path())


def refusal(spec: SourceSpec, task: Task, cache: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(spec, task, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_glue_from_the_cache(glue_cache: Path) -> None:
    frames = load(SourceSpec("hub"), RTE, glue_cache)
    assert list(frames) == ["train", "dev", "test"]
    assert frames["dev"].to_dict("list") == {
        "sentence1": ['"NA', "validation"],
        "sentence2": ["null", "x"],
        "label": [1, 0],
        "idx": [7, 8],
    }
    assert [str(kind) for kind in frames["test"].dtypes] == ["str", "str", "int64", "int64"]
    assert frames["test"]["label"].tolist() == [-1, -1]
    assert frames["train"].attrs["file"] == f"nyu-mll/glue@{HUB_REVISION[:8]}, split train"


def test_default_cache_is_the_hubs(glue_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(glue_cache))
    assert len(hub.load(SourceSpec("hub"), RTE, Path())["train"]) == 2


def test_glue_needs_its_dev_split(glue_cache: Path) -> None:
    (file,) = glue_cache.rglob("validation-*")
    file.unlink()
    message = refusal(SourceSpec("hub"), RTE, glue_cache)
    assert "cannot be read" in message
    assert HUB_DATASET in message


def test_class_labels_are_mapped_by_name(own_cache: Path, mood: Task) -> None:
    """The task says negative, positive; the data set positive, negative."""
    frames = load(moods(), mood, own_cache)
    assert frames["train"].to_dict("list") == {
        "sentence": ["good", "bad"],
        "label": [1, 0],
        "idx": [0, 1],
    }


def test_other_class_names_are_refused(own_cache: Path, mood: Task) -> None:
    task = replace(mood, label_names=("bad", "good"))
    message = refusal(moods(), task, own_cache)
    assert "the labels are positive, negative, but task 'mood' has bad, good" in message


def test_classes_for_a_regression_are_refused(own_cache: Path, mood: Task) -> None:
    task = replace(mood, kind="regression", label_names=(), metrics=("pearson",))
    assert "but task 'mood' has numbers" in refusal(moods(), task, own_cache)


def test_splits_by_their_names(own_cache: Path, mood: Task) -> None:
    frames = load(moods(files={"dev": "test"}), mood, own_cache)
    assert list(frames) == ["train", "dev", "test"]
    message = refusal(moods(files={"dev": "valid"}), mood, own_cache)
    assert "has no split 'valid' for 'dev'; it has train, test" in message
    assert "task.files.dev" in message


def test_wrong_column(own_cache: Path, mood: Task) -> None:
    assert "no column 'sentence'; it has text, label" in refusal(moods(columns={}), mood, own_cache)


def test_unknown_configuration(own_cache: Path, mood: Task) -> None:
    message = refusal(moods(config="french"), mood, own_cache)
    assert "no configuration 'french'; set task.config to one of default" in message


def test_data_set_without_a_card(tmp_path: Path, mood: Task) -> None:
    folder = commit_folder(tmp_path, "me/moods", COMMIT)
    (folder / "train.csv").write_text("text,label\ngood,positive\nbad,negative\n")
    frames = load(moods(), mood, tmp_path)
    assert frames["train"]["label"].tolist() == [1, 0]


def test_labels_are_read_alike_in_all_splits(tmp_path: Path, mood: Task) -> None:
    folder = commit_folder(tmp_path, "me/moods", COMMIT)
    (folder / "train.csv").write_text("text,label\ngood,positive\nbad,negative\n")
    (folder / "test.csv").write_text("text,label\ngood,1\nbad,0\n")
    said = refusal(moods(), mood, tmp_path)
    assert "1 (test row 1), 0 (test row 2)" in said


def test_hidden_labels_of_a_hub_data_set(own_cache: Path, mood: Task) -> None:
    (file,) = own_cache.rglob("test.parquet")
    pd.DataFrame({"text": ["good", "bad", "so"], "label": [0, -1, 1]}).to_parquet(file)
    frames = load(moods(), mood, own_cache)
    assert frames["test"]["label"].tolist() == [1, -1, 0]


def test_an_id_without_a_name_is_refused(own_cache: Path, mood: Task) -> None:
    (file,) = own_cache.rglob("test.parquet")
    pd.DataFrame({"text": ["good"], "label": [2]}).to_parquet(file)
    said = refusal(moods(), mood, own_cache)
    assert "2" in said


def test_code_in_a_data_set_is_not_run(tmp_path: Path, mood: Task) -> None:
    folder = commit_folder(tmp_path, "me/moods", COMMIT)
    (folder / f"{COMMIT}.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w')")
    assert "cannot be read" in refusal(moods(), mood, tmp_path)
    assert not (tmp_path / "marker").exists()


def test_without_network_and_cache(tmp_path: Path) -> None:
    message = refusal(SourceSpec("hub"), RTE, tmp_path / "empty")
    for part in (HUB_DATASET, HUB_REVISION, str(tmp_path / "empty"), "HF_HUB_CACHE", "HF_HOME"):
        assert part in message
    assert "task.source: demo, folder or table" in message


@pytest.mark.usefixtures("silent_server")
def test_a_hub_that_never_answers(tmp_path: Path) -> None:
    # The fixture's server keeps the connection open for good: without a limit this would hang.
    assert "ReadTimeout" in refusal(SourceSpec("hub"), RTE, tmp_path)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:7], COMMIT.upper()])
def test_revision_must_be_a_commit(tmp_path: Path, mood: Task, revision: str | None) -> None:
    message = refusal(moods(revision=revision), mood, tmp_path)
    assert "is not a commit of 40 hex digits" in message
    assert "Files and versions" in message


def test_resolve_fills_in_glue() -> None:
    ref = hub.resolve(SourceSpec("hub"), GLUE["mnli"].task)
    assert (ref.dataset, ref.revision, ref.config) == (HUB_DATASET, HUB_REVISION, "mnli")
    assert ref.required == ("train", "dev", "dev_mismatched")
    pinned = hub.resolve(SourceSpec("hub", revision=COMMIT), RTE)
    assert pinned.revision == COMMIT


def test_a_glue_name_in_another_repository_is_an_own_task() -> None:
    spec = SourceSpec("hub", dataset="me/rte", revision=COMMIT, config="small")
    ref = hub.resolve(spec, RTE)
    assert (ref.config, ref.required) == ("small", ("train",))


def test_own_task_needs_a_data_set(mood: Task) -> None:
    with pytest.raises(UserError, match=r"task\.dataset is missing"):
        hub.resolve(SourceSpec("hub", revision=COMMIT), mood)


def own_config(card: dict[str, Any], config: str | None = None) -> tuple[Any, Any]:
    """The configuration and files that are read of a data set with that card."""
    return hub._config_and_files(hub.HubRef("me/moods", COMMIT, config, {}), card)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("all.csv", {"train": ["all.csv"]}),
        (["a.csv", "b.csv"], {"train": ["a.csv", "b.csv"]}),
        (
            [{"split": "train", "path": ["a", "b"]}, {"split": "test", "path": "c"}],
            {"train": ["a", "b"], "test": ["c"]},
        ),
    ],
)
def test_every_form_of_data_files(files: Any, expected: dict[str, list[str]]) -> None:
    card = {"configs": [{"config_name": "only", "data_files": files}]}
    assert own_config(card) == ("only", expected)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"only": {}}, "only"),
        ({"a": {}, "b": {"default": True}}, "b"),
        ({"a": {}, "default": {}}, "default"),
        ({"a": {}, "b": {}}, None),
    ],
)
def test_default_configuration(entries: dict[str, dict[str, Any]], expected: str | None) -> None:
    card = {"configs": [{"config_name": name, **entry} for name, entry in entries.items()]}
    if expected is None:
        with pytest.raises(UserError, match=r"no configuration None; .* to one of a, b"):
            own_config(card)
    else:
        assert own_config(card) == (expected, None)


def test_a_card_that_makes_no_sense_is_a_refusal(own_cache: Path, mood: Task) -> None:
    (card,) = own_cache.rglob("README.md")
    card.write_text("---\nconfigs:\n- data_files: a.csv\n---\n")
    assert "cannot be read (ValueError: Each config must" in refusal(moods(), mood, own_cache)
