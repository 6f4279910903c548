"""`python -m alpkd_pipeline`: the same as `kedro run`."""

import sys
from pathlib import Path

from kedro.framework.project import configure_project

from alpkd_pipeline.garbage import collect_seldom


def main() -> None:
    """Run the project with the options on the command line."""
    collect_seldom()
    configure_project(Path(__file__).parent.name)
    from alpkd_pipeline.commands.run import run

    run(args=sys.argv[1:], standalone_mode=True)


if __name__ == "__main__":
    main()
