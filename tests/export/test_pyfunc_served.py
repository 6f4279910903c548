"""Registered models behind a real `mlflow models serve`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.databases import free_port, initialised_database
from tests.published import PAIR, SINGLE, make_export, shared_model
from tests.servers import Service

from alpkd_pipeline.export.runtime import Published
from alpkd_pipeline.tracking.models import publish_model
from alpkd_pipeline.tracking.settings import tracking_settings

pytestmark = pytest.mark.slow

TEXTS = ["w1 w2 w3", "", "w4", "w5 " * 100_000, "Ünïcödé 😀 中文 w6", "w7\0w8", "W9\n\tw10"]


@dataclass(frozen=True)
class Served:
    """A service, and the folder that it serves."""

    service: Service
    folder: Path
    columns: tuple[str, ...]

    def ask(self, records: list[dict[str, Any]]) -> tuple[int, Any]:
        return self.service.post(json.dumps({"dataframe_records": records}).encode())

    def rows(self, texts: list[Any]) -> list[dict[str, Any]]:
        more = {} if len(self.columns) == 1 else {"text_pair": "w11 w12"}
        return [{"text": text, **more} for text in texts]

    def expected(self, texts: list[str]) -> list[dict[str, Any]]:
        pairs = None if len(self.columns) == 1 else ["w11 w12"] * len(texts)
        return [asdict(answer) for answer in Published(self.folder)(texts, pairs)]


@pytest.fixture(
    scope="module",
    params=[(form, columns) for form in ("fp32", "int8") for columns in (SINGLE, PAIR)],
    ids=["fp32-single", "fp32-pair", "int8-single", "int8-pair"],
)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    form, columns = request.param
    root = tmp_path_factory.mktemp("served")
    shutil.copyfile(initialised_database(tmp_path_factory), root / "mlflow.db")
    settings = tracking_settings("sqlite", "alpkd", root)
    assert settings is not None
    model = shared_model(tmp_path_factory)
    folder, student = make_export(model, root / "data", "a1", columns=columns, serve=form)
    example = ("w1",) if columns == SINGLE else ("w1", "w2")
    publish_model(folder, student, settings, register="tiny", example=example)
    service = Service("models:/tiny@candidate", settings.uri, free_port(), root / "log")
    yield Served(service, folder, columns)
    service.stop()


def test_predictions_are_the_folder_s_to_the_last_bit(served: Served) -> None:
    expected = served.expected(TEXTS)
    assert served.ask(served.rows(TEXTS)) == (200, {"predictions": expected})
    for text, answer in zip(TEXTS, expected, strict=True):
        assert served.ask(served.rows([text])) == (200, {"predictions": [answer]})
    assert [answer["truncated"] for answer in expected].count(True) == 1


@pytest.mark.parametrize("value", [None, 5, 0.5, True, ["w1"], {"a": "w1"}, "\ud800"])
def test_what_is_no_text_gets_no_answer(served: Served, value: Any) -> None:
    for texts in ([value], ["w1", value]):
        assert served.ask(served.rows(texts))[0] == 400
        for form in ("inputs", "instances"):
            assert served.service.post(json.dumps({form: {"text": texts}}).encode())[0] == 400


def test_columns_are_exactly_those_that_are_read(served: Served) -> None:
    row = served.rows(["w1"])[0]
    for wrong in ({}, {"text_pair": "w1"}, {**row, "third": "w2"}, {"text": "w1", "text_pr": "w2"}):
        assert served.ask([wrong])[0] == 400
    assert served.ask([{"text": "w1"}])[0] == (200 if served.columns == SINGLE else 400)
    assert served.ask([{"text": "w1", "text_pair": "w2"}])[0] == (
        400 if served.columns == SINGLE else 200
    )


def test_what_is_no_request_is_refused(served: Served) -> None:
    for body in (b"", b"{", b"null", b"[]", b'"w1"', b"{}", b"\xff"):
        assert served.service.post(body)[0] == 400
    assert served.service.post(b"w1", "text/plain")[0] == 415
    assert served.service.get("/invocations") == 405


def test_a_thousand_requests_of_eight_clients_are_all_right(served: Served) -> None:
    texts = [f"w{i % 50} w{i % 7} w{i % 11}" for i in range(1000)]
    expected = served.expected(texts)
    with ThreadPoolExecutor(8) as clients:
        found = list(clients.map(lambda text: served.ask(served.rows([text])), texts))
    assert found == [(200, {"predictions": [answer]}) for answer in expected]
