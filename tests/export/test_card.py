import re
from pathlib import Path
from typing import Any

import pytest
from tests.export.published import CALIBRATION, REGRESSION, form_of, judged, publish
from tests.reporting.conftest import Store
from tests.reporting.studies import reseal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.card import write_card
from alpkd_pipeline.reporting.statistics.summary import seed_summary
from alpkd_pipeline.store.manifest import read_json, write_json

HUB = {"model": "google-bert/bert-base-uncased", "revision": "1" * 40}


def card_of(folder: Path) -> str:
    write_card(folder)
    text = (folder / "README.md").read_text("utf-8")
    body = text.split("\n---\n", 1)[1]
    assert not re.search(r"\bNone\b|\bnan\b|<[a-z/]|\{[{%]", body)
    assert "\n\n\n" not in body
    assert all(line[-1:] != " " for line in body.splitlines())
    # Experiments of a table are as many as its columns.
    for table in re.findall(r"(?:^\|.*\|\n)+", body, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    return body


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_a_student(store: Store) -> None:
    text = card_of(publish(store))
    assert "into 2 classes: `not_equivalent`, `equivalent`." in text
    assert "distilled, by the method `alp_kd`, from a teacher" in text
    assert "| layers | 4 | 12 |\n" in text
    assert "| parameters | 410,000 | 600,000 |\n" in text
    assert "| `epochs` | 5 | 3 |\n" in section(text, "How it was trained")
    assert "| `seed` | 0 | 7 |\n" in text
    assert "| dev, accuracy | 8 | 75.00 | 34.91 to 96.81 | 80.00 | – | – | 90.00 |\n" in text
    assert "There is one seed, 0, so there is no interval over seeds" in text
    assert "Not shown: what other seeds would give." in text
    assert "Rows whose answers changed (1 of 8): 0.\n" in text
    assert (
        "| student, ONNX int8 | 0.50 | 1.00 | 0.12 (25 %) | 30.0 | 1,067 | 1.5 | 16.0 | 16.0× |"
        in text
    )
    assert "| this model | 7.0 | x86_64 (cpu) | 1 | fp32 |\n| its teacher | 12.0 |" in text
    assert "Of 8 dev rows 1 were cut." in text
    assert "- Rows: 3,000 train rows, and 8 dev rows (dev).\n" in text
    assert "Of these rows 2 stand in train too." in text
    assert "\nkedro run --pipeline=distill\n" in text
    assert f"| student_export | {'9' * 64} | {'f' * 40} |\n" in text
    assert text.endswith("Versions: Python 3.11.7, torch 2.13.0+cpu, onnx 1.23.2.\n")


@pytest.mark.parametrize(("used", "told"), [(2000, "used for the student alone"), (0, "not used")])
def test_rows_without_a_label_are_counted(store: Store, used: int, told: str) -> None:
    folder = publish(store)
    report = next(store.root.rglob("mrpc-64t/report.json"))
    counts = read_json(report)
    write_json(report, counts | {"train": counts["train"] | {"unlabelled": 2000}})
    model = next(path.parent for path in store.root.rglob("students/*/*/metrics.json"))
    metrics = read_json(model / "metrics.json")
    left_out = {"rows": used, "left_out": 2000 - used}
    write_json(model / "metrics.json", metrics | {"unlabelled": left_out})
    reseal(model)
    assert f"3,000 train rows (2,000 rows of them without a label: {told})," in card_of(folder)


def test_a_model_that_says_one_thing_is_told_to(store: Store) -> None:
    hot = {**CALIBRATION, "temperature": 19.99}
    text = card_of(publish(store, predictions=[1.0] * 8, calibration=hot))
    assert "**It says the same of all 8 dev rows**: its scores are those of a model that" in text
    assert "The temperature is the highest that is looked for" in section(text, "Calibration")


def test_scores_over_seeds(store: Store) -> None:
    text = card_of(publish(store, seeds={3: 0.8, 1: 0.82, 2: 0.84}))
    over = seed_summary([0.8, 0.82, 0.84])
    assert over.low is not None
    assert over.high is not None
    shown = f"| 82.00 (3) | {100 * over.low:.2f} to {100 * over.high:.2f} | 90.00 |"
    assert shown in section(text, "Scores")
    assert "the 3 finished students (seeds 1–3)" in text
    assert "This one has seed 3." in text
    assert "Not shown: what other seeds would give." not in text


def test_a_student_with_other_settings_is_no_seed(store: Store) -> None:
    folder = publish(store)

    def other(params: dict[str, Any], run: dict[str, Any]) -> None:
        params["training"]["lr"] = 0.1

    store.student(1, change=other)
    assert "There is one seed, 0," in card_of(folder)


def test_a_teacher(store: Store) -> None:
    text = card_of(publish(store, of="teacher"))
    assert "It is an encoder that was fine-tuned for this task. It was not distilled" in text
    assert "alp_kd" not in text
    assert "student" not in text
    assert "| | this model |" in re.sub(" +", " ", text)
    assert "| `epochs` | 3 |\n" in text
    assert "| dev, accuracy | 8 | 75.00 | 34.91 to 96.81 | 90.00 |\n" in text
    assert "There is no interval over seeds." in text
    assert "with `--pipeline=export_teacher` publishes it" in text


def test_a_teacher_that_came_fine_tuned(store: Store) -> None:
    text = card_of(
        publish(store, lambda params: params["teacher"].update(finetuned=True), of="teacher")
    )
    assert "came already fine-tuned; here its outputs were checked" in text
    assert "was not used, and how it was trained is not known here" in text
    assert "the best epoch was chosen" not in text
    assert "What the training of the model cost elsewhere is not known" in text


def test_a_regression(store: Store) -> None:
    given = [float(answer) + 0.1 for answer in (1, 0, 1, 0, 0, 1, 1, 1)]
    calibration = {"calibration": {"temperature": 1.0, "seen_in_train": 0}}
    text = card_of(publish(store, task=REGRESSION, predictions=given, **calibration))
    assert "lie between 0.0 and 5.0. Its answers are values, not probabilities." in text
    assert "## Calibration" not in text
    assert "probabilit" not in text.split("not probabilities.", 1)[1]
    assert 'function_to_apply="none"' in text
    row = next(line for line in text.splitlines() if line.startswith("| dev, pearson |"))
    assert re.search(r"\| −?\d+\.\d\d to \d+\.\d\d \|", row)
    assert "a bootstrap over rows" in text
    assert "| dev, rmse | 8 | 0.5" in text


def test_pairs_of_texts(store: Store) -> None:
    text = card_of(publish(store, task={"text_columns": ["sentence1", "sentence2"]}))
    assert 'Published(".")(["a text"], ["its pair"])' in text
    assert '"text_pair": "its pair"' in text


def test_a_plain_student_is_not_called_distilled(store: Store) -> None:
    text = card_of(publish(store, lambda params: params["method"].update(name="no_kd")))
    assert "It is an encoder that was distilled" not in text
    assert "or than fine-tuning the same student" not in text
    assert "plain fine-tuning (`no_kd`)" in text


def test_a_local_folder_keeps_its_path_to_itself(store: Store) -> None:
    text = card_of(
        publish(store, lambda params: params["teacher"].update(model="/home/me/own-bert"))
    )
    assert "made from a model in a local folder called own-bert." in text
    assert "/home/me" not in text
    assert "secret place" not in text


def test_hub_names_and_a_checkpoint(store: Store) -> None:
    def change(params: dict[str, Any]) -> None:
        params["teacher"].update(HUB)
        own = {"init": "checkpoint", "checkpoint": "a/b", "checkpoint_revision": "2" * 40}
        params["student"].update(own)

    text = card_of(publish(store, change))
    link = "[google-bert/bert-base-uncased](https://huggingface.co/google-bert/bert-base-uncased)"
    assert f"The teacher was made from {link}, commit `{'1' * 40}`." in text
    assert f"another encoder, [a/b](https://huggingface.co/a/b), commit `{'2' * 40}`." in text


def test_a_licence_that_nobody_states(store: Store) -> None:
    folder = publish(store)
    (store.root / "a secret place" / "base" / "README.md").unlink()
    assert "Licence: unknown: ask the owner of the base model." in card_of(folder)


def test_what_the_gate_could_not_show_and_what_it_refused(store: Store) -> None:
    forms = [judged("fp32", "cannot be shown"), judged("int8", "fails", changed=21)]
    gate = {"serve": "fp32", "forms": forms}
    export = {"forms": {"fp32": "onnx/model.onnx"}}
    text = card_of(publish(store, gate=gate, export=export))
    assert "**ONNX fp32: cannot be shown**." in text
    assert "**ONNX int8: fails**, and is not published." in text
    assert (
        "(21 of 8): 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, ...."
        in text
    )
    assert "Not shown: that ONNX fp32 stays within what is allowed in general. 8 dev rows" in text
    assert "ONNX files (fp32)" in text


def test_calibration_in_words(store: Store) -> None:
    text = section(card_of(publish(store)), "Calibration")
    assert "divided by a temperature of 0.669" in text
    assert "This model shows more: its probabilities are not calibrated." in text
    assert "a threshold gave accuracy 62.50, against 75.00 without one, and no gain" in text
    assert "All of this is of the logits in torch, fp32." in text
    assert "reliability.png" not in text


def test_a_threshold_and_a_picture(store: Store) -> None:
    ece = {"before": 0.06, "after": 0.01, "calibrated_median": 0.02, "calibrated_95": 0.03}
    score = {"metric": "accuracy", "before": 0.75, "after": 0.875}
    calibration = CALIBRATION | {"ece": ece, "score": score, "threshold": 0.4}
    folder = publish(store, calibration=calibration, export={"threshold": 0.4})
    (folder / "reliability.png").write_bytes(b"")
    text = card_of(folder)
    assert "no miscalibration is seen" in text
    assert "](reliability.png)" in text
    assert "`equivalent` is answered from a probability of 0.400 on" in text
    assert "The threshold was fitted on dev rows" in text


def test_without_calibration(store: Store) -> None:
    folder = publish(store)
    (folder / "calibration.json").write_text('{"temperature": 1.0, "seen_in_train": 0}', "utf-8")
    text = section(card_of(folder), "Calibration")
    assert "Its probabilities are not calibrated: there are too few dev rows" in text


def test_the_price_of_a_million_texts(store: Store) -> None:
    forms = [form_of("student", "onnx", "int8", 3.6)]
    text = card_of(publish(store, speed={"forms": forms, "price_per_hour": 2.0}))
    assert "| cost of a million texts |\n" in text
    assert "| 16.0 | 2.000 |\n" in text


def test_a_model_that_is_gone(store: Store) -> None:
    folder = publish(store)
    for path in (store.root / "06_models" / "students").glob("*/*/manifest.json"):
        path.unlink()
    with pytest.raises(UserError, match="has no finished model 00000000 that can be read"):
        write_card(folder)
