"""The demo language is checked against a parser that was written for the test alone, and what the
package ships against the language."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import demo_language
import pytest
from demo_language import generate, sentences, tagged_sentences, vocabulary, write

from alpkd_pipeline.tasks.sources import demo

KEEPS = {"said", "thought", "agreed", "was sure", "knew", "clear"}
FLIPS = {"denied", "doubted", "nobody", "few", "false", "hardly true"}


@dataclass(frozen=True)
class Parsed:
    """What the parser found: the polarity, a tag for each word, and the height of the tree."""

    polarity: int
    tags: tuple[int, ...]
    height: int


class Parser:
    """Recursive descent over the grammar in the module's docstring, from the text alone."""

    def __init__(self, text: str) -> None:
        self.words = text.split()
        self.at = 0

    def whole(self) -> Parsed:
        parsed = self.sentence(comma=True)
        assert self.words[self.at :] == ["."]
        return Parsed(parsed.polarity, (*parsed.tags, parsed.polarity), parsed.height)

    def take(self, count: int = 1) -> list[str]:
        taken = self.words[self.at : self.at + count]
        self.at += count
        return taken

    def next_is(self, *words: str) -> bool:
        return self.words[self.at : self.at + len(words)] == list(words)

    def sentence(self, comma: bool) -> Parsed:
        if self.next_is("although"):
            self.take()
            aside = self.sentence(comma=False)
            assert self.take() == [","]
            primary = self.sentence(comma)
            y = primary.polarity
            tags = (y, *aside.tags, y, *primary.tags)
            return Parsed(y, tags, 1 + max(aside.height, primary.height))
        if not self.starts_with_thing():
            return self.reported(comma)
        clause = self.clause()
        if self.next_is("but"):
            self.take()
            primary = self.sentence(comma)
            y = primary.polarity
            return Parsed(y, (*clause.tags, y, *primary.tags), 1 + primary.height)
        link = 3 if comma and self.next_is(",", "even", "if") else int(self.next_is("although"))
        if link == 0:
            return clause
        self.take(link)
        aside = self.sentence(comma=False)
        y = clause.polarity
        return Parsed(y, (*clause.tags, *[y] * link, *aside.tags), 1 + aside.height)

    def starts_with_thing(self) -> bool:
        return self.next_is("the") and self.words[self.at + 1] in demo_language.THINGS

    def reported(self, comma: bool) -> Parsed:
        opening = self.take(self.words.index("that", self.at) - self.at + 1)
        text = " ".join(opening)
        flips = any(word in text for word in FLIPS)
        assert flips or any(word in text for word in KEEPS), text
        inner = self.sentence(comma)
        y = 1 - inner.polarity if flips else inner.polarity
        return Parsed(y, (*[y] * len(opening), *inner.tags), 1 + inner.height)

    def clause(self) -> Parsed:
        outer = self.take(2)
        outer += self.take() if self.next_is("was") else []
        negated = any(self.next_is(word) for word in ("not", "never", "hardly"))
        outer += self.take() if negated else []
        inner = self.take() if self.words[self.at] in demo_language.DEGREES else []
        opinion = self.take()[0]
        good = int(opinion in demo_language.PRAISE or opinion in demo_language.PLEASING)
        inner.append(opinion)
        inner += self.take(2) if self.next_is("the") else []
        y = 1 - good if negated else good
        return Parsed(y, (*[y] * len(outer), *[good] * len(inner)), 0)


@pytest.mark.parametrize(
    ("text", "polarity", "tags"),
    [
        ("the film was not good .", 0, (0, 0, 0, 0, 1, 0)),
        ("nobody thought that the film was good .", 0, (0, 0, 0, 1, 1, 1, 1, 0)),
        ("the film was good although the soup was bad .", 1, (1, 1, 1, 1, 1, 0, 0, 0, 0, 1)),
    ],
)
def test_the_parser_of_these_tests_reads_examples_worked_out_by_hand(
    text: str, polarity: int, tags: tuple[int, ...]
) -> None:
    parsed = Parser(text).whole()
    assert (parsed.polarity, parsed.tags) == (polarity, tags)


def test_labels_follow_from_the_text() -> None:
    drawn = sentences(600, seed=3)
    parsed = [Parser(row.text).whole() for row in drawn]
    assert [row.label for row in drawn] == [found.polarity for found in parsed]
    assert max(found.height for found in parsed) == 3
    assert min(found.height for found in parsed) == 1


def test_tags_follow_from_the_text() -> None:
    for row in tagged_sentences(300, seed=4):
        assert row.tags == Parser(" ".join(row.words)).whole().tags


def test_depth_limits_the_height_of_the_tree() -> None:
    assert {Parser(row.text).whole().height for row in sentences(200, 5, depth=1)} == {1}


def test_short_rows_are_shallow() -> None:
    heights = [Parser(row.text).whole().height for row in sentences(400, 6, short_share=1.0)]
    assert max(heights) <= 2
    assert min(heights) == 0


