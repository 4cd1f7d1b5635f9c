"""StreamGenerate: judge the order, find the conversation and the answer, and stream it as cumulative snapshots.

Whoever is refused here has generated nothing; `record` says for every call which it was.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from gemgate_simulator import attached, checks, reading, windows
from gemgate_simulator.accounts import FREE_MODELS, Account, Caller, Model
from gemgate_simulator.chats import Chat, RuleViolation, Turn
from gemgate_simulator.exchange import Break, Request, Response, page
from gemgate_simulator.frames import PREFIX, Style, error_info, frame, linked, part, wire
from gemgate_simulator.illustrate import illustrate
from gemgate_simulator.model_names import serving
from gemgate_simulator.pages import captcha
from gemgate_simulator.record import Call
from gemgate_simulator.script import Answer, Fault, Prompt, Speaker, Upload
from gemgate_simulator.state import Page, ServiceState
from gemgate_simulator.streaming import HEADERS, Telling, garbage

GEMS = {
    "coding-partner": ("Coding partner", "Helps with code", "You are an expert programmer."),
    "learning-coach": ("Learning coach", "Explains step by step", "You are a patient teacher."),
}
"""The predefined gems: id -> name, description, prompt."""

USAGE_LIMIT, MODEL_DIFFERS, MODEL_UNKNOWN, BLOCKED = 1037, 1050, 1052, 1060
WINDOW_FULL = 1097
NO_SUCH = 1096
"""No stored record: an unknown conversation or gem (docs/google-wire.md 4.1)."""
OLD_TOKEN_SECONDS = 3600
"""How long a token counts that an earlier page gave out, where later pages come without one (5.1)."""


class Refusal(Exception):
    """The call ends here with an HTTP status or a stream code."""

    def __init__(self, *, status: int = 200, code: int = 0, rule: str = "", xsrf: bool = False) -> None:
        super().__init__(rule)
        self.status = status
        self.code = code
        self.rule = rule
        self.xsrf = xsrf

    def page(self) -> Response:
        """What an HTTP status comes with: "xsrf" in the body asks for a fresh page (docs/google-wire.md 4.2)."""
        if self.xsrf:
            return page(self.status, ')]}\'\n\n[["xsrf","AK0lder"],["di",21]]', "application/json; charset=utf-8")
        return page(self.status, f"<h1>Error {self.status}</h1>")


@dataclass(slots=True)
class _Posted:
    """One StreamGenerate, read."""

    world: ServiceState
    opened: Page | None
    choice: checks.Choice | None
    order: checks.Order
    call: Call
    style: Style


def respond(world: ServiceState, request: Request, caller: Caller) -> Response:
    """Answer one StreamGenerate."""
    form, values = request.form(), request.query
    opened = world.page(values.get("f.sid", ""))
    token = form.get("at", b"").decode("latin-1")
    # Whoever holds a token means an account, dead or alive; without one even dead cookies make a guest
    choice, wrong = checks.model_header(request, opened, caller.account if token or caller.alive else None)
    order = checks.order(checks.read_freq(form), request, opened, choice)
    call = Call(world.clock(), caller.name, order.text, thinking=order.thinking, temporary=order.temporary)
    world.record.arrived(call)
    style = world.style(world.dice("generate", caller.name, order.text))
    posted = _Posted(world, opened, choice, order, call, style)
    wrong = [*checks.headers(request), *checks.query(values, opened), *wrong, *order.wrong]
    try:
        if world.outdated(values.get("bl", "")):
            raise Refusal(status=405)
        account = authenticate(world, opened, caller, token)
        if wrong:
            raise Refusal(status=400)
        assert opened is not None
        if trouble := opened.counted(int(values["_reqid"])):
            world.record.violation(f"StreamGenerate: {trouble}")
        if caller.blocked:
            raise Refusal(code=BLOCKED)
        _admit(account, world.clock())
        telling = _prepare(posted, account)
    except Refusal as refusal:
        return _refused(posted, refusal, wrong)
    fault = world.script.next_fault(("generate",), caller.name, order.text, reused=request.nth > 0)
    if fault is None and world.switches.stalls_ahead and order.turn > telling.kept:
        fault = Fault("generate", "stall", seconds=600.0)
    return _answer(world, telling, fault)


def authenticate(world: ServiceState, opened: Page | None, caller: Caller, token: str) -> Account | None:
    """The account the call runs on, None for a guest; Refusal when neither, or when the page is too old."""
    if caller.trouble:
        raise Refusal(status=401, rule=caller.trouble)
    if opened is not None and opened.build != world.build:
        raise Refusal(status=405)
    if caller.alive and caller.account:
        _check_token(world, opened, caller, token)
        return caller.account
    if not token:
        return None
    if not world.issued(token, caller):
        raise Refusal(status=400, rule="an `at` token that was never given out")
    raise Refusal(status=401)


def _check_token(world: ServiceState, opened: Page | None, caller: Caller, token: str) -> None:
    """Whether a living session's token counts: its page's own, or what its kind of account takes without one (5.1)."""
    account = caller.account
    assert account is not None
    if not token and account.page == "empty":
        return
    if not token:
        rule = "" if account.page == "old" else "the `at` token is missing"
        raise Refusal(status=400, rule=rule, xsrf=True)
    issued = world.issued(token, caller)
    if issued is None or opened is None or opened.session is not caller.session or opened.number != caller.number:
        raise Refusal(status=400, rule="the `at` token is not the one of this page and session", xsrf=True)
    if token != opened.token and account.page == "token":
        raise Refusal(status=400, rule="the `at` token is not the one of this page and session", xsrf=True)
    lasts = account.token_life if account.page == "token" else OLD_TOKEN_SECONDS
    if lasts is not None and world.clock() - issued > lasts:
        raise Refusal(status=400, xsrf=True)


def _admit(account: Account | None, now: float) -> None:
    """The account's own state may forbid it."""
    if account:
        windows.ends(account, now)
    if account is None or account.status == 1000:
        if account and max(account.used) >= 1.0 and account.spent_by == "code":
            raise Refusal(code=USAGE_LIMIT)
        return
    raise Refusal(code=BLOCKED) if account.status == BLOCKED else Refusal(status=403)


