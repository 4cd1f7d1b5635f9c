"""What the service says when it sends words instead of an image: by meaning and language, several wordings of each.

Written for this simulator after the manner of such services, and on purpose not after the gateway's own list of
phrases: whoever classifies answers must cope with sentences nobody showed them.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Meaning: TypeAlias = Literal["refusal", "quota", "signed_out", "wrong_model", "other"]
MEANINGS: Final[tuple[Meaning, ...]] = get_args(Meaning)

WORDINGS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "refusal": {
        "en": (
            "I'm not able to make pictures of real people in situations like that. Want to try something else?",
            "That goes against the policies I follow, so there won't be a picture this time.",
            "Sorry, I can't help with that one. How about a quiet landscape instead?",
            "I won't create imagery that could harm someone. Tell me about another idea and I'll get to work.",
        ),
        "zh": (
            "抱歉，这样的图片我无法生成。要不要换一个主题试试？",
            "您描述的内容违反了我们的使用政策，因此没有生成图片。",
            "我不能帮您制作涉及真实人物的这类图像，不过可以画一处风景。",
        ),
        "es": (
            "Lo siento, no puedo crear esa imagen. ¿Probamos con otra idea?",
            "Esa petición infringe las políticas que sigo, así que esta vez no habrá imagen.",
            "No me es posible representar a personas reales de ese modo.",
        ),
        "de": (
            "Dieses Bild kann ich leider nicht erstellen. Sollen wir etwas anderes versuchen?",
            "Das verstößt gegen die Richtlinien, an die ich mich halte, daher gibt es diesmal kein Bild.",
            "Dabei kann ich dir nicht helfen, aber eine Landschaft male ich gern.",
        ),
        "fr": (
            "Désolé, je ne peux pas créer cette image. Voulez-vous essayer autre chose ?",
            "Cette demande est contraire aux règles que je suis, il n'y aura donc pas d'image.",
            "Il m'est impossible de représenter des personnes réelles de cette façon.",
        ),
        "ja": (
            "申し訳ありませんが、そのような画像は作成できません。別のテーマはいかがでしょうか。",
            "ご依頼の内容はポリシーに反するため、画像をお作りすることはできません。",
            "実在の人物をそのように描くことはいたしかねます。",
        ),
        "ko": (
            "죄송하지만 그런 이미지는 만들 수 없습니다. 다른 주제로 해 볼까요?",
            "요청하신 내용은 제가 따르는 정책에 어긋나서 이미지를 생성해 드릴 수 없어요.",
        ),
        "pt": (
            "Desculpe, não consigo criar essa imagem. Quer tentar outra ideia?",
            "Esse pedido vai contra as políticas que sigo, por isso desta vez não haverá imagem.",
            "Não posso retratar pessoas reais dessa forma.",
        ),
        "ru": (
            "Извините, я не могу создать такое изображение. Попробуем что-нибудь другое?",
            "Этот запрос нарушает правила, которым я следую, поэтому картинки не будет.",
            "К сожалению, с этим я помочь не смогу.",
        ),
        "it": (
            "Mi dispiace, non posso creare questa immagine. Proviamo con un'altra idea?",
            "La richiesta viola le norme che seguo, quindi questa volta niente immagine.",
        ),
        "nl": ("Sorry, die afbeelding kan ik niet maken. Zullen we iets anders proberen?",),
        "ar": ("عذرًا، لا يمكنني إنشاء هذه الصورة. هل نجرّب فكرة أخرى؟",),
    },
    "quota": {
        "en": (
            "More pictures are possible as soon as your limit resets. Settings shows how much you have used.",
            "You've used all of today's image generations. New ones become available tomorrow at 9:00 AM.",
            "That's all the images I can make for you for now. Come back in about 3 hours, or upgrade your plan.",
            "You've reached your image creation limit with this plan until 4:12 PM.",
        ),
        "zh": (
            "您今天的图片生成次数已经用完，请明天再来。",
            "图片生成额度将在下午 4:12 重置，届时我就可以继续为您作图。",
            "您已达到当前方案的图片上限，升级后可以生成更多。",
        ),
        "es": (
            "Podré crear más imágenes cuando se restablezca tu límite. En Ajustes puedes consultar tu uso.",
            "Has agotado tu cuota de imágenes de hoy. Mañana tendrás más.",
        ),
        "de": (
            "Weitere Bilder sind möglich, sobald dein Limit zurückgesetzt wird. Mehr dazu in den Einstellungen.",
            "Du hast dein Bildkontingent für heute aufgebraucht. Morgen geht es weiter.",
        ),
        "fr": (
            "Je pourrai créer d'autres images dès que votre limite sera réinitialisée. Consultez les paramètres.",
            "Vous avez épuisé votre quota d'images pour aujourd'hui.",
        ),
        "ja": (
            "画像の作成回数が本日の上限に達しました。明日もう一度お試しください。",
            "上限がリセットされると、また画像を作成できるようになります。使用状況は設定で確認できます。",
        ),
        "ko": (
            "오늘의 이미지 생성 한도에 도달했습니다. 내일 다시 시도해 주세요.",
            "한도가 재설정되면 이미지를 더 만들 수 있어요. 사용량은 설정에서 확인하세요.",
        ),
        "pt": (
            "Poderei criar mais imagens assim que seu limite for redefinido. Veja seu uso nas Configurações.",
            "Você atingiu o limite de imagens de hoje. Volte amanhã.",
        ),
        "ru": (
            "Лимит изображений на сегодня исчерпан. Возвращайтесь завтра.",
            "Я смогу создать новые изображения, как только ваш лимит обновится. Расход виден в настройках.",
        ),
        "it": (
            "Potrò creare altre immagini quando il tuo limite verrà ripristinato. Vedi l'utilizzo nelle Impostazioni.",
            "Hai raggiunto il limite di immagini per oggi.",
        ),
    },
    "signed_out": {
        "en": (
            "Are you signed in? I can look for pictures, but creating them doesn't seem to be available right now.",
            "To create images, you'll need to sign in to your Google Account first.",
            "Image creation is only for people who are logged in. Log in and send me your idea again!",
        ),
        "zh": (
            "您登录了吗？我可以在网上搜索图片，但目前似乎无法为您创建。",
            "需要先登录 Google 账号，才能使用图片生成功能。",
            "请登录后再试一次，未登录时不提供作图功能。",
        ),
        "es": (
            "¿Has iniciado sesión? Puedo buscar imágenes, pero ahora mismo no puedo crearlas.",
            "Para crear imágenes, primero inicia sesión en tu cuenta de Google.",
        ),
        "de": (
            "Bist du angemeldet? Ich kann nach Bildern suchen, aber gerade keine für dich erstellen.",
            "Melde dich zuerst in deinem Google-Konto an, um Bilder zu erstellen.",
        ),
        "fr": (
            "Êtes-vous connecté ? Je peux chercher des images, mais pas en créer pour le moment.",
            "Pour créer des images, connectez-vous d'abord à votre compte Google.",
        ),
        "ja": (
            "ログインしていますか？画像の検索はできますが、作成は現在ご利用いただけません。",
            "画像を作成するには、Google アカウントへのログインが必要です。",
        ),
        "ko": (
            "로그인하셨나요? 이미지 검색은 가능하지만 지금은 만들어 드릴 수 없습니다.",
            "이미지를 만들려면 먼저 Google 계정에 로그인해 주세요.",
        ),
        "pt": (
            "Você fez login? Posso procurar imagens, mas não consigo criá-las agora.",
            "Para criar imagens, primeiro faça login na sua Conta do Google.",
        ),
        "ru": (
            "Вы вошли в аккаунт? Я могу искать картинки, но создавать их сейчас не получается.",
            "Чтобы создавать изображения, сначала войдите в аккаунт Google.",
        ),
        "it": (
            "Hai effettuato l'accesso? Posso cercare immagini, ma al momento non posso crearne.",
            "Per creare immagini, accedi prima al tuo Account Google.",
        ),
    },
    "wrong_model": {
        "en": (
            "The model you've picked doesn't create images. Switch to another one in the model menu and try again.",
            "Image generation isn't supported by this model. Try Pro or Flash instead.",
            "I'm running in a mode that only writes text. Choose a different model if you need a picture.",
        ),
        "zh": (
            "当前模型不支持生成图片，请切换到其他模型后重试。",
            "您选择的模型只能输出文字。如需作图，请更换模型。",
        ),
        "es": (
            "El modelo que has elegido no genera imágenes. Cambia a otro en el menú de modelos.",
            "Este modelo no admite la creación de imágenes.",
        ),
        "de": (
            "Das ausgewählte Modell erstellt keine Bilder. Wechsle im Modellmenü zu einem anderen.",
            "Dieses Modell unterstützt die Bilderstellung nicht.",
        ),
        "fr": (
            "Le modèle choisi ne crée pas d'images. Changez de modèle dans le menu et réessayez.",
            "Ce modèle ne prend pas en charge la création d'images.",
        ),
        "ja": (
            "選択中のモデルは画像の作成に対応していません。別のモデルに切り替えてください。",
            "このモデルでは画像を生成できません。",
        ),
        "ko": (
            "선택하신 모델은 이미지 생성을 지원하지 않습니다. 다른 모델로 전환해 주세요.",
            "이 모델로는 이미지를 만들 수 없습니다.",
        ),
        "pt": (
            "O modelo escolhido não gera imagens. Mude para outro no menu de modelos.",
            "Este modelo não oferece suporte à criação de imagens.",
        ),
        "ru": (
            "Выбранная модель не создаёт изображения. Переключитесь на другую в меню моделей.",
            "Эта модель не поддерживает создание изображений.",
        ),
        "it": ("Il modello selezionato non crea immagini. Passa a un altro modello dal menu.",),
    },
    "other": {
        "en": (
            "What style do you have in mind: a watercolour, a photo, or something flat and graphic?",
            "Picture a lighthouse above a calm sea, lit from the left, two gulls circling its lamp.",
            "Something went wrong on my side while I was painting. Mind asking again?",
        ),
        "zh": ("您想要什么风格：水彩、照片，还是扁平插画？", "想象一座灯塔立在平静的海边，两只海鸥绕着灯飞。"),
        "es": ("¿Qué estilo te gustaría: acuarela, fotografía o algo más plano?",),
        "de": ("Welchen Stil stellst du dir vor: Aquarell, Foto oder etwas Flächiges?",),
        "fr": ("Quel style souhaitez-vous : aquarelle, photo ou quelque chose de plus graphique ?",),
        "ja": ("どのようなスタイルがよろしいですか。水彩、写真、それともイラストでしょうか。",),
        "ko": ("어떤 스타일을 원하시나요? 수채화, 사진, 아니면 평면 일러스트?",),
        "pt": ("Que estilo você imagina: aquarela, foto ou algo mais gráfico?",),
        "ru": ("В каком стиле: акварель, фотография или плоская графика?",),
        "it": ("Che stile hai in mente: acquerello, foto o qualcosa di più grafico?",),
    },
}
"""Meaning -> language -> wordings."""


def wordings(meaning: str, language: str) -> tuple[str, ...]:
    """The wordings of a meaning in a language; ValueError says what there is."""
    if meaning not in WORDINGS:
        raise ValueError(f"unknown meaning {meaning!r}; one of {', '.join(MEANINGS)}")
    if language not in WORDINGS[meaning]:
        raise ValueError(f"no wording of {meaning!r} in {language!r}; one of {', '.join(WORDINGS[meaning])}")
    return WORDINGS[meaning][language]
