"""A result is found by its key, whatever people have done to the names of folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpkd_pipeline.store import artifact
from alpkd_pipeline.store.artifact import (
    find_in,
    find_result,
    free_place,
    same_result,
)
from alpkd_pipeline.store.manifest import seal, write_json
from alpkd_pipeline.store.run_folder import finished_below, written_ns

KEY, OTHER = "ab" * 32, "cd" * 32


def result(folder: Path, key: str = KEY, text: str = "weights", **files: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "file").write_text(text)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content)
    seal(folder, {"key": key, "stage": "student", "made_from": {}})
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "06_models" / "students" / "demo"


@pytest.fixture
def expected(place: Path) -> Path:
    return place / "kd-4L-s0-abababab"


@pytest.mark.parametrize(
    "name",
    [
        "kd-4L-s0-abababab",
        "other-label-abababab",
        "best",
        "best-20261128",
        "kd-4L-s0-abababab (copy)",
        "kd-4L-s0-abababab.bak",
        "[2] 100 % größer?",
        "kd-4L-s0-cdcdcdcd",
        "-",
    ],
)
def test_a_result_is_found_whatever_its_folder_is_called(
    place: Path, expected: Path, name: str
) -> None:
    folder = result(place / name)
    result(place / "another-one-efefefef", "ef" * 32)
    assert find_result(expected, KEY) == folder
    assert find_result(expected, OTHER) is None


def test_a_change_that_the_place_s_time_does_not_show_is_seen(place: Path, expected: Path) -> None:
    """Two changes may come within one tick of the file system's clock."""
    folder = result(place / "mine")
    assert find_result(expected, KEY) == folder
    stat = place.stat()
    renamed = folder.rename(place / "yours")
    os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find_result(expected, KEY) == renamed


def test_a_folder_that_was_replaced_under_its_name_has_another_key(
    place: Path, expected: Path
) -> None:
    result(place / "mine", OTHER)
    assert find_result(expected, KEY) is None
    new = result(place.parent / "new")
    (place / "mine").rename(place.parent / "old")
    folder = new.rename(place / "mine")
    assert find_result(expected, KEY) == folder


def test_where_there_is_no_place_there_is_no_result(expected: Path) -> None:
    assert find_result(expected, KEY) is None


def test_a_folder_of_the_right_name_with_another_key_is_not_it(expected: Path) -> None:
    result(expected, OTHER)
    assert find_result(expected, KEY) is None
    assert find_result(expected.with_name("x"), OTHER) == expected


def test_the_expected_folder_comes_first_then_its_likes(place: Path, expected: Path) -> None:
    result(place / "a")
    assert find_result(expected, KEY) == place / "a"
    result(place / "z-abababab")
    assert find_result(expected, KEY) == place / "z-abababab"
    result(expected)
    assert find_result(expected, KEY) == expected


def test_what_is_half_there_gives_way_to_a_whole_copy(place: Path, expected: Path) -> None:
    (result(expected) / "file").unlink()
    assert find_result(expected, KEY) is None
    assert find_result(expected, KEY) is None
    (result(place / "x-abababab") / "manifest.json").write_text("{")
    whole = result(place / "copy")
    assert find_result(expected, KEY) == whole


@pytest.mark.parametrize("name", ["x-abababab.work", ".x-abababab.0.old", ".x.0.pruned"])
def test_what_is_at_work_or_stepped_aside_is_no_result(
    place: Path, expected: Path, name: str
) -> None:
    result(place / name)
    assert find_result(expected, KEY) is None
    assert finished_below(place.parent, "*/*") == []


def test_stray_files_and_broken_links_are_passed_over(place: Path, expected: Path) -> None:
    folder = result(place / "mine")
    (place / "x-abababab").write_text("a file")
    (place / "y-abababab").symlink_to(place / "nowhere")
    (place / "empty-abababab").mkdir()
    (place.parent / "notes.txt").write_text("a file where tasks lie")
    assert find_result(expected, KEY) == folder
    assert [f.path for f in finished_below(place.parent, "*/*")] == [folder]


