"""Texts that come instead of pictures, in several languages, mean what a person would read in them."""

from __future__ import annotations

import pytest

from gemgate.prompting.refusal import meaning_of

SAYINGS = {
    "refusal": [
        "I'm just a language model and can't help with that.",
        "I can’t create images of real people like that. Is there something else I can help you with?",
        "I'm unable to generate that image because it violates our safety policies.",
        "Sorry, I'm not able to help with that request.",
        "抱歉，我无法生成这张图片，因为它违反了我们的内容政策。",
        "我不能协助完成这个请求。",
        "Lo siento, no puedo ayudarte con esa imagen.",
        "Je ne peux pas créer cette image.",
        "Ich kann dieses Bild leider nicht erstellen.",
        "Não posso ajudar com esse pedido.",
        "申し訳ありませんが、その画像は生成できません。",
        "죄송합니다. 해당 이미지는 생성할 수 없습니다.",
        "Извините, я не могу создать такое изображение.",
        "Mi dispiace, non posso creare questa immagine.",
    ],
    "quota": [
        "You've reached your image generation limit for today. It resets at 5 PM.",
        "I can't generate more images for you today, but I can still find images from the web.",
        "Your daily quota has been exceeded.",
        "您今天的图片生成次数已达到上限，请明天再试。",
        "已达到图片生成上限，将于明天重置。",
        "Has alcanzado el límite de generación de imágenes por hoy.",
        "Vous avez atteint la limite de génération d'images.",
        "Du hast dein Limit für heute erreicht. Das Limit ist erreicht.",
        "Você atingiu o limite de imagens.",
        "本日の画像生成の上限に達しました。",
        "이미지 생성 한도에 도달했습니다.",
        "Вы достигли лимита на создание изображений.",
    ],
    "signed_out": [
        "Are you signed in? I can create images only for signed-in users.",
        "Please sign in to your Google account to create images.",
        "请先登录后再生成图片。",
        "Para crear imágenes tienes que iniciar sesión.",
        "画像を生成するにはログインしてください。",
    ],
    "wrong_model": [
        "The selected model cannot create images. Switch to another model to continue.",
        "当前模型不支持图片生成。",
        "Este modelo no puede generar imágenes.",
    ],
    "other": [
        "Here is a haiku about the sea instead.",
        "A cat sits on a mat. What style would you like?",
        "好的，这是一只猫的描述：毛茸茸的。",
        "",
    ],
}


@pytest.mark.parametrize(("meaning", "text"), [(m, t) for m, texts in SAYINGS.items() for t in texts])
def test_a_text_means_what_a_person_reads_in_it(meaning: str, text: str) -> None:
    assert meaning_of(text) == meaning
