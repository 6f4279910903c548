"""What is said while files are read."""

from __future__ import annotations

import io

import pytest

from alpkd_pipeline.store import contents
from alpkd_pipeline.store.contents import ByteProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_takes_no_time_says_nothing() -> None:
    out = Terminal()
    told = ByteProgress(out)
    told.total = 100
    told(50)
    told.close()
    assert out.getvalue() == ""


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()])
def test_what_takes_long_says_how_far_it_is(out: io.StringIO, monkeypatch) -> None:
    monkeypatch.setattr(contents, "QUIET_SECONDS", 0.0)
    told = ByteProgress(out)
    told.total = 2_000_000_000
    told(500_000_000)
    assert " 25% of 2.00 GB read, about " in out.getvalue()
    told(500_000_000)  # not again so soon
    assert out.getvalue().count("read") == 1
    told.close()
    assert out.getvalue().endswith("\r" if out.isatty() else "\n")
