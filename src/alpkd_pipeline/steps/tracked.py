"""MLflow beside the making of a result: a run for each training and for each comparison.

The step calls it, under its lock and in its process: hooks of Kedro do not reach every worker.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import Artifact, Experiment
from alpkd_pipeline.store.finished import FinishedFolder
from alpkd_pipeline.store.run_folder import Work

if TYPE_CHECKING:
    from alpkd_pipeline.tracking.settings import TrackingSettings

log = logging.getLogger(__name__)

COMPARISON = "comparison"
"""The result that is tracked as a run of its own."""

SCORED = {f"{m}_{result}": m for m in ("teacher", "student") for result in ("scores", "evaluation")}
"""Which model's tracked run gets these scores; an evaluation may have some of a user's own."""


def settings_of(experiment: Experiment) -> TrackingSettings | None:
    """Where an experiment is tracked; None if it is not.

    Raises:
        UserError: tracking is set up wrongly.
    """
    from alpkd_pipeline.tracking.settings import tracking_settings

    run = experiment.params["run"]
    return tracking_settings(run["tracking"], run["experiment"], experiment.project)


@contextmanager
def tracked(experiment: Experiment, artifact: Artifact, work: Work) -> Iterator[None]:
    """Follow the making of a result, if it is one that is tracked.

    Nothing of MLflow is imported unless something is trained, scored or compared.

    Args:
        experiment: says where to.
        artifact: the result; it is published when the context ends.
        work: where it is made.
    """
    settings = settings_of(experiment)
    if settings is None:
        yield
    elif work.trains:
        from alpkd_pipeline.tracking.live import LiveSync

        sync = LiveSync(work.folder, settings, pictures=run_pictures_of)
        sync.start()
        try:
            yield
        except BaseException as error:  # KILLED after Ctrl-C and SIGTERM, else FAILED
            sync.fail(error)
            raise
        sync.finish(artifact.path)
    else:
        yield
        if artifact.name in SCORED:
            _track_scores(experiment[SCORED[artifact.name]].path, settings)
        elif artifact.name == COMPARISON:
            _track_comparison(artifact.path, settings)


def _track_scores(model: Path, settings: TrackingSettings) -> None:
    """Add scores to the model's run; if that did not get through, a later sync adds both."""
    from alpkd_pipeline.tracking.folder_sync import sync_folder
    from alpkd_pipeline.tracking.results import find_scores
    from alpkd_pipeline.tracking.sync_state import read_state

    state = read_state(model)
    if not state.finished or state.place != settings.place:
        return
    try:
        scored = find_scores(model)
        if scored is not None and scored.key != state.scored:
            sync_folder(model, settings, pictures=run_pictures_of)
    except UserError as error:
        log.warning("%s", error)


def _track_comparison(folder: Path, settings: TrackingSettings) -> None:
    """Track the tables; a tracking store that is away does not undo the comparison."""
    import pandas as pd

    from alpkd_pipeline.tracking.comparison import log_comparison

    # Not the CSV file: it also lists trials and reruns, which are not to be compared.
    students = pd.DataFrame(FinishedFolder(folder).json("comparison.json")["students"])
    try:
        log_comparison(folder, settings, students)
    except UserError as error:
        log.warning("%s", error)


def run_pictures_of(folder: Path) -> dict[str, bytes]:
    """The pictures of a finished training, by file name."""
    from alpkd_pipeline.reporting.run_pictures import run_pictures

    return run_pictures(folder)
