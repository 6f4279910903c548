import pytest

from alpkd_pipeline.tasks.text import is_utf8, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The\tBIG \n cat ", "the big cat"),
        ("ﬁne", "fine"),
        ("Straße", "strasse"),
        ("cafe\u0301", "café"),
        ("a\u00a0b", "a b"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_is_utf8() -> None:
    assert is_utf8("grün \u2028 😀")
    assert not is_utf8(b"gr\xfcn".decode("utf-8", "surrogateescape"))
