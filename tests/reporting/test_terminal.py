import io
from dataclasses import replace

from rich.console import Console

from alpkd_pipeline.reporting.terminal import ModelSummary, print_summary, summary_table

ROWS = [
    ModelSummary("teacher", 12, 616_450, {"dev accuracy": 0.952, "dev f1": 0.951}, 12.3),
    ModelSummary("student (alp_kd)", 4, 216_450, {"dev accuracy": 0.874, "dev f1": 0.87}),
]


def printed(rows=ROWS, **options):
    out = io.StringIO()
    print_summary(rows, file=out, **options)
    return out.getvalue()


def test_a_line_holds_depth_size_scores_and_time():
    text = printed(title="demo")
    teacher = next(line for line in text.splitlines() if "teacher" in line)
    assert teacher.split() == ["teacher", "12", "0.62", "M", "0.9520", "0.9510", "12.3"]


def test_unknown_time_is_a_dash():
    assert printed().splitlines()[-2].split()[-1] == "-"


def test_a_file_gets_plain_text_of_at_most_80_columns(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    text = printed(title="mrpc: teacher and student")
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_rows_of_different_scores_share_the_columns():
    rows = [
        ModelSummary("teacher", 12, 10, {"dev accuracy": 0.8, "dev_mismatched accuracy": 0.7}),
        ModelSummary("student", 2, 5, {"dev accuracy": 0.6}),
    ]
    student = next(line for line in printed(rows).splitlines() if "student" in line)
    assert student.split() == ["student", "2", "5", "0.6000", "-", "-"]


def test_no_colours_that_a_background_could_swallow():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=80)
    console.print(summary_table(ROWS, "demo"))
    text = out.getvalue()
    assert "\x1b[1m" in text, "headings are bold"
    assert "\x1b[3" not in text.replace("\x1b[3m", ""), "no foreground colour"


def test_brackets_in_a_name_are_not_markup():
    assert "[red]x" in printed([ModelSummary("[red]x", 1, 1, {})])


def test_notes_stand_below_the_table_each_on_one_line():
    note = "student [x] answers 'not_equivalent' for all 408 dev rows" + " and more" * 10
    lines = printed([ROWS[0], replace(ROWS[1], note=note)]).rstrip().splitlines()
    assert lines[-1] == note
    assert "answers" not in printed()
