"""Text as LaTeX prints it."""

from __future__ import annotations

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "†": r"$\dagger$",
}


def escape(text: str) -> str:
    """Text as LaTeX prints it: `alp\\_kd`."""
    return "".join(_SPECIAL.get(mark, mark) for mark in " ".join(text.split()))
