"""What alerts are about, and their sentences in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from gemgate.accounts import CAPABILITIES, CAPABILITY_WORDS
from gemgate.errors import NO_TEXT, LocalText
from gemgate.frozen import frozen
from gemgate.policy import session_end
from gemgate.policy.circuit_breaker import Circuit
from gemgate.policy.session_end import ENDS
from gemgate.pool.account import Account
from gemgate.pool.remedies import AccountRemedy, remedy_of
from gemgate.pool.status import MAKING, why_rests, why_way_rests
from gemgate.ports.accounts import AuditLine

Kind = Literal["needs_login", "error", "cooling", "blocked", "dies_soon", "wire", "machine", "test"]
_OF_MACHINE = {
    "memory": ("memory", "内存"),
    "descriptors": ("room for connections", "连接数"),
    "disk": ("the disk", "磁盘"),
    "database": ("the database", "数据库"),
    "storage": ("the picture store", "图片存储"),
}


@frozen
class AlertKey:
    """What an episode is about. account: "" when `address`, a way out, is in trouble for all accounts behind it."""

    kind: Kind
    account: str = ""
    capability: str = ""
    address: str = ""

    @property
    def detail(self) -> str:
        """How the audit spells it beside the account's name."""
        return ":".join(part for part in (self.kind, self.capability or self.address) if part)


WIRE = AlertKey("wire", address="google")


@frozen
class Incident:
    """A subject that is in trouble now. until: epoch seconds, 0 = unknown. remedy: what a person does about the end
    of a session or of an address, and where.
    """

    subject: AlertKey
    why: LocalText = NO_TEXT
    until: float = 0.0
    remedy: AccountRemedy | None = None


@frozen
class Alert:
    """What is told. over: the trouble has ended. reason: a word of `policy.session_end`; url: where to act."""

    subject: AlertKey
    over: bool
    at: float
    node: str
    title: LocalText
    text: LocalText
    until: float = 0.0
    reason: str = ""
    url: str = ""

    @property
    def event(self) -> str:
        """`account.needs_login`, `account.recovered`, `address.blocked`, `wire.changed`, ...; `test` of a channel."""
        if self.subject.kind == "test":
            return "test"
        if self.subject.kind == "wire":
            return "wire.as_believed" if self.over else "wire.changed"
        if self.subject.kind == "machine":
            return "machine.recovered" if self.over else "machine.short"
        what = "account" if self.subject.account else "address"
        return f"{what}.{'recovered' if self.over else self.subject.kind}"


def incidents_of(account: Account, now: float, desktop: str = "") -> Iterator[tuple[Incident, bool]]:
    """What is wrong with an account and its way out; False beside what a probe has yet to show."""
    status = account.status()
    remedy = remedy_of(account, desktop)
    if status.state in ("needs_login", "error"):
        kinds: tuple[Kind, Kind] = ("needs_login", "error")
        for kind in kinds:  # neither is over as long as the other holds
            yield Incident(AlertKey(kind, account.name), status.why, remedy=remedy), kind == status.state
    way = account.egress.circuit
    if way.until:
        blocked = AlertKey("blocked", address=account.egress.name)
        yield Incident(blocked, why_way_rests(way), way.until, remedy_of_way(way)), way.phase(now) == "open"
    making = [account.circuits[capability] for capability in MAKING]
    if all(circuit.until for circuit in making):
        first = min(making, key=lambda circuit: circuit.until)
        sure = first.phase(now) == "open"
        yield Incident(AlertKey("cooling", account.name), why_rests(first), first.until), sure
    for capability, circuit in account.circuits.items():
        if circuit.until:
            subject = AlertKey("cooling", account.name, capability)
            sure = circuit.phase(now) == "open" and not all(one.until for one in making)
            yield Incident(subject, why_rests(circuit), circuit.until), sure


def remedy_of_way(way: Circuit) -> AccountRemedy:
    reason = session_end.of_rest(way.reason)
    return AccountRemedy(reason, ENDS[reason].title, ENDS[reason].remedy)


def alert_of(trouble: Incident, *, over: bool, at: float, node: str) -> Alert:
    subject = trouble.subject
    words = resolved(subject) if over else fired(trouble, at)
    if over:
        return Alert(subject, over, at, node, *words)
    reason, url = (trouble.remedy.reason, trouble.remedy.url) if trouble.remedy else ("", "")
    return Alert(subject, over, at, node, *words, until=trouble.until, reason=reason, url=url)


