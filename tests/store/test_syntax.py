"""What is read of one file; what it means for hashes stands in test_code_graph.py."""

from __future__ import annotations

import pytest

from alpkd_pipeline.store.syntax import Statement, read_syntax


def statements(text: str) -> list[Statement]:
    return list(read_syntax(text, "toy.a").statements)


def test_imports_are_dotted_origins_by_name() -> None:
    text = "import os.path\nimport numpy as np\nfrom . import b\nfrom .c import d as e\n"
    assert read_syntax(text, "toy.a").imports == {
        "b": "toy.b",
        "e": "toy.c.d",
        "np": "numpy",
        "numpy": "numpy",
        "os": "os",
        "os.path": "os.path",
    }
    assert read_syntax("from . import b\n", "toy", is_package=True).imports == {"b": "toy.b"}
    assert read_syntax("from ..c import d\n", "toy.deep.a").imports == {"d": "toy.c.d"}


def test_what_a_statement_binds_and_refers_to() -> None:
    first, second = statements("import os\nX = os.sep\ndef f(x): return g(X, x, f, len(x))\n")
    assert (first.names, first.refers_to, first.loose) == (("X",), (".X", "os.sep"), False)
    assert (second.names, second.refers_to, second.loose) == (("f",), (".X", ".f"), False)


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("X = 1", False),
        ("X: int = 1", False),
        ("class C: ...", False),
        ("@cache\ndef f(): ...", False),
        ("X += 1", True),
        ("T['a'] = 1", True),
        ("print(1)", True),
        ("if X:\n    def f(): ...", True),
        ("from toy.b import *", True),
        ("from toy.b import wrap\n@wrap\ndef f(): ...", True),
    ],
)
def test_what_does_more_than_to_define_is_loose(text: str, loose: bool) -> None:
    assert statements(text)[-1].loose is loose


def test_imports_for_types_and_texts_are_no_statements() -> None:
    text = '"""Doc."""\nif TYPE_CHECKING:\n    import numpy\n"A text."\n'
    assert statements(text) == []


def test_what_is_no_python_is_an_error() -> None:
    with pytest.raises(SyntaxError):
        statements("def f(:\n")
