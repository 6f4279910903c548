"""One study: what was tried for a method so far, and what to try next. Kept by Optuna in SQLite.

Optuna's own storage is the memory of a search. A trial that was asked for and never told, because
the search was killed, is taken up again under its number; a finished one is never tried twice.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from alpkd_pipeline.experiments.tuning.spec import Point, Range, Sampler, Space, grid, points_of
from alpkd_pipeline.tasks.metrics import is_error, sign
from alpkd_pipeline.tracking.settings import sqlite_address

TPE_BATCH = 4
"""Trials that TPE is asked for at a time: a fixed number, so that the number of workers does not
change what is tried."""

USED_UP = "used_up"
"""The fact about a failed trial that its point is to blame: it is not tried again."""

REPEATS = 10
"""Points that were tried before, in a row, after which TPE gets a new one of the grid instead."""


class Asked(NamedTuple):
    """A trial to run: its number in the study and its point."""

    number: int
    point: Point


def open_storage(path: Path) -> optuna.storages.BaseStorage:
    """Optuna's database at a path, made if it is not there; one process at a time makes it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        return optuna.storages.RDBStorage(
            sqlite_address(path), engine_kwargs={"connect_args": {"timeout": 60}}
        )


def finished_trials(path: Path, name: str) -> int:
    """How many trials of a study need not run again; makes neither the database nor the study."""
    if not path.exists():
        return 0
    try:
        study = optuna.load_study(study_name=name, storage=open_storage(path))
    except KeyError:  # nothing was asked for yet
        return 0
    return sum(map(_is_finished, study.get_trials(deepcopy=False)))


class Study:
    """The trials of one task, method and depth.

    Args:
        name: everything that a score depends on must be in it, at least as a hash.
        sampler: how points are chosen. A finite space with `grid` or `random` is walked in a
            fixed random order, without repeats; so is one that is not larger than the budget.
        budget: how many different points to try.
        metric: of the scores: of an error the smallest is the best.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        name: str,
        space: Space,
        sampler: Sampler,
        budget: int,
        metric: str = "",
    ) -> None:
        self._storage, self.metric = storage, metric
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="minimize" if is_error(metric) else "maximize",
            load_if_exists=True,
        )
        self.space, self._sampler, self._seed = space, sampler, zlib.crc32(name.encode())
        self._distributions: dict[str, BaseDistribution] = {
            name: FloatDistribution(given.low, given.high, log=given.log)
            if isinstance(given, Range)
            else CategoricalDistribution(given)
            for name, given in space.items()
        }
        self._points = points_of(space, sampler, budget)
        self.budget = budget if self._points is None else len(self._points)
        self._failed_now: set[int] = set()

    def ask(self) -> list[Asked]:
        """The trials to run next, all at once; none when the budget is used up.

        What failed through no fault of its point in an earlier call of the search is tried again,
        what fails now is not.
        """
        asked = self._taken_up()
        over = [*self._settled(), *(t for t in self._all() if t.number in self._failed_now)]
        tried = [trial.params for trial in over] + [trial.point for trial in asked]
        left = max(0, self.budget - len(tried))
        if self._points is not None:
            new = [point for point in self._points if point not in tried]
            return asked + [self._fixed(point) for point in new[:left]]
        for _ in range(min(left, TPE_BATCH - len(asked)) if self._sampler == "tpe" else left):
            asked.append(self._new(tried))
            tried.append(asked[-1].point)
        return asked

    def tell(self, number: int, score: float, facts: Mapping[str, Any]) -> None:
        """Record what a trial was worth; with no finite score Optuna would ask for it for ever."""
        if not math.isfinite(score):
            raise ValueError(f"a score of {score} is a failure")
        self._remember(number, facts)
        self._study.tell(number, score)

    def tell_failed(self, number: int, facts: Mapping[str, Any], *, used_up: bool = False) -> None:
        """Record that a trial has no score. If its point is to blame it counts as tried; else the
        next call of the search tries it."""
        self._remember(number, {**facts, USED_UP: True} if used_up else facts)
        self._study.tell(number, state=TrialState.FAIL)
        if not used_up:
            self._failed_now.add(number)

    @property
    def finished(self) -> int:
        """How much of the budget is used up."""
        return len(self._settled())

    def trials(self) -> list[FrozenTrial]:
        """The trials that have a score, each point once, as many as the budget allows. More may be
        there from a search with a larger budget; they would not be fair to others."""
        return [t for t in self._settled() if t.state == TrialState.COMPLETE]

    def failed(self) -> list[FrozenTrial]:
        """The points that never got a score, with their last failure."""
        scored = [t.params for t in self.trials()]
        told = (t for t in self._all(TrialState.FAIL) if t.user_attrs.get("error"))
        last = {repr(sorted(t.params.items())): t for t in told}
        return [t for t in last.values() if t.params not in scored]

    def best(self) -> FrozenTrial | None:
        """The trial of the best score, the earlier one of equals; None without any."""
        turn = sign(self.metric)
        return max(self.trials(), key=lambda t: turn * (t.value or 0.0), default=None)

    def _settled(self) -> list[FrozenTrial]:
        return list(filter(_is_finished, self._all()))[: self.budget]

    def _taken_up(self) -> list[Asked]:
        """Trials that were asked for and never told; whoever asked for them is gone."""
        found = []
        for trial in self._all(TrialState.RUNNING):
            if set(trial.params) == set(self.space):
                found.append(Asked(trial.number, trial.params))
            else:  # killed while the point was drawn
                self._study.tell(trial.number, state=TrialState.FAIL)
        return found

    def _new(self, tried: Sequence[Point]) -> Asked:
        """A point that the sampler has not drawn before."""
        kind = TPESampler if self._sampler == "tpe" else RandomSampler
        for _ in range(REPEATS):
            # A sampler's own sequence would begin anew when a search goes on, and repeat its
            # points: so the seed follows the trial's number.
            self._study.sampler = kind(seed=(self._seed + len(self._all())) % 2**32)
            trial = self._study.ask(self._distributions)
            if trial.params not in tried:
                return Asked(trial.number, trial.params)
            self._study.tell(trial.number, state=TrialState.FAIL)
        return self._fixed(next(p for p in grid(self.space) if p not in tried))

    def _fixed(self, point: Point) -> Asked:
        state, known = TrialState.RUNNING, self._distributions
        self._study.add_trial(create_trial(state=state, params=point, distributions=known))
        return Asked(self._all()[-1].number, point)

    def _remember(self, number: int, facts: Mapping[str, Any]) -> None:
        study = self._storage.get_study_id_from_name(self._study.study_name)
        trial = self._storage.get_trial_id_from_study_id_trial_number(study, number)
        for name, value in facts.items():
            self._storage.set_trial_user_attr(trial, name, value)

    def _all(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)


def _is_finished(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE or bool(trial.user_attrs.get(USED_UP))
