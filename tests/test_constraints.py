"""Marks of values that may be: pydantic finds them, and dataclasses work without it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from alpkd_pipeline.constraints import Block, Number, Place, Text, beyond_defaults, possible_path


@dataclass(frozen=True, slots=True)
class Sample(Block):
    count: Annotated[int, Number(ge=1)]
    share: Annotated[float, Number(ge=0, lt=1)] = 0.5
    word: Annotated[str, Text("^[a-z]+$")] | None = None
    place: Annotated[str, Place(least=1)] = "here"


def kinds(**values: object) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Sample).validate_python(values)
    return {problem["type"] for problem in caught.value.errors()}


def test_values_that_may_be_become_the_dataclass() -> None:
    found = TypeAdapter(Sample).validate_python({"count": 2, "share": 0, "word": "a"})
    assert found == Sample(2, 0.0, "a")
    assert type(found.share) is float


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"count": 0}, "greater_than_equal"),
        ({"count": 1, "share": 1.0}, "less_than"),
        ({"count": 1, "share": float("nan")}, "finite_number"),
        ({"count": "1"}, "value_error"),
        ({"count": True}, "value_error"),
        ({"count": 1.5}, "int_from_float"),
        ({"count": 1, "word": "A"}, "string_pattern_mismatch"),
        ({"count": 1, "place": ""}, "string_too_short"),
        ({"count": 1, "place": "s3://bucket"}, "value_error"),
        ({"count": 1, "other": 2}, "unexpected_keyword_argument"),
        ({}, "missing"),
    ],
)
def test_values_that_may_not_be(values: dict[str, object], kind: str) -> None:
    assert kinds(**values) == {kind}


def test_what_is_not_as_usual() -> None:
    assert beyond_defaults(Sample(1)) == {"count": 1}
    assert beyond_defaults(Sample(1, 0.5, "b")) == {"count": 1, "word": "b"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("memory://x", "is an address"),
        ("host:/x", "is an address"),
        ("a\0b", "the character NUL"),
        ("n" * 256, "more than 255 bytes"),
        ("~no-such-user/x", "no user's here"),
    ],
)
def test_paths_that_no_machine_could_have(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        possible_path(path)


def test_a_training_needs_no_pydantic() -> None:
    program = "import sys, alpkd_pipeline.run_settings; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
