"""Which values a setting may have, said where it is declared. Standard library only.

Settings that a training reads are frozen dataclasses, and where it runs there need be no pydantic.
Where parameters come in pydantic finds these marks in `Annotated[int, Number(ge=1)]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic_core.core_schema import CoreSchema

COMMIT = r"^[0-9a-f]{40}$"
SHA256 = r"^[0-9a-f]{64}$"

LONGEST_NAME = 255  # bytes of a file or folder, in every file system of today

_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"
_ADDRESS = re.compile(f"({_SCHEME}::)*{_SCHEME}:/")
"""Begins `s3://bucket`, `cache::s3://bucket`, `file:/x` or `host:/x`; below the project a folder
`s3:` would be made."""

Inner = Callable[[Any], "CoreSchema"]
Settings = TypeVar("Settings")


class Block:
    """A dataclass of settings: pydantic refuses entries that it does not have."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within limits, by pydantic's names of these; text and truth values are none."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def __get_pydantic_core_schema__(self, kind: Any, inner: Inner) -> CoreSchema:
        from pydantic_core.core_schema import no_info_before_validator_function

        limits = {name: value for name, value in asdict(self).items() if value is not None}
        finite = {"allow_inf_nan": False} if kind is float else {}
        schema: Any = {**inner(kind), **limits, **finite}
        return no_info_before_validator_function(_refuse_text, schema)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that fits a pattern."""

    pattern: str

    def __get_pydantic_core_schema__(self, kind: Any, inner: Inner) -> CoreSchema:
        schema: Any = {**inner(kind), "pattern": self.pattern}
        return schema


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or a file; of a model also a package or a hub id."""

    least: int = 0  # characters

    def __get_pydantic_core_schema__(self, kind: Any, inner: Inner) -> CoreSchema:
        from pydantic_core.core_schema import no_info_after_validator_function

        schema: Any = {**inner(kind), "min_length": self.least}
        return no_info_after_validator_function(possible_path, schema)


def _refuse_text(value: Any) -> Any:
    # Not turned into a number silently: quotes around a number are a slip worth seeing.
    if isinstance(value, str):
        raise ValueError("should be a number, not text")
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


def possible_path(value: str) -> str:
    """A path as it is.

    Raises:
        ValueError: it is an address, or no path that this machine could have.
    """
    if _ADDRESS.match(value):
        raise ValueError(
            "is an address, and only folders and files of a local or shared file system work:"
            " mount it, or copy it, and name the path"
        )
    if "\0" in value:
        raise ValueError("holds the character NUL, which no path may have")
    if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in Path(value).parts):
        raise ValueError(f"holds a name of more than {LONGEST_NAME} bytes")
    try:
        Path(value).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~ and a name that is no user's here") from None
    return value


def block_of(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """A dataclass from what `dataclasses.asdict` made of it; values are not checked."""
    whole = dict(values)
    for name, inner in get_type_hints(kind).items():
        if name in whole and isinstance(inner, type) and is_dataclass(inner):
            whole[name] = block_of(inner, whole[name])
    return kind(**whole)


def beyond_defaults(settings: DataclassInstance) -> dict[str, Any]:
    """The entries of a dataclass that differ from their defaults, by name."""
    usual = {field.name: field.default for field in fields(settings)}
    present = {name: getattr(settings, name) for name in usual}
    return {n: v for n, v in present.items() if usual[n] is MISSING or v != usual[n]}
