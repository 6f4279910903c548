from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from alpkd_pipeline.training import loop as module
from alpkd_pipeline.training.loop import SIGNALS, StopRequest


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _exit)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (15, SystemExit)]
)
def test_a_signal_waits_until_it_is_asked_for(number: int, raised: type[BaseException]) -> None:
    with StopRequest() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        with pytest.raises(raised):
            stop.stop()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is _exit
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_second_signal_stops_at_once() -> None:
    with StopRequest():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGINT)
    assert caught.value.code == 143


def test_a_step_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    with StopRequest():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(20)


def test_without_a_signal_nothing_is_left_behind() -> None:
    alarm = signal.getsignal(signal.SIGALRM)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGTERM) is not _exit
    assert not stop.requested
    assert signal.getsignal(signal.SIGTERM) is _exit
    assert signal.getsignal(signal.SIGALRM) is alarm


def test_a_process_that_ignores_ctrl_c_goes_on_doing_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop.requested


def test_other_threads_leave_signals_alone() -> None:
    seen = []

    def train() -> None:
        with StopRequest() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [(False, _exit)]
