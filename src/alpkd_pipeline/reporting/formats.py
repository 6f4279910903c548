"""Numbers as people read them."""

from __future__ import annotations

import math

from alpkd_pipeline.tasks.metrics import is_error


def millions(count: float | None) -> str:
    """A parameter count: `22.7 M`, `0.62 M`; small toys in full, `4,321`."""
    if count is None:
        return "-"
    if count < 10_000:
        return f"{count:,.0f}"
    digits = 2 if count < 10_000_000 else 1
    return f"{count / 1e6:.{digits}f} M"


def score_text(value: float | None) -> str:
    """A score with four digits, `0.8431`; `-` when there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def scale(metric: str) -> float:
    """What a metric's scores are multiplied by to be shown: 100 for percent; errors stay."""
    return 1.0 if is_error(metric) else 100.0


def scaled_text(value: float, metric: str, digits: int = 1, plus: str = "") -> str:
    """A score, or a difference, in percent, `84.3`; an error with two digits more, `0.634`."""
    return f"{scale(metric) * value:{plus}.{digits + 2 * is_error(metric)}f}"


def seconds_text(value: float | None) -> str:
    """A duration in seconds: `7.2`, `412`, `12,345`; `-` when nothing was measured."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
