"""`kedro champion`: versions of a registered model, promoted behind the gate or set by hand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from kedro.framework.startup import bootstrap_project
from tests.databases import initialised_database
from tests.projects import copied_project
from tests.published import make_export, shared_model

from alpkd_pipeline.commands.champion import champion
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.champion import Registered
from alpkd_pipeline.tracking.models import Models, publish_model
from alpkd_pipeline.tracking.settings import tracking_settings

ROWS = np.arange(872) % 2


class World:
    """A project whose registry has a model `tiny`."""

    def __init__(self, root: Path, model: Path, database: Path) -> None:
        shutil.copyfile(database, root / "mlflow.db")
        self.root, self._model = copied_project(root, tracking="sqlite"), model
        found = tracking_settings("sqlite", "alpkd", root)
        assert found is not None
        self.settings = found

    def version(self, digit: str, wrong: int = 100, **changes: object) -> None:
        """Register a version that answers so many of 872 dev rows wrongly."""
        predictions = ROWS.copy()
        predictions[:wrong] = 1 - predictions[:wrong]
        given = {"labels": ROWS, "predictions": predictions, **changes}
        folder, student = make_export(self._model, self.root / "data", digit, **given)  # type: ignore[arg-type]
        publish_model(folder, student, self.settings, register="tiny", example=("w1",))

    def say(self, *words: str) -> Result:
        place = SimpleNamespace(project_path=self.root)
        bootstrap_project(self.root)
        return CliRunner().invoke(champion, words, obj=place)

    def lines(self) -> list[list[str]]:
        """The table's cells, without dates."""
        said = re.sub(r" \d{4}-\d\d-\d\d", "", self.say("tiny").output)
        return [re.split(r"\s{2,}", line) for line in said.splitlines()]

    @property
    def aliases(self) -> dict[str, str]:
        return Models(self.settings).aliases("tiny")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_model(tmp_path_factory)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initialised_database(tmp_path_factory)


@pytest.fixture
def world(tmp_path: Path, tiny_model: Path, database: Path) -> World:
    return World(tmp_path, tiny_model, database)


def refused(result: Result) -> str:
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    return line


def test_a_life_of_champions(world: World) -> None:
    world.version("a1")
    size = ["accuracy 0.8853", "20.0 MB", "4.0 ms"]
    assert world.lines()[0] == ["version", "alias", "score", "size", "p50", "why"]
    assert world.lines()[1:] == [["1", "candidate", *size, "not judged yet"]]
    assert "version 1 of 'tiny' is champion since" in world.say("tiny", "--promote").output
    assert world.aliases == {"champion": "1"}

    world.version("b2", p50_ms=1.0, mb=10.0)
    done = world.say("tiny", "--promote")
    why = "not worse than version 1 by 1 point of accuracy (95 %: loss at most 0.422), and"
    assert (done.exit_code, why in done.output) == (0, True)
    assert world.aliases == {"champion": "2"}

    world.version("c3", wrong=150, p50_ms=0.5)
    worse = "it loses 5.73 points to version 2, allowed is 1 point of accuracy"
    assert refused(world.say("tiny", "--promote")) == (
        f"Error: version 3 of 'tiny' is refused: {worse}"
    )
    assert world.aliases == {"champion": "2", "candidate": "3"}
    assert [(line[0], line[-1]) for line in world.lines()[1:]] == [
        ("1", "champion until: version 2 took its place"),
        ("2", f"champion since: {why} 4 times as fast and 2 times smaller"),
        ("3", f"refused: {worse}"),
    ]
    assert "version 1 of 'tiny' is champion since" in world.say("tiny", "--set", "1").output
    assert world.aliases == {"champion": "1", "candidate": "3"}
    assert [(line[0], line[-1]) for line in world.lines()[1:3]] == [
        ("1", "champion since: set by hand"),
        ("2", "champion until: version 1 took its place"),
    ]
    allowed = world.say("tiny", "--promote", "3", "--margin", "10")
    assert (allowed.exit_code, world.aliases) == (0, {"champion": "3"})


