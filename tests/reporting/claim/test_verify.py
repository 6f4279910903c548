"""A claim is checked as a reviewer checks it, and whatever was changed in it is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.reporting.claim.planted import BY_HASH, CHANGES, Claim
from tests.reporting.claimed import claimed, hash_anew, study, verified

from alpkd_pipeline.reporting.claim.verify import evidence


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked claim: two tasks, four methods, four seeds, of which one is missing."""
    root = tmp_path_factory.mktemp("sound")
    study(root / "data", missing=[("mrpc", "pkd", 4, 3)])
    out = claimed(root / "data", root / "claim.zip", primary=[["alp_kd", "kd"]])
    ZipFile(out).extractall(root / "claim")
    return root / "claim"


@pytest.fixture
def claim(sound: Path) -> Iterator[Claim]:
    """The same, to be changed: afterwards it is as it was."""
    files = {path: path.read_bytes() for path in sound.rglob("*") if path.is_file()}
    yield Claim(sound)
    for path in sound.rglob("*"):
        if path.is_file() and path not in files:
            path.unlink()
    for path, data in files.items():
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def caught(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was found of a claim that was changed; nothing else may have come of it."""
    assert done.stderr == ""
    assert done.returncode == 1, done.stdout[-2000:]
    end = done.stdout.rpartition("\n\n")[2].splitlines()[1:]
    return [line.removeprefix("NOT EQUAL  ") for line in end if line.startswith("NOT EQUAL  ")]


def test_python_has_no_packages_there(sound: Path) -> None:
    words = [sys.executable, "-I", "-S", "-c", "import numpy"]
    assert "No module named 'numpy'" in subprocess.run(words, capture_output=True, text=True).stderr


def test_a_sound_claim_is_equal_and_says_what_is_missing(sound: Path) -> None:
    done = verified(sound)
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT EQUAL" not in done.stdout
    count, *end = done.stdout.rpartition("\n\n")[2].splitlines()
    equal = done.stdout.count("equal      ")
    assert count.startswith(f"{equal} of {equal} equal; claim ")
    assert end == ["to know    planned: layers=4, method=pkd, seed=3, task=mrpc, teacher_seed=0"]
    assert "equal      mrpc/4/best alp_kd (shown)" in done.stdout
    assert not [*sound.rglob("__pycache__")]


@pytest.mark.parametrize("name", ["claim.zip", "empty", "gone", "", "other"])
def test_what_is_no_folder_of_a_claim_is_one_line(sound: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "paper.tex").write_text("x")
    (tmp_path / "claim.zip").write_bytes((sound.parent / "claim.zip").read_bytes())
    words = [
        sys.executable,
        "-m",
        "alpkd_pipeline.reporting.claim.verify",
        *([name] if name else []),
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    told, remedy = done.stderr.rstrip("\n").split(" is no folder of an unpacked claim: ")
    assert remedy == "unpack its zip first, and give the folder with its claim.json"
    assert told == name or (not name and Path(told).is_dir())


def test_what_is_missing_is_named_once(claim: Claim) -> None:
    (claim.folder / "numbers.tex").unlink()
    assert caught(verified(claim.folder)) == ["file numbers.tex (missing)"]
    hash_anew(claim.folder)
    assert caught(verified(claim.folder)) == ["file numbers.tex (missing)"]
    (claim.folder / "SHA256SUMS").unlink()
    (told,) = caught(verified(claim.folder))
    assert "SHA256SUMS" in told


def test_there_are_more_than_a_hundred_changes() -> None:
    assert len(CHANGES) >= 100


def changed_files(folder: Path) -> list[str]:
    """What the hashes alone tell; reading a changed file may go wrong later."""
    found = []
    with suppress(Exception):
        for good, what in evidence(folder):
            found += [what] if what.startswith("file ") and not good else []
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_caught_by_the_old_hashes_and_behind_new_ones(
    claim: Claim, name: str
) -> None:
    CHANGES[name](claim)
    if not name.startswith("SHA256SUMS"):
        assert changed_files(claim.folder)
        hash_anew(claim.folder)
    found = caught(verified(claim.folder))
    assert found
    # What is left is missing or belongs to nothing: no hash is wrong.
    assert all(what.endswith(")") for what in found if what.startswith("file "))


@pytest.mark.parametrize("name", BY_HASH)
def test_changed_code_is_caught_by_its_hash(claim: Claim, name: str) -> None:
    BY_HASH[name](claim)
    told = f"file {name.partition(':')[0]} is not the one that was hashed"
    assert told in caught(verified(claim.folder))
