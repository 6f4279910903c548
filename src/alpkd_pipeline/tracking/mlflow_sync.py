"""MLflow's runs: a tracking store, reduced to what run folders need; `models` has its models.

Always explicit run ids: MLflow's fluent interface keeps the active run per thread, and Kedro may
run nodes in threads. MLflow is imported inside functions, since that takes over a second.
"""

from __future__ import annotations

import glob
import hashlib
import os
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tracking.links import REGULAR_FILTER, STUDENTS, view_tags
from alpkd_pipeline.tracking.points import Point
from alpkd_pipeline.tracking.settings import TrackingSettings, sqlite_address

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run, RunData

CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # A repeated request to create a run would leave two runs; the sync itself tries again.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A lock file of the working directory says nothing of what a model needs.
    "MLFLOW_UV_AUTO_DETECT": "false",
}
"""How MLflow's client behaves here, unless the user's environment says otherwise. Its own defaults
would wait four minutes for a server that is down."""

IDENTITY_TAG = "identity"
"""The tag by which a run is found again: no two trainings share its value."""

RUNNING = "attributes.status = 'RUNNING'"

SETUP_TIMEOUT = 120.0
"""Seconds to wait for another process that sets the database up."""


def now_ms() -> int:
    """The time as MLflow counts it: milliseconds since 1970."""
    return round(time.time() * 1000)


def load_mlflow(settings: TrackingSettings) -> None:
    """Import what a store needs: two threads that do so at once may meet half-made modules."""
    _client_class()
    if settings.artifact_root:
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


@cache
def prepare_store(settings: TrackingSettings) -> MlflowStore:
    """Open a store once per process; make its database and its experiment where they are missing.

    Any number of processes may do so at once. Raises what MLflow raises, or a UserError if the
    experiment was deleted.
    """
    database, root = settings.database, settings.artifact_root
    load_mlflow(settings)  # for a second or two; processes need not take turns in that
    with _setup_lock(settings):
        if root and not database:
            _make_tables(settings.uri, root)
        elif database and not database.exists():
            _make_database(database)
        client = _client_class()(settings.uri, registry_uri=settings.uri)
        experiment = _experiment(client, settings)
    text = f"{settings.place} {experiment.experiment_id} {experiment.creation_time}"
    token = hashlib.sha256(text.encode()).hexdigest()[:16]
    return MlflowStore(client, str(experiment.experiment_id), token)


def _setup_lock(settings: TrackingSettings) -> AbstractContextManager[object]:
    # A server makes its own tables.
    return store_lock(settings, SETUP_TIMEOUT) if settings.artifact_root else nullcontext()


def store_lock(settings: TrackingSettings, timeout: float, purpose: str = "") -> FileLock:
    """What keeps processes of this machine from doing the same to a store; timeout in seconds."""
    address = hashlib.sha256(settings.shown.encode()).hexdigest()[:8]
    beside = settings.database or settings.project / f"mlflow.db.{address}"
    beside.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{beside}{purpose}.lock", timeout=timeout)


