"""Names that folders may have and that something on the way could read as more than a name."""

from __future__ import annotations

from hypothesis import strategies as st

NASTY = (
    "My%20Project",
    "100%",
    "%2F",
    "v[2]",
    "q?x",
    "?timeout=5",
    "a#b",
    "st*r",
    "with space ",
    "Übung 日本",
    "a;b&c=d,e",
    "{x}",
    "$HOME",
    "${seed}",
    "it's",
    'say "hi"',
    "a:b",
    "a@b",
    "back\\slash",
    "new\nline",
    "-dash",
    "[!a]",
)

folder_names = st.text(
    st.sampled_from("%[]?#*;&{}$'\"@:=+~ ä\n\\aZ05.-")
    | st.characters(exclude_categories=("Cs",), exclude_characters="/\0"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
