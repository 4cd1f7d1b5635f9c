"""What Google's stream codes and statuses mean, and whether a prompt may go out once more: one row each.

docs/google-wire.md 4.1. `certain` says that Google made nothing when the code came before any word of an answer; only
then may a prompt be sent again at all, and only in the way that `remedy` names.
"""

from __future__ import annotations

from typing import Final, Literal

from gemgate.errors import GatewayError, LocalText, ModelGone, PromptTooLong, Remedy
from gemgate.frozen import frozen
from gemgate.upstreams import failures
from gemgate.upstreams.web import errors

Kind = Literal["passing", "spent", "model", "tool", "address", "signed_out", "no_record", "refused", "file", "too_long"]


@frozen
class Rule:
    """A row of the table. certain: before any word, nothing was generated; remedy: what makes a second try worth it."""

    kind: Kind
    certain: bool = True
    remedy: Remedy = ""


CODES: Final = {
    1003: Rule("file", remedy="upload"),
    1013: Rule("passing", certain=False),
    1037: Rule("spent"),
    1050: Rule("model"),
    1052: Rule("model"),
    1053: Rule("tool"),
    1060: Rule("address"),
    1096: Rule("no_record", remedy="fresh_chat"),
    1097: Rule("refused", remedy="fresh_chat"),
    1099: Rule("passing", remedy="again"),
    1100: Rule("file", remedy="reload"),
    1152: Rule("too_long"),
    1155: Rule("passing", remedy="again"),
}
STATUSES: Final = {
    3: Rule("refused"),
    5: Rule("no_record", remedy="fresh_chat"),
    7: Rule("signed_out"),
    8: Rule("spent"),
    13: Rule("passing", certain=False),
    16: Rule("signed_out"),
}
"""gRPC statuses that stand at `[5]` without a code. Any other list there is a queue: the answer is still to come."""


def failure(code: int, status: int, model: str) -> GatewayError:
    """What a code (0 for none) or a status means before anything was said. A code that is not known may be anything."""
    rule = CODES.get(code) if code else STATUSES.get(status)
    what = LocalText(f"code {code}", f"代码 {code}") if code else LocalText(f"status {status}", f"状态 {status}")
    if rule is None:
        return failures.broken(what)
    return _meaning(rule, what, model).with_(generated="no" if rule.certain else "maybe", remedy=rule.remedy)


def _meaning(rule: Rule, what: LocalText, model: str) -> GatewayError:
    match rule.kind:
        case "spent":
            return errors.spent(LocalText(f"{what.en}, model {model}", f"{what.zh}，模型 {model}"))
        case "model":
            return ModelGone(
                f"Google does not take the model {model} here ({what.en})",
                f"Google 在此处不接受模型 {model}（{what.zh}）",
                code="model_not_available",
            )
        case "address":
            return errors.ended("region", what)
        case "signed_out":
            return errors.signed_out(what)
        case "too_long":
            return PromptTooLong(
                f"The prompt or its conversation is longer than Google takes ({what.en})",
                f"提示或会话超出 Google 可接受的长度（{what.zh}）",
                code="context_length_exceeded",
                param="messages",
            )
        case _:
            words = _WORDS.get(rule.kind, _PASSING)
            return failures.broken(LocalText(f"{words.en}, {what.en}", f"{words.zh}，{what.zh}"))


_WORDS: Final = {
    "no_record": LocalText("it knows no such conversation", "找不到该对话"),
    "refused": LocalText("it refused the request", "拒绝了该请求"),
    "file": LocalText("it did not accept an attached file", "不接受附带的文件"),
    "tool": LocalText("it refused the tool", "拒绝了该工具"),
}
_PASSING: Final = LocalText("passing trouble", "暂时性故障")
