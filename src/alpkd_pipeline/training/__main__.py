"""Train a run folder without Kedro and MLflow: `python -m alpkd_pipeline.training RUN_FOLDER`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.gc import collect_seldom


def main() -> int:
    """Train the folders named on the command line, in order; 0 when all went well."""
    collect_seldom()
    parser = argparse.ArgumentParser(prog="python -m alpkd_pipeline.training", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN_FOLDER")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        for folder in parser.parse_args().folders:
            from alpkd_pipeline.training.dispatch import train_folder

            train_folder(folder)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)  # noqa: T201
        return 130  # that of a program stopped by Ctrl-C: 128 and the number of the signal
    return 0


if __name__ == "__main__":
    sys.exit(main())
