"""The script `alpkd`, and `python -m alpkd_pipeline`: every command, where the package is all.

In a folder of the project they do what `kedro` does with the same words; elsewhere the current
folder is the project, and holds `conf/`.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kedro.utils import find_kedro_project

from alpkd_pipeline.errors import PROGRAM
from alpkd_pipeline.gc import collect_seldom

PACKAGE = "alpkd_pipeline"


def main(args: Sequence[str] | None = None, **options: Any) -> Any:
    """Do what the words of a command line say, called as Kedro's packaged projects are.

    Args:
        args: the words; those of this process's command line if none are given. Where the first
            is an option, or there is no word, they are those of `run`.
        options: for `click.Command.main`. With `standalone_mode=False`, the default at a Python
            prompt, what the command returns is returned and its errors are raised; else the
            process ends with the command's exit code.
    """
    collect_seldom()
    os.environ[PROGRAM] = "alpkd"
    before = logging.root.manager.disable
    logging.disable(logging.INFO)  # Kedro says whose logging it uses where conf/ has none
    from kedro.framework.project import configure_project

    from alpkd_pipeline.cli import OWN_OPTIONS, cli

    logging.disable(before)
    configure_project(PACKAGE)
    prompt = hasattr(sys, "ps1")
    words = list(args if args is not None else () if prompt else sys.argv[1:])
    if not words or (words[0].startswith("-") and words[0] not in OWN_OPTIONS):
        words.insert(0, "run")
    here = find_kedro_project(Path.cwd()) or Path.cwd()
    project = SimpleNamespace(project_path=here, package_name=PACKAGE, words=words)
    options.setdefault("standalone_mode", not prompt)
    return cli.main(words, prog_name="alpkd", obj=project, **options)


if __name__ == "__main__":
    main()
