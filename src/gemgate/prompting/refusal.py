"""What a text means that came instead of an image: a refusal, a spent quota, a dead session, a wrong model.

A table of phrases per meaning and language, matched without case; the first meaning that matches wins, in the order of
the table: a quota notice may well say "sorry", a question for the sign-in "I can't create images". A phrase names who
acts or what it is about (you, the image, the model), so that a text that merely speaks of limits or accounts is
"other".
"""

from __future__ import annotations

import re
from typing import Literal

Meaning = Literal["quota", "signed_out", "wrong_model", "refusal", "other"]

_PHRASES: dict[Meaning, dict[str, tuple[str, ...]]] = {
    "quota": {
        "en": (
            (
                r"\byou(?:'ve| have)?\b.{0,25}\b(?:reached|hit|exceeded|used up|used all)\b"
                r".{0,40}\b(?:limit|quota|images?|pictures?|generations?)\b"
            ),
            r"\byour\b.{0,30}\b(?:limit|quota)\b.{0,25}\b(?:reached|resets?|exceeded|used up|until)\b",
            r"\b(?:can't|cannot|can not|able to) (?:create|generate|make) (?:any )?more (?:images|pictures)\b",
            r"\b(?:all|no more) (?:the )?(?:images|pictures|image generations)\b.{0,30}\b(?:for now|today|until)\b",
            r"\btoo many (?:image|picture) requests\b|\byou(?:'ve| have) (?:made|sent) too many requests\b",
        ),
        "zh": (
            (
                r"(?:[您你]|今天|今日|目前).{0,12}(?:已?[达達]到|超出|超[过過]|用完|用[尽盡])"
                r".{0,12}(?:上限|限[额額]|配[额額]|[额額]度|次[数數])"
            ),
            (
                r"(?:图片|圖片|图像|圖像|生成|作[图圖]|绘图).{0,6}(?:上限|限[额額]|配[额額]|[额額]度|次[数數])"
                r".{0,12}(?:已?[达達]到|用完|用[尽盡]|重置)"
            ),
            r"已?[达達]到.{0,12}(?:图片|圖片|生成|作[图圖]).{0,8}(?:上限|限[额額]|次[数數])",
            r"今[天日].{0,10}(?:[无無]法|不能)再(?:生成|[创創]建)",
        ),
        "es": (
            r"\b(?:has|ha) (?:alcanzado|superado|agotado).{0,30}\b(?:límite|cuota)",
            r"\btu (?:límite|cuota)\b|restablezca.{0,12}\blímite",
        ),
        "de": (
            (
                r"\b(?:du hast|sie haben)\b.{0,15}\b(?:limit|\w*kontingent)\b"
                r".{0,30}(?:erreicht|überschritten|aufgebraucht)"
            ),
            r"\b(?:dein|ihr) limit\b.{0,20}\b(?:erreicht|zurückgesetzt|überschritten)",
        ),
        "fr": (
            r"\bvous avez\b.{0,12}\b(?:atteint|dépassé|épuisé)\b.{0,30}\b(?:limite|quota)",
            r"\bvotre (?:limite|quota)\b.{0,20}(?:réinitialisé|atteint|dépassé|épuisé)",
        ),
        "ja": (
            r"(?:画像|作成|生成|回数).{0,20}(?:上限|制限)に達し",
            r"上限.{0,6}リセット",
        ),
        "ko": (
            r"이미지.{0,10}(?:한도|제한).{0,12}(?:도달|초과)",
            r"한도가.{0,6}(?:재설정|초기화|초과)",
        ),
        "pt": (
            r"\bvocê (?:atingiu|excedeu|esgotou)\b.{0,30}\b(?:limite|cota)",
            r"\bseu limite\b.{0,20}(?:redefinid|atingid|renovad)",
        ),
        "ru": (
            r"\b(?:лимит|квот)\w*.{0,40}(?:исчерпан|достигнут|превышен|обновится|сбросится)",
            r"\bвы (?:исчерпали|достигли|превысили)\b.{0,30}\b(?:лимит|квот)",
        ),
        "it": (
            r"\bhai (?:raggiunto|superato|esaurito)\b.{0,30}\b(?:limite|quota)",
            r"\btuo limite\b.{0,20}(?:ripristinat|raggiunt)",
        ),
    },
    "signed_out": {
        "en": (
            r"\bare you (?:signed|logged) ?-?in\b|\byou(?:'re| are) not (?:signed|logged) ?-?in\b",
            r"\b(?:need|have|please|must|first)(?: to)? (?:sign|log) ?-?in\b",
            r"\b(?:sign|log) ?-?in to (?:your|a) google account",
            r"\bfor (?:people|users|those|anyone) who (?:are|is) (?:logged|signed) ?-?in\b",
        ),
        "zh": (
            r"请先?(?:登[录錄入])|請先?登[录錄入]|(?:需要|必[须須])先?登[录錄入]",
            r"[您你](?:是否)?(?:已经?|已經)?登[录錄入]了[吗嗎]|(?:未|尚未|[没沒]有)登[录錄入]",
        ),
        "es": (r"\binicia(?:r|do|s|da)? (?:primero )?sesión\b",),
        "de": (
            r"\b(?:bist du|sind sie) (?:schon |bereits )?angemeldet|\bnicht angemeldet\b",
            r"\b(?:melde dich|melden sie sich)\b.{0,45}\ban\b",
        ),
        "fr": (
            r"\b(?:êtes-vous|vous n'êtes pas) (?:bien )?connecté",
            r"\bconnecte[zr]-vous\b|\bse connecter à votre compte\b",
        ),
        "ja": (r"(?:ログイン|サインイン)(?:して(?:い|ください|から)|が必要)",),
        "ko": (r"로그인(?:이 필요|하셨|되어 있|한 후|해 ?주|해야)",),
        "pt": (r"\b(?:você fez|faça|fazer|precisa fazer) login\b|\biniciar sessão\b|\binicie sessão\b",),
        "ru": (r"\b(?:войдите|войти|вы вошли|вы не вошли) в (?:свой |ваш )?(?:аккаунт|учетную|учётную)",),
        "it": (r"\b(?:hai effettuato|effettua|devi effettuare) l'accesso\b|\baccedi (?:prima |ora )?al tuo account\b",),
    },
    "wrong_model": {
        "en": (
            r"\b(?:this|current|selected|chosen) model\b.{0,40}\b(?:can't|cannot|does ?n[o']t|is not able to|unable)",
            r"\bmodel you(?:'ve| have)? (?:picked|chosen|selected)\b.{0,20}\b(?:can't|cannot|does ?n[o']t)\b",
            r"\b(?:isn't|not) supported by this model\b",
            r"\b(?:switch|change) to (?:a |another |the )?(?:different )?model\b",
            r"\bchoose a(?:nother| different) model\b",
        ),
        "zh": (
            r"(?:当前|目前|所选|所選|选择的|選擇的|此|该|該)模型.{0,10}(?:不支持|不支援|[无無]法|不能|只能)",
            r"(?:切换|切換|更换|更換).{0,8}模型",
        ),
        "es": (r"\b(?:este|el) modelo\b.{0,25}\bno (?:puede|admite|genera|crea)\b",),
        "de": (
            r"\b(?:dieses|das)\b.{0,14}\bmodell (?:kann|erstellt|unterstützt)\b.{0,30}\b(?:nicht|keine)\b",
            r"\bwechsle im modellmenü\b",
        ),
        "fr": (r"\b(?:ce|le) modèle\b.{0,14}\bne (?:peut pas|prend pas|crée pas|génère pas)\b",),
        "ja": (r"モデル(?:では|は).{0,20}(?:できません|対応していません)",),
        "ko": (r"모델(?:은|로는|에서는).{0,25}(?:지원하지 않|수 없)",),
        "pt": (r"\b(?:este|o) modelo\b.{0,14}\bnão (?:pode|gera|cria|oferece)\b",),
        "ru": (r"\b(?:эта|выбранная|текущая) модель не (?:создаёт|создает|поддерживает|может|умеет)\b",),
        "it": (r"\b(?:questo|il) modello\b.{0,14}\bnon (?:crea|genera|può|supporta)\b",),
    },
    "refusal": {
        "en": (
            r"\bi(?:'m| am) (?:just|only) a (?:large )?language model|\bi(?:'m| am) a (?:text|language)[- ]based",
            (
                r"\bi(?:'m| am)? (?:can't|cannot|can not|won't|will not|not able to|unable to)"
                r"(?: \w+){0,2}? (?:help|assist|create|generate|make|draw|paint|produce|depict|show|edit|fulfill?"
                r"|comply|provide|do|support|process)\b"
            ),
            r"\b(?:against|violat\w+|breach\w*)\b.{0,25}\b(?:guidelines|polic(?:y|ies)|principles)\b",
            r"\b(?:picture|image|request|content)\b.{0,15}\b(?:isn't|is not|not) (?:appropriate|allowed|permitted)",
            r"\b(?:isn't|not) something i can\b",
        ),
        "zh": (
            r"(?:抱歉|对不起|對不起|很[遗遺]憾).{0,30}(?:[无無]法|不能|不可以)",
            r"我(?:[无無]法|不能|[没沒][办辦]法).{0,4}(?:生成|[创創]建|[协協]助|[帮幫]|[满滿]足|提供|[处處]理|制作|製作|画|畫)",
            r"[违違]反.{0,12}(?:政策|准[则則]|[规規]定|指南)|不(?:符合|允[许許]).{0,12}(?:政策|准[则則]|[规規]定|要求)",
        ),
        "es": (
            r"\bno (?:puedo|podemos|me es posible) (?:crear|generar|hacer|ayudar|mostrar|representar|dibujar|cumplir)",
            r"\binfringe\w*\b.{0,20}\b(?:políticas|normas)",
        ),
        "de": (
            (
                r"\b(?:kann|möchte|darf) ich\b.{0,15}\b(?:nicht|kein\w*)\b"
                r".{0,20}(?:erstellen|helfen|zeigen|malen|zeichnen)"
            ),
            r"\bich kann\b.{0,30}\b(?:nicht|kein\w*|leider)\b.{0,30}(?:erstellen|helfen|zeigen|malen|zeichnen)",
            r"\b(?:kann|darf) ich (?:leider|so) nicht (?:erstellen|zeigen)|\bkann ich leider\b.{0,12}\bnicht\b",
            r"\bbild kann ich (?:leider )?nicht\b|\bverstößt gegen\b.{0,20}\b(?:richtlinien|regeln|grundsätze)",
        ),
        "fr": (
            r"\bje ne (?:peux|suis) pas\b.{0,20}\b(?:créer|générer|aider|faire|représenter|montrer|dessiner|mesure)",
            r"\bil m'est impossible de\b|\bje suis dans l'impossibilité\b",
            r"\bcontraire aux (?:règles|règlements|consignes)|\benfreint\b.{0,20}\brègles",
        ),
        "ja": (
            (
                r"(?:生成|作成|お作り|描く|描写|お手伝い|お応え|お答え|ご提供).{0,12}"
                r"(?:できません|できかねます|いたしかねます)"
            ),
            r"ポリシーに(?:反|違反)|ガイドラインに(?:反|違反)|お断りし",
        ),
        "ko": (
            r"(?:만들|생성|그릴|그려|도와|제공|표현|처리).{0,8}(?:수 없|수는 없)",
            r"(?:정책|가이드라인).{0,12}(?:어긋|위반|위배)",
        ),
        "pt": (
            r"\bnão (?:posso|consigo|é possível) (?:criar|gerar|ajudar|fazer|retratar|mostrar|desenhar|representar)",
            r"\b(?:contra|viola)\b.{0,12}\b(?:políticas|diretrizes)",
        ),
        "ru": (
            r"\bне (?:могу|смогу) (?:создать|помочь|сгенерировать|нарисовать|изобразить|показать)",
            r"\bпомочь не (?:смогу|могу)\b|\bнаруша\w+ (?:правила|политику)",
        ),
        "it": (
            r"\bnon (?:posso|sono in grado di) (?:creare|generare|aiutar\w*|fare|mostrare|rappresentare|disegnare)",
            r"\bviola\b.{0,12}\b(?:norme|regole|linee guida)",
        ),
        "nl": (
            r"\bkan ik (?:helaas )?niet (?:maken|tonen|genereren)\b",
            r"\bik kan (?:dat|dit|geen|je|die)\b.{0,30}\b(?:niet|maken|helpen)",
        ),
        "ar": (r"لا (?:أستطيع|يمكنني) (?:إنشاء|المساعدة|رسم|توليد|مساعدتك)",),
    },
}


def _table(languages: dict[str, tuple[str, ...]]) -> re.Pattern[str]:
    return re.compile("|".join(phrase for phrases in languages.values() for phrase in phrases), re.IGNORECASE)


_TABLE = {meaning: _table(languages) for meaning, languages in _PHRASES.items()}

_ENOUGH = 1000
"""Such a text says in its first sentences what it means."""


def meaning_of(text: str) -> Meaning:
    """What an answer without an image says; only its beginning is looked at."""
    head = text[:_ENOUGH].replace("’", "'")
    return next((meaning for meaning, table in _TABLE.items() if table.search(head)), "other")
