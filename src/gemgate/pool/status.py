"""An account's state word, the egress it shares, and what the end of a call says of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from gemgate.accounts import (
    Capability,
    Cookies,
    State,
)
from gemgate.errors import (
    NO_TEXT,
    AccountError,
    Blocked,
    ClientError,
    GatewayError,
    LocalText,
    ModelGone,
    ModelNotServed,
    OutputInvalid,
    PromptTooLong,
    Refused,
    SignedOut,
    Spent,
    Unprocessable,
)
from gemgate.frozen import frozen
from gemgate.policy import session_end
from gemgate.policy.circuit_breaker import Circuit, Outcome
from gemgate.policy.token_bucket import Bucket


@frozen
class AccountStatus:
    """What an account (or one capability of it) can do now.

    usable: a call may start, now or as soon as a lane is free. quota: waiting alone helps.
    until: epoch seconds when it thaws, 0 = unknown. code: of the error behind a state that lasts; reason: a word of
    `policy.session_end`, where the state is the end of a session or of an address.
    """

    state: State
    usable: bool
    why: LocalText = NO_TEXT
    until: float = 0.0
    quota: bool = False
    code: str = ""
    reason: str = ""


READY = AccountStatus("ready", True)


@dataclass(slots=True)
class Egress:
    """The way out that accounts share (a proxy, or none): a block closes it for all of them, and all share its pace.

    full_burst: calls at once when it is warm. warm_from: epoch seconds of its first use, or of its last block's end.
    """

    name: str
    circuit: Circuit = field(default_factory=Circuit)
    pace: Bucket = field(default_factory=Bucket)
    full_burst: int = 1
    warm_from: float = 0.0


PHANTOM = "phantom_session"
"""Code of the error that a session is alive and tells nothing of its account."""


def outcome_of(error: BaseException | None) -> Outcome:
    """What the end of a call says about the account; the caller's own fault says that the account works."""
    match error:
        case PromptTooLong() if error.generated == "no":
            return "cancelled"  # our own judgement: Google never saw it
        case None | ClientError() | Refused() | ModelGone() | PromptTooLong() | OutputInvalid() | Unprocessable():
            return "ok"
        case ModelNotServed():
            return "ok"  # judged by asking Google (`downgrade`), not by the breaker
        case Spent():
            return "limited"
        case Blocked():
            return "blocked"
        case AccountError():
            return "cancelled"  # judged by signing in again, not by the breaker
        case GatewayError():
            return "failed"
        case _:
            return "cancelled"


MAKING: tuple[Capability, ...] = ("text", "pro", "image")
LIMIT, LOWERED = "limit: ", "lower model: "
"""How the reason of a circuit begins that a limit, or a lower model, opened: for people, and for the store."""


def why_rests(circuit: Circuit) -> LocalText:
    """Why a kind of calls rests; "" for one that does not. The reason is stored in English."""
    if not circuit.reason:
        return NO_TEXT
    zh = "连续失败，暂停使用"
    if circuit.cause == "limit":
        zh = "已达到使用上限"
    elif circuit.cause == "lowered":
        zh = "Google 改用较低的模型作答，暂停使用"
    return LocalText(circuit.reason, zh)


def why_way_rests(way: Circuit) -> LocalText:
    """The same of a way out."""
    return LocalText(way.reason, session_end.ENDS[session_end.of_rest(way.reason)].title.zh) if way.reason else NO_TEXT


def resting(circuit: Circuit, now: float) -> AccountStatus:
    """How an account stands that such a circuit keeps a call out of."""
    quota = circuit.cause in ("limit", "lowered")
    return AccountStatus("cooling", False, why_rests(circuit), max(circuit.until, now), quota)


def blocked_way(way: Circuit, now: float) -> AccountStatus:
    """How an account stands whose way out rests."""
    reason = session_end.of_rest(way.reason)
    end = session_end.ENDS[reason]
    why = LocalText(f"address blocked: {way.reason}", f"出口地址暂停使用：{end.title.zh}。{end.remedy.zh}")
    return AccountStatus("blocked", False, why, max(way.until, now), code="ip_blocked", reason=reason)


def in_reserve(window: str, left: float, resets_at: float) -> AccountStatus:
    """How an account stands for a batch while what is left of a window is kept for people (RESERVE_PERCENT)."""
    percent = round(left * 100)
    why = LocalText(
        f"{percent} % of its window {window} are left and kept for interactive calls",
        f"用量窗口 {window} 仅剩 {percent}%，保留给交互式调用",
    )
    return AccountStatus("cooling", False, why, resets_at, quota=True)


def reason_of(error: BaseException | None) -> str:
    """Why a circuit opens, as it is stored and shown."""
    if isinstance(error, Spent):
        return LIMIT + error.plain()
    if isinstance(error, Blocked):
        reason = session_end.of(error) or "ip_block"
        return error.plain() if reason == "ip_block" else f"{reason}: {error.plain()}"
    return error.plain() if isinstance(error, GatewayError) else ""


def no_cookies_error(why: LocalText) -> SignedOut:
    return SignedOut(
        f"There are no cookies to sign in with: {why.en}",
        f"没有可用于登录的 Cookie：{why.zh}",
        code="cookie_expired",
    ).with_(reason="no_cookies")


NOT_TAKEN = "The cookies handed over on "
"""How the error begins of an account that was handed cookies, and none it could keep: for people, and for the store."""


def not_taken(error: AccountError, now: float) -> AccountError:
    """The same refusal as it is told later, when the cookies themselves are gone. now: epoch seconds."""
    when = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return error.with_(
        en=f"{NOT_TAKEN}{when} were refused. {error.en}", zh=f"{when} 提供的 Cookie 已被拒绝。{error.zh}"
    )


BROWSER_SILENT_SECONDS = 900.0
"""How long a paired browser counts as living after it was last heard of: three of its signs of life."""


@dataclass(slots=True)
class PairedBrowser:
    """The browser that pushes an account's cookies. seen_at: when it was last heard of, in epoch seconds, 0 = never;
    session: which one it told of (`Cookies.identity`).
    """

    seen_at: float = 0.0
    session: str = ""

    def rotates(self, cookies: Cookies | None, now: float) -> bool:
        """Whether it lives and has the session of these cookies: then it renews them, and we must not."""
        lives = bool(self.seen_at) and now - self.seen_at < BROWSER_SILENT_SECONDS
        return lives and cookies is not None and cookies.identity == self.session
