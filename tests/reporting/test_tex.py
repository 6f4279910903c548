"""Text as LaTeX prints it."""

from __future__ import annotations

import pytest

from alpkd_pipeline.reporting.tex import escape


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("alp_kd", r"alp\_kd"),
        ("50 % of #1 & $2", r"50 \% of \#1 \& \$2"),
        ("{x}", r"\{x\}"),
        ("a\\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("1 < 2 > 0 | 3", r"1 \textless{} 2 \textgreater{} 0 \textbar{} 3"),
        ("0.5 ± 0.1, 2×, −1 – 3", r"0.5 $\pm$ 0.1, 2$\times$, $-$1 -- 3"),
        ("two\nlines \t of  text", "two lines of text"),
    ],
)
def test_what_means_something_to_tex_is_printed(text, tex):
    assert escape(text) == tex
