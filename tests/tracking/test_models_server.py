"""Publishing and judging through a real tracking server, which keeps the files too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import free_port
from tests.published import make_export, shared_model
from tests.servers import Server

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.champion import Registered
from alpkd_pipeline.tracking.models import Models, publish_model
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[TrackingSettings]:
    server = Server(tmp_path, free_port())
    server.start()
    found = tracking_settings(server.address, "alpkd", tmp_path)
    assert found is not None
    yield found
    server.kill()


def test_a_server_keeps_models_and_what_they_are_judged_by(
    settings: TrackingSettings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = shared_model(tmp_path_factory)
    for number, (digit, p50) in enumerate((("a1", 4.0), ("b2", 2.0), ("c3", 8.0)), 1):
        pair = make_export(model, tmp_path / "store", digit, p50_ms=p50)
        for _ in range(2):
            said = publish_model(*pair, settings, register="tiny", example=("w1",))
            assert said == f"models:/tiny/{number} (candidate) in MLflow at {settings.shown}"
    for version in Models(settings).versions("tiny"):
        assert version.source.startswith("mlflow-artifacts:")
        assert version.run_id
    tiny = Registered("tiny", settings)
    tiny.promote("1", 10.0)
    assert "and 2 times as fast" in tiny.promote("2", 10.0)
    with pytest.raises(UserError, match="is refused: it is neither faster than version 2"):
        tiny.promote("candidate", 10.0)
    assert [line.split()[:2] for line in Registered("tiny", settings).lines()][2] == [
        *("2", "champion")
    ]