def process_file(world: ServiceState, request: Request, caller: Caller) -> Response:
    """ProcessFile: the page shows a file before it is referred to (docs/google-wire.md 8.2)."""
    form, values = request.form(), request.query
    opened = world.page(values.get("f.sid", ""))
    wrong = [*checks.headers(request), *checks.query(values, opened)]
    asked = checks.read_freq(form)
    reference = attached.read(asked[0]) if isinstance(asked, list) and asked else None
    if reference is None or asked[1:] != [None, 1, [opened.language if opened else ""]]:
        wrong.append("f.req is not [file,null,1,[language]]")
    try:
        account = authenticate(world, opened, caller, form.get("at", b"").decode("latin-1"))
        if wrong:
            raise Refusal(status=400)
    except Refusal as refusal:
        for rule in filter(None, [refusal.rule, *wrong]):
            world.record.violation(f"ProcessFile: {rule}")
        return refusal.page()
    assert opened is not None
    assert reference is not None
    if trouble := opened.counted(int(values["_reqid"])):
        world.record.violation(f"ProcessFile: {trouble}")
    style = world.style(world.dice("process", reference.id))
    if account is None or world.uploads.get(reference.id) is None:
        return Response(200, HEADERS, PREFIX + frame([part(None, None, error=[7])], style))
    world.processed.add(reference.id)
    return Response(200, HEADERS, PREFIX + frame([part(None, [[reference.id]], style)], style))


def _prepare(posted: _Posted, account: Account | None) -> Telling:
    """Find model, conversation, files and gem; a Refusal for whatever does not exist."""
    world, order, choice, call = posted.world, posted.order, posted.choice, posted.call
    owner = account.name if account else ""
    if choice and choice.known is None:
        raise Refusal(code=MODEL_UNKNOWN, rule=f"unknown model {choice.id!r}")
    wanted = choice.known.name if choice and choice.known else ""
    found = world.chats.resume(order.metadata, owner, temporary=order.temporary)
    if isinstance(found, RuleViolation):
        raise Refusal(code=NO_SUCH, rule=found.why if found.wrong else "")
    if found and not world.goes_on(found[0]):
        raise Refusal(code=NO_SUCH)
    if found and wanted and found[0].model != wanted:
        raise Refusal(code=MODEL_DIFFERS)
    call.files, call.tool, call.aspect, call.song = _files(posted, owner), order.tool, order.aspect, order.song
    call.research = order.research
    if order.gem and order.gem not in GEMS and (account is None or order.gem not in account.gems):
        raise Refusal(code=NO_SUCH, rule=f"unknown gem {order.gem!r}")
    default = (account.models if account else FREE_MODELS)[0].name
    if world.switches.counts_turns and order.turn != (found[1] if found else 0):
        world.record.violation(f"StreamGenerate: slot 17 is turn {order.turn}, not {found[1] if found else 0}")
    chat, kept = found or (_new_chat(world, owner, wanted or default, order), 0)
    seen = reading.read(order.text, call.files, account, temporary=order.temporary)
    call.read_bytes, call.read_file_bytes = seen.text_bytes, seen.file_bytes
    if (
        account
        and account.window is not None
        and _held(chat, kept) + reading.size(seen.text, seen.files) > account.window
    ):
        raise Refusal(code=WINDOW_FULL)
    if account and world.switches.actions == "refused" and windows.spent(account, chat.model, world.clock()):
        raise Refusal(code=USAGE_LIMIT)
    turn = _new_turn(world, order, chat, call.files)
    turn.read, turn.read_files = seen.text, seen.files
    if chat.temporary:
        world.windows[owner] = chat.cid
    call.model, call.cid, call.rid = chat.model, chat.cid, turn.rid
    model = _model(account, choice, chat)
    turn.named = serving(account, model, thinking=order.thinking)
    lowered = turn.named is not None and turn.named.id != model.id
    withholds = lowered or (world.switches.terse and order.thinking and not model.extended)
    call.served = turn.named.display if turn.named else ""
    tier = account.tier if account else "free"
    prompt = Prompt(
        text=seen.text,
        account=owner,
        model=chat.model,
        thinking=order.thinking,
        files=seen.files,
        history=chat.said()[:kept],
        gem=order.gem,
        temporary=order.temporary,
        language=account.language if account else "en",
        cid=chat.cid,
        paints=choice is not None or not world.studio.wishes(owner, tier, chat.model).get("named_model"),
    )
    return Telling(world, call, chat, turn, kept, prompt, posted.style, withholds)


def _files(posted: _Posted, owner: str) -> tuple[Upload, ...]:
    """The files the model gets to see; a Refusal for one that cannot be referred to."""
    world, habits = posted.world, posted.world.switches.files
    shown = []
    for reference in posted.order.files:
        account = world.accounts.get(owner)
        if account is None or account.guest or (reference.short and habits.short == "refused") or _too_old(posted):
            raise Refusal(code=attached.NOT_PROVED)
        if habits.processed and reference.id not in world.processed:
            raise Refusal(code=attached.NOT_PROVED)
        upload = world.uploads.get(reference.id)
        if upload is None:
            raise Refusal(code=attached.NOT_ACCEPTED, rule=f"unknown file {reference.id!r}")
        if upload.owner not in ("", owner):
            raise Refusal(code=attached.NOT_ACCEPTED, rule=f"file {reference.id!r} belongs to another account")
        if attached.is_over(upload, world.clock()):
            raise Refusal(code=attached.NOT_ACCEPTED)
        if visible := attached.seen(reference, upload, habits):
            shown.append(visible)
    return tuple(shown)


def _too_old(posted: _Posted) -> bool:
    """Whether the page's token does for text only."""
    opened, lasts = posted.opened, posted.world.switches.files.token_seconds
    return bool(lasts and opened and posted.world.clock() - opened.time > lasts)


def _held(chat: Chat, kept: int) -> int:
    """Bytes that the chat's window holds of its first `kept` turns."""
    return sum(
        reading.size(turn.read, turn.read_files) + sum(len(text.encode()) for text in turn.texts[:1])
        for turn in chat.turns[:kept]
    )


def _model(account: Account | None, choice: checks.Choice | None, chat: Chat) -> Model:
    """The model that was chosen, else the one of the chat."""
    if choice and choice.known:
        return choice.known
    models = account.models if account else FREE_MODELS
    return next((model for model in models if model.name == chat.model), models[0])


def _new_chat(world: ServiceState, owner: str, model: str, order: checks.Order) -> Chat:
    title = " ".join(order.text.split())[:60] or "New chat"
    return Chat(f"c_{secrets.token_hex(8)}", owner, model, title, order.temporary, time=world.clock())


