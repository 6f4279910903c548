"""What the labels of a task's files mean, decided once for all of them. Standard library only.

A file may hold class names or class ids, and many values can be both: 1 is the second class, and
the name of a class called "1". So no value decides for itself. `label_text` gives every label one
form in which all formats agree, and `read_labels` finds the one reading that fits all labels of all
splits, or refuses them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task
from alpkd_pipeline.tasks.text import as_bytes, is_blank, is_utf8

SHOWN_VALUES = 5
"""How many labels that do not fit a refusal quotes."""

SHOWN_NAMES = 20
"""How many class names a refusal lists before it only counts."""

HIDDEN_TEXT = str(HIDDEN_LABEL)
"""The hidden label in the form of `label_text`."""

_SEPARATORS = re.compile(r"[|,;]")
_NUMBER = re.compile(r"([+-]?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the labels of a task are to be read.

    Attributes:
        by: by the classes' names, or by their ids.
        ids: label, in the form of `label_text` -> class id.
    """

    by: Literal["name", "id"]
    ids: Mapping[str, int]


def hidden_label(task: Task) -> int | float:
    """What stands for a label that is kept secret.

    It is -1 as in GLUE; NaN for a regression whose range holds -1, where -1 is a real answer.
    """
    if task.kind == "classification":
        return HIDDEN_LABEL
    low, high = task.label_range or (0.0, 0.0)
    return math.nan if low <= HIDDEN_LABEL <= high else float(HIDDEN_LABEL)


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN or text in which nothing can be seen."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and is_blank(value))


def label_text(value: object) -> str | None:
    """A label in the form in which labels are compared, whatever type its file gave it.

    Text is stripped. A number is its digits: 1, 1.0, "1" and "1.0" are `1`; but "01" and "1e0" are
    text. A truth value is its name: True, "True" and "TRUE" are `true`.

    Args:
        value: a single raw cell.

    Returns:
        None for a cell that holds nothing.
    """
    if is_missing(value):
        return None
    if isinstance(value, float | Decimal) and math.isfinite(value):
        value = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    text = str(value).strip()
    number = _NUMBER.fullmatch(text)
    if number:
        sign, whole, fraction = number.groups(default="")
        digits = f"{whole}.{fraction}".rstrip("0").rstrip(".") if fraction else whole
        return digits if digits == "0" else f"{sign.removeprefix('+')}{digits}"
    return text.lower() if text.lower() in ("true", "false") else text


def read_number(value: object) -> object:
    """The label of a regression as a float; None when missing, and as it was when it is no number.

    Args:
        value: a single raw cell.
    """
    if is_missing(value):
        return None
    if not isinstance(value, str | int | float | Decimal):
        return value
    try:
        return float(value)
    except (ValueError, OverflowError):  # no number, or a whole number larger than any float
        return value


def holds_several(value: object, names: Sequence[str]) -> bool:
    """Whether a cell holds more than one label: a list, or several names with separators."""
    if not isinstance(value, str):
        return isinstance(value, list | dict)
    parts = [part.strip() for part in _SEPARATORS.split(value)]
    return value.strip() not in names and len(parts) > 1 and all(part in names for part in parts)


def class_names(names: Sequence[str]) -> dict[str, int]:
    """The classes' names in the form of `label_text` -> class id.

    Raises:
        UserError: a name is blank, or two of them are one value.
    """
    found: dict[str, int] = {}
    for at, name in enumerate(names):
        text = label_text(name)
        if text is None:
            raise UserError(f"task.labels: {name!r} is blank; give every class a name")
        if text in found:
            raise UserError(
                f"task.labels: {names[found[text]]!r} and {name!r} are one value; give every class"
                " a name of its own"
            )
        found[text] = at
    return found


def read_labels(places: Mapping[str, Mapping[str, str]], task: Task) -> Reading:
    """Find the reading that fits all labels of all splits.

    By name if every label is a class name. Else by id, 0 to C-1, if every label is one of these and
    no name is a number.

    Args:
        places: split -> label, in the form of `label_text` -> its first place (`line 3`); labels
            that are missing or hidden are left out.
        task: a classification of C classes.

    Raises:
        UserError: neither fits.
    """
    names = class_names(task.label_names)
    numbered = any(_NUMBER.fullmatch(name) for name in names)
    ids = {} if numbered else {str(at): at for at in range(len(names))}
    labels = list(dict.fromkeys(label for found in places.values() for label in found))
    others = [label for label in labels if label not in names]
    if not others:
        return Reading("name", names)
    no_ids = [label for label in labels if label not in ids]
    if not no_ids:
        return Reading("id", ids)
    blamed = others if numbered or len(others) <= len(no_ids) else no_ids
    raise UserError(f"task '{task.name}', labels: {_refusal(blamed, places, task, numbered)}")


def own_names(file_names: Sequence[str], task: Task) -> list[str]:
    """The class names that a file itself carries, by its ids, in the form of `label_text`.

    Raises:
        UserError: the task has others; the end of a sentence about the file.
    """
    found = [label_text(name) for name in file_names]
    if len(set(found)) < len(found) or set(found) != set(class_names(task.label_names)):
        raise UserError(
            f"the labels are {_listed(file_names)}, but task '{task.name}' has"
            f" {_listed(task.label_names) or 'numbers'}; correct task.labels"
        )
    return [text or "" for text in found]


def _refusal(
    blamed: Sequence[str], places: Mapping[str, Mapping[str, str]], task: Task, numbered: bool
) -> str:
    """What to say of labels that do not fit; every one with the splits that have it."""
    shown = []
    for label in blamed[:SHOWN_VALUES]:
        where = [f"{split} {found[label]}" for split, found in places.items() if label in found]
        shown.append(f"{_quoted(label)} ({', '.join(where)})")
    more = f" and {len(blamed) - SHOWN_VALUES} more" if len(blamed) > SHOWN_VALUES else ""
    names = _listed(task.label_names)
    last = len(task.label_names) - 1
    rule = (
        f"not all of them are class names ({names}), and ids do not count where a name is a number"
        if numbered
        else f"they are neither all class names ({names}) nor all ids (0 to {last})"
    )
    return f"{rule}: {', '.join(shown)}{more}; {_advice(blamed, last)}"


def _advice(blamed: Sequence[str], last: int) -> str:
    if any(not is_utf8(label) for label in blamed):
        return "a label that is not UTF-8 is shown as the bytes of the file: save it as UTF-8"
    if {"true", "false"} & set(blamed):
        return "truth values need classes that are named true and false"
    if str(last + 1) in blamed:
        return "write names, or ids counted from 0, in all splits alike"
    return "correct them, or task.labels; all splits are read alike"


def _quoted(label: str) -> str:
    """A label as a message shows it; bytes that are not UTF-8 as they are in the file."""
    if not is_utf8(label):
        return repr(as_bytes(label))
    text = label if _NUMBER.fullmatch(label) else repr(label)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN_NAMES else ""
    shown = (name if name.isprintable() else repr(name) for name in names[:SHOWN_NAMES])
    return ", ".join(shown) + more