def test_what_cannot_be_shown_does_not_move_it(world: World) -> None:
    few = np.arange(277) % 2
    world.version("a1", labels=few, predictions=few)
    world.version("b2", labels=few, predictions=few, p50_ms=1.0)
    world.say("tiny", "--promote", "1")
    assert "is refused: cannot be shown with 277 rows" in refused(world.say("tiny", "--promote"))
    assert world.aliases == {"champion": "1", "candidate": "2"}
    assert world.lines()[2][-1].startswith("refused: cannot be shown with 277 rows")
    said = world.say("tiny", "--set", "2").output
    assert "set by hand, though refused" in said
    assert "cannot be shown with 277 rows" in said


def test_a_version_of_others_is_set_by_hand_alone(world: World) -> None:
    world.version("a1")
    models = Models(world.settings)
    source = models.versions("tiny")[0].source
    models._client.create_model_version("tiny", source)
    assert "version 2 of 'tiny' was not exported here" in refused(world.say("tiny", "--promote=2"))
    assert world.lines()[2] == ["2", "-", "-", "-", "not judged yet"]
    assert world.say("tiny", "--set", "2").exit_code == 0
    assert "version 2 of 'tiny' was not exported here" in refused(world.say("tiny", "--promote"))
    assert world.aliases["champion"] == "2"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["tinny"], "no model 'tinny' is registered at .* (did you mean 'tiny'?)"),
        (["tiny", "--promote", "7"], "'tiny' has no version 7: name a version (there are: 1)"),
        (["tiny", "--set", "x"], "'tiny' has no version x: name a version (there are: 1)"),
        (["tiny", "--promote"], "'tiny' has no candidate: name a version (there are: 1)"),
        (["tiny", "--promote=1"], "version 1 of 'tiny' is the champion already"),
        (["tiny", "--params=run.tracking=off"], "tracking is off: set run.tracking in conf/"),
        (["tiny", "--params=run.tracking=sqlite:///none.db"], "there is no .*none.db, so no model"),
        (["tiny", "--params=run.tracking=http://127.0.0.1:9"], ".* Connection refused; ask again"),
    ],
)
def test_what_is_not_there_is_one_line(world: World, words: list[str], line: str) -> None:
    world.version("a1")
    world.say("tiny", "--promote")
    pattern = ".*".join(map(re.escape, f"Error: {line}".split(".*")))
    assert re.match(pattern, refused(world.say(*words))), refused(world.say(*words))
    assert not (world.root / "none.db").exists()


@pytest.mark.parametrize("words", [["--promote", "--set", "1"], ["--margin", "-1"]])
def test_options_that_cannot_be(world: World, words: list[str]) -> None:
    assert world.say("tiny", *words).exit_code == 2


def test_a_champion_that_was_changed_meanwhile_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digit in ("a1", "b2", "c3"):
        world.version(digit, p50_ms=9.0 - int(digit[1]) * 2)
    world.say("tiny", "--promote=1")
    told: Callable[..., object] = Models.evidence

    def slow(models: Models, version: object) -> object:
        models.point("tiny", "champion", "2")  # another machine, while this one judges
        return told(models, version)

    monkeypatch.setattr(Models, "evidence", slow)
    with pytest.raises(UserError, match=r"the champion of 'tiny' was changed meanwhile"):
        Registered("tiny", world.settings).promote("3", 1.0)
    assert world.aliases == {"champion": "2", "candidate": "3"}


def test_two_processes_at_once_judge_one_after_the_other(world: World) -> None:
    for digit, p50 in (("a1", 9.0), ("b2", 4.0), ("c3", 2.0)):
        world.version(digit, p50_ms=p50)
    world.say("tiny", "--promote=1")
    command = [sys.executable, "-m", "kedro", "champion", "tiny", "--promote"]
    both = [
        subprocess.Popen([*command, version], cwd=world.root, stderr=subprocess.PIPE, text=True)
        for version in ("2", "3")
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    codes = [process.returncode for process in both]
    # Whichever came second was held against the first one: version 3 is the faster in both orders.
    assert codes in ([0, 0], [1, 0]), said
    assert world.aliases == {"champion": "3"}
    decisions = [line[-1] for line in world.lines()[1:]]
    if codes == [0, 0]:
        assert decisions[1] == "champion until: version 3 took its place"
    else:
        assert decisions[1].startswith("refused: it is neither faster than version 3")
