"""How a raw label becomes a class id or a number. Standard library only."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task

_SEPARATORS = re.compile(r"[|,;]")


def hidden_label(task: Task) -> int | float:
    """What stands for a label that is kept secret.

    It is -1 as in GLUE; NaN for a regression whose range holds -1, where -1 is a real answer.
    """
    if task.kind == "classification":
        return HIDDEN_LABEL
    low, high = task.label_range or (0.0, 0.0)
    return math.nan if low <= HIDDEN_LABEL <= high else float(HIDDEN_LABEL)


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN or blank text."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def read_label(value: object, task: Task, *, may_hide: bool) -> object:
    """Turn one raw label into a class id or a number.

    A class may be given by its name or by its id; a name wins where both are possible, so the
    names "1" to "5" work as star ratings.

    Args:
        value: the raw cell: text, a number, a truth value or None.
        task: says which classes exist, or that the label is a number.
        may_hide: a missing label means a hidden one (test splits).

    Returns:
        An int (classification) or float (regression); what cannot be read comes back as it was
        (None when missing), for the validation to name.

    Raises:
        UserError: the cell holds several labels.
    """
    if is_missing(value):
        return hidden_label(task) if may_hide else None
    if _holds_several(value, task.label_names):
        raise UserError(
            f"the label {value!r} holds several values, but task '{task.name}' has one label per"
            " row; keep one, or make one task for each label"
        )
    if task.kind == "classification":
        found: int | float | None = _class_id(value, task.label_names)
    else:
        found = _number(value)
    return value if found is None else found


def _holds_several(value: object, names: Sequence[str]) -> bool:
    if not isinstance(value, str):
        return isinstance(value, Sequence | set | dict)
    parts = [part.strip() for part in _SEPARATORS.split(value)]
    return value.strip() not in names and len(parts) > 1 and all(part in names for part in parts)


def _class_id(value: object, names: Sequence[str]) -> int | None:
    """The id of a class given by name or number; None when there is no such class."""
    number = _number(value)
    whole = int(number) if number is not None and number.is_integer() else None
    # A column of whole numbers with a gap in it is read as floats: 2.0 also means the name "2".
    text = str(whole) if isinstance(value, float) else str(value).strip()
    if text in names:
        return names.index(text)
    return whole if whole is not None and HIDDEN_LABEL <= whole < len(names) else None


def _number(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):  # no number, or a whole number larger than any float
        return None