def fired(trouble: Incident, now: float) -> tuple[LocalText, LocalText]:
    """Title and text."""
    subject, name = trouble.subject, trouble.subject.account
    wait, wait_zh = wait_words(trouble.until - now)
    match subject.kind:
        case "needs_login":
            title, title_zh = f"gemgate: {name} needs a login", f"{name} 需要重新登录"
            text, text_zh = f"Account {name} is signed out", f"账号 {name} 已退出登录"
        case "error":
            title, title_zh = f"gemgate: {name} cannot be used", f"{name} 无法使用"
            text, text_zh = f"Account {name} cannot be used", f"账号 {name} 无法使用"
        case "blocked":
            title, title_zh = "gemgate: the address is blocked", "地址被封锁"
            text = f"Google blocks the address ({subject.address}); its accounts rest{wait}"
            text_zh = f"Google 封锁了出口地址（{subject.address}），其账号暂停使用{wait_zh}"
        case "wire":
            title, title_zh = "gemgate: Google's wire has changed", "Google 的接口有变化"
            text = "The canary saw something else than this version believes; look for an update"
            text_zh = "探测结果与当前版本的预期不同，请检查更新"
        case "machine":
            what, what_zh = _OF_MACHINE[subject.address]
            title, title_zh = f"gemgate: {what} is short or away", f"{what_zh}不足或不可用"
            text, text_zh = "The machine is in trouble", "运行环境异常"
        case "test":
            return (
                LocalText("gemgate: a test", "gemgate 测试"),
                LocalText("This is a test; real alerts come here", "这是一条测试消息，告警将发送到这里"),
            )
        case "dies_soon":
            title, title_zh = f"gemgate: {name} will need a login soon", f"{name} 即将需要重新登录"
            text, text_zh = f"The session of account {name}", f"账号 {name} 的会话"
            return (
                LocalText(title, title_zh),
                LocalText(
                    f"{text} {trouble.why.en}; sign in again in time", f"{text_zh}{trouble.why.zh}，请及时重新登录"
                ),
            )
        case "cooling" if subject.capability:
            what, what_zh = CAPABILITY_WORDS[subject.capability].en, CAPABILITY_WORDS[subject.capability].zh
            title, title_zh = f"gemgate: {name} rests for {what}", f"{name} 暂停{what_zh}"
            text, text_zh = f"Account {name} takes no {what}{wait}", f"账号 {name} 暂停处理{what_zh}{wait_zh}"
        case "cooling":
            title, title_zh = f"gemgate: {name} rests", f"{name} 暂停使用"
            text, text_zh = f"Account {name} rests{wait}", f"账号 {name} 暂停使用{wait_zh}"
    if (remedy := trouble.remedy) is not None:
        title, title_zh = f"{title}: {remedy.title.en}", f"{title_zh}：{remedy.title.zh}"
    return LocalText(title, title_zh), _with_remedy(f"{text}: {trouble.why.en}", f"{text_zh}：{trouble.why.zh}", remedy)


def _with_remedy(en: str, zh: str, remedy: AccountRemedy | None) -> LocalText:
    """The same with what to do, where it is not said already."""
    if remedy is None:
        return LocalText(en, zh)
    if remedy.text.en not in en:
        en, zh = f"{en}. To do: {remedy.text.en}", f"{zh}。处理方法：{remedy.text.zh}"
    return LocalText(f"{en} {remedy.url}", f"{zh} {remedy.url}") if remedy.url else LocalText(en, zh)


def resolved(subject: AlertKey) -> tuple[LocalText, LocalText]:
    if subject.kind == "wire":
        return (
            LocalText("gemgate: Google's wire is as believed again", "Google 的接口恢复正常"),
            LocalText("The canary sees what this version believes", "探测结果与当前版本的预期一致"),
        )
    if subject.kind == "machine":
        what, what_zh = _OF_MACHINE[subject.address]
        text, text_zh = f"There is nothing wrong with it any more: {what}", f"{what_zh}已恢复正常"
        return LocalText(f"gemgate: {what} is back", f"{what_zh}已恢复"), LocalText(text, text_zh)
    if subject.address:
        text, text_zh = (
            f"The address ({subject.address}) is not blocked any more",
            f"出口地址（{subject.address}）已解除封锁",
        )
        return LocalText("gemgate: the address is free again", "地址已恢复"), LocalText(text, text_zh)
    name = subject.account
    words = CAPABILITY_WORDS.get(subject.capability, NO_TEXT)
    what, what_zh = words.en, words.zh
    text = f"Account {name} takes {what} again" if what else f"Account {name} works again"
    text_zh = f"账号 {name} 恢复处理{what_zh}" if what else f"账号 {name} 已恢复"
    return LocalText(f"gemgate: {name} is back", f"{name} 已恢复"), LocalText(text, text_zh)


def wait_words(seconds: float) -> tuple[str, str]:
    if seconds <= 0:
        return "", ""
    minutes = max(1, round(seconds / 60))
    return f" for about {minutes} minute{'' if minutes == 1 else 's'}", f"约 {minutes} 分钟"


def subject_of(line: AuditLine) -> AlertKey | None:
    """The subject of a line that `AlertKey.detail` spelled; None for one of another version."""
    kind, _, rest = line.detail.partition(":")
    match kind:
        case "needs_login" | "error" | "dies_soon":
            return AlertKey(kind, line.account)
        case "cooling" if rest in ("", *CAPABILITIES):
            return AlertKey(kind, line.account, rest)
        case "blocked" if rest:
            return AlertKey(kind, address=rest)
        case "machine" if rest in _OF_MACHINE:
            return AlertKey("machine", address=rest)
        case "wire":
            return WIRE
    return None
