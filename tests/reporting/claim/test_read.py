"""Claims are read as runs are, and whatever is none is one line."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import pandas as pd
import pytest
from tests.reporting.claimed import claimed, hash_anew, sources_of, study
from tests.reporting.studies import reseal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.claim.read import claims_below, unpacked
from alpkd_pipeline.reporting.comparison import write_comparison
from alpkd_pipeline.store.layout import CACHE, SCORES, STUDENTS
from alpkd_pipeline.store.manifest import read_json, sha256_file, write_json
from alpkd_pipeline.store.verify import verify_store

FEW: dict[str, Any] = {
    "tasks": {"mrpc": ("accuracy", "f1")},
    "methods": ("no_kd", "kd"),
    "seeds": 3,
    "rows": 24,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, `data`, and its claim, `claim.zip`."""
    root = tmp_path_factory.mktemp("made")
    study(root / "data", **FEW)
    claimed(root / "data", root / "claim.zip")
    return root


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def pages(root: Path, out: Path, **compare: Any) -> dict[str, str]:
    """What people and programs get of a comparison."""
    written = write_comparison(sources_of(root, **compare), out)
    return {path.name: path.read_text("utf-8") for path in written}


# What is read ----------------------------------------------------------------------------------


def test_the_comparison_of_a_claim_is_that_of_its_store(
    made: Path, empty: Path, tmp_path: Path
) -> None:
    ours = pages(made / "data", tmp_path / "ours")
    theirs = pages(empty, tmp_path / "theirs", claims=str(made / "claim.zip"))
    assert theirs["verdicts.csv"] == ours["verdicts.csv"]
    assert theirs["groups.csv"] == ours["groups.csv"]
    assert theirs["main.csv"] == ours["main.csv"]
    assert theirs["tables.tex"] == ours["tables.tex"]
    frames = [pd.read_csv(tmp_path / name / "students.csv") for name in ("ours", "theirs")]
    paths = [frame.pop("path") for frame in frames]
    pd.testing.assert_frame_equal(*frames)
    assert (
        frames[0][["seconds", "latency_ms", "parameters", "teacher_score"]].notna().to_numpy().all()
    )
    assert all(path.startswith(f"{CACHE}/claims/") for path in paths[1])
    judged = sources_of(empty, claims=str(made / "claim.zip"))
    assert judged.verdicts == sources_of(made / "data").verdicts
    assert judged.predictions.keys() == sources_of(made / "data").predictions.keys()
    # People get the place in the store that is claimed.
    assert theirs["comparison.md"].count("` of a claim, without weights") == 1
    assert "6 students; claims hold no weights" in theirs["report.html"]
    assert f"`{STUDENTS}/mrpc/" in theirs["comparison.md"]
    assert CACHE not in theirs["comparison.md"] + theirs["report.html"]


def test_a_claim_and_a_store_pool_their_seeds(tmp_path: Path) -> None:
    """Each half has other seeds of the same settings, and one seed that both have."""
    whole = study(tmp_path / "whole", **FEW | {"seeds": 5})
    halves = {"here": (0, 1, 2), "there": (2, 3, 4)}
    for name, seeds in halves.items():
        out = [(t, m, 4, s) for t in FEW["tasks"] for m in FEW["methods"] for s in range(5)
               if s not in seeds]  # fmt: skip
        study(tmp_path / name, **FEW | {"seeds": 5, "missing": out})
    claimed(tmp_path / "there", tmp_path / "there.zip")
    both = sources_of(tmp_path / "here", claims=str(tmp_path / "there.zip"))
    alone = sources_of(whole.root)
    assert [arm["seeds"] for arm in both.arms] == [[0, 1, 2, 3, 4]] * 2
    assert [(arm["label"], arm["mean"], arm["per_seed"]) for arm in both.arms] == [
        (arm["label"], arm["mean"], arm["per_seed"]) for arm in alone.arms
    ]
    assert [row["verdict"] for row in both.verdicts] == [row["verdict"] for row in alone.verdicts]
    assert len(both.experiments) == 10
    assert (tmp_path / "here") in both.evidence.students[both.experiments["key"][0]].path.parents


