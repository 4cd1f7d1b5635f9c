"""batchexecute: every RPC of docs/gemini-webapi.md 4 as one row of a table. A handler gets the payload and gives the
body.

A handler returns the body to be sent as a JSON string, or a Status, which is sent as `[5] = [status]` with no body.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from gemgate_simulator import checks, histories, windows
from gemgate_simulator.accounts import FREE_MODELS, PLANS, Account, Caller
from gemgate_simulator.asked import DENIED, MALFORMED, MISSING, Ask, Handler, Status
from gemgate_simulator.chats import RuleViolation
from gemgate_simulator.exchange import Request, Response, page
from gemgate_simulator.faults import apply_fault
from gemgate_simulator.frames import Style, batch_answer, error_info, part
from gemgate_simulator.generate import BLOCKED, GEMS, Refusal, authenticate
from gemgate_simulator.record import Fetch, Seen
from gemgate_simulator.script import Fault
from gemgate_simulator.state import ServiceState


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the RPCs of one request share. account: None for a guest; dead: a session that is over."""

    world: ServiceState
    account: Account | None
    dead: bool
    blocked: bool
    bare: bool
    style: Style
    fault: Fault | None


def respond(world: ServiceState, request: Request, caller: Caller, seen: Seen) -> Response:
    """Answer one batchexecute with its RPCs in the order they were asked."""
    form, values = request.form(), request.query
    opened = world.page(values.get("f.sid", ""))
    wrong = [*checks.headers(request), *checks.query(values, opened), *checks.batch_header(request, opened)]
    calls = _calls(form)
    if calls is None:
        wrong.append("f.req is not [[[rpcid, payload, null, identifier], ...]]")
    elif [call[0] for call in calls] != values.get("rpcids", "").split(","):
        wrong.append(f"rpcids={values.get('rpcids', '')} differs from the RPCs of f.req")
    root = f"/u/{request.user}" if request.user else ""
    if values.get("source-path") not in (f"{root}/app", f"{root}/usage"):
        wrong.append(f"source-path is {values.get('source-path')!r}")
    try:
        account = authenticate(world, opened, caller, form.get("at", b"").decode("latin-1"))
        if wrong:
            raise Refusal(status=400)
    except Refusal as refusal:
        rules = [*filter(None, [refusal.rule]), *wrong]
        if rules:
            world.record.violation(f"batchexecute {','.join(seen.rpcids)}: {'; '.join(rules)}")
        if refusal.status != 401 or rules:
            return refusal.page()
        account = None
    assert opened is not None
    assert calls is not None
    if trouble := opened.counted(int(values["_reqid"])):
        world.record.violation(f"batchexecute {','.join(seen.rpcids)}: {trouble}")
    batch = _Batch(
        world,
        account,
        blocked=caller.blocked,
        bare=caller.bare,
        dead=opened.session is not None and account is None,
        style=world.style(world.dice("batch", *seen.rpcids)),
        fault=world.script.next_fault(seen.rpcids, caller.name, reused=request.nth > 0),
    )
    answer = partial(_answer, batch, calls)
    return apply_fault(answer, batch.fault) if batch.fault and batch.fault.kind not in _IN_PART else answer()


def _answer(batch: _Batch, calls: list[list[Any]]) -> Response:
    try:
        body = batch_answer([_part(batch, call) for call in calls], batch.style)
    except Refusal as refusal:
        batch.world.record.violation(f"batchexecute: {refusal.rule}")
        return page(refusal.status, f"<h1>Error {refusal.status}</h1>")
    return Response(200, (("content-type", "application/json; charset=utf-8"),), body)


_IN_PART = ("reject7", "code", "unparsable")


def _calls(form: dict[str, bytes]) -> list[list[Any]] | None:
    try:
        outer = orjson.loads(form.get("f.req", b""))
    except orjson.JSONDecodeError:
        return None
    match outer:
        case [[_, *_] as calls] if all(_is_call(call) for call in calls):
            return list(calls)
        case _:
            return None


def _is_call(call: Any) -> bool:
    match call:
        case [str(), str(), None, str()]:
            return True
        case _:
            return False


