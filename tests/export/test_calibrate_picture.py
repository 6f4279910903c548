import struct
from typing import Any

from tests.export.published import CALIBRATION

from alpkd_pipeline.export.calibrate import reliability_picture


def test_the_picture_is_a_png_and_the_same_each_time() -> None:
    found = reliability_picture(CALIBRATION)
    assert found[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", found[16:24])
    assert width == 740
    assert 600 < height < 900
    assert reliability_picture(CALIBRATION) == found


def test_the_picture_shows_the_bins_of_both() -> None:
    drawn = reliability_picture(CALIBRATION)
    for name in ("before", "after"):
        moved = [{"rows": 1, "confidence": 0.8, "accuracy": 0.2}]
        other: dict[str, Any] = CALIBRATION | {"bins": CALIBRATION["bins"] | {name: moved}}  # type: ignore[operator]
        assert reliability_picture(other) != drawn


def test_one_bin_at_the_end_is_enough() -> None:
    sure = [{"rows": 60, "confidence": 1.0, "accuracy": 1.0}]
    facts = CALIBRATION | {"bins": {"before": sure, "after": sure}}
    assert reliability_picture(facts)[:4] == b"\x89PNG"
