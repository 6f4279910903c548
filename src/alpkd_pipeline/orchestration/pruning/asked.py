"""The keys of the cells that conf/ describes now: `kedro run`'s own, and those of sweep.yml."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.orchestration.shared_facts import SharedFacts
from alpkd_pipeline.orchestration.sweep.grid import expand
from alpkd_pipeline.orchestration.sweep.spec import SWEEP_FILE, read_spec

NAMES = ("splits", "encoded", "teacher", "signals", "student")


def asked_keys(loader: CellConfigLoader, project: Path, env: str | None) -> frozenset[str]:
    """Every key that a run or a sweep with the present configuration would look for.

    Parameters of the command line are those of the run; a sweep makes its cells without them.

    Args:
        loader: the configuration, with the parameters of the command line.
        project: the project's root.
        env: the configuration environment as given.

    Raises:
        UserError: conf/ does not say, or a file that decides a key is not here.
    """
    facts = SharedFacts()
    cells = [Cell(loader.params, project, "", facts)]
    environments = (loader.env or loader.default_run_env, loader.base_env)
    conf = Path(loader.conf_source)
    if any((conf / name / SWEEP_FILE).is_file() for name in environments):
        spec = read_spec(conf, environments)
        # The store is where hashes of large files are remembered.
        given = loader.runtime_params or {}
        grid = expand(spec, loader.conf, env, {"run": given["run"]} if "run" in given else {})
        cells += [Cell(cell.params, project, cell.command, facts) for cell in grid]
    return frozenset(cell.stage(name).key for cell in cells for name in NAMES)