def test_no_sentence_occurs_twice_and_none_that_was_excluded() -> None:
    first = {row.text for row in sentences(500, seed=0, short_share=1.0)}
    again = {row.text for row in sentences(500, seed=0, short_share=1.0, exclude=first)}
    assert len(first) == len(again) == 500
    assert not first & again


def test_a_seed_fixes_the_sentences() -> None:
    assert sentences(50, seed=1) == sentences(50, seed=1)
    assert sentences(50, seed=1) != sentences(50, seed=2)
    assert tagged_sentences(50, seed=1) == tagged_sentences(50, seed=1)
    assert tagged_sentences(50, seed=1) != tagged_sentences(50, seed=2)


def test_label_noise_flips_labels_and_leaves_texts_alone() -> None:
    clean = sentences(2000, seed=7)
    noisy = sentences(2000, seed=7, label_noise=0.1)
    wrong = sentences(2000, seed=7, label_noise=1.0)
    assert [row.text for row in clean] == [row.text for row in noisy] == [row.text for row in wrong]
    flipped = sum(a.label != b.label for a, b in zip(clean, noisy, strict=True))
    assert 150 <= flipped <= 250
    assert all(a.label == 1 - b.label for a, b in zip(clean, wrong, strict=True))


def test_labels_are_balanced_plain_ints() -> None:
    labels = [row.label for row in sentences(2000, seed=8, label_noise=0.1)]
    assert {type(label) for label in labels} == {int}
    assert set(labels) == {0, 1}
    assert 900 <= sum(labels) <= 1100


def test_no_sentence_is_too_long_for_the_encoder() -> None:
    lengths = [len(row.words) for row in tagged_sentences(2000, seed=9)]
    assert max(lengths) <= demo_language.MAX_WORDS


def test_the_vocabulary_is_what_the_language_uses() -> None:
    used = {word for row in tagged_sentences(20_000, seed=10, depth=2) for word in row.words}
    assert used == set(vocabulary())
    assert list(vocabulary()) == sorted(set(vocabulary()))


def test_no_word_belongs_to_two_classes() -> None:
    classes = (
        demo_language.PEOPLE,
        demo_language.THINGS,
        demo_language.PRAISE,
        demo_language.BLAME,
        demo_language.PLEASING,
        demo_language.DISPLEASING,
        demo_language.CROWDS,
        demo_language.DEGREES,
        demo_language.NEGATIONS,
    )
    for one, other in itertools.combinations(classes, 2):
        assert not set(one) & set(other)


def test_nothing_asked_for_is_nothing_drawn() -> None:
    assert sentences(0, seed=0) == []
    assert tagged_sentences(0, seed=0) == []


def test_the_shipped_files_are_what_is_written(tmp_path: Path) -> None:
    write(tmp_path / "new")
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == sorted(path.name for path in demo.FOLDER.iterdir())
    for name in names:
        written = (tmp_path / "new" / name).read_bytes()
        assert written == (demo.FOLDER / name).read_bytes(), "run: scripts/demo_language.py"


def test_the_command_line_chooses_folder_and_training_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo_language", "--seed", "1", "--out", str(tmp_path)])
    demo_language.main()
    shipped = demo.load()
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    found = demo.load()
    assert [row.text for row in generate(1)["train"]] == found["train"]["sentence"].tolist()
    assert [row.label for row in generate(1)["train"]] == found["train"]["label"].tolist()
    assert found["dev"].equals(shipped["dev"])
    assert found["test"].equals(shipped["test"])


def test_the_seed_changes_the_training_data_alone() -> None:
    zero, one = generate(0), generate(1)
    assert zero["dev"] == one["dev"]
    assert zero["test"] == one["test"]
    shared = {row.text for row in zero["train"]} & {row.text for row in one["train"]}
    assert len(shared) < 100


def test_more_rows_without_a_label_begin_with_the_shipped_ones() -> None:
    few, more = (generate(unlabelled=rows)["unlabelled"] for rows in (20, 40))
    assert more[:20] == few
    assert {row.label for row in more} == {-1}


def test_no_sentence_is_in_two_splits_of_another_seed() -> None:
    texts = {
        split: {" ".join(row.text.lower().split()) for row in rows}
        for split, rows in generate(1).items()
    }
    assert [len(found) for found in texts.values()] == [2500, 1000, 500, 2000]
    assert len(set.union(*texts.values())) == 6000


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed -1"):
        generate(-1)


@pytest.mark.parametrize(
    ("setting", "value"), [("LABEL_NOISE", 0.11), ("TRAIN_ROWS", 2499), ("SHORT_SHARE", 0.4)]
)
def test_the_digest_changes_with_the_settings(
    setting: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = demo.digest()
    monkeypatch.setattr(demo_language, setting, value)
    write(tmp_path)
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    assert demo.digest() != shipped


def test_the_digest_knows_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = demo.digest()
    write(tmp_path, seed=1)
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    assert demo.digest() != shipped