def test_other_settings_stand_beside_them(made: Path, tmp_path: Path) -> None:
    def slower(params: dict[str, Any], run: dict[str, Any]) -> None:
        params["training"]["lr"] = 0.1

    study(tmp_path / "data", **FEW | {"change": slower})
    both = sources_of(tmp_path / "data", claims=str(made / "claim.zip"))
    labels = {"kd (training.lr=0.0004)", "kd (training.lr=0.1)"}
    assert labels <= {arm["label"] for arm in both.arms}


def test_a_chosen_sweep_is_of_the_store_and_what_is_claimed_counts_beside_it(
    made: Path, tmp_path: Path
) -> None:
    study(tmp_path / "data", **FEW | {"methods": ("alp_kd",)})
    asked = {"sweep": "latest", "claims": str(made / "claim.zip")}
    both = sources_of(tmp_path / "data", **asked)
    assert {arm["label"] for arm in both.arms} == {"alp_kd", "kd", "no_kd"}
    assert len(both.evidence.planned) == 9
    chosen = sources_of(tmp_path / "data", **asked, only="method=kd|alp_kd")
    assert {arm["label"] for arm in chosen.arms} == {"alp_kd", "kd"}
    assert len(chosen.evidence.planned) == 9


def test_a_folder_of_claims_in_which_one_stands_twice(made: Path, empty: Path) -> None:
    folder = empty.parent / "claims"
    folder.mkdir()
    for name in ("b.zip", "a.zip"):
        shutil.copy(made / "claim.zip", folder / name)
    (folder / "c.zip").mkdir()
    digest = sha256_file(made / "claim.zip")
    assert claims_below(str(folder)) == {digest: folder / "a.zip"}
    (place,) = unpacked(empty, claims_below(str(folder)))
    assert place == empty / CACHE / "claims" / digest[:16]
    assert unpacked(empty, claims_below(str(folder / "b.zip"))) == [place]


def test_a_claim_is_unpacked_once_and_again_where_it_was_damaged(made: Path, empty: Path) -> None:
    claims = claims_below(str(made / "claim.zip"))
    (place,) = unpacked(empty, claims)
    before = (place / "claim.json").stat().st_ino
    unpacked(empty, claims)
    assert (place / "claim.json").stat().st_ino == before
    (scores,) = place.glob(f"{SCORES[0]}/mrpc/kd-4L-s1-*/scores.json")
    text = scores.read_text()
    for damage in (text.replace('"rows": 24', '"rows": 25'), "{", None):
        scores.unlink() if damage is None else scores.write_text(damage)
        assert unpacked(empty, claims) == [place]
        assert scores.read_text() == text
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_the_store_does_not_stumble_over_its_claims(made: Path, tmp_path: Path) -> None:
    root = shutil.copytree(made / "data", tmp_path / "data")
    before = verify_store(root)
    sources_of(root, claims=str(made / "claim.zip"))
    after = verify_store(root)
    assert after.findings == before.findings
    assert after.counts == before.counts


def test_a_claim_of_another_release_is_read(made: Path, empty: Path) -> None:
    """Its own code computes its numbers; a comparison computes them anew."""

    def newer(folder: Path) -> None:
        statistics = folder / "alpkd_pipeline" / "reporting" / "statistics"
        (statistics / "newer.py").write_text("")
        (statistics / "family.py").write_text("LEVEL = 0.01")

    claim = repacked(made, empty.parent / "newer.zip", newer)
    assert len(sources_of(empty, claims=str(claim)).experiments) == 6


# What is none ----------------------------------------------------------------------------------