@contextmanager
def tolerating(code: str) -> Iterator[None]:
    """A context that ends early, and without an error, at an error of MLflow's of this code."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise


def is_busy(error: Exception) -> bool:
    """Whether a store refused only for the moment, because others were writing."""
    return getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE"


class MlflowStore:
    """A tracking store and one experiment in it. Every method raises what MLflow raises; none waits
    longer than the client's time-outs."""

    def __init__(self, client: MlflowClient, experiment_id: str, token: str) -> None:
        # The token tells this experiment of this store from every other, also from one of the same
        # name in a database that was deleted and made again.
        self.client, self.experiment_id, self.token = client, experiment_id, token

    def create(self, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        """Make a run with status RUNNING; returns its id."""
        run = self.client.create_run(
            self.experiment_id, start_time=start_ms, tags=dict(tags), run_name=name
        )
        return str(run.info.run_id)

    def find(self, identity: str) -> str | None:
        """The oldest run with an identity."""
        return next(iter(self._ids_of(identity)), None)

    def facts(self, run_id: str) -> RunData | None:
        """Parameters and tags of a run; None when it is gone or was deleted."""
        with tolerating("RESOURCE_DOES_NOT_EXIST"):
            run = self.client.get_run(run_id)
            return run.data if run.info.lifecycle_stage == "active" else None
        return None

    def last_step(self, run_id: str, metric: str) -> int:
        """The last step of a metric; -1 when there is none."""
        history = self.client.get_metric_history(run_id, metric)
        return max((point.step for point in history), default=-1)

    def log_points(self, run_id: str, points: Iterable[Point]) -> None:
        """Add points; those that are there already stay single."""
        from mlflow.entities import Metric

        metrics = [Metric(p.name, p.value, p.time_ms, p.step) for p in points]
        self.client.log_batch(run_id, metrics=metrics, synchronous=True)

    def log_params(
        self, run_id: str, params: Mapping[str, str], facts: RunData | None = None
    ) -> None:
        """Add parameters but those of the facts; MLflow refuses to change one that is there."""
        from mlflow.entities import Param

        known = facts.params if facts else {}
        new = [Param(name, value) for name, value in params.items() if name not in known]
        self.client.log_batch(run_id, params=new, synchronous=True)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        from mlflow.entities import RunTag

        made = [RunTag(name, value) for name, value in tags.items()]
        self.client.log_batch(run_id, tags=made, synchronous=True)

    def log_datasets(self, run_id: str, datasets: Mapping[str, Mapping[str, str]]) -> None:
        """Record what a run read, by its use; a data set that is recorded already stays single."""
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

        inputs = [
            DatasetInput(Dataset(**facts), [InputTag(MLFLOW_DATASET_CONTEXT, context)])
            for context, facts in datasets.items()
        ]
        if inputs:
            self.client.log_inputs(run_id, inputs)

    def log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Store files as the run's artifacts, by their names below the run."""
        for name, content in files.items():
            self.client.log_stream(run_id, BytesIO(content), name)

    def log_table(self, run_id: str, table: Any, file: str) -> None:
        """Store a data frame as a table that MLflow can show, once: a second one is appended."""
        if file in (found.path for found in self.client.list_artifacts(run_id)):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's use of pandas is not ours to fix
            self.client.log_table(run_id, table.copy(), file)

    def resume(self, run_id: str, facts: RunData | None = None) -> None:
        """Set a run back to RUNNING, and take off it the error that its facts tell of."""
        self.client.update_run(run_id, status="RUNNING")
        if facts and "error" in facts.tags:
            self.client.delete_tag(run_id, "error")

    def end(self, run_id: str, status: str, at_ms: int) -> None:
        """Give a run its final status: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status, end_time=at_ms)

    def end_abandoned(self, key: str, run_type: str | None, at_ms: int) -> None:
        """Mark RUNNING runs of a key as KILLED: their folder is gone, nobody goes on with them."""
        for run in self._runs(f"tags.key = '{key}' and {RUNNING}"):
            if run.data.tags.get("generation") == run_type:
                self.end(str(run.info.run_id), "KILLED", at_ms)

    def running(self, stages: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Identity -> id and start, in ms since 1970, of the RUNNING runs of some stages."""
        return {
            str(run.data.tags.get(IDENTITY_TAG)): (str(run.info.run_id), run.info.start_time)
            for stage in stages
            for run in self._runs(f"tags.stage = '{stage}' and {RUNNING}")
        }

    def last_end(self, tag: str, value: str) -> int:
        """When the last run with a tag ended, in ms since 1970; 0 if none has."""
        latest = {"max_results": 1, "order_by": ["attributes.end_time DESC"]}
        runs = self._runs(f"tags.`{tag}` = '{value}'", **latest)
        return max((run.info.end_time or 0 for run in runs), default=0)

    def delete_doubles(self, identity: str, keep: str) -> None:
        """Delete runs that a slow server made of a request that had been given up."""
        for run_id in self._ids_of(identity):
            if run_id != keep:
                self.client.delete_run(run_id)

    def _ids_of(self, identity: str) -> list[str]:
        order = ["attributes.start_time ASC"]
        found = self._runs(f"tags.{IDENTITY_TAG} = '{identity}'", order_by=order)
        return [str(run.info.run_id) for run in found]

    def _runs(self, search: str, **options: Any) -> Iterable[Run]:
        return self.client.search_runs([self.experiment_id], search, **options)


def _client_class() -> type[MlflowClient]:
    """MLflow's client, whose import asks for a home: users without one get `/`."""
    for name, value in CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = os.sep
    from mlflow import MlflowClient

    return MlflowClient


def _make_database(database: Path) -> None:
    """Make a new database beside its place and put it there by rename. A process that is killed
    while MLflow creates its tables leaves a database that MLflow can never open again."""
    for leftover in database.parent.glob(f"{glob.escape(database.name)}.*.tmp*"):
        leftover.unlink()
    temporary = database.with_name(f"{database.name}.{uuid.uuid4().hex}.tmp")
    _make_tables(sqlite_address(temporary), database.parent / "mlartifacts")
    os.replace(temporary, database)


def _make_tables(uri: str, artifact_root: Path) -> None:
    """Make the tables of a database where they are missing, and MLflow's own first experiment. A
    client would give that experiment a place in the working directory, and writes the place into
    its SQL as it is: a quote in the folder's name ends the statement. Addresses have none."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifact_root.as_uri())  # type: ignore[no-untyped-call]


def _experiment(client: MlflowClient, settings: TrackingSettings) -> Experiment:
    from mlflow.exceptions import MlflowException

    name, root = settings.experiment, settings.artifact_root
    found = client.get_experiment_by_name(name)
    if found is None:
        with tolerating("RESOURCE_ALREADY_EXISTS"):  # another process was faster
            client.create_experiment(name, artifact_location=root.as_uri() if root else None)
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise UserError(
            f"the MLflow experiment {name!r} was deleted: restore it, or choose another name with"
            " --params=run.experiment=..."
        )
    for tag, value in view_tags(STUDENTS, REGULAR_FILTER).items():
        if found.tags.get(tag) != value:  # it has not the view that our links name
            with suppress(MlflowException):  # columns of a table; not worth a training's tracking
                client.set_experiment_tag(found.experiment_id, tag, value)
    return found
