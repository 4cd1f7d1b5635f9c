"""Which prompts the demo model paints for, and the words it sends instead."""

from __future__ import annotations

import pytest

from gemgate_simulator.demo import demo, paced
from gemgate_simulator.image_intent import image_intent
from gemgate_simulator.paint import Painting
from gemgate_simulator.refusals import MEANINGS, WORDINGS, wordings
from gemgate_simulator.script import Prompt, Said


def asked(text: str, *, picture_sent: bool = False, history: tuple[Said, ...] = ()) -> int:
    prompt = Prompt(text, "alice", "gemini-flash", history=history)
    return len(image_intent(prompt, picture_sent=picture_sent))


@pytest.mark.parametrize(
    "text",
    [
        "draw a cat",
        "Please draw me a red fox in the snow",
        "Can you paint a house?",
        "Generate an image of a lighthouse",
        "Generate an image. Aspect ratio 16:9.\n\na lighthouse",
        "generate an image…",
        "Hi! Create a logo for my bakery",
        "A photo of two dogs",
        "draw a table with a list on it",
        "You are an artist.\n\nSketch a bridge.",
        "画一只猫",
        "请画一幅山水",
        "帮我画个太阳",
        "生成图片：海边的日落",
        "生成一张猫的照片",
        "来一张海报",
        "[User]\nwhat is 2+2\n\n[Assistant]\n4\n\n[User]\ndraw a cat",
    ],
)
def test_a_wish_for_a_image_is_understood(text: str) -> None:
    assert asked(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "What did Monet paint?",
        "How do I draw a conclusion?",
        "Draw conclusions from this table",
        "Write a python function that draws an image",
        "Make a list of famous pictures",
        "Say hello",
        "describe the picture",
        "画家是谁",
        "这幅画面怎么样",
        "make it darker",
        "[User]\ndraw a cat\n\n[Assistant]\n(a picture)\n\n[User]\nwhat is 2+2",
    ],
)
def test_other_words_are_answered_with_words(text: str) -> None:
    assert asked(text) == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [("Draw three pictures of cats", 3), ("generate 2 images of dogs", 2), ("生成四张图片", 4), ("draw 9 icons", 4)],
)
def test_several_images_can_be_asked_for(text: str, count: int) -> None:
    assert asked(text) == count


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("Edit the attached picture as described and return the edited picture.\n\nmake it blue", 1),
        ("Use the 2 attached pictures as described and return one picture.\n\na collage", 1),
        ("remove the background", 1),
        ("把背景换成大海", 1),
        ("what is in this picture?", 0),
        ("这张图里有什么", 0),
        ("Describe the attached photo", 0),
        ("Make a list of what you see", 0),
    ],
)
def test_a_sent_image_is_changed_when_that_is_asked_for(text: str, edits: int) -> None:
    assert asked(text, picture_sent=True) == edits


def test_a_image_of_the_chat_is_changed() -> None:
    made = Said("draw a cat", "Here is your picture.", ("image_1",))
    prompt = Prompt("make it darker", "alice", "gemini-flash", history=(made,))
    assert image_intent(prompt, picture_sent=False) == (Painting(of="image_1"),)
    assert asked("make it darker", history=(Said("hello", "hi"),)) == 0


def test_a_guest_and_an_unnamed_model_get_words() -> None:
    assert "signed in" in demo(Prompt("draw a cat", "", "gemini-flash")).text
    assert "登录" in demo(Prompt("画一只猫", "", "gemini-flash")).text
    assert "limit" in demo(Prompt("draw a cat", "alice", "gemini-flash", paints=False)).text
    assert demo(Prompt("draw a cat", "alice", "gemini-flash")).images == (Painting(),)
    assert paced(0.5)(Prompt("draw a cat", "alice", "gemini-flash")).progress == 4


def test_every_meaning_is_worded_in_every_language() -> None:
    assert set(WORDINGS) == set(MEANINGS)
    for meaning, languages in WORDINGS.items():
        assert {"en", "zh", "es", "de", "fr", "ja", "ko", "pt", "ru"} <= set(languages), meaning
        assert len(languages["en"]) >= 3
        assert len(languages["zh"]) >= 2
    every = [text for languages in WORDINGS.values() for texts in languages.values() for text in texts]
    assert len(every) == len(set(every)) > 100


@pytest.mark.parametrize(("meaning", "language"), [("refusal", "xx"), ("nonsense", "en")])
def test_words_nobody_has_are_an_error(meaning: str, language: str) -> None:
    with pytest.raises(ValueError, match="one of"):
        wordings(meaning, language)
