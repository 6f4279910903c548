from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.store.manifest import lock_file


def test_a_lock_lies_beside_what_it_guards_and_is_known_by_its_whole_name(tmp_path: Path) -> None:
    found = lock_file(tmp_path / "kd-4L.s0")
    assert found == tmp_path / ".locks" / "kd-4L.s0.lock"
    assert found != lock_file(tmp_path / "kd-4L.s1")


def test_a_result_has_one_lock_whatever_it_is_called(tmp_path: Path) -> None:
    key = "0123abcd" * 8
    names = ("kd-0123abcd", "pkd-0123abcd", "best")
    assert {lock_file(tmp_path / name, key) for name in names} == {
        tmp_path / ".locks" / "0123abcd.lock"
    }
