import pytest

from alpkd_pipeline.tasks.task import as_bytes, is_blank, is_utf8, normalise


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


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\n",
        "\u200b",
        "\ufeff",
        "\u200d\u2060 \xad",
        "\u3000",
        "\u3164",
        "\u2800",
        "\0",
        "\u202e",
    ],
)
def test_nothing_to_see_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}.")


@pytest.mark.parametrize("text", ["-", "0", "\u0301", "\u20dd", "\U0001f600", "\udcff", "\ue000"])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_bytes_are_those_of_the_file() -> None:
    assert as_bytes(b"gr\xfcn".decode("utf-8", "surrogateescape")) == b"gr\xfcn"
    assert as_bytes("\ud800") == b"\xed\xa0\x80"


def test_is_utf8() -> None:
    assert is_utf8("grün \u2028 😀")
    assert not is_utf8(b"gr\xfcn".decode("utf-8", "surrogateescape"))