def test_a_link_to_a_result_is_one(place: Path, expected: Path, tmp_path: Path) -> None:
    folder = result(tmp_path / "large-disk" / "moved")
    place.mkdir(parents=True)
    (place / "mine").symlink_to(folder)
    assert find_result(expected, KEY) == place / "mine"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders whose manifests are read for the index."""
    found: list[str] = []
    real = artifact.read_object
    monkeypatch.setattr(artifact, "read_object", lambda f: found.append(f.parent.name) or real(f))
    return found


def test_other_manifests_are_read_at_need_and_once(
    place: Path, expected: Path, read: list[str]
) -> None:
    result(expected)
    for number in range(5):
        result(place / f"x-{number:08x}", f"{number:08x}" * 8)
    os.utime(place, (1_700_000_000, 1_700_000_000))
    assert find_result(expected, KEY) == expected
    assert find_result(place / "y-00000003", "00000003" * 8) == place / "x-00000003"
    assert read == []
    for _ in range(3):
        assert find_result(place / "y-efefefef", "ef" * 32) is None
    assert len(read) == 6
    result(place / "new", OTHER)
    assert find_result(place / "y-cdcdcdcd", OTHER) == place / "new"
    assert len(read) == 7


def test_a_copy_that_is_being_made_is_found_once_it_is_whole(place: Path, expected: Path) -> None:
    folder = result(place / "copy")
    (folder / "manifest.json").rename(place.parent / "manifest.json")
    os.utime(place, (1_700_000_000, 1_700_000_000))
    assert find_result(expected, KEY) is None
    (place.parent / "manifest.json").rename(folder / "manifest.json")
    assert find_result(expected, KEY) == folder


# What is published ---------------------------------------------------------------------------


def test_a_result_takes_no_place_of_another_one(expected: Path) -> None:
    assert free_place(expected, KEY) == expected
    result(expected, OTHER)
    second = expected.with_name("kd-4L-s0-2-abababab")
    assert free_place(expected, KEY) == second
    assert free_place(expected, OTHER) == expected
    result(second, "ef" * 32)
    assert free_place(expected, KEY) == expected.with_name("kd-4L-s0-3-abababab")


def test_two_makings_of_one_result_are_the_same(tmp_path: Path) -> None:
    one = result(tmp_path / "a", run='{"seconds": 1}', metrics="1", latency="1")
    other = result(tmp_path / "b", run='{"seconds": 2}', metrics="2", latency="2")
    assert same_result(one, other)
    assert not same_result(one, result(tmp_path / "c", text="weightz"))
    assert not same_result(one, result(tmp_path / "d", more="{}"))
    assert same_result(one, tmp_path / "gone")


def test_a_folder_that_is_gone_was_written_never(tmp_path: Path) -> None:
    assert written_ns(result(tmp_path / "a")) > 0
    assert written_ns(tmp_path / "b") == 0


# Any history ---------------------------------------------------------------------------------

NAMES = st.sampled_from(["kd-abababab", "x-abababab", "y-cdcdcdcd", "mine", "z z", "b-20261128"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["make", "rename", "copy", "remove", "damage"]),
        NAMES,
        NAMES,
        st.sampled_from([KEY, OTHER]),
    ),
    max_size=12,
)


def play(place: Path, steps: list[tuple[str, str, str, str]]) -> Iterator[dict[Path, str]]:
    """After each step what there is: folder -> key."""
    there: dict[Path, str] = {}
    for what, first, second, key in steps:
        source, target = place / first, place / second
        if what == "make" and not source.exists():
            there[result(source, key)] = key
        elif what == "rename" and source.exists() and not target.exists():
            source.rename(target)
            if source in there:
                there[target] = there.pop(source)
        elif what == "copy" and source.exists() and not target.exists():
            shutil.copytree(source, target)
            if source in there:
                there[target] = there[source]
        elif what == "remove" and source.exists():
            shutil.rmtree(source)
            there.pop(source, None)
        elif what == "damage" and source.exists():
            write_json(source / "manifest.json", {"key": key})
            there.pop(source, None)
        yield there


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_is_renamed_copied_and_removed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, str]]
) -> None:
    place = tmp_path_factory.mktemp("place") / "demo"
    for there in play(place, steps):
        for key in (KEY, OTHER):
            found = find_in(place, key)
            assert (found is not None) == (key in there.values())
            assert found is None or there[found] == key
