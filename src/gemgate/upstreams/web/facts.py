"""Facts of Google's wire that may change without a release, from `facts.toml` and an operator's overrides."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemgate.errors import LocalText, SettingsError, system_words
from gemgate.validation import problem, toml_problem


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptFacts(_Facts):
    """Sizes of a prompt, in UTF-8 bytes (docs/google-wire.md 1)."""

    plain_bytes: int = Field(gt=0)
    with_files_bytes: int = Field(gt=0)
    temporary_share: float = Field(gt=0, le=1)


class AddressFacts(_Facts):
    """What one way out bears, over all accounts that use it (docs/google-wire.md 4.3)."""

    calls_per_minute: float = Field(ge=0)
    burst_calls: int = Field(gt=0)
    rest_seconds: float = Field(ge=0)


class TurnFacts(_Facts):
    """Answers that are left or break off (docs/google-wire.md 7.2, 9.2)."""

    stop_rpc: str
    leave_seconds: float = Field(gt=0)
    unstored_seconds: float = Field(gt=0)
    whole_seconds: float = Field(gt=0)


class SessionFacts(_Facts):
    """How sessions live and are renewed, in seconds (docs/google-wire.md 5.3, 5.4)."""

    rotate_gap_seconds: float = Field(ge=0)
    superseded_seconds: float = Field(ge=0)
    phantom_seconds: float = Field(gt=0)


class ImageFacts(_Facts):
    """Answers with images (docs/google-wire.md 3.3)."""

    tool: int = Field(ge=0)
    idle_seconds: float = Field(gt=0)


class VideoFacts(_Facts):
    """Videos (docs/google-wire.md 6.6)."""

    tool: int = Field(gt=0)
    listed: tuple[int, ...]
    wide: int
    tall: int
    opi: str


class MusicFacts(_Facts):
    """Music (docs/google-wire.md 6.7)."""

    tool: int = Field(gt=0)
    short: int
    standard: int
    instrumental: int
    vocals: int


class ResearchFacts(_Facts):
    """Deep research (docs/google-wire.md 6.8)."""

    tool: int = Field(gt=0)
    plan_slots: int = Field(ge=81, le=120)
    start_slots: int = Field(ge=98, le=120)
    budget_rpc: str


class UploadFacts(_Facts):
    """Files (docs/google-wire.md 8.2)."""

    process_file: bool


class CanaryFact(_Facts):
    """What one probe should see. one_of: the only values it may show; else `always` those that must be there and `may`
    those that can; open: more than these says nothing. disputed: sources disagree (section 11).
    """

    fact: str
    section: str
    one_of: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    open: bool = False
    disputed: bool = False


class WireFacts(_Facts):
    """Everything in `facts.toml`; `version` is the date of the youngest source."""

    version: str
    prompt: PromptFacts
    address: AddressFacts
    turns: TurnFacts
    session: SessionFacts
    pictures: ImageFacts
    videos: VideoFacts
    music: MusicFacts
    research: ResearchFacts
    uploads: UploadFacts
    canary: tuple[CanaryFact, ...] = ()


@cache
def shipped() -> WireFacts:
    """The facts that this version came with."""
    return WireFacts.model_validate(_shipped())


@cache
def load(overrides: Path | None = None) -> WireFacts:
    """The shipped facts with single values replaced by the operator's file, read once. SettingsError for a bad file."""
    if overrides is None:
        return shipped()
    try:
        merged = _merged(_shipped(), tomllib.loads(overrides.read_text("utf-8")))
        return WireFacts.model_validate(merged)
    except (OSError, UnicodeDecodeError) as error:
        why = system_words(error)
    except tomllib.TOMLDecodeError as error:
        why = toml_problem(error)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, why = ".".join(map(str, first["loc"])), problem(first)
        why = LocalText(f"{place}: {why.en}", f"{place}：{why.zh}")
    raise SettingsError(f"WIRE_FACTS {overrides}: {why.en}", f"WIRE_FACTS {overrides}：{why.zh}")


def _shipped() -> dict[str, Any]:
    return tomllib.loads(files("gemgate.upstreams.web").joinpath("facts.toml").read_text("utf-8"))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        known = out.get(key)
        out[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return out
