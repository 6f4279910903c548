"""The pipelines by the names that `kedro run --pipeline=...` takes."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines import compare, data_prep, distill, evaluate, export, finetune_teacher


def register_pipelines() -> dict[str, Pipeline]:
    """Each pipeline makes everything up to its own results; `compare` takes what is stored.

    Explicit imports: Kedro's `find_pipelines` would look only at the folder of the chosen name.
    """
    prepared = data_prep.create_pipeline()
    taught = prepared + finetune_teacher.create_pipeline()
    distilled = taught + distill.create_pipeline()
    measured = evaluate.create_pipeline()
    compared = compare.create_pipeline(after=("student_scores", *measured.outputs()))
    return {
        "__default__": distilled + measured + compared,
        "data_prep": prepared,
        "finetune_teacher": taught,
        "distill": distilled,
        "evaluate": distilled + measured,
        "export": distilled + export.create_pipeline(),
        "export_teacher": taught + export.create_pipeline("teacher"),
        "compare": compare.create_pipeline(),
    }
