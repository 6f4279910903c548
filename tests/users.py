"""Processes of a user whom the system does not know, as containers have them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

UID = 54321


def as_nobody(
    command: Sequence[str], folder: Path, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user with neither home nor name, nor an entry in the passwd file.

    It may read everything, since Python and the project may lie in somebody's home.

    Args:
        command: the command.
        folder: what the user owns; with all folders above it open to others.
        cwd: where it runs.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.getuid() != 0:
        pytest.skip("only root becomes another user, by setpriv")
    with pytest.raises(KeyError):
        pwd.getpwuid(UID)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)
    names = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    capable = "dac_read_search"
    given = [
        f"--inh-caps=+{capable}",
        f"--ambient-caps=+{capable}",
        f"--bounding-set=-all,+{capable}",
    ]
    user = [setpriv, f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *given]
    return subprocess.run(
        [*user, *command],
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
