from __future__ import annotations

from pathlib import Path

import pytest
from tests.own_metrics import write_metric

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.metrics import (
    folder_digest,
    our_metrics,
    own_metrics,
    own_scores,
)


def test_folders_are_told_from_names() -> None:
    assert our_metrics(("accuracy", "./mine", "f1", "metrics/other", "/abs")) == ("accuracy", "f1")
    assert our_metrics(()) == ()


@pytest.mark.parametrize("name", ["./mine", "accuracy/f1", "/mine"])
def test_a_folder_cannot_decide(name: str) -> None:
    with pytest.raises(UserError, match=f"begins with the folder '{name}': the first metric") as e:
        our_metrics((name, "accuracy"))
    assert "put one of accuracy, f1," in str(e.value)


def test_they_are_found_from_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (write_metric(tmp_path / name) for name in ("mine", "metrics/yours"))
    outside = write_metric(tmp_path.with_name(f"{tmp_path.name}-other") / "theirs")
    monkeypatch.setenv("HOME", str(outside.parent))
    monkeypatch.chdir("/")
    names = ("accuracy", "./mine", "f1", "metrics/yours/", "~/theirs")
    found = own_metrics(names, tmp_path)
    assert list(found) == [first, second, outside]
    assert found == {folder: folder_digest(folder) for folder in found}
    assert own_metrics(("accuracy", "f1"), tmp_path) == {}


@pytest.mark.parametrize("name", ["./mine", "accuracy/f1", "user/metric", "https://hub/metric"])
def test_what_is_not_there_is_not_asked_of_the_network(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is no folder") as caught:
        own_metrics(("accuracy", name), tmp_path)
    assert "code of the hub is not run: copy it here" in str(caught.value)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    write_metric(tmp_path / "mine")
    with pytest.raises(UserError, match=r"'\./mine/mine\.py' is no folder"):
        own_metrics(("./mine/mine.py",), tmp_path)


def test_a_folder_without_a_module_of_its_name(tmp_path: Path) -> None:
    write_metric(tmp_path / "mine").joinpath("mine.py").rename(tmp_path / "mine" / "main.py")
    with pytest.raises(UserError, match=r"'\./mine' has no mine\.py"):
        own_metrics(("accuracy", "./mine"), tmp_path)


@pytest.mark.parametrize("names", [("./a/rmse",), ("./a/mine", "./b/mine"), ("./a/mine",) * 2])
def test_scores_are_told_apart_by_their_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_metric(tmp_path / name)
    with pytest.raises(UserError, match=f"'{names[-1]}' has the name of another metric"):
        own_metrics(("accuracy", *names), tmp_path)


def test_scores_are_told_from_ours_by_the_names_of_the_folders() -> None:
    scores = {"accuracy": 0.5, "mine": 1.0, "sides.more": 2.0, "mine_too": 3.0}
    splits = {"dev": {"rows": 2, "scores": scores}, "test": {"rows": 2, "scores": None}}
    found = own_scores({"splits": splits, "metrics": {"mine": "d", "sides": "d"}})
    assert found == {"dev": {"mine": 1.0, "sides.more": 2.0}, "test": {}}
    assert own_scores({"splits": splits}) == {"dev": {}, "test": {}}


def test_the_digest_is_of_all_that_the_folder_holds(tmp_path: Path) -> None:
    folder = write_metric(tmp_path / "mine")
    digests = [folder_digest(folder)]
    for name, text in (("mine.py", "1"), ("words.txt", "a"), ("words.txt", "b"), ("sub/x.py", "")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        digests.append(folder_digest(folder))
    (folder / "words.txt").rename(folder / "sub" / "words.txt")
    digests.append(folder_digest(folder))
    assert len(set(digests)) == len(digests)


def test_caches_and_hidden_files_are_not_part_of_it(tmp_path: Path) -> None:
    folder = write_metric(tmp_path / "mine")
    before = folder_digest(folder)
    for name in ("__pycache__/mine.pyc", ".git/index", ".mine.py.swp", "sub/__pycache__/x.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert folder_digest(folder) == before
    # The folder of the folder may be hidden itself, and its name is not part of the digest.
    assert folder_digest(write_metric(tmp_path / ".hidden" / "mine")) == before
