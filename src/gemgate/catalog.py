"""The public model ids and what each means on the web app. A table; code only walks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal

from gemgate.accounts import GEM, AccountModel, Capability, Gem
from gemgate.errors import NO_TEXT, BadValue, LocalText, ModelNotFound, said

Kind = Literal["text", "image", "video", "music", "research"]
"""What a model brings."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as callers name it.

    web:       the web app's model behind it: a name, display name, alias or hex id of an account's offers.
    official:  the official API's name of it, where that is not the id.
    long_side: pixels that the id promises on the long side, or None for what Google gives.
    """

    id: str
    kind: Kind
    web: str
    name: str
    description: LocalText
    long_side: int | None = None
    aliases: tuple[str, ...] = ()
    official: str = ""

    def __hash__(self) -> int:
        """By its id alone: cards are keys of tables that are asked with every call."""
        return hash(self.id)

    @property
    def capability(self) -> Capability:
        """Which of an account's breakers guards calls of this model."""
        if self.kind != "text":
            return self.kind
        if self.id.startswith(GEM):
            return "text"
        return "pro" if self.web.endswith("pro") or self.id.endswith("pro") else "text"

    def offer(self, offers: Iterable[AccountModel]) -> AccountModel | None:
        """The account's own model behind this card, or None when the account lacks it. Never another one."""
        wanted = self.web.strip().lower()
        short = wanted.removeprefix("gemini-")
        offers = tuple(offers)
        by_name = {offer.name.lower(): offer for offer in offers}
        for name in (self.id, self.official, *self.aliases):
            if offer := by_name.get(name.lower()):
                return offer
        for offer in offers:
            if wanted in (offer.id.lower(), offer.name.lower(), offer.display.lower()):
                return offer
        return next((o for o in offers if wanted in o.aliases or short in o.aliases), None)


CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        "gemini-3-flash-preview",
        "text",
        "gemini-flash",
        "Gemini 3 Flash",
        LocalText(
            "The account's Flash model: fast, the default",
            "账号的 Flash 模型：速度快，默认使用",
        ),
        aliases=("gemini-3-flash", "gemini-3.0-flash", "gemini-flash-latest"),
    ),
    ModelCard(
        "gemini-2.5-flash",
        "text",
        "gemini-flash",
        "Gemini Flash",
        LocalText(
            "The account's Flash model under its older id",
            "账号的 Flash 模型（旧名称）",
        ),
    ),
    ModelCard(
        "gemini-3.0-pro",
        "text",
        "gemini-pro",
        "Gemini 3 Pro",
        LocalText(
            "The account's Pro model: deeper reasoning",
            "账号的 Pro 模型：推理更深入",
        ),
        aliases=("gemini-3-pro", "gemini-3-pro-preview", "gemini-pro-latest"),
    ),
    ModelCard(
        "gemini-2.5-pro",
        "text",
        "gemini-pro",
        "Gemini Pro",
        LocalText(
            "The account's Pro model under its older id",
            "账号的 Pro 模型（旧名称）",
        ),
    ),
    ModelCard(
        "gemini-2.5-flash-image",
        "image",
        "gemini-flash",
        "Gemini Flash Image",
        LocalText(
            "Quick picture, up to 1024-2048 px, as Google gives it",
            "快速生成图片，最大 1024 至 2048 像素，由 Google 决定",
        ),
        aliases=("gemini-2.5-flash-image-preview",),
    ),
    ModelCard(
        "gemini-3-pro-image-preview",
        "image",
        "gemini-pro",
        "Gemini 3 Pro Image",
        LocalText(
            "A wish for the larger painter, 2048 px; Google decides who paints, and the answer says who did",
            "希望由更大的绘图模型生成，2048 像素；由 Google 决定，回答中会注明实际模型",
        ),
        2048,
        aliases=("gemini-3-pro-image",),
    ),
    ModelCard(
        "gemini-3-pro-image-preview-2k",
        "image",
        "gemini-pro",
        "Gemini 3 Pro Image 2K",
        LocalText(
            "A wish for the larger painter, 2048 px on the long side; the answer says who painted",
            "希望由更大的绘图模型生成，长边 2048 像素；回答中会注明实际模型",
        ),
        2048,
        official="gemini-3-pro-image-preview",
    ),
    ModelCard(
        "gemini-3-pro-image-preview-4k",
        "image",
        "gemini-pro",
        "Gemini 3 Pro Image 4K",
        LocalText(
            "A wish for the larger painter, 4096 px on the long side; the answer says who painted",
            "希望由更大的绘图模型生成，长边 4096 像素；回答中会注明实际模型",
        ),
        4096,
        official="gemini-3-pro-image-preview",
    ),
)

VIDEO = ModelCard(
    "gemini-video",
    "video",
    "gemini-flash",
    "Gemini Video",
    LocalText(
        "The account's video tool; Google decides which model films, how long and how large",
        "账号的视频工具；模型、时长和尺寸由 Google 决定",
    ),
)
"""What every video is asked of."""
MUSIC = ModelCard(
    "lyria-3",
    "music",
    "gemini-flash",
    "Lyria 3",
    LocalText(
        "The account's music tool, asked with the Flash model",
        "账号的音乐工具，使用 Flash 模型",
    ),
    aliases=("lyria", "lyria-3-preview", "lyria-3-clip", "lyria-3-clip-preview"),
)
MUSIC_PRO = ModelCard(
    "lyria-3-pro",
    "music",
    "gemini-pro",
    "Lyria 3 Pro",
    LocalText(
        "The account's music tool, asked with the Pro model",
        "账号的音乐工具，使用 Pro 模型",
    ),
    aliases=("lyria-pro", "lyria-3-pro-preview"),
)
MEDIA_CARDS = (VIDEO, MUSIC, MUSIC_PRO)
"""What takes minutes and brings files. A chat with one is an order (`jobs/media_chat.py`)."""

RESEARCH = ModelCard(
    "gemini-deep-research",
    "research",
    "gemini-flash",
    "Gemini Deep Research",
    LocalText(
        "The account's deep research: a plan, minutes of reading, a report with its sources; in the background only",
        "账号的 Deep Research：先列计划，阅读数分钟，给出带来源的报告；仅在后台运行",
    ),
)
RESEARCH_MODELS = (
    *("gemini-deep-research", "o3-deep-research", "o3-deep-research-2025-06-26"),
    *("o4-mini-deep-research", "o4-mini-deep-research-2025-06-26"),
)
"""Its name, and OpenAI's names for the like of it."""

DEFAULT_MODEL = "gemini-3-flash-preview"
DEFAULT_IMAGE_MODEL = "gemini-2.5-flash-image"

