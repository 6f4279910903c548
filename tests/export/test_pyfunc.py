"""The model that MLflow serves, in this process: answers, and what is no request."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from tests.published import PAIR, SINGLE, make_folder, shared_model

from alpkd_pipeline.export import pyfunc
from alpkd_pipeline.export.pyfunc import ANSWER, PART
from alpkd_pipeline.export.runtime import Published

TEXTS = ["w1 w2 w3", "", "w4 " * 50, "Ünïcödé 😀 w5", "w1\0w2"]


def packed(folder: Path, place: Path) -> Path:
    """A model of MLflow's with a published folder in it."""
    mlflow.pyfunc.save_model(
        place,
        python_model=pyfunc.__file__,
        artifacts={PART: str(folder)},
        pip_requirements=["mlflow"],
    )
    return place


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_model(tmp_path_factory)


@pytest.fixture(scope="session", params=["single", "pair"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def place(kind: str, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp(kind)
    folder = make_folder(tiny_model, root / "folder", columns=SINGLE if kind == "single" else PAIR)
    packed(folder, root / "packed")
    return root


@pytest.fixture(scope="session")
def model(place: Path) -> Any:
    return mlflow.pyfunc.load_model(str(place / "packed"))


def rows(kind: str, texts: list[Any]) -> list[dict[str, Any]]:
    pair = {} if kind == "single" else {"text_pair": "w9"}
    return [{"text": text, **pair} for text in texts]


def post(model: Any, body: Any, content: str = "application/json") -> tuple[int, Any]:
    """What the scoring server says: status and answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    schema = model.metadata.get_input_schema()
    try:
        found = scoring_server.invocations(data, content, model, schema)
    except MlflowException as error:
        return error.get_http_status_code(), error.message
    return found.status, json.loads(found.response) if found.status == 200 else found.response


def test_predictions_are_the_runtime_s(model: Any, place: Path, kind: str) -> None:
    published = Published(place / "folder")
    pairs = None if kind == "single" else ["w9"] * len(TEXTS)
    expected = published(TEXTS, pairs)
    found = model.predict(pd.DataFrame(rows(kind, TEXTS)))
    assert list(found.columns) == [*ANSWER]
    given = [tuple(row) for row in found.itertuples(index=False)]
    assert given == [(a.label, a.score, a.probabilities, a.truncated) for a in expected]
    assert [answer.truncated for answer in expected] == [False, False, True, False, False]


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split"])
def test_over_json_every_digit_is_kept(model: Any, place: Path, kind: str, form: str) -> None:
    frame = pd.DataFrame(rows(kind, TEXTS))
    body = frame.to_dict("records" if form == "dataframe_records" else "split")
    status, found = post(model, {form: body})
    assert status == 200
    assert found["predictions"] == model.predict(frame).to_dict("records")


def test_no_rows_have_no_predictions(model: Any, kind: str) -> None:
    columns = [*rows(kind, [""])[0]]
    body = {"dataframe_split": {"columns": columns, "data": []}}
    assert post(model, body) == (200, {"predictions": []})


@pytest.mark.parametrize(
    "value", [None, 5, 0.5, True, float("nan"), ["w1"], {"a": "w1"}, [], "\ud800"]
)
@pytest.mark.parametrize("others", [[], ["w1"]])
def test_what_is_no_text_gets_no_answer(
    model: Any, kind: str, value: Any, others: list[str]
) -> None:
    for texts in ([*others, value], [value, *others]):
        records = rows(kind, texts)
        for form, body in (
            ("dataframe_records", records),
            (
                "dataframe_split",
                {"columns": [*records[0]], "data": [[*r.values()] for r in records]},
            ),
            ("inputs", records),
            ("instances", records),
            ("inputs", {name: [r[name] for r in records] for name in records[0]}),
            ("inputs", value),
        ):
            status, said = post(model, {form: body})
            assert status == 400, (form, said)


def test_a_pair_s_second_text_is_looked_at(model: Any, kind: str) -> None:
    for value in (None, 5, True, ["w1"]):
        assert post(model, {"dataframe_records": [{"text": "w1", "text_pair": value}]})[0] == 400


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"txt": "w1"},
        {"text_pair": "w1"},
        {"text": "w1", "text_pr": "w2"},
        {"text": "w1", "text_pair": "w2", "third": "w3"},
        {"0": "w1"},
    ],
)
def test_columns_are_exactly_those_that_are_read(model: Any, record: dict[str, str]) -> None:
    status, said = post(model, {"dataframe_records": [record]})
    assert (status, "the model reads exactly the columns" in said) == (400, True)


def test_a_pair_is_needed_where_pairs_are_read_and_refused_elsewhere(model: Any, kind: str) -> None:
    single, pair = {"text": "w1"}, {"text": "w1", "text_pair": "w2"}
    statuses = [post(model, {"dataframe_records": [row]})[0] for row in (single, pair)]
    assert statuses == ([200, 400] if kind == "single" else [400, 200])


def test_a_column_twice_is_refused(model: Any, kind: str) -> None:
    names = [*rows(kind, [""])[0]]
    body = {"columns": [*names, "text"], "data": [["w1"] * (len(names) + 1)]}
    assert post(model, {"dataframe_split": body})[0] == 400


def test_inputs_and_instances_are_told_what_to_send_instead(model: Any, kind: str) -> None:
    for form in ("inputs", "instances"):
        status, said = post(model, {form: {"text": ["w1", "w2"]}})
        assert status == 400
        assert 'send texts as {"dataframe_split": {"columns": ["text"' in said


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"w1"', b"{}", b"\xff", b'{"a": 1}'])
def test_what_is_no_request_is_refused(model: Any, body: bytes) -> None:
    assert post(model, body)[0] == 400


def test_csv_is_text_or_refused(model: Any, kind: str) -> None:
    name = "text" if kind == "single" else "text,text_pair"
    more = "" if kind == "single" else ",w9"
    assert post(model, f"{name}\nw1 w2{more}\n".encode(), "text/csv")[0] == 200
    for value in ("5", "NA", "true", "1.5"):
        assert post(model, f"{name}\n{value}{more}\n".encode(), "text/csv")[0] == 400


def test_a_regression_predicts_a_value(tiny_model: Path, tmp_path: Path) -> None:
    folder = make_folder(tiny_model, tmp_path / "folder", labels=())
    found = mlflow.pyfunc.load_model(str(packed(folder, tmp_path / "packed"))).predict(
        pd.DataFrame({"text": ["w1"]})
    )
    (answer,) = Published(folder)(["w1"])
    assert found.to_dict("records") == [
        {"label": "value", "score": answer.score, "probabilities": {}, "truncated": False}
    ]


@pytest.mark.parametrize("name", ["tokenizer.json", "onnx/model_int8.onnx", "export.json"])
def test_a_file_that_was_changed_is_not_loaded(tiny_model: Path, tmp_path: Path, name: str) -> None:
    folder = make_folder(tiny_model, tmp_path / "folder")
    settings = json.loads((folder / "export.json").read_text())
    if name == "export.json":
        (folder / name).write_text(json.dumps({**settings, "temperature": 2.0}))
    else:
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    place = packed(folder, tmp_path / "packed")
    with pytest.raises(ValueError, match=r"was changed|is not what was published"):
        mlflow.pyfunc.load_model(str(place))


def test_serving_needs_neither_torch_nor_this_package(place: Path, kind: str) -> None:
    record = rows(kind, ["w1"])[0]
    code = f"""
import sys
import mlflow.pyfunc, pandas
found = mlflow.pyfunc.load_model({str(place / "packed")!r})
found.predict(pandas.DataFrame([{record!r}]))
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{
    "torch", "transformers", "alpkd_pipeline", "sklearn", "onnx"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr
