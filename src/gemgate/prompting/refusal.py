"""What a text means that came instead of a picture: a refusal, a spent quota, a dead session, a wrong model.

A table of phrases per meaning and language, matched without case; the first meaning that matches wins, in the order of
the table: a quota notice may well say "sorry", a refusal never says "limit resets". What matches nothing is "other".
"""

from __future__ import annotations

import re
from typing import Literal

Meaning = Literal["quota", "signed_out", "wrong_model", "refusal", "other"]

_PHRASES: dict[Meaning, tuple[str, ...]] = {
    "quota": (
        r"(reached|hit|exceeded|used up)\b.{0,40}\b(limit|quota)",
        r"\b(limit|quota)\b.{0,40}\b(reached|resets?|exceeded|for today|until)",
        r"(can't|cannot) (create|generate|make) (any )?more (images|pictures) (for you )?(today|(right|for) now|until)",
        r"too many (requests|images)",
        r"(已?达到|超出|超过|用完|用尽).{0,12}(上限|限额|配额|额度|次数)",
        r"(上限|限额|配额|额度).{0,12}(已?达到|用完|用尽|重置)",
        r"今天.{0,10}(无法|不能)再?(生成|创建)",
        r"(alcanzado|superado|agotado).{0,30}(límite|cuota)",
        r"(limite|quota).{0,30}(atteinte?|dépassée?|épuisée?)|atteint.{0,30}(limite|quota)",
        r"(limit|kontingent).{0,30}(erreicht|überschritten|aufgebraucht)",
        r"(atingi\w*|excede\w*|esgotad\w*).{0,30}(limite|cota)|(limite|cota).{0,30}(atingid\w|excedid\w|esgotad\w)",
        r"(上限|制限)に達し",
        r"(한도|제한).{0,12}(도달|초과)",
        r"(лимит|квот).{0,30}(исчерпан|достигнут|превышен)|(исчерпа|достиг|превыси).{0,30}(лимит|квот)",
        r"(raggiunto|superato|esaurit).{0,30}(limite|quota)",
    ),
    "signed_out": (
        r"\b(are you|you('re| are) not|need to be|please|must) (signed|sign|logged|log) ?-?in\b",
        r"\bsign in to (your|a) google account",
        r"(请先?|需要)(登录|登入)|(未|尚未)登录",
        r"(inicia(r|do)? sesión)|(no has iniciado sesión)",
        r"(connecte[zr]-vous|se connecter à votre compte)",
        r"(melde dich|melden sie sich).{0,20}an|nicht angemeldet",
        r"(faça|fazer) login|iniciar sessão",
        r"(ログイン|サインイン)(して|が必要)",
        r"로그인(해|이 필요|하)",
        r"(войдите|войти) в (аккаунт|учетную|учётную)",
        r"(accedi|effettua l'accesso)",
    ),
    "wrong_model": (
        r"\b(this|current|selected) model\b.{0,40}\b(can't|cannot|does ?n[o']t|is not able to|unable)",
        r"(switch|change) to (a |another |the )?(different )?model",
        r"(当前|所选|此|该)模型.{0,10}(不支持|无法|不能)|(切换|更换).{0,6}模型",
        r"(este|el) modelo (no puede|no admite)",
        r"(ce|le) modèle (ne peut pas|ne prend pas)",
        r"(dieses|das) modell (kann|unterstützt).{0,30}(nicht|keine)",
        r"このモデル(では|は).{0,20}(できません|対応していません)",
    ),
    "refusal": (
        r"\bi('m| am) (not able|unable|just a language model|a (text|language)[- ]based)",
        r"\bi (can't|cannot|won't|am not able to|'m unable to)\b",
        (
            r"\b(against|violat\w+|breach\w*) (my |our |the |google's )?"
            r"(safety |content |usage )?(guidelines|polic(y|ies)|principles)"
        ),
        r"\bunable to (generate|create|help|assist|fulfil|fulfill|make|produce)",
        r"\b(not|isn't|is not) (appropriate|something i can|allowed|permitted)",
        r"(抱歉|对不起|很遗憾).{0,30}(无法|不能|不可以)|我(无法|不能|没办法)(生成|创建|协助|帮|满足|提供|处理)",
        r"違反|违反.{0,12}(政策|准则|规定|指南)|不(符合|允许).{0,12}(政策|准则|规定|要求)",
        r"\b(no puedo|no podemos|no me es posible)\b",
        r"\bje ne (peux|suis) pas\b|je suis dans l'impossibilité",
        r"\bich kann (das|dieses|dir|ihnen|kein\w*|diese\w*|leider|nicht)\b",
        r"\b(não posso|não consigo|não é possível)\b",
        r"(できません|いたしかねます|お断り|申し訳)",
        r"(할 수 없|드릴 수 없|도와드릴 수|죄송)",
        r"\b(я не могу|не могу (создать|помочь|сгенерировать))",
        r"\bnon posso\b|\bnon sono in grado\b",
        r"لا (أستطيع|يمكنني)",
        r"\bik kan (dat|dit|geen|niet)\b",
    ),
}

_TABLE = {
    meaning: re.compile("|".join(f"(?:{phrase})" for phrase in phrases), re.IGNORECASE)
    for meaning, phrases in _PHRASES.items()
}

_ENOUGH = 2000


def meaning_of(text: str) -> Meaning:
    """What an answer without a picture says; only its beginning is looked at."""
    head = text[:_ENOUGH].replace("’", "'")
    return next((meaning for meaning, table in _TABLE.items() if table.search(head)), "other")
