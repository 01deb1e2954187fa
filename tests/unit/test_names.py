"""Names and notes from people, kept comparable and visible."""

import pytest

from budget_system.text import InvalidText, clean_name, clean_note, required_note


def test_twins_in_composed_and_decomposed_form_are_the_same_name() -> None:
    assert clean_name("Cafe\u0301  Acme ", what="name") == clean_name("Caf\u00e9 Acme", what="name") == "Café Acme"


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "\u202e", "a\x00b", "a\x1b[31m", "\ud800"])
def test_names_without_anything_visible_or_with_control_characters_are_refused(text: str) -> None:
    with pytest.raises(InvalidText):
        clean_name(text, what="name")


@pytest.mark.parametrize("text", ["شركة", "🚀", "<script>alert(1)</script>", "Total Wine", "O'Brien & Søn"])
def test_names_in_any_script_are_kept(text: str) -> None:
    assert clean_name(text, what="name") == text


def test_a_name_has_a_limit_and_says_it() -> None:
    with pytest.raises(InvalidText, match="201 characters long; the limit is 200"):
        clean_name("a" * 201, what="name")


def test_notes_may_have_lines_and_may_be_empty_unless_needed() -> None:
    assert clean_note("one\ntwo\n", what="note") == "one\ntwo"
    assert clean_note("", what="note") == ""
    with pytest.raises(InvalidText, match="A reason is needed"):
        required_note(" ", what="reason")
