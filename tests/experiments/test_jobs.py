from __future__ import annotations

import json
from dataclasses import asdict

from alpkd_pipeline.experiments.jobs import Job


def test_a_job_survives_being_sent_as_json() -> None:
    job = Job("a", "distill", ("x", "y"), {"seed": 1, "task": {"name": "demo"}}, needs=("b",))
    assert Job.from_dict(json.loads(json.dumps(asdict(job)))) == job
