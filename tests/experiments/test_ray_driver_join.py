"""What is said where Ray is not reached; nothing of Ray is started."""

from __future__ import annotations

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments import ray_driver


@pytest.mark.parametrize(
    ("error", "told"),
    [(ConnectionError("refused\nat once"), "refused"), (TimeoutError(), "TimeoutError")],
)
def test_an_error_is_its_first_line_or_its_name(
    monkeypatch: pytest.MonkeyPatch, error: OSError, told: str
) -> None:
    def fail(address: str | None) -> None:
        raise error

    monkeypatch.setattr(ray_driver, "_knock", fail)
    order = ray_driver.RayOrder("/project", None, 1, 0.0, "head:6379")
    with pytest.raises(UserError, match=rf"Ray head:6379 cannot be reached \({told}\)$"):
        ray_driver.join(order)
