"""Names of models: families of Google's public ids, aliases of the operator, and what is near to a wrong one."""

from __future__ import annotations

import pytest

from gemgate import catalog
from gemgate.accounts import AccountModel
from gemgate.catalog import Aliases, parse_aliases
from gemgate.errors import ModelNotFound
from gemgate.settings import explicit
from gemgate.settings.api_keys import parse_api_keys
from gemgate.testing import FLASH, PRO

LITE = AccountModel("cc", "gemini-flash-lite", "Lite")
OFFERS = (FLASH, PRO)


@pytest.mark.parametrize(
    ("asked", "card"),
    [
        ("gemini-3.1-pro-preview", "gemini-3.0-pro"),
        ("gemini-3.8-flash", "gemini-3-flash-preview"),
        ("models/gemini-4-flash-latest", "gemini-3-flash-preview"),
        ("google/gemini-3.5-flash-lite", "gemini-3-flash-preview"),
        ("gemini-2.5-flash-lite-preview-09-2025", "gemini-3-flash-preview"),
        ("gemini-2.0-flash-001", "gemini-3-flash-preview"),
        ("gemini-3.1-flash-image-preview", "gemini-2.5-flash-image"),
        ("gemini-4-pro-image", "gemini-3-pro-image-preview"),
        ("gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_public_ids_are_resolved_by_their_family(asked: str, card: str) -> None:
    assert catalog.resolve(asked, OFFERS).id == card


def test_a_lite_model_is_the_accounts_own_where_it_has_one() -> None:
    assert catalog.resolve("gemini-3.5-flash-lite", (*OFFERS, LITE)).id == "gemini-flash-lite"


@pytest.mark.parametrize("asked", ["gemini-9-ultra", "gpt-4o", "gemini-3-pro-flash", "", "gemini-x-pro"])
def test_what_is_no_family_of_ours_is_not_found(asked: str) -> None:
    with pytest.raises(ModelNotFound):
        catalog.resolve(asked, OFFERS)


def test_the_nearest_is_named() -> None:
    with pytest.raises(ModelNotFound, match=r"The nearest is gemini-3-flash-preview\.") as caught:
        catalog.resolve("gemini3-flash-previw", OFFERS)
    assert "最接近的是 gemini-3-flash-preview" in caught.value.zh
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve("qqqq", OFFERS)
    assert "nearest" not in caught.value.en


ALIASES = Aliases(
    parse_aliases("gpt-*=gemini-3-flash-preview, o3=gemini-3.0-pro"), {"ann": (("gpt-5*", "gemini-2.5-pro"),)}
)


def test_aliases_with_wildcards_and_of_a_key() -> None:
    def named(model: str, tenant: str = "") -> str:
        return catalog.resolve(model, OFFERS, ALIASES, tenant).id

    assert named("gpt-5-mini") == "gemini-3-flash-preview"
    assert named("GPT-4o") == "gemini-3-flash-preview"
    assert named("gpt-5-mini", "ann") == "gemini-2.5-pro"
    assert named("o3", "ann") == "gemini-3.0-pro"
    assert named("gemini-2.5-pro") == "gemini-2.5-pro"
    with pytest.raises(ModelNotFound):
        named("o3-mini")


def test_aliases_without_wildcards_are_listed() -> None:
    cards = {card.id: card for card in catalog.listing(OFFERS, ALIASES, "ann")}
    assert cards["o3"].description.en == "Alias of gemini-3.0-pro"
    assert not any("*" in name for name in cards)
    gone = Aliases((("old", "no-such-model"),))
    assert "old" not in {card.id for card in catalog.listing(OFFERS, gone)}


def test_an_unknown_model_is_told_what_the_list_of_models_has() -> None:
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve("qqqq", OFFERS, ALIASES, "ann")
    told = caught.value.en.partition(" Available: ")[2].split(", ")
    assert told == [card.id for card in catalog.listing(OFFERS, ALIASES, "ann")]
    assert "o3" in told


@pytest.mark.parametrize("text", ["gpt-4o", "=x", "a=", "a=b*", "a,b=c"])
def test_what_is_no_alias_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="PATTERN=MODEL"):
        parse_aliases(text)


def test_aliases_in_the_settings() -> None:
    (key,) = parse_api_keys("ann:s3cret;rph=5;alias=claude-*=gemini-3.0-pro;alias=x=gemini-2.5-pro")
    assert (key.per_hour, key.aliases) == (5, (("claude-*", "gemini-3.0-pro"), ("x", "gemini-2.5-pro")))
    with pytest.raises(ValueError, match="alias=PATTERN=MODEL"):
        parse_api_keys("ann:s3cret;color=red")
    settings = explicit(model_aliases="gpt-*=gemini-2.5-pro", api_key="ann:s3cret-long;alias=y=gemini-2.5-pro")
    assert settings.aliases().target("gpt-9", "") == "gemini-2.5-pro"
    assert settings.aliases().of("ann") == (("y", "gemini-2.5-pro"), ("gpt-*", "gemini-2.5-pro"))
