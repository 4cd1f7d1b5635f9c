"""What stands in the way of a deep research: what is left of it, looked at before it is asked for, and what words mean
that come in place of a plan or a report.
"""

from __future__ import annotations

from contextlib import suppress

from gemgate.errors import Broken, GatewayError, NoResearch, Spent, their_words
from gemgate.gateway.image_refusals import nobody_signed_in
from gemgate.pool.pool import Lease
from gemgate.ports.upstream import Completed, Researcher
from gemgate.prompting.refusal import meaning_of
from gemgate.research import ResearchTurn


async def check_research_budget(lease: Lease) -> None:
    """Spent when the account says that it may begin none now. What it does not say is no reason."""
    upstream = lease.upstream
    if not isinstance(upstream, Researcher):
        return  # it says so itself
    budget = None
    with suppress(Broken):
        budget = await upstream.research_budget()
    if budget is not None and budget.spent:
        raise Spent(
            "The account's deep research is used up",
            "该账号的 Deep Research 额度已用完",
            resets_at=budget.resets_at,
            code="research_quota",
        )


def check_research_outcome(turn: ResearchTurn, piece: Completed) -> None:
    """At the end of a turn of a research: raise what its words say where it brings neither plan nor start."""
    if not piece.stored:
        raise NoResearch(
            "The account keeps no history, and the report could only be read there: switch its Gemini Apps activity on",
            "该账号不保存历史记录，而报告只能从历史记录读取：请开启 Gemini 应用活动记录",
            answer=piece.text,
            generated="maybe",
            code="research_not_kept",
        )
    found = piece.research
    if found is None or not (found.plan if turn == "plan" else found.started):
        raise research_refusal(piece.text) or refused(piece.text)


def research_refusal(text: str) -> GatewayError | None:
    """Why there will be no research; None where the words do not say so."""
    shown = _shown(text)
    match meaning_of(text):
        case "quota":
            return Spent(
                f"Google says the account's deep research is used up: {shown}",
                f"该账号的 Deep Research 额度已用完：{shown}",
                generated="maybe",
                code="research_quota",
                quoted=shown,
            )
        case "signed_out":
            return nobody_signed_in(shown)
        case "refusal" | "wrong_model":
            return refused(text)
        case "other":
            return None


def refused(text: str) -> NoResearch:
    """Words in place of the plan or the report that was asked for."""
    shown = _shown(text)
    return NoResearch(
        f"Google made no research of it: {shown}",
        f"Google 没有完成该研究：{shown}",
        answer=text,
        generated="maybe",
        code="research_refused",
        quoted=shown,
    )


def none_left(error: GatewayError, when: str) -> NoResearch:
    """No account of ours may begin one now. when: until then, "" where nobody says."""
    return NoResearch(
        f"No account may begin a deep research now: {error.en}" + (f" (until {when})" if when else ""),
        f"目前没有账号可以开始 Deep Research：{error.zh}" + (f"（{when} 之后恢复）" if when else ""),
        generated=error.generated,
        code="research_quota",
        quoted=error.quoted,
        details={"resets_at": when} if when else None,
    )


def _shown(text: str) -> str:
    return their_words(text) or "(no text)"
