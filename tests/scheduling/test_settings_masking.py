from __future__ import annotations

from alpkd_pipeline.scheduling.settings import masking


def test_every_secret_is_replaced_wherever_it_stands() -> None:
    mask = masking(["canary-1", "a.b*c(d"])
    assert mask("x=canary-1, [canary-1] a.b*c(d") == "x=***, [***] ***"


def test_a_secret_inside_another_does_not_spoil_it() -> None:
    assert masking(["secret", "secret-and-more"])("secret-and-more") == "***"


def test_short_values_are_left_alone() -> None:
    assert masking(["", "1", "true"])("1 true story") == "1 true story"


def test_credentials_in_addresses_go_too() -> None:
    assert masking([])("https://me:pw@host/x?token=abc") == "https://***@host/x?token=***"


def test_every_line_of_a_secret_of_several_lines_is_replaced() -> None:
    mask = masking(["-----BEGIN KEY-----\nabcdefghij\n  klmnopqrst\nAA==\n-----END KEY-----\n"])
    assert mask("said abcdefghij") == "said ***"
    assert mask("x klmnopqrst\\n AA==") == "x ***\\n AA=="


def test_without_secrets_nothing_is_replaced() -> None:
    assert masking([])("a plain line") == "a plain line"
