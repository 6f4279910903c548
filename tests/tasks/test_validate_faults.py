from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.validate import DataErrors, Fault


def test_one_row() -> None:
    fault = Fault("dev", "dev.csv", "sentence is blank", 1, (7,), "line")
    assert str(fault) == "dev (dev.csv), 1 line (7): sentence is blank"


def test_many_rows_show_five() -> None:
    fault = Fault("train", "", "label is missing", 9, tuple(range(1, 10)))
    assert str(fault) == "train, 9 rows (1, 2, 3, 4, 5, ...): label is missing"


def test_rows_given_short_of_the_count() -> None:
    assert "(3, 4, ...)" in str(Fault("train", "", "x", 3, (3, 4)))


def test_report_has_a_header_and_one_line_each() -> None:
    errors = DataErrors("mood", [Fault("train", "", "it has no rows"), Fault("dev", "", "b")])
    assert isinstance(errors, UserError)
    assert str(errors).splitlines() == [
        "the data of task 'mood' has 2 faults, nothing was written; put right:",
        "  - train: it has no rows",
        "  - dev: b",
    ]
