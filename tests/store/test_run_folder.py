from __future__ import annotations

import random
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store import run_folder
from alpkd_pipeline.store.manifest import MANIFEST, publish, seal, write_json
from alpkd_pipeline.store.run_folder import (
    Damage,
    DamagedError,
    RunFolder,
    finished_below,
    verify,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store" / "task" / "result"
    (made / "sub").mkdir(parents=True)
    (made / "a.bin").write_bytes(bytes(range(256)))
    (made / "sub" / "b.json").write_text('{"score": 0.75}')
    seal(made, {"key": "k", "made_from": {"student": "s"}})
    return made


def test_what_was_sealed_is_read(folder: Path) -> None:
    whole = RunFolder(folder)
    assert whole.is_there
    assert whole.read("a.bin") == bytes(range(256))
    assert whole.json("sub/b.json") == {"score": 0.75}
    assert (whole.key, whole.made_from) == ("k", {"student": "s"})
    assert whole.has("a.bin")
    assert not whole.has("c.txt")
    whole.verify()
    whole.check_sizes()


def test_a_digit_is_found_though_the_size_is_the_same(folder: Path) -> None:
    path = folder / "sub" / "b.json"
    before, after = path.read_bytes(), b'{"score": 0.85}'
    path.write_bytes(after)
    hashes = [sha256(data).hexdigest() for data in (after, before)]
    for look in (RunFolder(folder).read, RunFolder(folder).json):
        with pytest.raises(DamagedError) as error:
            look("sub/b.json")
        assert str(error.value) == (
            f"{path} is damaged: sha256 {hashes[0]} instead of {hashes[1]};"
            f" delete {folder} and make it again"
        )
        (damage,) = error.value.damages
        assert (damage.folder, damage.file) == (folder, "sub/b.json")
        assert [damage.found, damage.expected] == hashes
    RunFolder(folder).check_sizes()


def test_every_flipped_bit_and_every_cut_is_found(folder: Path) -> None:
    draw = random.Random(0)
    for name in ("a.bin", "sub/b.json", MANIFEST):
        original = (folder / name).read_bytes()
        for _ in range(60):
            damaged = bytearray(original)
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            for data in (bytes(damaged), original[: draw.randrange(len(original) - 1)]):
                (folder / name).write_bytes(data)
                with pytest.raises(DamagedError, match=Path(name).name):
                    verify(folder)
        (folder / name).write_bytes(original)
    verify(folder)


def test_a_missing_file_and_one_of_another_size(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"1")
    with pytest.raises(DamagedError, match=r"a\.bin is damaged.*\(1 bytes instead of 256\)"):
        RunFolder(folder).check_sizes()
    (folder / "a.bin").write_bytes(bytes(257))
    with pytest.raises(DamagedError, match=r"\(257 bytes instead of 256\)"):
        RunFolder(folder).check_sizes()
    (folder / "a.bin").unlink()
    for look in (RunFolder(folder).check_sizes, RunFolder(folder).verify):
        with pytest.raises(DamagedError, match=r"a\.bin is missing, sha256 40aff2e9"):
            look()


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "a.bin").unlink()
    (folder / "a.bin").mkdir()
    with pytest.raises(DamagedError, match=r"a\.bin cannot be read \(Is a directory\)"):
        RunFolder(folder).read("a.bin")


def test_a_file_that_was_never_there_is_no_damage(folder: Path) -> None:
    (folder / "c.txt").write_text("added")
    with pytest.raises(FileNotFoundError, match=r"was finished without c\.txt"):
        RunFolder(folder).read("c.txt")


def test_a_folder_that_is_not_finished_or_gone_is_no_damage(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(FileNotFoundError):
        RunFolder(folder).read("a.bin")
    with pytest.raises(UserError, match="was never finished"):
        verify(folder)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        RunFolder(folder).check_sizes()


def test_a_folder_that_is_removed_between_two_looks_is_no_damage(folder: Path) -> None:
    whole = RunFolder(folder)
    assert whole.key == "k"
    folder.rename(folder.with_name(".gone"))
    for look in (whole.verify, whole.check_sizes, lambda: whole.read("a.bin")):
        with pytest.raises(FileNotFoundError):
            look()


def test_a_folder_that_is_replaced_between_two_looks_is_read_as_it_is_then(folder: Path) -> None:
    looks = [RunFolder(folder) for _ in range(3)]
    assert {whole.key for whole in looks} == {"k"}
    work = folder.with_name("result.work")
    write_json(work / "sub" / "b.json", {"score": 0.5})
    (work / "a.bin").write_bytes(b"other")
    publish(work, folder, {"key": "k"})
    assert looks[0].json("sub/b.json") == {"score": 0.5}
    looks[1].verify()
    looks[2].check_sizes()


def test_several_are_named_in_one_error(folder: Path) -> None:
    damages = [Damage(folder, name, "is damaged") for name in ("a", "b", "a")]
    assert str(DamagedError(damages)).splitlines() == [
        "2 files are not what was written:",
        f"{folder}/a is damaged; delete {folder} and make it again",
        f"{folder}/b is damaged; delete {folder} and make it again",
    ]
    assert str(DamagedError(damages[:1], ["do it"])) == f"{folder}/a is damaged; do it"


def test_all_damaged_files_of_a_folder_are_named(folder: Path) -> None:
    names = [*RunFolder(folder).manifest["files"]]
    assert len(names) > 1
    for name in names:
        (folder / name).write_bytes(b"!")
    for look in (RunFolder(folder).check_sizes, RunFolder(folder).verify):
        with pytest.raises(DamagedError) as caught:
            look()
        assert [damage.file for damage in caught.value.damages] == names


def test_what_is_at_work_or_stepped_aside_is_not_finished(folder: Path) -> None:
    for name in (".result.0.old", "result-2.work"):
        shutil.copytree(folder, folder.with_name(name))
    assert [f.path for f in finished_below(folder.parent)] == [folder]
    assert [f.path for f in finished_below(folder.parents[1], "*/*")] == [folder]
    assert finished_below(folder / "nowhere") == []


def result(place: Path, name: str, of: str) -> Path:
    write_json(place / name / "scores.json", {})
    seal(place / name, {"key": name, "made_from": {"student": of}})
    return place / name


def test_the_results_of_a_model_are_found_by_its_key(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "students" / "mrpc").mkdir(parents=True)
    model = RunFolder(folder.rename(tmp_path / "models" / "students" / "mrpc" / folder.name))
    place = model.beside("scores/dev")
    assert place == tmp_path / "scores" / "dev" / "mrpc"
    assert model.results("scores/dev") == []
    assert model.newest("scores/dev") is None
    named, other = result(place, "result-1", "k"), result(place, "result-2", "another")
    renamed = result(place, "mine", "k")
    times = {named: 1, renamed: 2, other: 3}
    monkeypatch.setattr(run_folder, "written_ns", times.__getitem__)
    assert [f.path for f in model.results("scores/dev")] == [renamed, named]
    # A damaged manifest: of a folder that is called after the model, or where nothing else is.
    (other / MANIFEST).write_text("{")
    with pytest.raises(DamagedError, match="result-2"):
        model.results("scores/dev")
    strange = other.rename(place / "other-2")
    assert len(model.results("scores/dev")) == 2
    for path in (named, renamed):
        shutil.rmtree(path)
    with pytest.raises(DamagedError, match=strange.name):
        model.results("scores/dev")
