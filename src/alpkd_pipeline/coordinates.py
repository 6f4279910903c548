"""What tells the experiments of a grid apart, and how some of them are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alpkd_pipeline.errors import UserError, did_you_mean, some

PLACES = {
    "task": "task.name",
    "method": "method.name",
    "layers": "student.layers",
    "seed": "seed",
    "teacher_seed": "teacher.seed",
}
"""What tells the experiments of a grid apart, and the parameters that say it."""

COORDINATES = tuple(PLACES)
NUMBERS = ("layers", "seed", "teacher_seed")
MOST_TOLD = 12  # so many values that are there are listed


def as_list(value: Any) -> Any:
    """A value or several of them as several."""
    return value if isinstance(value, list | tuple) else [value]


def matches(where: Mapping[str, Any], coordinates: Mapping[str, Any]) -> bool:
    """Whether an experiment is meant by some of its coordinates, each with a value or several."""
    return all(coordinates.get(name) in as_list(wanted) for name, wanted in where.items())


def said(where: Mapping[str, Any]) -> str:
    """A `where` as it is typed: `task=mrpc, method=kd|alp_kd`."""
    return ", ".join(f"{name}={'|'.join(map(str, as_list(v)))}" for name, v in where.items())


def absent(where: Mapping[str, Any], experiments: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each value of a `where` that no experiment has, with the nearest one and those there are."""
    for name, wanted in where.items():
        there = list(dict.fromkeys(str(experiment[name]) for experiment in experiments))
        for value in map(str, as_list(wanted)):
            if value not in there:
                hint = "" if name in NUMBERS else did_you_mean(value, there, "; {}")
                yield f"{name}={value}{hint}; there are: {some(there, MOST_TOLD) or 'none'}"


def chosen(
    where: Mapping[str, Any], experiments: Sequence[dict[str, Any]], none: str
) -> list[dict[str, Any]]:
    """The experiments that are meant.

    Raises:
        UserError: a value that no experiment has, or none has all of them; `none` begins the line.
    """
    found = [experiment for experiment in experiments if matches(where, experiment)]
    for told in [*absent(where, experiments), *([] if found else [said(where)])]:
        raise UserError(f"{none} is {told}")
    return found


def parse_only(text: str) -> dict[str, Any]:
    """Read `task=mrpc,method=alp_kd|kd,seed=0|1` as a `where`; a semicolon is as good as a comma.

    Raises:
        UserError: an unknown name, one that is given twice, or a value of another type.
    """
    where: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.replace(";", ",").split(","))):
        name, equals, values = part.partition("=")
        if not equals or not values:
            raise UserError(f"--only {part}: write name=value, several values joined by |")
        if name not in COORDINATES:
            hint = did_you_mean(name, COORDINATES, "; {}") or f"; known: {', '.join(COORDINATES)}"
            raise UserError(f"--only {part}: unknown name '{name}'{hint}")
        if name in where:
            raise UserError(f"--only: '{name}' is given twice; join its values by |")
        where[name] = values.split("|")
        if name in NUMBERS:
            for value in where[name]:
                if not value.isdigit():
                    raise UserError(f"--only {part}: '{value}' is not a whole number")
            where[name] = list(map(int, where[name]))
    return where
