from alpkd_pipeline.reporting.render import markdown_table


def test_columns_line_up():
    assert markdown_table(["method", "n"], [["kd", "3"], ["alp_kd", "10"]], right=["n"]) == (
        "| method |   n |\n"  #
        "| ------ | --: |\n"
        "| kd     |   3 |\n"
        "| alp_kd |  10 |\n"
    )


def test_pipes_and_line_breaks_cannot_break_the_table():
    assert markdown_table(["a"], [["x|y\nz"]]).splitlines()[2] == "| x\\|y z |"
