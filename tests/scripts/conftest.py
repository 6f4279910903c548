"""The small experiment of the tests of trainings, for the script that profiles one."""

from __future__ import annotations

from tests.training.conftest import _one_thread, begin, encoded, signals, teacher

__all__ = ["_one_thread", "begin", "encoded", "signals", "teacher"]
