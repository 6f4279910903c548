"""Distillation losses and methods.

`Signal`, `LossTerms` and `build_method` are the public interface. They need torch and are loaded
when they are first used, so that the plain table of methods can be read without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alpkd_pipeline.distillation.registry import build_method
    from alpkd_pipeline.distillation.signals import LossTerms, Signal

__all__ = ["LossTerms", "Signal", "build_method"]

_HOMES = {"LossTerms": "signals", "Signal": "signals", "build_method": "registry"}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
