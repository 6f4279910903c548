"""What moves a hash of code, in small packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.store.code_graph import CodeFacts, CodeGraph

BASE = {
    "a.py": "from toy.b import helper\n\ndef f(x):\n    return helper(x) + 1\n",
    "b.py": "from toy import c\n\ndef helper(x):\n    return c.scale(x, c.X)\n\n"
    "def other(x): ...\n",
    "c.py": "X = 1\nY = 2\n\ndef scale(x, by):\n    return x * by\n",
}


def digest(
    folder: Path, files: dict[str, str], entry: str = "toy.a.f", leave_out: tuple[str, ...] = ()
) -> str:
    return graph(folder, files, leave_out).digest([entry])


def graph(folder: Path, files: dict[str, str], leave_out: tuple[str, ...] = ()) -> CodeGraph:
    for n in range(1000):
        root = folder / str(n) / "toy"
        if not root.parent.exists():
            break
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return CodeGraph(root, CodeFacts(None), leave_out)


def edited(old: str, new: str, file: str | None = None) -> dict[str, str]:
    """BASE with a text replaced."""
    files = {n: t.replace(old, new) if file in (None, n) else t for n, t in BASE.items()}
    assert files != BASE
    return files


SAME = {
    "a docstring": edited("def f(x):\n", 'def f(x):\n    """What it does."""\n'),
    "a text below a constant": edited("X = 1\n", 'X = 1\n"""What it is."""\n'),
    "comments and layout": edited("return x * by", "# so\n    return (x  *  by)"),
    "a definition that nobody uses": edited("def other(x): ...", "def other(x): return 1"),
    "a constant that nobody uses": edited("Y = 2", "Y = 3"),
    "a new constant": edited("X = 1\n", "X = 1\nZ = 1\n"),
    "the order of definitions": edited("X = 1\nY = 2\n", "Y = 2\nX = 1\n"),
    "a renamed helper": edited("helper", "_assist"),
    "a renamed constant": {n: t.replace("X", "WIDE") for n, t in BASE.items()},
    "a renamed module": {
        "a.py": BASE["a.py"].replace("toy.b", "toy.deep.z"),
        "deep/z.py": BASE["b.py"],
        "c.py": BASE["c.py"],
    },
    "another way to import": {
        "a.py": "import toy.b\n\ndef f(x):\n    return toy.b.helper(x) + 1\n",
        "b.py": "from .c import X as width, scale\n\ndef helper(x):\n    return scale(x, width)\n",
        "c.py": BASE["c.py"],
    },
    "an import inside the function": {
        **BASE,
        "a.py": "def f(x):\n    from toy.b import helper as h\n    return h(x) + 1\n",
    },
    "a helper moved to its caller": {
        "a.py": "from toy import c\n\ndef helper(x):\n    return c.scale(x, c.X)\n"
        "def f(x):\n    return helper(x) + 1\n",
        "c.py": BASE["c.py"],
    },
    "all in one file": {
        "a.py": "def f(x): return helper(x) + 1\ndef helper(x): return scale(x, X)\n"
        "X = 1\ndef scale(x, by): return x * by\n"
    },
    "imported through the package": {
        **BASE,
        "deep/__init__.py": "from toy.b import helper\n",
        "a.py": BASE["a.py"].replace("toy.b", "toy.deep"),
    },
    "an import for types": {
        **BASE,
        "a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy.d import T\n"
        + BASE["a.py"],
        "d.py": "class T: ...\n",
    },
    "__all__": edited("X = 1", "__all__ = ['X']\nX = 1"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_hash_stays(tmp_path: Path, name: str) -> None:
    assert digest(tmp_path, SAME[name]) == digest(tmp_path, BASE)


OTHER = {
    "a body": edited("+ 1", "+ 2"),
    "the body of what is called": edited("x * by", "x / by"),
    "a constant": edited("X = 1", "X = 2"),
    "a constant that is set again": edited("X = 1\n", "X = 2\nX = 1\n"),
    "another function of the same file": edited("return helper(x)", "return other(x)", "a.py")
    | {"a.py": BASE["a.py"].replace("helper", "other")},
    "another constant": edited("c.X", "c.Y"),
    "the order of arguments": edited("c.scale(x, c.X)", "c.scale(c.X, x)"),
    "a default": edited("def f(x)", "def f(x=1)"),
    "a decorator": edited("def f(x)", "@print\ndef f(x)"),
    "a statement that runs on import": edited("X = 1\n", "X = 1\nprint(X)\n"),
    "a changed table": edited("X = 1\n", "X = 1\nT = {}\nT['a'] = 1\n"),
    "an effect of a module that is only imported": {
        **BASE,
        "a.py": "import toy.d\n" + BASE["a.py"],
        "d.py": "import toy.c\ntoy.c.X = 5\n",
    },
    "a star import": edited("from toy import c\n", "from toy import c\nfrom toy.c import *\n"),
    "a wrapped function": edited("X = 1", "def by_us(f): return f\nX = 1")
    | {"a.py": BASE["a.py"].replace("def f", "from toy.c import by_us\n@by_us\ndef f")},
}


@pytest.mark.parametrize("name", OTHER)
def test_the_hash_moves(tmp_path: Path, name: str) -> None:
    assert digest(tmp_path, OTHER[name]) != digest(tmp_path, BASE)


def one(tmp_path: Path, text: str, **more: str) -> str:
    return digest(tmp_path, {"a.py": text, **{f"{name}.py": t for name, t in more.items()}})


PAIRS: dict[str, tuple[str, str]] = {
    "helpers of one name swapped": (
        "from toy.b import g\ndef f(x): return g(x)\n",
        "from toy.c import g\ndef f(x): return g(x)\n",
    ),
    "helpers of one name swapped, a level deeper": (
        "from toy.d import h\ndef f(x): return h(x)\n",
        "from toy.e import h\ndef f(x): return h(x)\n",
    ),
    "another library's function of one name": (
        "from torch.nn.functional import relu\ndef f(x): return relu(x)\n",
        "from numpy import relu\ndef f(x): return relu(x)\n",
    ),
    "another library under one name": (
        "import torch as t\ndef f(x): return t.abs(x)\n",
        "import numpy as t\ndef f(x): return t.abs(x)\n",
    ),
    "which of two names": (
        "a, b = 1, 2\ndef f(x): return a\n",
        "a, b = 1, 2\ndef f(x): return b\n",
    ),
    "the order of rebinding": (
        "X = 1\nX = 2\ndef f(x): return X\n",
        "X = 2\nX = 1\ndef f(x): return X\n",
    ),
    "a class that only a hint names": (
        "from toy.b import T\ndef f(x: T): return x.do()\n",
        "from toy.c import T\ndef f(x: T): return x.do()\n",
    ),
    "a hint inside": (
        "from toy.b import T\ndef f(x):\n    y: T = x\n    return y.do()\n",
        "from toy.c import T\ndef f(x):\n    y: T = x\n    return y.do()\n",
    ),
    "a base class": (
        "from toy.b import T\nclass f(T): pass\n",
        "from toy.c import T\nclass f(T): pass\n",
    ),
    "a module as a value": (
        "from toy import b as m\ndef f(x): return getattr(m, x)\n",
        "from toy import c as m\ndef f(x): return getattr(m, x)\n",
    ),
    "a default": (
        "from toy.b import X\ndef f(X=X): return X\n",
        "from toy.c import X\ndef f(X=X): return X\n",
    ),
    "what a comprehension goes through": (
        "from toy.b import X\ndef f(x): return [X for X in X]\n",
        "from toy.c import X\ndef f(x): return [X for X in X]\n",
    ),
    "a name behind global": (
        "X = 1\ndef f(x):\n    global X\n    X = x\n    return X\n",
        "X = 2\ndef f(x):\n    global X\n    X = x\n    return X\n",
    ),
    "a method that a class's own name does not hide": (
        "from toy.b import g\nclass f:\n    def g(self): return g(self)\n",
        "from toy.c import g\nclass f:\n    def g(self): return g(self)\n",
    ),
    "one of two ways to import": (
        "try:\n    from toy.b import g\nexcept ImportError:\n    g = None\ndef f(x): return g(x)\n",
        "try:\n    from toy.c import g\nexcept ImportError:\n    g = None\ndef f(x): return g(x)\n",
    ),
    "a nested function": (
        "from toy.b import g\ndef f(x):\n    def inner(): return g(x)\n    return inner\n",
        "from toy.c import g\ndef f(x):\n    def inner(): return g(x)\n    return inner\n",
    ),
}
ONE = "X = [1]\nclass T:\n    def do(self): return 1\ndef g(x): return x + 1\n"
TWO = "X = [2]\nclass T:\n    def do(self): return 2\ndef g(x): return x + 2\n"
DEEP = "from toy.{} import g\ndef h(x): return g(x)\n"


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_meant_by_a_name_counts(tmp_path: Path, name: str) -> None:
    more = {"b": ONE, "c": TWO, "d": DEEP.format("b"), "e": DEEP.format("c")}
    first, second = PAIRS[name]
    assert one(tmp_path, first, **more) != one(tmp_path, second, **more)
    swapped = {**more, "b": TWO, "c": ONE}
    if "import torch" not in first and "from torch" not in first and "toy" in first:
        assert one(tmp_path, first, **more) == one(tmp_path, second, **swapped)


@pytest.mark.parametrize(
    "body",
    [
        "def f(g): return g\n",
        "def f(x):\n    g = x\n    return g\n",
        "def f(x):\n    for g in x: print(g)\n",
        "def f(x):\n    with x as g: return g\n",
        "def f(x):\n    try: x()\n    except ValueError as g: return g\n",
        "def f(x):\n    return [g for g in x]\n",
        "def f(x):\n    return lambda g: g\n",
        "def f(x):\n    if (g := x): return g\n",
        "def f(x):\n    match x:\n        case [g, *_]: return g\n",
        "def f(x):\n    def g(): ...\n    return g\n",
        "def f(x):\n    g = x\n    def inner():\n        nonlocal g\n        g = 1\n",
        "def f(x):\n    from torch import g\n    return g\n",
        "class f:\n    g = 1\n    h = g\n",
    ],
)
def test_a_local_name_is_not_the_function_of_that_name(tmp_path: Path, body: str) -> None:
    text = "def g(): return {}\n" + body
    assert one(tmp_path, text.format(1)) == one(tmp_path, text.format(2))


def test_definitions_that_refer_to_each_other_have_a_hash(tmp_path: Path) -> None:
    text = "def f(x): return g(x)\ndef g(x): return f(x) or g(x)\n"
    renamed = "def g2(x): return f(x) or g2(x)\ndef f(x): return g2(x)\n"
    assert one(tmp_path, text) == one(tmp_path, renamed)
    assert one(tmp_path, text) != one(tmp_path, text.replace("or g(x)", "or f(x)"))


def test_what_finds_things_by_text_counts_with_its_whole_file(tmp_path: Path) -> None:
    text = "from importlib import import_module\ndef f(x): return import_module(x)\ndef g(): {}\n"
    assert one(tmp_path, text.format("...")) != one(tmp_path, text.format("return 1"))
    assert "toy.a.*" in map(str, graph(tmp_path, {"a.py": text.format(1)}).reached(["toy.a.f"]))


@pytest.mark.parametrize(
    ("out", "reached"),
    [
        ((), {"toy.a.f", "toy.b.helper", "toy.c.scale", "toy.c.X"}),
        (("toy.c.X",), {"toy.a.f", "toy.b.helper", "toy.c.scale"}),
        (("toy.c",), {"toy.a.f", "toy.b.helper"}),
        (("toy.b", "toy.a"), {"toy.a.f"}),
        (("toy.*",), {"toy.a.f"}),
        (("toy.b.*", "toy.hel"), {"toy.a.f"}),
        (("toy.b.hel", "toy"), {"toy.a.f", "toy.b.helper", "toy.c.scale", "toy.c.X"}),
    ],
)
def test_what_is_left_out(tmp_path: Path, out: tuple[str, ...], reached: set[str]) -> None:
    found = graph(tmp_path, BASE, out)
    assert {str(place) for place in found.reached(["toy.a.f"])} == reached
    if "toy.b.helper" not in reached:
        assert found.digest(["toy.a.f"]) == digest(tmp_path, edited("x * by", "x"), leave_out=out)


def test_what_only_begins_like_a_package_that_is_left_out_counts(tmp_path: Path) -> None:
    files = {
        "a.py": "from toy.c.inner import X\nfrom toy.c_more import Y\ndef f(x): return X + Y\n",
        "c/inner.py": "X = 1\n",
        "c_more.py": "Y = 1\n",
    }
    found = graph(tmp_path, files, ("toy.c.*",)).reached(["toy.a.f"])
    assert {str(place) for place in found} == {"toy.a.f", "toy.c_more.Y"}


@pytest.mark.parametrize("entry", ["toy.a.nothing", "toy.nothing.f", "toy.a", "toy.c.X.y", "os.x"])
def test_an_entry_that_is_not_there_is_an_error(tmp_path: Path, entry: str) -> None:
    with pytest.raises(LookupError, match=entry):
        graph(tmp_path, BASE).digest([entry])
