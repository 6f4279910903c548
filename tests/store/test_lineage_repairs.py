"""Damage that is met on the way is told with the command that `kedro verify` has for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.stores import SmallStore, bad

from alpkd_pipeline.store.lineage import Home, Index, Repairs, with_commands
from alpkd_pipeline.store.manifest import MANIFEST
from alpkd_pipeline.store.run_folder import DamagedError, RunFolder
from alpkd_pipeline.store.verify import verify_store

SMALL, BIG = (f"kedro run --pipeline=distill --params=name={name}" for name in ("small", "big"))


def met(folder: Path, home: Home | None = None) -> DamagedError:
    with pytest.raises(DamagedError) as error:
        RunFolder(folder).verify()
    return with_commands(error.value, home)


@pytest.mark.parametrize("file", ["data.bin", "run.json"])
@pytest.mark.parametrize("name", ["small", "big", "said", "rows", "big-latency", "small-layers"])
def test_it_is_what_verify_says(store: SmallStore, name: str, file: str) -> None:
    folder = store.folder(name)
    (folder / file).write_bytes(b"")
    found = next(f for f in bad(verify_store(store.root)) if f.file == file)
    (line,) = str(met(folder)).splitlines()
    assert line.endswith(f"instead of {found.expected} (0 bytes instead of 64); {found.do}") or (
        line.endswith(found.do) and found.expected in line
    )


@pytest.mark.parametrize(
    ("name", "command"),
    # A student's command makes its teacher and its signals on its way.
    [("small", SMALL), ("big", SMALL), ("said", SMALL), ("big-latency", BIG)],
)
def test_a_folder_without_a_manifest_is_known_by_its_name(
    store: SmallStore, name: str, command: str
) -> None:
    folder = store.folder(name)
    if name.endswith("latency"):
        # Real results are called after their models.
        folder = folder.rename(folder.with_name(f"{store.folder('big').name}-{folder.name[-8:]}"))
        command = command.replace("distill", "evaluate")
    (folder / MANIFEST).write_text("{")
    assert str(met(folder)).endswith(f"; rm -r {folder}, then {command}")


def test_a_comparison(store: SmallStore) -> None:
    folder = store.comparison("all", [])
    (folder / "comparison.json").write_text("[]")
    assert str(met(folder)).endswith("then kedro run --pipeline=compare")


def test_what_lies_in_no_store_and_what_nobody_knows(store: SmallStore, tmp_path: Path) -> None:
    alone = store.folder("small").rename(tmp_path / "alone")
    (alone / "data.bin").write_bytes(b"")
    assert str(met(alone)).endswith(f"rm -r {alone}, then the command that made it")


def test_a_command_names_a_store_that_it_would_not_write_to(
    store: SmallStore, tmp_path: Path
) -> None:
    small, comparison = store.folder("small"), store.comparison("all", [])
    (small / "data.bin").write_bytes(b"")
    (comparison / "comparison.json").write_text("[]")
    assert str(met(small, lambda _env: store.root)).endswith(f"then {SMALL}")
    assert str(met(small, lambda _env: tmp_path)).endswith(f"then {SMALL},run.store={store.root}")
    assert str(met(comparison, lambda _env: tmp_path)).endswith(
        f"then kedro run --pipeline=compare --params=run.store={store.root}"
    )


@pytest.mark.parametrize(
    ("command", "placed"),
    [
        ("kedro run --env=there --params=a=1", "kedro run --env=there --params=a=1"),
        (
            "kedro run --env=x '--params=a=b|c'",
            "kedro run --env=x '--params=a=b|c,run.store=/my s'",
        ),
        ("the command that made it", "the command that made it"),
        ("kedro run '", "kedro run '"),
    ],
)
def test_where_a_command_goes_depends_on_its_environment(command: str, placed: str) -> None:
    place = Path("/my s")
    repairs = Repairs(
        Index(place, (), (), ()), lambda env: place if env == "there" else Path("/home")
    )
    assert repairs.placed(command) == placed
