"""The pipelines by the names that `kedro run --pipeline=...` takes."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines.compare.pipeline import create_pipeline as compare
from alpkd_pipeline.pipelines.data_prep.pipeline import create_pipeline as data_prep
from alpkd_pipeline.pipelines.distill.pipeline import create_pipeline as distill
from alpkd_pipeline.pipelines.evaluate.pipeline import create_pipeline as evaluate
from alpkd_pipeline.pipelines.export.pipeline import create_pipeline as export
from alpkd_pipeline.pipelines.finetune_teacher.pipeline import create_pipeline as finetune_teacher


def register_pipelines() -> dict[str, Pipeline]:
    """Each pipeline makes everything up to its own results; `compare` takes what is stored.

    Explicit imports: Kedro's `find_pipelines` would look only at the folder of the chosen name.
    """
    prepared = data_prep()
    taught = prepared + finetune_teacher()
    distilled = taught + distill()
    evaluated = distilled + evaluate()
    return {
        "__default__": evaluated + compare(after=("student_scores", *evaluate().outputs())),
        "data_prep": prepared,
        "finetune_teacher": taught,
        "distill": distilled,
        "evaluate": evaluated,
        "export": distilled + export(),
        "export_teacher": taught + export("teacher"),
        "compare": compare(),
    }
