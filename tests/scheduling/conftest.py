"""A project folder whose `kedro` is a small program, a crontab of its own, and a web server."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import os, signal, sys, time
what, *rest = sys.argv[1:]
if what == "say":
    print(*rest, sep="\\n")
if what == "fail":
    print("first line")
    print("moved by 0.1", file=sys.stderr)
    sys.exit(int(rest[0]))
if what == "env":
    print(*(f"{name}={value}" for name, value in sorted(os.environ.items())), sep="\\n")
if what == "wait":
    # Ends when a file is there, or with 143 on SIGTERM as `kedro run` does.
    signal.signal(signal.SIGTERM, lambda *_: (print("saved"), sys.exit(143)))
    print("waiting", os.getpid())
    while not os.path.exists(rest[0]):
        time.sleep(0.02)
"""

CRONTAB = """#!/bin/sh
# Keeps one crontab in a file, as the real program does for each user.
case "$1" in
  -l) [ -f "$TABLE" ] && cat "$TABLE" || { echo "no crontab for test" >&2; exit 1; } ;;
  -r) rm "$TABLE" ;;
  -) cat > "$TABLE" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """`python -m kedro` finds this folder's program first, because the folder is its place."""
    root = tmp_path / "a project"
    (root / "conf" / "base").mkdir(parents=True)
    (root / "conf" / "local").mkdir()
    (root / "kedro.py").write_text(PROGRAM)
    return root


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a crontab that a program on the PATH keeps; it is not there yet."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program(programs / "crontab", CRONTAB)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("TABLE", str(tmp_path / "crontab"))
    return tmp_path / "crontab"


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Server(ThreadingHTTPServer):
    """Answers posts with the given codes, the last one for ever, and keeps what came."""

    def __init__(self, *codes: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.codes, self.came = list(codes), list[tuple[str, str | None, dict]]()
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, self.headers["Content-Type"], json.loads(body)))
        codes = self.server.codes
        self.send_response(codes.pop(0) if len(codes) > 1 else codes[0])
        self.send_header("Location", f"{self.server.address}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        pytest.fail("followed a redirect")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[Server] = []

    def start(*codes: int) -> Server:
        servers.append(Server(*codes))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,)).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