def _new_turn(world: ServiceState, order: checks.Order, chat: Chat, files: tuple[Upload, ...]) -> Turn:
    return Turn(
        rid=f"r_{secrets.token_hex(8)}",
        rcids=(f"rc_{secrets.token_hex(8)}",),
        context=f"AwAAAAAAAAAQ{secrets.token_urlsafe(48)}",
        prompt=order.text,
        model=chat.model,
        time=world.clock(),
        files=files,
    )


def _refused(posted: _Posted, refusal: Refusal, wrong: list[str]) -> Response:
    if rules := [*filter(None, [refusal.rule]), *wrong]:
        posted.world.record.violation(f"StreamGenerate: {'; '.join(rules)}")
    posted.call.outcome = "refused"
    if refusal.status != 200:
        return refusal.page()
    return Response(200, HEADERS, error_stream(refusal.code, posted.style))


def error_stream(code: int, style: Style) -> bytes:
    """A stream that says nothing but an error code."""
    return PREFIX + frame([part(None, None, error=error_info(code))], style)


def _answer(world: ServiceState, telling: Telling, fault: Fault | None) -> Response:
    """Let the answer go out, or let the fault happen."""
    call = telling.call
    if fault is not None:
        call.fault = fault.kind
    if fault is None or fault.generates:
        world.record.generating(call)
        if (account := world.accounts.get(call.account)) is not None:
            windows.take(account, telling.chat.model, world.clock())
        telling.listen(_speak(world, telling), fault)
    if fault is None or fault.after_frames:
        return telling.response()
    match fault.kind:
        case "stall" | "trickle" | "close":
            return telling.response()
        case "slow_headers":
            telling.fault = None
            response = telling.response()
            response.delay = 30.0 if fault.seconds is None else fault.seconds
            return response
        case "status":
            assert fault.status is not None
            return telling.instead(page(fault.status, f"<h1>Error {fault.status}</h1>"))
        case "code":
            assert fault.code is not None
            return telling.instead(Response(200, HEADERS, error_stream(fault.code, telling.style)))
        case "captcha":
            return telling.instead(captcha())
        case "empty":
            return telling.instead(Response(200, HEADERS, PREFIX))
        case "garbage":
            return telling.instead(Response(200, HEADERS, garbage(telling.style)))
        case _:
            return telling.instead(Response(body=Break(fault.kind)))


def _film(world: ServiceState, telling: Telling) -> Speaker:
    """Answers a prompt that asks for a video or music, which is made from then on."""

    def speak(prompt: Prompt) -> Answer:
        tier = world.accounts[prompt.account].tier if prompt.account else "free"
        asked = replace(prompt, cid=telling.chat.cid)
        if telling.call.song:
            made = world.films.composed(asked, telling.call.song, tier, world.switches.music_card)
        else:
            made = world.films.ordered(asked, telling.call.aspect, tier)
        answer, telling.turn.film, rule = made
        if rule:
            world.record.violation(rule)
        return answer

    return speak


def _researched(world: ServiceState, telling: Telling) -> Speaker:
    """Answers a turn of a deep research, which goes on whatever becomes of its connection."""

    def speak(prompt: Prompt) -> Answer:
        asked = replace(prompt, cid=telling.chat.cid)
        plans = telling.call.research == "plan"
        done = world.researches.planned(asked) if plans else world.researches.start(asked)
        telling.turn.lasts = True
        telling.turn.research = done.research if done.started else None
        if done.rule:
            world.record.violation(done.rule)
        return done.answer

    return speak


def _speak(world: ServiceState, telling: Telling) -> Answer:
    """The scripted answer, in wire text, its images put on show; nothing at all for an empty prompt."""
    prompt = telling.prompt
    if not prompt.text.strip() and not prompt.files:
        return Answer()
    maker = _film if telling.call.aspect or telling.call.song else _researched if telling.call.research else None
    answer = world.script.answer(prompt, maker(world, telling) if maker else None)
    if telling.withholds:
        answer = replace(answer, thoughts="")
    telling.turn.images = illustrate(world, telling, answer)
    if answer.frames:
        return replace(answer, frames=(), raw=tuple(map(wire, answer.frames)), thoughts=wire(answer.thoughts))
    if answer.raw:
        return replace(answer, thoughts=wire(answer.thoughts))
    links = len(telling.turn.images) if telling.style.linked else 0
    return replace(answer, text=linked(wire(answer.text), links), thoughts=wire(answer.thoughts))
