"""A worker process: runs one job after the other and never lets one take it down.

`python -m alpkd_pipeline.experiments.worker PROJECT ENV` reads jobs from standard input
and writes answers to standard output, both as lines of JSON. All that anybody prints meanwhile
goes to standard error. Nothing heavy is imported before the first job.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from alpkd_pipeline.errors import UserError, kind_and_line, user_error
from alpkd_pipeline.experiments.jobs import DONE, Job, answer, lines_to_come, own_stdout
from alpkd_pipeline.gc import collect_seldom
from alpkd_pipeline.store.lineage import Home, with_commands


def run_job(project: Path, env: str | None, job: Job) -> Mapping[str, str]:
    """Run a job in this process, of which Kedro knows the project already.

    One job at a time in a process: Kedro's resolvers are global to it. Nothing is raised.
    """
    from kedro.framework.session import KedroSession

    from alpkd_pipeline.project.config_loader import COMMAND, EXACT, conf_store
    from alpkd_pipeline.project.runner import StageRunner
    from alpkd_pipeline.store.fingerprint import provenance

    # Remembered for the life of a process elsewhere; here the work tree may change between jobs.
    provenance.cache_clear()
    session: Any
    try:
        refuse_another_result(project, job)
        given = {EXACT: dict(job.params), COMMAND: job.command}
        with KedroSession.create(
            project, env=env, runtime_params=given, save_on_close=False
        ) as session:
            wanted = list(job.to_outputs)
            session.run(pipeline_names=[job.pipeline], to_outputs=wanted, runner=StageRunner())
    except (KeyboardInterrupt, SystemExit):
        return answer("interrupted", "the worker was stopped")
    except Exception as error:
        traceback.print_exc()
        line = one_line(error, partial(conf_store, project))
        # What was not imported was not raised; torch is too heavy to be imported for a question.
        update = sys.modules.get("alpkd_pipeline.training.update")
        diverged = update is not None and isinstance(user_error(error), update.DivergedError)
        return answer("diverged" if diverged else "failed", line)
    finally:
        # Nothing of a job is left on the GPU, which another worker may share.
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            gc.collect()
            torch.cuda.empty_cache()
    return DONE


def refuse_another_result(project: Path, job: Job) -> None:
    """Refuse a job whose keys are others than planned."""
    from alpkd_pipeline.project.check import check
    from alpkd_pipeline.project.experiment import Experiment

    experiment = Experiment(check(dict(job.params)), project)
    for name, key in job.expect.items():
        if experiment.stage(name).key != key:
            raise UserError(
                f"code or data changed meanwhile: {name} would be another result than planned;"
                " run the same command again"
            )


def one_line(error: BaseException, home: Home | None = None) -> str:
    """An error for a table: the user's own line, or the first line of any other."""
    cause = user_error(error)
    if cause is not None:
        return str(with_commands(cause, home))
    while error.__cause__ is not None:  # Kedro wraps what datasets raise
        error = error.__cause__
    return kind_and_line(error)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # Closing what is open may take seconds, and must not be disturbed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(143)


def main() -> None:
    """Do jobs until standard input ends, which it also does when the sweep itself is killed."""
    collect_seldom()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the sweep's to handle
    tell = own_stdout()
    project, env = Path(sys.argv[1]), sys.argv[2] or None
    os.chdir(project)
    # At the end nobody waits for a job that is still at work: stop as if told to.
    jobs = lines_to_come(lambda: os.kill(os.getpid(), signal.SIGTERM))
    from kedro.framework.project import configure_project  # slow, and it may be told to stop

    configure_project("alpkd_pipeline")
    while (line := jobs.get()) is not None:
        job = Job.from_dict(json.loads(line))
        sys.stderr.write(f"\n--- {job.name}\n{job.command}\n")
        found = run_job(project, env, job)
        tell(found)
        if found["state"] == "interrupted":
            return


if __name__ == "__main__":
    main()
