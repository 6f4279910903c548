"""Hashes of many files at once: several threads, little memory, and a count of what was read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TypeVar

CHUNK = 4 * 2**20
"""Bytes that each thread holds."""

MOST_THREADS = 8

Job = TypeVar("Job")


def hash_all(
    jobs: Iterable[tuple[Job, Path]], read: Callable[[int], None] = lambda count: None
) -> Iterator[tuple[Job, str | OSError]]:
    """Hash files, several at a time.

    Args:
        jobs: each with its file; taken from the iterator only as threads become free.
        read: told of bytes as they are read, from several threads.

    Yields:
        Each job with its file's sha256, or why the file cannot be read; in no order.
    """
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    left, stop = iter(jobs), Event()
    running: dict[Future[str | OSError], Job] = {}
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                for job, path in islice(left, 4 * threads - len(running)):
                    running[pool.submit(_hash, path, read, stop)] = job
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            stop.set()  # whoever stops asking does not wait for large files


def _hash(path: Path, read: Callable[[int], None], stop: Event) -> str | OSError:
    digest, buffer = hashlib.sha256(), bytearray(CHUNK)
    view = memoryview(buffer)
    try:
        with path.open("rb", buffering=0) as file:
            while (count := file.readinto(buffer)) and not stop.is_set():
                digest.update(view[:count])
                read(count)
    except OSError as error:
        return error
    return digest.hexdigest()
