from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.store.manifest import write_zip

FILES = [("b.txt", b"two"), ("a/c.txt", b"one" * 99)]


def test_the_same_files_are_the_same_zip(tmp_path: Path) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    write_zip(one, FILES)
    other.write_bytes(b"older")
    write_zip(other, iter(FILES))
    assert one.read_bytes() == other.read_bytes()
    with ZipFile(one) as file:
        assert [(name, file.read(name)) for name in file.namelist()] == FILES


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"here.zip") as caught:
        write_zip(tmp_path / "file" / "here.zip", FILES)
    assert "here.zip" in str(user_error(caught.value))
    with pytest.raises(UserError, match=r"/proc/here\.zip cannot be written: No such file"):
        write_zip(Path("/proc/here.zip"), FILES)


def test_what_fails_on_the_way_leaves_the_older_zip(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    write_zip(out, FILES)
    before = out.read_bytes()
    with pytest.raises(TypeError):
        write_zip(out, [("a", None)])  # type: ignore[list-item]
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]