def repacked(made: Path, to: Path, change: Callable[[Path], None], careful: bool = True) -> Path:
    """The claim with a change, perhaps with new hashes, as a zip."""
    folder = to.with_suffix("")
    with ZipFile(made / "claim.zip") as file:
        file.extractall(folder)
    change(folder)
    if careful:
        hash_anew(folder)
    with ZipFile(to, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return to


def refused(claims: Path, store: Path) -> str:
    """Why it cannot be read, in one line; and nothing of it stays."""
    with pytest.raises(UserError) as caught:
        sources_of(store, claims=str(claims))
    assert "\n" not in str(caught.value)
    assert not [*store.rglob("*.json"), *store.rglob("*.work")]
    return str(caught.value)


def raise_score(folder: Path) -> None:
    (scores,) = folder.glob(f"{SCORES[0]}/mrpc/kd-4L-s1-*/scores.json")
    found = read_json(scores)
    found["splits"]["dev"]["scores"]["accuracy"] = 0.99
    write_json(scores, found)
    reseal(scores.parent)


def another_format(folder: Path) -> None:
    write_json(folder / "claim.json", read_json(folder / "claim.json") | {"format": 2})


def no_predictions(folder: Path) -> None:
    (predictions,) = folder.glob(f"{SCORES[0]}/mrpc/kd-4L-s1-*/predictions/dev.csv")
    predictions.unlink()


def other_predictions(folder: Path) -> None:
    (predictions,) = folder.glob(f"{SCORES[0]}/mrpc/kd-4L-s1-*/predictions/dev.csv")
    heading, *rows = predictions.read_text().splitlines()
    rows = [f"{row[:-1]}{1 - int(row[-1])}" for row in rows]
    predictions.write_text("\n".join([heading, *rows, ""]))


def a_row_less(folder: Path) -> None:
    (predictions,) = folder.glob(f"{SCORES[0]}/mrpc/kd-4L-s1-*/predictions/dev.csv")
    predictions.write_text("".join(predictions.read_text().splitlines(keepends=True)[:-1]))


def other_seed(folder: Path) -> None:
    claim = read_json(folder / "claim.json")
    claim["runs"][0]["seed"] = 77
    write_json(folder / "claim.json", claim)


def without(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        claim = read_json(folder / "claim.json")
        del claim[name]
        write_json(folder / "claim.json", claim)

    return change


def no_metrics(folder: Path) -> None:
    (metrics,) = folder.glob(f"{STUDENTS}/mrpc/kd-4L-s1-*/metrics.json")
    metrics.unlink()


def no_seal(folder: Path) -> None:
    (manifest,) = folder.glob(f"{STUDENTS}/mrpc/kd-4L-s1-*/manifest.json")
    manifest.write_text("{}")


REMEDY = (
    "; ask whoever made it for it anew, `python -I verify.py` in its unpacked folder says all that"
    " is wrong"
)


@pytest.mark.parametrize(
    ("change", "careful", "line"),
    [
        (raise_score, False, r"file 07_\S+/kd-4L-s1-\S+\.json is not the one that was hashed"),
        (raise_score, True, r"07_\S+: scores.json is not as it was sealed"),
        (other_predictions, True, r"06_\S+: accuracy 0\.\d+ by its answers, claimed 0\.\d+"),
        (a_row_less, True, r"06_\S+: 23 rows, of which one stands twice, or that its .*"),
        (other_seed, True, r"06_\S+: seed 0, claimed 77"),
        (no_predictions, False, r"file 07_\S+/predictions/dev.csv \(missing\)"),
        (no_metrics, True, r"06_\S+: it cannot be read: .*'06_\S+/metrics.json'"),
        (no_seal, True, r"06_\S+: it cannot be read: KeyError\('sealed'\)"),
        (another_format, True, "the claim has the format 2; known here is 1"),
        (lambda f: (f / "claim.json").write_text("{"), True, "claim.json is no JSON: .*"),
        (lambda f: (f / "claim.json").write_text("[]"), True, "claim.json is no claim's: .*"),
        (lambda f: (f / "claim.json").write_text("{}"), True, "claim.json is no claim's: .*"),
        (without("format"), True, "claim.json is no claim's: it has no 'format'"),
        (without("runs"), True, "claim.json is no claim's: it has no 'runs'"),
        (without("searches"), True, "claim.json is no claim's: it has no 'searches'"),
        (lambda f: (f / "SHA256SUMS").unlink(), False, ".*'SHA256SUMS'"),
        (lambda f: (f / "SHA256SUMS").write_bytes(b"\xff"), False, r"file 06_\S+ \(not listed\)"),
        (lambda f: (f / "note.txt").write_text("x"), True, r"file note.txt \(belongs to nothing\)"),
    ],
)
def test_a_claim_that_does_not_hold_is_one_line(
    made: Path, empty: Path, change: Callable[[Path], None], careful: bool, line: str
) -> None:
    """Which one, what of it is not as it says, and what to do."""
    claim = repacked(made, empty.parent / "changed.zip", change, careful)
    told = refused(claim, empty)
    assert told.startswith(f"{claim} cannot be read as a claim: ")
    assert told.endswith(REMEDY)
    assert re.fullmatch(
        line, told.removeprefix(f"{claim} cannot be read as a claim: ")[: -len(REMEDY)]
    )
    assert ".work" not in told


def test_a_zip_that_is_none_and_one_that_is_no_claim(empty: Path, tmp_path: Path) -> None:
    none, other = tmp_path / "none.zip", tmp_path / "other.zip"
    none.write_text("PK no zip")
    with ZipFile(other, "w") as file:
        file.writestr("paper.tex", "x")
    remedy = "; name a zip that `kedro claim` wrote, or ask whoever made it for it anew"
    assert refused(none, empty) == (
        f"{none} cannot be read as a claim: it is no zip, or not all of one (File is not a zip"
        f" file){remedy}"
    )
    assert refused(other, empty) == (
        f"{other} cannot be read as a claim: it has no claim.json{remedy}"
    )


def test_no_byte_of_a_damaged_zip_is_more_than_one_line(made: Path, empty: Path) -> None:
    whole, draw = (made / "claim.zip").read_bytes(), random.Random(0)
    claim = empty.parent / "damaged.zip"
    for place in (*draw.sample(range(len(whole)), 25), *range(len(whole) - 60, len(whole), 4)):
        claim.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        told = ""
        try:  # a byte of a file's time, say, is nothing to claims
            sources_of(empty, claims=str(claim))
        except UserError as error:
            told = str(error)
        assert told.startswith(f"{claim} cannot be read as a claim: ") or not told
        shutil.rmtree(empty / CACHE, ignore_errors=True)
    for end in (0, 10, 1000, len(whole) // 2, len(whole) - 1):
        claim.write_bytes(whole[:end])
        assert refused(claim, empty).startswith(f"{claim} cannot be read as a claim: ")


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt"])
def test_an_entry_that_leads_out_of_it_does_nothing_there(
    made: Path, empty: Path, name: str
) -> None:
    claim = shutil.copy(made / "claim.zip", empty.parent / "out.zip")
    with ZipFile(claim, "a") as file:
        file.writestr(ZipInfo(name), "x")
    assert "outside.txt (not listed)" in refused(claim, empty)
    assert not [*empty.parent.rglob("outside.txt")]
    assert not Path("/outside.txt").exists()


@pytest.mark.parametrize("name", ["none", "empty"])
def test_where_no_claim_is(tmp_path: Path, empty: Path, name: str) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "note.txt").write_text("x")
    told = refused(tmp_path / name, empty)
    assert told == (
        f"parameter 'compare.claims' = '{tmp_path / name}': there is no claim; `kedro claim"
        " FILE.zip` writes one"
    )


@pytest.mark.parametrize("name", ["gone.zip", "gone"])
def test_where_nothing_is(
    tmp_path: Path, empty: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(Path(name), empty) == (
        f"parameter 'compare.claims' = '{name}': there is nothing at {tmp_path / name}; name a"
        " claim, or a folder of them, from where the command is typed"
    )


def test_another_process_that_was_faster_is_no_mistake(
    made: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims, rename = claims_below(str(made / "claim.zip")), os.rename

    def slow(path: Path, to: Path) -> None:
        shutil.copytree(path, to)
        rename(path, to)

    monkeypatch.setattr(os, "rename", slow)
    monkeypatch.setattr(Path, "replace", slow)
    (place,) = unpacked(empty, claims)
    assert (place / STUDENTS).is_dir()
    assert [path.name for path in place.parent.iterdir()] == [place.name]
