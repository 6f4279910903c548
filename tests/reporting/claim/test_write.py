"""What stands in a claim, what never does, and when none is written."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from tests.disks import fill, small_disk
from tests.reporting.claimed import METHODS, claimed, sources_of, study
from tests.reporting.conftest import Store
from tests.reporting.stored_predictions import with_texts
from tests.reporting.studies import reseal

from alpkd_pipeline.errors import DiskFullError, UserError, user_error
from alpkd_pipeline.reporting.claim.write import cited, write_claim
from alpkd_pipeline.store.layout import LATENCY, SCORES, STUDENTS
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import DamagedError

FEW: dict[str, Any] = {"tasks": {"mrpc": ("accuracy", "f1")}, "methods": METHODS[:2], "seeds": 2}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return study(tmp_path / "data", **FEW)


def the_predictions(store: Store, which: int = 0) -> Path:
    """The scores of one of the students."""
    found = store.root.glob(f"{SCORES[0]}/mrpc/*kd-4L-*")
    return sorted(found)[which]


def forget(scored: Path) -> None:
    shutil.rmtree(scored / "predictions")
    reseal(scored)


def test_the_same_evidence_gives_the_same_bytes_wherever_it_lies(
    store: Store, tmp_path: Path
) -> None:
    first = claimed(store.root, tmp_path / "first.zip").read_bytes()
    assert claimed(store.root, tmp_path / "again.zip").read_bytes() == first
    moved = shutil.copytree(store.root, tmp_path / "some" / "where else")
    assert claimed(moved, tmp_path / "moved.zip").read_bytes() == first


def test_every_seed_of_predictions_is_in_it_and_no_probability(
    store: Store, tmp_path: Path
) -> None:
    with ZipFile(claimed(store.root, tmp_path / "claim.zip")) as file:
        tables = [file.read(name) for name in file.namelist() if name.endswith("dev.csv")]
    assert len(tables) == 5  # four students and their teacher
    assert all(table.startswith(b"idx,label,prediction\n1,") for table in tables)
    assert b",0.123456789" in (the_predictions(store) / "predictions" / "dev.csv").read_bytes()


def test_no_text_of_any_example_stands_in_it(store: Store, tmp_path: Path) -> None:
    texts = [f"the secret {word} sentence" for word in ("first", "second", "third")]
    with_texts(store, "7" * 64, texts)
    out = claimed(store.root, tmp_path / "claim.zip")
    everything = out.read_bytes()
    with ZipFile(out) as file:
        assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in file.infolist())
        everything += b"".join(file.read(name) for name in file.namelist())
        names = file.namelist()
    assert b"secret" not in everything
    assert b"0.123456789" not in everything
    assert {Path(name).name for name in names if "/" in name and ".py" not in name} == {
        *("run.json", "metrics.json", "events.jsonl", "manifest.json"),
        *("scores.json", "dev.csv", "latency.json"),
    }


def test_of_the_event_log_only_what_was_scored_is_kept(store: Store, tmp_path: Path) -> None:
    with ZipFile(claimed(store.root, tmp_path / "claim.zip")) as file:
        event_logs = [file.read(name) for name in file.namelist() if name.endswith("events.jsonl")]
    assert len(event_logs) == 4
    assert {line[:15] for lines in event_logs for line in lines.splitlines()} == {
        b'{"event": "eval'
    }


def test_it_is_small(tmp_path: Path) -> None:
    """A grid of 108 students is to stay below 5 MB: 46 kB each."""
    store = study(tmp_path / "data", **FEW | {"rows": 1000})
    runs = len([*store.root.glob(f"{STUDENTS}/*/*")])
    assert claimed(store.root, tmp_path / "claim.zip").stat().st_size < 60_000 + 10_000 * runs


def test_all_that_was_timed_is_in_it(store: Store, tmp_path: Path) -> None:
    folder = sorted(store.root.glob(f"{STUDENTS}/*/*"))[0]
    store.latency(folder, 9.0, threads=8)
    claimed(store.root, tmp_path / "claim.zip")
    with ZipFile(tmp_path / "claim.zip") as file:
        timed = [name for name in file.namelist() if name.startswith(LATENCY)]
    assert len([name for name in timed if name.endswith("latency.json")]) == 5


def refused(store: Store, tmp_path: Path) -> str:
    """Why there is no claim; and there is none, nor half of one."""
    with pytest.raises(UserError) as caught:
        claimed(store.root, tmp_path / "claim.zip")
    assert not [*tmp_path.glob("*.zip"), *tmp_path.glob(".*")]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_without_predictions_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    forget(the_predictions(store))
    told = refused(store, tmp_path)
    assert told.startswith("the answers of 1 student were not kept")
    assert f"({the_predictions(store).name[:15]}" in told
    assert told.endswith("--force=distill makes them again")


def test_predictions_that_are_not_those_of_the_score_are_no_predictions(
    store: Store, tmp_path: Path
) -> None:
    """A training keeps the answers of its best epoch; the score that counts is another."""
    scored = the_predictions(store)
    (folder,) = store.root.glob(f"{STUDENTS}/*/{scored.name[:-9]}")
    shutil.copytree(scored / "predictions", folder / "predictions")
    reseal(folder)
    forget(scored)
    assert "were not kept" in refused(store, tmp_path)


def test_a_run_that_was_never_scored_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    """What is not there is made by the command alone; --force would train the student again."""
    shutil.rmtree(the_predictions(store))
    told = refused(store, tmp_path)
    assert "the answers of 1 student were not kept" in told
    assert told.endswith("`kedro run --pipeline=distill` with their parameters makes them")
    forget(the_predictions(store))
    (tmp_path / "again").mkdir()
    told = refused(store, tmp_path / "again")
    assert "the answers of 2 students were not kept" in told
    assert told.endswith(
        "with their parameters makes them, with --force=distill too where scores without answers"
        f" are there ({the_predictions(store).name[:-9]})"
    )


def test_a_teacher_whose_predictions_are_gone_is_left_out(store: Store, tmp_path: Path) -> None:
    (scored,) = store.root.glob(f"{SCORES[0]}/mrpc/demo-*")
    forget(scored)
    with ZipFile(claimed(store.root, tmp_path / "claim.zip")) as file:
        assert not [name for name in file.namelist() if "teachers" in name]


def test_nothing_to_claim(tmp_path: Path) -> None:
    assert "there is no scored student" in refused(Store(tmp_path / "data"), tmp_path)


def test_scores_that_do_not_follow_are_never_claimed(store: Store, tmp_path: Path) -> None:
    scored = the_predictions(store)
    found = read_json(scored / "scores.json")
    found["splits"]["dev"]["scores"]["accuracy"] = 0.99
    write_json(scored / "scores.json", found)
    reseal(scored)
    told = refused(store, tmp_path)
    assert told.startswith("the claim would not hold: 06_models/students/mrpc/")
    assert ": accuracy 0." in told


def test_a_damaged_file_is_named(store: Store, tmp_path: Path) -> None:
    file = the_predictions(store) / "predictions" / "dev.csv"
    sources = sources_of(store.root)
    file.write_bytes(file.read_bytes().replace(b"1,1,1", b"1,1,0"))
    with pytest.raises(DamagedError, match=f"{file} is damaged"):
        write_claim(sources, tmp_path / "claim.zip", tmp_path / "work")


# Disks --------------------------------------------------------------------------------------------


def test_a_full_disk_is_one_line_and_leaves_the_claim_that_was_there(
    store: Store, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        out = claimed(store.root, tmp_path / "claim.zip")
        shutil.copy(out, disk / "claim.zip")
        fill(disk, 8192)
        (tmp_path / "work").mkdir()
        with pytest.raises(DiskFullError, match=r"claim\.zip could not be written: No space left"):
            write_claim(sources_of(store.root), disk / "claim.zip", tmp_path / "work")
        assert {path.name for path in disk.iterdir()} == {"filler", "claim.zip"}
        assert (disk / "claim.zip").read_bytes() == out.read_bytes()


def test_a_disk_that_is_only_read_is_one_line(store: Store, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        (tmp_path / "work").mkdir()
        with pytest.raises(OSError) as caught:  # noqa: PT011
            write_claim(sources_of(store.root), disk / "claim.zip", tmp_path / "work")
    assert caught.value.errno == errno.EROFS
    told = str(user_error(caught.value))
    assert told.startswith(f"{disk / 'claim.zip'} cannot be used: Read-only file system")


def test_a_place_where_no_file_can_be_made_is_one_line(store: Store, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(UserError, match=r"/proc/mine\.zip cannot be written: No such file"):
        write_claim(sources_of(store.root), Path("/proc/mine.zip"), tmp_path / "work")


# Manuscripts --------------------------------------------------------------------------------------

KNOWN = {"mrpc/4/kd/mean": "70.0", "mrpc/4/alp_kd (training.lr=0.0002)/mean": "71.0"}


@pytest.mark.parametrize(
    ("tex", "lost"),
    [
        (r"\alpkd{mrpc/4/kd/mean}", []),
        (r"\alpkd{mrpc/4/alp_kd (training.lr=0.0002)/mean}", []),
        (r"\alpkd{mrpc/4/kd/men}", [(1, "mrpc/4/kd/men")]),
        ("one\n\n\\alpkd{a} \\alpkd{b}\n\\alpkd{c}", [(3, "a"), (3, "b"), (4, "c")]),
        ("one\r\ntwo\r\n\\alpkd{a}", [(3, "a")]),
        (r"\alpkd{a}% \alpkd{b}", [(1, "a")]),
        (r"% \alpkd{a}", []),
        (r"5 \% \alpkd{a}", [(1, "a")]),
        (r"5 \% % \alpkd{a}", []),
        (r"a line\\% \alpkd{a}", []),
        (r"a line\\\% \alpkd{a}", [(1, "a")]),
        (r"\alpkd {a}", [(1, "a")]),
        ("\\alpkd\n{a}", [(1, "a")]),
        ("\\alpkd{mrpc/4/alp_kd\n(training.lr=0.0002)/mean}", []),
        (r"\alpkd{}", [(1, "")]),
        (r"\alpkd{a}{b}", [(1, "a")]),
        (r"\alpkd{a{b}c}", [(1, "a{b}c")]),
        (r"\alpkd{\task/4}", [(1, r"\task/4")]),
        (r"\textbf{\alpkd{a}}", [(1, "a")]),
        (r"$\alpkd{a}$", [(1, "a")]),
        (r"\alpkd{a", [(1, "a")]),
        (r"\alpkdfoo{a} \alpkd@number{a}{1} \newcommand{\alpkd}[1]{#1}", []),
        (r"\input{numbers.tex}", []),
        ("", []),
        ("%" * 5000 + "\\\\" * 5000, []),
        ("\\" * 5001, []),
    ],
)
def test_names_of_a_manuscript_that_no_run_supports(tex: str, lost: list[Any]) -> None:
    assert [(line, name) for line, name in cited(tex) if name not in KNOWN] == lost


def test_names_that_a_run_supports_are_cited_too() -> None:
    tex = "\\alpkd{mrpc/4/kd/mean}\n\\alpkd{a} % \\alpkd{b}"
    assert [*cited(tex)] == [(1, "mrpc/4/kd/mean"), (2, "a")]
