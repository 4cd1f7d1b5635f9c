"""Texts that come instead of images, in several languages, mean what a person would read in them."""

from __future__ import annotations

import pytest

from gemgate.prompting.refusal import meaning_of
from gemgate_simulator.refusals import WORDINGS

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


SIMULATED = [(m, language, text) for m, by in WORDINGS.items() for language, texts in by.items() for text in texts]


@pytest.mark.parametrize(("meaning", "language", "text"), SIMULATED)
def test_sentences_that_this_table_was_not_written_from_are_understood_too(
    meaning: str, language: str, text: str
) -> None:
    assert meaning_of(text) == meaning, language


ORDINARY = [
    "The speed limit was reached by the first trains in 1904, and nobody had exceeded it before.",
    "In mathematics a limit is reached when the sequence gets arbitrarily close to a value.",
    "OPEC members exceeded their quota until prices fell; the quota resets every year.",
    "I can't wait to see what you make of it! Do you want it at dawn or at dusk?",
    "I cannot recommend this lake enough. It is calm, and the light is soft.",
    "I won't lie: the left half looks better. Shall I keep both?",
    "Here is a login page in HTML: a form with a user name, a password and a button that says Sign in.",
    "A policy is a set of rules that an organisation follows. A guideline is softer than a policy.",
    "The model walks down the street in a red coat, unable to hide her smile.",
    "This model of a lighthouse is 30 cm tall and made of wood.",
    "You reached the summit at noon, and the clouds were below you.",
    "The picture shows a sign that says: no photographs allowed after 6 PM.",
    "Which of the two images do you like more, the watercolour or the photo?",
    "我不能确定您更喜欢哪种风格，您想要水彩还是照片？",
    "这条公路的限速是每小时一百二十公里，上限由各省规定。",
    "登录页面上有一个蓝色的按钮，旁边是公司的标志。",
    "这个模型是木头做的，高三十厘米，可以放在桌上。",
    "El límite de la función cuando x tiende a cero es uno.",
    "No puedo esperar a ver tu idea. ¿Qué colores prefieres?",
    "Der Wanderweg ist gesperrt; das Limit von zwanzig Personen gilt bis Mai.",
    "Ich kann dir zwei Stile anbieten: Aquarell oder Foto.",
    "Das Modell trägt einen roten Mantel und lacht.",
    "La limite de la forêt se trouve à deux mille mètres.",
    "Je ne suis pas certain de la couleur : préférez-vous le bleu ou le vert ?",
    "この湖では泳ぐことができません。夏は花がきれいです。",
    "申し訳ありません、少し時間がかかりました。どの色がよいですか。",
    "죄송합니다, 조금 늦었어요. 어떤 색을 좋아하세요?",
    "이 도로의 제한 속도는 시속 백 킬로미터입니다.",
    "Não posso deixar de notar a luz da manhã. Prefere aquarela ou foto?",
    "O limite da cidade fica depois do rio.",
    "Я не могу решить, что лучше: акварель или фотография?",
    "Скоростной лимит на этой дороге - девяносто.",
    "Non posso che consigliarti l'acquerello. Che colori preferisci?",
    "Il limite del bosco è a duemila metri.",
    "Ik kan je twee stijlen laten zien: aquarel of foto.",
    "يمكنني أن أقترح عليك أسلوبين: ألوان مائية أو صورة.",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_never_held_against_anybody(text: str) -> None:
    assert meaning_of(text) == "other"


def test_what_stands_far_behind_the_first_sentences_does_not_count() -> None:
    assert meaning_of("A long story. " * 100 + "You've reached your image limit for today.") == "other"