def _part(batch: _Batch, call: list[Any]) -> list[Any]:
    rpcid, text, _, identifier = call
    fault = batch.fault
    if fault and fault.where == rpcid and fault.kind in _IN_PART:
        if fault.kind == "unparsable":
            unparsable = part(rpcid, None, identifier=identifier)
            unparsable[2] = '[[null,"cut off'
            return unparsable
        number = DENIED if fault.kind == "reject7" else fault.code
        return part(rpcid, None, error=[number], identifier=identifier)
    answer = Status(DENIED) if batch.dead else _handle(batch, rpcid, text)
    if isinstance(answer, Status):
        if answer.rule:
            batch.world.record.violation(f"{rpcid}: {answer.rule}")
        error = error_info(answer.code) if answer.code else [answer.number]
        return part(rpcid, None, error=error, identifier=identifier)
    return part(rpcid, answer, batch.style, identifier=identifier)


def _handle(batch: _Batch, rpcid: str, text: str) -> Any:
    handler = _TABLE.get(rpcid)
    if handler is None:
        return Status(MISSING, f"unknown RPC {rpcid}")
    if batch.account is None and rpcid not in _FOR_GUESTS:
        return Status(DENIED)
    try:
        # The gem list is asked for with single quotes, as the web app's own code writes it
        payload = orjson.loads(text.replace("'", '"') if rpcid == "CNgdBe" else text)
    except orjson.JSONDecodeError:
        return Status(MALFORMED, "the payload is not JSON")
    return handler(Ask(batch.world, batch.account, payload, batch.style, batch.blocked, batch.bare))


def _user_status(ask: Ask) -> Any:
    account = ask.account
    plan = account.plan if account else PLANS["free"]
    body: list[Any] = [None] * 18
    if account and account.guest:
        plan = PLANS["free"]
    body[14] = account.status if account and not account.guest else 1016
    if ask.world.switches.silent_status or (account and account.phantom):
        body[14] = None
    if ask.blocked:
        body[14] = BLOCKED
    models = account.models if account and not account.guest else FREE_MODELS
    if account and account.flagged and ask.bare:
        models = tuple(model for model in models if model.category != "Pro")
    body[15] = [model.row(account.renamed if account else {}) for model in models]
    body[16], body[17] = list(plan.tier_flags), list(plan.capability_flags)
    return _expect(ask, [], body)


def _preferences(ask: Ask) -> Any:
    match ask.payload:
        case [[[str(), *_] as names]]:
            return [[[name, None, [True]] for name in names]]
        case _:
            return Status(MALFORMED, "the payload is not [[[names]]]")


def _usage(ask: Ask) -> Any:
    assert ask.account is not None
    now = int(ask.world.clock())
    rows = windows.rows(ask.account, ask.world.clock())
    habit = ask.world.switches.usage
    if habit == "new_kind":
        rows = [["a", None, 9, "odd"], [7, 0.5, 17, [[now]]], *rows]
    return _expect(ask, [], {} if habit == "empty" else [ask.account.plan.number, rows, False])


def _quota(ask: Ask) -> Any:
    assert ask.account is not None
    reset = windows.ends(ask.account, ask.world.clock())[0]
    match ask.payload:
        case [[[int(), int()], *_] as pairs]:
            return [[[pair, None, ask.account.used[0] * 100, [reset], 100, 88] for pair in pairs]]
        case _:
            return Status(MALFORMED, "the payload is not [[[a,action],...]]")


def _extra_quota(ask: Ask) -> Any:
    assert ask.account is not None
    return _expect(ask, [], [False, ask.account.used[0], [windows.ends(ask.account, ask.world.clock())[0]]])


def _abuse(ask: Ask) -> Any:
    return _expect(ask, [], [None, []])


def _gates(ask: Ask) -> Any:
    return _expect(ask, [], ask.world.researches.gates())


def _stop(ask: Ask) -> Any:
    match ask.payload:
        case [[str(cid), str(rid)], [""]]:
            chat = ask.world.chats.find(cid, ask.account.name if ask.account else "")
            if isinstance(chat, RuleViolation):
                return Status(MISSING, chat.why if chat.wrong else "")
            if telling := ask.world.telling.get(rid):
                telling.stop()
            for turn in chat.turns:
                if turn.rid == rid and turn.research:
                    turn.research.stop()
            return []
        case _:
            return Status(MALFORMED, "the payload is not [[cid,rid],['']]")


