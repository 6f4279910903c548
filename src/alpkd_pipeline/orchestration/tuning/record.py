"""What a search leaves behind for people and reports: one JSON file beside Optuna's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.tuning.study import Study, Trial
from alpkd_pipeline.runs.manifest import read_json, write_json

SEARCHES = "08_reporting/searches"
DATABASE = "optuna.db"


def searches(store: Path) -> Path:
    """The folder of all searches of a store."""
    return store / SEARCHES


def record_path(store: Path, search: str) -> Path:
    """The record of a search by its id."""
    return searches(store) / f"{search}.json"


def now() -> str:
    """The time as records have it, UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def study_record(coordinates: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """What a record says about one study."""
    best = study.best()
    trials = sorted([*study.trials(), *study.failed()], key=lambda trial: trial.number)
    return {
        **coordinates,
        "trials": [_trial_record(trial) for trial in trials],
        "best": None if best is None else {"values": best.values, "score": best.score},
        "metric": study.metric,
        "possible": study.possible,
        "budget": study.budget,
        "done": len(study.trials()),
    }


def write_record(
    path: Path, facts: Mapping[str, Any], studies: Sequence[Mapping[str, Any]], *, ended: bool
) -> None:
    """Write a search's record; studies that it holds already and that are not given stay.

    Args:
        path: of `record_path`.
        facts: what is true of the whole search.
        studies: of `study_record`.
        ended: whether the search has come to its end.
    """
    before = _before(path)
    given = [_place(study) for study in studies]
    kept = [study for study in before.get("studies", []) if _place(study) not in given]
    all_studies = sorted([*kept, *studies], key=_place)
    write_json(
        path,
        {
            **facts,
            "started": before.get("started") or now(),
            "ended": now() if ended else None,
            "trials": {
                "asked": facts["trials"],
                "done": sum(study["done"] for study in all_studies),
            },
            "studies": all_studies,
        },
    )


def _trial_record(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "values": dict(trial.values),
        "score": trial.score,
        "state": "done" if trial.score is not None else "failed",
        **trial.facts,
    }


def _place(study: Mapping[str, Any]) -> tuple[str, str, int]:
    return str(study["task"]), str(study["method"]), int(study["layers"])


def _before(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (OSError, ValueError):
        return {}
