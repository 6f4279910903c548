"""Around a run: MLflow is filled from the run folders, and the end is summed up on the terminal."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.finished import FinishedFolder
from alpkd_pipeline.runs.run_folder import Work

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext

    from alpkd_pipeline.orchestration.tuning.preset_in_use import PresetInUse
    from alpkd_pipeline.tracking.live import LiveSync
    from alpkd_pipeline.tracking.settings import TrackingSettings

log = logging.getLogger(__name__)

TRAINING = "training"
"""The tag of nodes that train: each is a tracked run of its own."""

COMPARISON = "comparison"
"""The dataset of the comparison, tracked as a run of its own."""

SCORED = {"teacher_scores": "teacher", "student_scores": "student"}
"""Which model's tracked run gets these scores."""


class TrackingHooks:
    """Opens a tracked run beside each training and closes it once the result is on disk.

    One instance serves all sessions of a process, so each run starts afresh. Nothing of MLflow is
    imported unless something is trained or compared.
    """

    def __init__(self) -> None:
        self._settings: TrackingSettings | None = None
        self._catalog: Any = None
        self._open: dict[str, LiveSync] = {}
        self._loader: Any = None
        self._preset: PresetInUse | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the configuration, which knows what conf/ changes unasked."""
        self._loader = context.config_loader

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Read where tracking goes; name the preset that a student is trained with."""
        from alpkd_pipeline.tracking.settings import tracking_settings

        place = catalog.load("tracking")
        self._settings = tracking_settings(
            place["tracking"], place["experiment"], Path(place["project"])
        )
        self._catalog, self._open = catalog, {}
        self._preset = None
        if self._loader is not None and "student" in _made(pipeline):
            self._preset = self._loader.preset
        if self._preset is not None:
            log.info("%s", self._preset)

    @hook_impl
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> None:
        """Start the sync beside a training."""
        work = next((value for value in inputs.values() if isinstance(value, Work)), None)
        if TRAINING not in node.tags or self._settings is None or work is None:
            return
        if not work.trains:
            return
        from alpkd_pipeline.tracking.live import LiveSync

        if not work.goes_on:
            # Before the sync looks: it would go on with the run of a training that begins again.
            work.clear()
        sync = LiveSync(work.folder, self._settings, pictures=run_pictures_of)
        sync.start()
        self._open[node.name] = sync

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Close the run of a training whose result is published; track a new comparison."""
        sync = self._open.pop(node.name, None)
        if sync is not None:
            sync.finish(self._catalog[dataset_name].path)
        if self._settings is None:
            return
        if dataset_name in SCORED:
            _track_scores(self._catalog[SCORED[dataset_name]].path, self._settings)
        if dataset_name == COMPARISON:
            _track_comparison(self._catalog[COMPARISON].path, self._settings)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Sum up on the terminal what the run was about."""
        made = _made(pipeline)
        if made & {"teacher_scores", COMPARISON}:
            title = f"student with preset {self._preset.name}" if self._preset else None
            _sum_up(catalog, self._settings, made, title)

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close what is still open as failed; a save that fails ends up here too."""
        self.close_as_failed(error)

    def close_as_failed(self, error: BaseException) -> None:
        """Close open runs: FAILED, or KILLED after Ctrl-C and SIGTERM, which reach no hook."""
        for sync in self._open.values():
            sync.fail(error)
        self._open = {}


TRACKING = TrackingHooks()
"""The instance that Kedro calls; commands close its runs when a person stops them."""


def _made(pipeline: Pipeline) -> set[str]:
    return {name for node in pipeline.nodes for name in node.outputs}


def _track_scores(model: Path, settings: TrackingSettings) -> None:
    """Add scores to the model's run; if that did not get through, a later sync adds both."""
    from alpkd_pipeline.tracking.folder_sync import sync_folder
    from alpkd_pipeline.tracking.sync_state import read_state

    state = read_state(model)
    if not state.finished or state.place != settings.place:
        return
    try:
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


def _sum_up(
    catalog: DataCatalog, settings: TrackingSettings | None, made: set[str], title: str | None
) -> None:
    from alpkd_pipeline.reporting.end_of_run import cell_summary, closing_lines
    from alpkd_pipeline.reporting.terminal import print_summary

    models: dict[str, Path] = {
        name: _path(catalog, name) for name in ("teacher", "student") if name in made
    }
    rows = cell_summary(models, {name: _path(catalog, f"{name}_scores") for name in models})
    if rows:
        print_summary(rows, title)
    student, comparison = (
        _path(catalog, name) if name in made and _path(catalog, name).is_dir() else None
        for name in ("student", COMPARISON)
    )
    lines = closing_lines(student, comparison, settings.ui_command if settings else None)
    if settings is not None:
        lines += _links(settings, student, comparison, _path(catalog, "store"))
    for line in lines:
        print(line)  # noqa: T201


def _links(
    settings: TrackingSettings, student: Path | None, comparison: Path | None, store: Path
) -> list[str]:
    """What to open in MLflow: the student's run, the students of the comparison."""
    from alpkd_pipeline.tracking.links import comparison_lines, run_lines

    lines = [] if student is None else run_lines(settings, student)
    if comparison is not None:
        from alpkd_pipeline.tracking.comparison import compared_folders

        lines += comparison_lines(settings, compared_folders(comparison, store))
    return lines


def _path(catalog: DataCatalog, name: str) -> Path:
    """Where a result lies, whether it is there yet or not."""
    dataset: Any = catalog[name]
    return Path(dataset.path)


def run_pictures_of(folder: Path) -> dict[str, bytes]:
    """The pictures of a finished training, by file name."""
    from alpkd_pipeline.reporting.run_pictures import run_pictures

    return run_pictures(folder)