SPEECH_MODELS = (
    *("whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
    *("gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize"),
)
"""OpenAI's names for what writes down recordings; many clients send no other. They mean the Flash model."""

_BY_ID = {spelling: card for card in (*CARDS, *MEDIA_CARDS) for spelling in (card.id, *card.aliases)}
_BY_ID |= dict.fromkeys(SPEECH_MODELS, _BY_ID[DEFAULT_MODEL])
_BY_ID |= dict.fromkeys(RESEARCH_MODELS, RESEARCH)


def card_of_offer(offer: AccountModel) -> ModelCard:
    """An account's own model as a card, for the ids that the web app itself reports. A gem is known by its name: its id
    is another one in each account.
    """
    web = offer.name if offer.name.startswith(GEM) else offer.id
    return ModelCard(offer.name, "text", web, offer.display, LocalText.of(offer.description), aliases=offer.aliases)


def gem_offers(gems: Iterable[Gem], models: Sequence[AccountModel]) -> tuple[AccountModel, ...]:
    """An account's gems as models of its: `gem:NAME`, answered by the default model. The first of a name counts."""
    base = _BY_ID[DEFAULT_MODEL].offer(models) or (models[0] if models else None)
    if base is None:
        return ()
    offers: dict[str, AccountModel] = {}
    for gem in gems:
        name = gem.model
        about = " ".join(gem.description.split())
        spoken = GEM + gem.name.strip().lower()
        offers.setdefault(
            name.lower(), AccountModel(GEM + gem.id, name, gem.name, about, (name.lower(), spoken), gem.id, base.id)
        )
    return tuple(offers.values())


@dataclass(frozen=True, slots=True)
class Aliases:
    """Names that the operator gives to models: pairs of a pattern (`gpt-*`) and a model, the first that fits counts.

    by_key: those of single API keys, which come before the general ones.
    """

    general: tuple[tuple[str, str], ...] = ()
    by_key: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def of(self, tenant: str) -> tuple[tuple[str, str], ...]:
        return (*self.by_key.get(tenant, ()), *self.general)

    def target(self, model: str, tenant: str) -> str:
        """The model that is meant; `model` itself where no pattern fits."""
        if not (patterns := self.of(tenant)):
            return model
        wanted = _plain(model)
        return next((meant for pattern, meant in patterns if fnmatchcase(wanted, pattern.lower())), model)


NO_ALIASES = Aliases()


def parse_aliases(text: str) -> tuple[tuple[str, str], ...]:
    """`gpt-*=gemini-3-flash-preview,o3=gemini-3.0-pro` as pairs; BadValue for anything else."""
    pairs: list[tuple[str, str]] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        pattern, sign, model = (piece.strip() for piece in entry.partition("="))
        if not (sign and pattern and model) or "*" in model:
            raise BadValue(f"{entry!r} is not PATTERN=MODEL", f"{entry!r} 不是 模式=模型")
        pairs.append((pattern, model))
    return tuple(pairs)


_FAMILY = re.compile(
    r"gemini-\d+(?:\.\d+)?-(pro|flash-lite|flash)(-image)?(?:-(?:preview|latest|exp|\d{2,4}|\d\d-\d{2,4}))*"
)
"""Google's public ids: a version, a family, whether it paints, and how fresh it is."""
_FAMILIES = {
    ("pro", False): "gemini-3.0-pro",
    ("flash", False): "gemini-3-flash-preview",
    ("flash-lite", False): "gemini-3-flash-preview",
    ("pro", True): "gemini-3-pro-image-preview",
    ("flash", True): "gemini-2.5-flash-image",
    ("flash-lite", True): "gemini-2.5-flash-image",
}


def _of_family(wanted: str, offers: tuple[AccountModel, ...]) -> ModelCard | None:
    """Google's current ids change faster than what the web app calls its models: the family is what counts there."""
    match = _FAMILY.fullmatch(wanted)
    if match is None:
        return None
    family, paints = match.group(1), bool(match.group(2))
    if family == "flash-lite" and not paints:
        lite = next((offer for offer in offers if "flash-lite" in offer.name.lower()), None)
        if lite is not None:
            return card_of_offer(lite)
    return _BY_ID[_FAMILIES[family, paints]]


_FILMS = re.compile(r"(?:veo|sora)-[\w.-]{1,60}")
"""Google's and OpenAI's ids of what makes videos."""


def _plain(model: str) -> str:
    return model.strip().removeprefix("models/").removeprefix("google/").lower()


def kind_of_model(model: str) -> Kind:
    """What a public id brings, without aliases and what accounts offer."""
    wanted = _plain(model)
    if _FILMS.fullmatch(wanted):
        return "video"
    return _BY_ID[wanted].kind if wanted in _BY_ID else "text"


def resolve(
    model: str,
    offers: Iterable[AccountModel],
    aliases: Aliases = NO_ALIASES,
    tenant: str = "",
    listed: Callable[[], Iterable[ModelCard]] | None = None,
) -> ModelCard:
    """The card for `model`: an alias, a public id, or anything by which one of `offers` is known.

    ModelNotFound lists what there is: `listed`, where more is known than `listing`. `models/` in front (Google's
    dialect) is accepted. A public id that is in no list is resolved by its family.
    """
    wanted = _plain(aliases.target(model, tenant))
    if card := _BY_ID.get(wanted):
        return card
    offers = tuple(offers)
    if wanted and (offer := ModelCard(wanted, "text", wanted, "", NO_TEXT).offer(offers)):
        return card_of_offer(offer)
    if card := _of_family(wanted, offers):
        return card
    if _FILMS.fullmatch(wanted):
        return VIDEO
    known = [card.id for card in (listed() if listed is not None else listing(offers, aliases, tenant))]
    near = next(iter(get_close_matches(wanted[:100], known, n=1, cutoff=0.5)), "")
    hint, hint_zh = (f" The nearest is {near}.", f"最接近的是 {near}。") if near else ("", "")
    raise ModelNotFound(
        f"The model {said(model)!r} does not exist here.{hint} Available: {', '.join(known)}",
        f"模型 {said(model)!r} 不存在。{hint_zh}可用的模型：{'、'.join(known)}",
        param="model",
        code="model_not_found",
    )


def listing(offers: Iterable[AccountModel], aliases: Aliases = NO_ALIASES, tenant: str = "") -> list[ModelCard]:
    """All cards callers may name: the catalogue, what the accounts offer beside it, then aliases without wildcards."""
    offers = tuple(offers)
    cards = {card.id: card for card in (*CARDS, *MEDIA_CARDS)}
    for offer in offers:
        cards.setdefault(offer.name, card_of_offer(offer))
    for alias, model in aliases.of(tenant):
        if not set(alias) & set("*?["):
            try:
                meant = resolve(model, offers)
            except ModelNotFound:
                continue
            cards.setdefault(
                alias, replace(meant, id=alias, description=LocalText(f"Alias of {meant.id}", f"{meant.id} 的别名"))
            )
    return list(cards.values())
