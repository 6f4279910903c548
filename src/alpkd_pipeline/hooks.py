"""Around a run: what is wanted of it is found out before, and the end is summed up."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from alpkd_pipeline.errors import UserError, short
from alpkd_pipeline.project.runner import check_devices, needed
from alpkd_pipeline.steps.step import run_pictures_of, settings_of
from alpkd_pipeline.store.artifact import ResolvedExperiment
from alpkd_pipeline.store.layout import COMPARISON
from alpkd_pipeline.store.run_folder import RunFolder

if TYPE_CHECKING:
    from alpkd_pipeline.tracking.settings import TrackingSettings

log = logging.getLogger(__name__)

EXPORTS = {"teacher_export", "student_export"}


class RunHooks:
    """What every runner needs besides the steps. Keeps nothing: one serves all sessions at once."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Leave alone what nobody reads; refuse what this machine lacks; name the preset."""
        dataset: Any = catalog.get("experiment")
        experiment: ResolvedExperiment = dataset.load()
        # What is set up wrongly must not be found out after a training.
        exports = pipeline.all_outputs() & EXPORTS
        register = experiment.params["export"]["register"] if exports else None
        if register is not None and settings_of(experiment) is None:
            raise UserError(
                f"parameter 'export.register' = '{register}' needs run.tracking, which is off"
            )
        todo = needed(pipeline, catalog).all_outputs()
        if not todo:
            log.info("nothing to do: all that was asked for is there")
        check_devices(todo, experiment)
        if any(name.endswith("_onnx") for name in todo):
            from alpkd_pipeline.export.graph import check_libraries  # and with it torch

            check_libraries()
        dataset.handle = experiment.wanting(todo)
        if experiment.preset and "student" in pipeline.all_outputs():
            log.info("%s", experiment.preset)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Sum up on the terminal what the run was about."""
        made = pipeline.all_outputs()
        if made & {"teacher_scores", COMPARISON}:
            experiment: ResolvedExperiment = catalog.load("experiment")
            _sum_up(catalog, settings_of(experiment), made, experiment.title)
        for name in sorted(made & EXPORTS):
            _tell_export(catalog.load("experiment"), name)


def _sum_up(
    catalog: DataCatalog, settings: TrackingSettings | None, made: set[str], title: str | None
) -> None:
    from alpkd_pipeline.reporting.terminal import closing_lines, experiment_summary, print_summary

    models: dict[str, Path] = {
        name: _path(catalog, name) for name in ("teacher", "student") if name in made
    }
    scores = {name: _path(catalog, f"{name}_scores") for name in models}
    whole = {n: _path(catalog, f"{n}_evaluation") for n in models if f"{n}_evaluation" in made}
    rows = experiment_summary(
        models, scores | {n: path for n, path in whole.items() if path.is_dir()}
    )
    if rows:
        print_summary(rows, title)
    paths = {name: _path(catalog, name) for name in ("student", COMPARISON) if name in made}
    there = {name: path for name, path in paths.items() if path.is_dir()}
    student, comparison = there.get("student"), there.get(COMPARISON)
    lines = closing_lines(student, comparison, settings.ui_command if settings else None)
    if settings is not None:
        from alpkd_pipeline.tracking.links import comparison_lines, run_lines

        if student is not None:
            lines += run_lines(settings, student)
        if comparison is not None:
            from alpkd_pipeline.tracking.comparison import compared_folders

            folders = compared_folders(comparison, _path(catalog, "store"))
            lines += comparison_lines(settings, folders)
    for line in lines:
        print(line)  # noqa: T201


def _tell_export(experiment: ResolvedExperiment, name: str) -> None:
    # Each time: the export itself may have been made when MLflow was away, or without a name to be
    # registered by.
    from rich.console import Console

    from alpkd_pipeline.export.gate import outcome_line
    from alpkd_pipeline.export.speed import speed_table
    from alpkd_pipeline.tracking.models import publish_model

    folder, settings = experiment[name].path, settings_of(experiment)
    if not folder.is_dir():
        return
    Console(highlight=False).print(speed_table(folder))
    print(outcome_line(folder))  # noqa: T201
    print(f"export: {short(folder)}")  # noqa: T201
    register = experiment.params["export"]["register"]
    if settings is None:
        return
    model = experiment[name.removesuffix("_export")].path
    example = ("a text", "a second text")[: len(RunFolder(folder).run["task"]["text_columns"])]
    try:
        where = publish_model(
            folder, model, settings, register=register, example=example, pictures=run_pictures_of
        )
        print(f"model: {where}")  # noqa: T201
    except UserError as error:
        if register is not None:
            raise
        log.warning("%s", error)


def _path(catalog: DataCatalog, name: str) -> Path:
    dataset: Any = catalog[name]
    return Path(dataset.path)
