"""What the library's and libcurl's failures mean: the only place where their texts are read.

`generated` is "no" only after connect or TLS failures, HTTP 401/403/429, and the codes that `codes` calls certain.
"""

from __future__ import annotations

import re

from curl_cffi.const import CurlECode
from curl_cffi.curl import CurlError
from curl_cffi.requests.exceptions import HTTPError, RequestException
from gemini_webapi import exceptions as library
from gemini_webapi.constants import AccountStatus

from gemgate.errors import (
    Blocked,
    Broken,
    Drift,
    GatewayError,
    Generated,
    LocalText,
    PromptTooLong,
    Rejected,
    SignedOut,
    Spent,
    Stalled,
    Unreachable,
    forget_frames,
)
from gemgate.policy import session_end
from gemgate.policy.session_end import ENDS, Reason, Sign
from gemgate.upstreams.failures import broken, stalled

FAILURES = (
    RequestException,
    CurlError,
    library.GeminiError,
    library.APIError,
    library.AuthError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
"""Everything the library is known to raise; the last four when an answer has a shape it does not expect."""

_STATUS = re.compile(r"[Ss]tatus(?: code)?:? (\d{3})")
_NO_TLS = LocalText("no TLS", "TLS 握手失败")
_NOT_THERE: dict[int, LocalText] = {
    CurlECode.COULDNT_RESOLVE_PROXY: LocalText("the name of the proxy is unknown: DNS", "代理的主机名无法解析：DNS"),
    CurlECode.COULDNT_RESOLVE_HOST: LocalText(
        "its name is unknown: no network, or DNS", "域名无法解析：没有网络或 DNS 故障"
    ),
    CurlECode.COULDNT_CONNECT: LocalText("no connection to it, or to the proxy", "无法建立到它或代理的连接"),
    CurlECode.SSL_CONNECT_ERROR: _NO_TLS,
    CurlECode.PEER_FAILED_VERIFICATION: LocalText("its certificate is not trusted", "证书不受信任"),
    CurlECode.PROXY: LocalText("the proxy refused", "代理拒绝了请求"),
    CurlECode.SSL_CACERT_BADFILE: LocalText("the CA file cannot be read", "无法读取 CA 证书文件"),
    CurlECode.SSL_CERTPROBLEM: _NO_TLS,
    CurlECode.SSL_CIPHER: _NO_TLS,
}
"""What keeps a call from leaving, in words."""


def signed_out(why: str | LocalText, generated: Generated = "no") -> SignedOut:
    why = LocalText.of(why)
    return SignedOut(
        f"The Google session is not signed in ({why.en}). Sign in to gemini.google.com again and hand over fresh "
        "cookies",
        f"Google 会话未登录（{why.zh}）。请重新登录 gemini.google.com 并提供新的 Cookie",
        generated=generated,
        code="cookie_expired",
    )


def ended(reason: Reason, why: str | LocalText, generated: Generated = "no") -> GatewayError:
    """The error of an end of a session or an address that was seen."""
    if reason == "consent":
        return consent_wanted()
    end = ENDS[reason]
    if end.state == "blocked":
        return blocked(why, generated).with_(reason=reason)
    if reason == "expired":
        return signed_out(why, generated)
    kind, why = SignedOut if end.state == "needs_login" else Rejected, LocalText.of(why)
    return kind(
        f"{end.title.en[:1].upper()}{end.title.en[1:]} ({why.en}); {end.remedy.en}",
        f"{end.title.zh}（{why.zh}）。{end.remedy.zh}",
        generated=generated,
        code="cookie_expired" if end.state == "needs_login" else "account_rejected",
    ).with_(reason=reason)


def spent(why: str | LocalText) -> Spent:
    why = LocalText.of(why)
    return Spent(
        f"Google's usage limit of this account is reached ({why.en})",
        f"该账号已达到 Google 的使用上限（{why.zh}）",
        code="usage_limit",
    )


def blocked(why: str | LocalText, generated: Generated = "no") -> Blocked:
    why = LocalText.of(why)
    return Blocked(
        f"Google blocks this address for a while ({why.en}); wait, or use another network or proxy",
        f"Google 暂时封锁了本机地址（{why.zh}），请稍后再试或更换网络、代理",
        generated=generated,
        code="ip_blocked",
    )


def drift(why: str | LocalText, generated: Generated = "maybe") -> Drift:
    why = LocalText.of(why)
    return Drift(
        f"Google's answer has a shape this version does not know ({why.en}); look for an update of gemgate",
        f"Google 的回答格式无法识别（{why.zh}），请检查 gemgate 是否有更新",
        generated=generated,
        code="protocol_drift",
    )


def of_status(status: int, *, generated_if_unsure: Generated = "maybe") -> GatewayError:
    """The meaning of an HTTP status other than 200 on any of Google's endpoints."""
    if reason := session_end.seen(Sign(status)):  # a quota never comes as HTTP (docs/google-wire.md 4.2)
        return ended(reason, f"HTTP {status}")
    return broken(f"HTTP {status}", generated_if_unsure)


def page_expired(why: str) -> Broken:
    """Google wants a fresh page: its token or its build is too old. Nothing was processed (docs/google-wire.md 4.2)."""
    return broken(LocalText(f"it wants a fresh page, {why}", f"需要重新载入页面，{why}"), "no").with_(remedy="reload")


def wants_page(status: int, head: bytes) -> bool:
    """Whether a refusal asks for a fresh page: 405 for an old build, 400 with "xsrf" for a token."""
    return status == 405 or (status == 400 and b"xsrf" in head)


def of_generation(status: int, head: bytes, characters: int) -> GatewayError:
    """The meaning of the HTTP status that refused a prompt of so many characters; `head` is how its body begins."""
    if session_end.seen(Sign(page=head.decode("utf-8", "replace"))) == "captcha":
        return ended("captcha", LocalText(f"a captcha page, HTTP {status}", f"验证码页面，HTTP {status}"))
    if wants_page(status, head):
        return page_expired(f"HTTP {status}")
    if status == 413:
        return PromptTooLong(
            f"This account does not take {characters:,} characters at once (HTTP {status}); shorten the conversation",
            f"该账号一次不接受 {characters:,} 个字符（HTTP {status}），请缩短对话",
            generated="maybe",
            code="context_length_exceeded",
            param="messages",
        )
    return of_status(status)


def rotated_too_often() -> Broken:
    """New cookies were asked for twice in a minute: no word about the session (docs/google-wire.md 5.4)."""
    why = LocalText("asked for new cookies too often, HTTP 429", "请求新 Cookie 过于频繁，HTTP 429")
    return broken(why, "no").with_(code="rotated_too_often")


def consent_wanted() -> SignedOut:
    """Google shows its consent page in place of the app: a person has to answer it (docs/google-wire.md 5.6)."""
    return SignedOut(
        "Google wants its cookie consent answered for this account: open gemini.google.com in the browser, choose, and "
        "hand over the cookies again, SOCS among them",
        "Google 要求该账号先确认 Cookie 许可：请在浏览器打开 gemini.google.com 并作出选择，然后重新提供 Cookie"
        "（包括 SOCS）",
        code="consent_required",
    ).with_(reason="consent")


def no_such_number(number: int) -> SignedOut:
    """The page of account `number` of these cookies is another one's (docs/google-wire.md 5.6)."""
    return SignedOut(
        f"Nobody is signed in as account number {number} with these cookies (counted from 0, as in "
        f"gemini.google.com/u/{number}): give the account another number, or sign in to it in that browser",
        f"这些 Cookie 中没有编号为 {number} 的账号（从 0 开始，对应 gemini.google.com/u/{number}）："
        "请修改账号的 number，或在该浏览器中登录它",
        code="account_number",
    )


def phantom(seconds: float) -> Broken:
    """The session has tokens and none of its account's chats (docs/google-wire.md 5.3): it passes."""
    return Broken(
        "Google shows this session none of the account's chats and does not say who it is (a phantom session); this "
        f"passes by itself, new cookies are not needed, and it is looked at again in {seconds:g} seconds",
        "Google 未说明该会话的身份，也不显示账号的任何对话（幻影会话）；通常会自行恢复，无需更换 Cookie，"
        f"{seconds:g} 秒后重新检查",
        retry_after=seconds,
        generated="no",
        code="phantom_session",
    )


def no_token() -> Broken:
    """The account may live, but its page has no token, and Google takes no older one (docs/google-wire.md 5.1)."""
    why = LocalText(
        "its page came without a token, and it takes nothing without one; the token comes and goes",
        "页面没有令牌，而没有令牌就无法发送；令牌时有时无",
    )
    return broken(why, "no").with_(code="no_page_token")


def of_account(status: AccountStatus, *, named: bool = False) -> GatewayError | None:
    """What an account status other than AVAILABLE asks for; None when all is well. named: the page was an account's."""
    if status == AccountStatus.AVAILABLE:
        return None
    if reason := session_end.seen(Sign(status=int(status), named=named)):
        return ended(reason, LocalText(f"account status {int(status)}", f"账号状态 {int(status)}"))
    if status == AccountStatus.ACCESS_TEMPORARILY_UNAVAILABLE:
        said = LocalText(
            f"account status {int(status)}: {status.description}", f"账号状态 {int(status)}：{status.description}"
        )
        return broken(said, "no")
    return Rejected(
        f"Google wants a person to act on this account (status {int(status)}): {status.description}",
        f"该账号需要人工处理（状态 {int(status)}）：{status.description}",
        code="account_rejected",
    )


_SENT: dict[Reason, LocalText] = {
    "captcha": LocalText("sent to the captcha page", "被转到验证码页面"),
    "expired": LocalText("sent to the sign-in page", "被转到登录页面"),
    "revoked": LocalText("sent to the page that asks for the password", "被转到要求输入密码的页面"),
}
_SENT_ELSEWHERE = LocalText("sent to another page", "被转到其他页面")


def of_redirect(location: str) -> GatewayError | None:
    """What it means that Google sends a prompt elsewhere, where that can be named; the prompt was not processed."""
    reason = session_end.seen(Sign(url=location))
    return ended(reason, _SENT.get(reason, _SENT_ELSEWHERE)) if reason else None


def may_be_elsewhere(error: Exception) -> bool:
    """Whether looking at the start page may tell more than this failure does.

    Hazard: being sent elsewhere looks like no connection behind a proxy of this machine (curl refuses to follow to a
    private address), and the captcha page is elsewhere; a page of status 429 may be a captcha or nothing.
    """
    refused = isinstance(error, RequestException) and error.code == CurlECode.COULDNT_CONNECT
    return refused or isinstance(error, library.TemporarilyBlockedError)


def of_start_page(status: int, url: str, page: str) -> GatewayError | None:
    """What stands in place of the app at sign-in, where it can be named (docs/google-wire.md 4.2, 5.6)."""
    reason = session_end.seen(Sign(status, url, page))
    why = LocalText("in place of the app at sign-in", "登录时代替应用出现")
    return ended(reason, why) if reason and reason != "expired" else None


def of_page(page: str) -> GatewayError:
    """An answer of status 200 that is not framed: a captcha, or something unknown."""
    if session_end.seen(Sign(page=page)) == "captcha":
        return ended(
            "captcha", LocalText("a captcha page instead of an answer", "返回的是验证码页面而不是回答"), "maybe"
        )
    return drift(LocalText("a page instead of frames", "返回的是网页而不是数据帧"))


def of_exception(error: Exception, *, sent: bool) -> GatewayError:
    """The meaning of whatever the library or libcurl raised, which is over by that; `sent` = a prompt may have left
    this machine.
    """
    if not isinstance(error, GatewayError):
        forget_frames(error)
    unsure: Generated = "maybe" if sent else "no"
    match error:
        case GatewayError():
            return error
        case library.TemporarilyBlockedError():
            return ended("ip_block", LocalText("HTTP 429 at sign-in", "登录时 HTTP 429"))
        case library.AuthError():
            return signed_out(LocalText("cookies refused", "Cookie 被拒绝"))
        case library.UsageLimitExceededError():
            return spent(LocalText("code 1037", "代码 1037"))
        case HTTPError() if error.response is not None:
            return of_status(error.response.status_code, generated_if_unsure=unsure)
        case RequestException() if (why := _NOT_THERE.get(error.code)) and not sent:
            number = int(error.code)
            return Unreachable(
                f"Google cannot be reached ({why.en}; curl {number}); check the network, the proxy and its CA file",
                f"无法连接 Google（{why.zh}；curl {number}），请检查网络、代理及其 CA 证书",
                code="unreachable",
            )
        case RequestException() if error.code == CurlECode.OPERATION_TIMEDOUT:
            return Stalled(
                "Google did not answer in time",
                "Google 未在时限内响应",
                stage="total",
                generated=unsure,
                code="timeout",
            )
        case RequestException():
            lost = LocalText(f"connection lost, curl {int(error.code)}", f"连接断开，curl {int(error.code)}")
            return broken(lost, unsure)
        case library.APIError() if status := _STATUS.search(str(error)):
            return of_status(int(status.group(1)), generated_if_unsure=unsure)
        case library.TimeoutError():
            return stalled("total", 0, unsure)
        case _:
            return drift(type(error).__name__, unsure)