def _tasks(ask: Ask) -> Any:
    match ask.payload:
        case [str(), [1, None, 0, 1]]:
            return []
        case _:
            return Status(MALFORMED, "the payload is not [cid,[1,null,0,1]]")


def _list_gems(ask: Ask) -> Any:
    assert ask.account is not None
    match ask.payload:
        case [2 | 3 | 4 as kind, [str()], 0]:
            gems = ask.account.gems if kind == 2 else GEMS
            return [None, None, [[gem, [name, about], [prompt]] for gem, (name, about, prompt) in gems.items()]]
        case _:
            return Status(MALFORMED, "the payload is not [2|3|4,['language'],0]")


def _create_gem(ask: Ask) -> Any:
    assert ask.account is not None
    match ask.payload:
        case [[str(name), str(about), str(prompt), *_]]:
            gem = secrets.token_hex(6)
            ask.account.gems[gem] = (name, about, prompt)
            return [gem]
        case _:
            return Status(MALFORMED, "the payload is not [[name,description,prompt,...]]")


def _update_gem(ask: Ask) -> Any:
    assert ask.account is not None
    match ask.payload:
        case [str(gem), [str(name), str(about), str(prompt), *_]] if gem in ask.account.gems:
            ask.account.gems[gem] = (name, about, prompt)
            return []
        case _:
            return Status(MISSING, "no such gem, or the payload is not [id,[name,description,prompt,...]]")


def _delete_gem(ask: Ask) -> Any:
    assert ask.account is not None
    match ask.payload:
        case [str(gem)] if ask.account.gems.pop(gem, None):
            return []
        case _:
            return Status(MISSING, "no such gem, or the payload is not [id]")


def _full_size(ask: Ask) -> Any:
    match ask.payload:
        case [
            [
                [None, None, None, [None, None, None, None, None, str(token)]],
                [str(image_id), 0],
                None,
                [19, str(prompt)],
                *blank,
            ],
            [str(rid), str(rcid), str(cid), None, ""],
            1,
            0,
            1,
        ] if blank == [None, None, None, None, None, ""]:
            return _download(ask, image_id, (cid, rid, rcid), (token, prompt))
        case _:
            return Status(MALFORMED, "the payload is not the one of docs/gemini-webapi.md 4")


def _download(ask: Ask, image_id: str, ids: tuple[str, str, str], wishes: tuple[str, str]) -> Any:
    image = ask.world.gallery.find(image_id)
    if image is None:
        return Status(MISSING, f"unknown picture {image_id!r}")
    if image.owner is not None:
        assert ask.account is not None
        if image.owner != ask.account.name:
            raise Refusal(status=403, rule=f"picture {image_id!r} belongs to another account than {ask.account.name}")
        if ids[:2] != (image.cid, image.rid) or ids[2] not in image.rcids:
            return Status(MISSING, f"picture {image_id!r} is not one of the answer {ids}")
    if image.token and image.drawn:
        token, prompt = wishes
        if token != image.token or not prompt or not image.drawn.prompt.startswith(prompt):
            return Status(MALFORMED, f"picture {image_id!r} asked for without its own token and prompt")
    if image.drawn:
        image.drawn.note(Fetch(ask.world.clock(), "c8o8Fe", status=200, outcome="complete"))
    return [image.base]


def _expect(ask: Ask, payload: Any, body: Any) -> Any:
    return body if ask.payload == payload else Status(MALFORMED, f"the payload is not {payload}")


_FOR_GUESTS = ("otAQ7b", "ESY5D")
_TABLE: dict[str, Handler] = {
    "otAQ7b": _user_status,
    "ESY5D": _preferences,
    "MaZiqc": histories.list_chats,
    "unqWSc": histories.search_chats,
    "MUAZcd": histories.change_chat,
    "jSf9Qc": _usage,
    "qpEbW": _quota,
    "aPya6c": _extra_quota,
    "GPRiHf": _abuse,
    "hNvQHb": histories.read_chat,
    "NkpXw": _stop,
    "MyzX6c": _gates,
    "GzXR5e": histories.delete_chat,
    "qWymEb": _tasks,
    "CNgdBe": _list_gems,
    "oMH3Zd": _create_gem,
    "kHv0Vd": _update_gem,
    "UXcSJb": _delete_gem,
    "c8o8Fe": _full_size,
}
