from __future__ import annotations

import subprocess
import sys

import pytest
from kedro.io import MemoryDataset

from alpkd_pipeline.datasets.inputs import PlainCatalog


@pytest.mark.parametrize("value", [True, 3, 0.5, "text", [1, [2]], {"a": {"b": 1}}, None])
def test_a_plain_value_comes_back_equal_and_apart(value: object) -> None:
    catalog = PlainCatalog()
    catalog["params:x"] = value
    loaded = catalog.load("params:x")
    assert loaded == value
    if isinstance(value, list | dict):
        loaded.clear()
        assert catalog.load("params:x") == value != loaded


def test_other_values_are_kedros_to_judge() -> None:
    catalog, kept = PlainCatalog(), object()
    catalog["own"] = dataset = MemoryDataset(kept, copy_mode="assign")
    catalog["tuple"] = (1, 2)
    assert catalog["own"] is dataset
    assert catalog.load("own") is kept
    assert catalog.load("tuple") == (1, 2)


def test_a_value_can_be_replaced() -> None:
    catalog = PlainCatalog()
    for value in (1, 2):
        catalog["params:x"] = value
    assert catalog.load("params:x") == 2


def test_parameters_need_no_pandas() -> None:
    program = (
        "import sys; from alpkd_pipeline.datasets.inputs import PlainCatalog\n"
        "catalog = PlainCatalog()\n"
        "catalog['parameters'] = {'seed': 0}\n"
        "catalog['params:seed'] = 0\n"
        "catalog.load('parameters'), catalog.load('params:seed')\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
