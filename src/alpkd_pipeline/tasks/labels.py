"""What the labels of a task's files mean, decided once for all of them. Standard library only.

Many values can be a class id and a class name: 1 is the second class, and the name of a class
called "1". So no value decides for itself. `label_text` gives every label one form, the same in all
formats, and `read_classes` finds the one reading that fits all labels of all splits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from alpkd_pipeline.errors import UserError, some
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task, as_bytes, is_blank, is_utf8

# In a refusal: labels that do not fit, class names before it only counts, characters of a label.
LISTED_VALUES, LISTED_NAMES, LONGEST_LISTED = 5, 20, 60

HIDDEN_TEXT = str(HIDDEN_LABEL)  # in the form of `label_text`

_MINUS_ONE = "-1 hides a label only where all of a test file are -1: leave hidden ones empty"

_NUMBER = re.compile(r"([+-]?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


def hidden_label(task: Task) -> int | float:
    """What stands for a label that is kept secret.

    It is -1 as in GLUE; NaN for a regression whose range holds -1, where -1 is a real answer.
    """
    if task.kind == "classification":
        return HIDDEN_LABEL
    low, high = task.label_range or (0.0, 0.0)
    return math.nan if low <= HIDDEN_LABEL <= high else float(HIDDEN_LABEL)


def is_hidden(labels: Any, task: Task) -> Any:
    """Which labels of an array or series (N,), as splits hold them, are kept secret: (N,) bool."""
    return (labels != labels) | (labels == hidden_label(task))  # NaN alone is not itself


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN or text in which nothing can be seen."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and is_blank(value))


def label_text(value: object) -> str | None:
    """A label in the form in which labels are compared, whatever type its file gave it.

    Text is stripped. A number is its digits: 1, 1.0, "1" and "1.0" are `1`; but "01" and "1e0" are
    text. A truth value is its name: True, "True" and "TRUE" are `true`. None for a cell that holds
    nothing.
    """
    if is_missing(value):
        return None
    if isinstance(value, float | Decimal) and math.isfinite(value):
        value = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    text = str(value).strip()
    if number := _NUMBER.fullmatch(text):
        sign, whole, fraction = number.groups(default="")
        digits = f"{whole}.{fraction}".rstrip("0").rstrip(".") if fraction else whole
        return digits if digits == "0" else f"{sign.removeprefix('+')}{digits}"
    return text.lower() if text.lower() in ("true", "false") else text


def holds_several(value: object, names: Sequence[str]) -> bool:
    """Whether a cell holds more than one label: a list, or several names with separators."""
    if not isinstance(value, str):
        return isinstance(value, list | dict)
    parts = [part.strip() for part in re.split(r"[|,;]", value)]
    return value.strip() not in names and len(parts) > 1 and all(part in names for part in parts)


def class_names(names: Sequence[str]) -> dict[str, int]:
    """The classes' names in the form of `label_text` -> class id."""
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


def read_classes(
    locations: Mapping[str, Mapping[str, str]], task: Task
) -> tuple[str, dict[str, int]]:
    """Find the reading that fits all labels of all splits.

    By name if every label is a class name. Else by id, 0 to C-1, if every label is one of these and
    no name is a number.

    Args:
        places: split -> label, in the form of `label_text` -> its first place (`line 3`); labels
            that are missing or hidden are left out.
        task: a classification of C classes.

    Returns:
        `name` or `id`, and label -> class id.
    """
    names = class_names(task.label_names)
    numbered = any(_NUMBER.fullmatch(name) for name in names)
    ids = {} if numbered else {str(at): at for at in range(len(names))}
    labels = list(dict.fromkeys(label for found in locations.values() for label in found))
    no_names = [label for label in labels if label not in names]
    no_ids = [label for label in labels if label not in ids]
    if not no_names:
        return "name", names
    if not no_ids:
        return "id", ids
    blamed = no_names if numbered or len(no_names) <= len(no_ids) else no_ids
    known, last = listed(task.label_names), len(names) - 1
    rule = (
        f"not all of them are class names ({known}), and ids do not count where a name is a number"
        if numbered
        else f"they are neither all class names ({known}) nor all ids (0 to {last})"
    )
    shown = some([_with_locations(label, locations) for label in blamed], LISTED_VALUES)
    raise UserError(f"task '{task.name}', labels: {rule}: {shown}; {_advice(blamed, last)}")


def read_numbers(locations: Mapping[str, Mapping[str, str]], task: Task) -> dict[str, object]:
    """The numbers that a regression's labels stand for; what is no number stays as it was.

    Raises:
        UserError: -1 stands among other labels of a test split, and may be a hidden one or not.
    """
    may_hide = task.test_splits if hidden_label(task) == HIDDEN_LABEL else ()
    for split, found in locations.items():
        if split in may_hide and HIDDEN_TEXT in found:
            raise UserError(
                f"task '{task.name}', labels: {_with_locations(HIDDEN_TEXT, {split: found})};"
                f" {_MINUS_ONE}, or let task.label_range hold -1"
            )
    return {label: _number(label) for found in locations.values() for label in found}


def listed(names: Sequence[str]) -> str:
    """Class names as a message lists them."""
    more = f", ... ({len(names)} in all)" if len(names) > LISTED_NAMES else ""
    shown = (name if name.isprintable() else repr(name) for name in names[:LISTED_NAMES])
    return ", ".join(shown) + more


def _number(label: str) -> object:
    try:
        found = float(label)
    except ValueError:
        return label
    # Python reads 1_000 too, and the word nan, which here is a label and not a missing one.
    return label if "_" in label or math.isnan(found) else found


def _advice(blamed: Sequence[str], last: int) -> str:
    if any(not is_utf8(label) for label in blamed):
        return "a label that is not UTF-8 is shown as the bytes of the file: save it as UTF-8"
    if HIDDEN_TEXT in blamed:
        return _MINUS_ONE
    if {"true", "false"} & set(blamed):
        return "truth values need classes that are named true and false"
    if str(last + 1) in blamed:
        return "write names, or ids counted from 0, in all splits alike"
    return "correct them, or task.labels; all splits are read alike"


def _with_locations(label: str, locations: Mapping[str, Mapping[str, str]]) -> str:
    """A label as a message shows it, bytes that are not UTF-8 as they are in the file."""
    text = label if is_utf8(label) else as_bytes(label)
    shown = label if _NUMBER.fullmatch(label) else repr(text)
    shown = shown if len(shown) <= LONGEST_LISTED else f"{shown[:LONGEST_LISTED]}..."
    where = [f"{split} {found[label]}" for split, found in locations.items() if label in found]
    return f"{shown} ({', '.join(where)})"
