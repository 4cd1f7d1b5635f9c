"""One answer on its way out: plain text, tool calls, JSON, and the one repair turn they may take (docs/decisions.md 5).

A turn is fed with the text of a generation and says what may go out. At its end it is `Settled`, or it asks for one
more generation (`Again`) whose text is fed to the same turn; the second end settles or raises OutputInvalid. It knows
nothing of accounts or time: the story sends the prompts and counts the generations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from gemgate.chat import (
    ChatRequest,
    ResponseFormat,
    TextDelta,
    ThoughtDelta,
    Tool,
    ToolCall,
    ToolCalled,
    ToolChoice,
)
from gemgate.errors import BadRequest, OutputInvalid
from gemgate.frozen import frozen
from gemgate.prompting import schemas, structured_output, tool_calls
from gemgate.prompting.prefill import begun
from gemgate.prompting.tool_parser import Called, InvalidCall, Scrubber, ToolParser
from gemgate.prompting.tool_schemas import tool_schema

Out = TextDelta | ThoughtDelta | ToolCalled


@frozen
class Finished:
    """The answer is complete: what is left to tell, and how it ended."""

    events: tuple[Out, ...]
    reason: Literal["stop", "tool_calls"] = "stop"


@frozen
class RepairNeeded:
    """One more generation is needed, in the same chat where there is one.

    events: what may go out of the first answer; prompt: what to say next; answer: what the model wrote, for a chat
    that has to be told from the beginning; what: whose form was wrong.
    """

    events: tuple[Out, ...]
    prompt: str
    answer: str
    what: Literal["json", "tools"] = "json"


class AnswerParser(Protocol):
    """`instructions` go after the system text, `reminder` ends the prompt, `sentinel` dresses earlier calls."""

    instructions: str
    reminder: str
    sentinel: str
    weight: int
    """How much is asked of each character of the whole at the end, about."""

    def cost(self, text: str) -> int:
        """How much is asked of the calls that feeding `text` may end, or `finish` for "", counted likewise."""
        ...

    def feed(self, text: str) -> list[Out]:
        """What may go out now that `text` came."""
        ...

    def feed_thought(self, text: str) -> list[Out]:
        """What may be shown of a thought."""
        ...

    def finish(self) -> Finished | RepairNeeded:
        """The generation ended. OutputInvalid when the repair did not help either."""
        ...


def parser_for(request: ChatRequest, sentinel: Callable[[], str], call_id: Callable[[int], str]) -> AnswerParser:
    """The turn that a request needs. `sentinel` is asked for where there are calls; `call_id` names the n-th call of
    the answer, from 0 on.

    BadRequest for a tool's schema that is no JSON and for a wanted form that is no schema, so before anything is sent.
    Earlier calls in the history need the grammar even when no tool is offered now: the model may imitate them.
    """
    weight = _check_tools(request)
    answer = _Answer(request.response_format, begun(request.messages))
    if request.tools or _has_calls(request):
        choice = request.tool_choice if request.tools else ToolChoice("none")
        return ToolTurn(request.tools, choice, sentinel(), call_id, answer, weight)
    return AnswerTurn(answer)


def check_schemas(request: ChatRequest) -> None:
    """Compile all schemas of a request, so that each is at hand when it is used. BadRequest as `begin`, and for sizes
    that cost too much.
    """
    wanted = request.response_format.schema or {}
    if not (wanted or request.tools):
        return
    schemas.check_sizes([*(tool.parameters for tool in request.tools), wanted])
    _check_tools(request)
    if wanted:
        schemas.compiled(wanted)


def _check_tools(request: ChatRequest) -> int:
    """How much the schema that asks most of a character of its arguments may ask, about."""
    weight = 1
    for at, tool in enumerate(request.tools):
        try:
            weight = max(weight, tool_schema(tool.parameters).weight)
        except BadRequest as error:
            raise BadRequest(
                f"tools[{at}] ({tool.name}): {error.en}",
                f"tools[{at}]（{tool.name}）：{error.zh}",
                param=f"tools[{at}]",
                code=error.code,
            ) from None
    return weight


def _has_calls(request: ChatRequest) -> bool:
    return any(isinstance(part, ToolCall) for message in request.messages for part in message.parts)


class _Answer:
    """The text side of an answer: passed on as it comes, or collected until it is the JSON that was asked for."""

    def __init__(self, wanted: ResponseFormat, begun: str = "") -> None:
        self.wanted = wanted
        self._begun = begun
        self.instructions = structured_output.instructions(wanted)
        self.held = wanted.kind != "text"
        self._pieces: list[str] = []
        self.weight = schemas.compiled(wanted.schema or {}).weight if wanted.kind == "json_schema" else 1

    def feed(self, text: str) -> list[Out]:
        if not text:
            return []
        if not self.held:
            return [TextDelta(text)]
        self._pieces.append(text)
        return []

    def settle(self, *, last: bool) -> tuple[Out, ...] | str:
        """What goes out at the end, or the prompt that asks for better JSON. OutputInvalid when it was the last try."""
        text = self._begun + "".join(self._pieces)
        self._pieces = []
        if not self.held:
            return ()
        if self.wanted.bare and (word := structured_output.bare_word(text, self.wanted)) is not None:
            return (TextDelta(word),)
        found = structured_output.find(text, self.wanted)
        if found is not None and not found.flaw:
            return self._rest(found.text)
        if not last:
            return structured_output.repair_prompt(found, self.wanted)
        if found is not None and self.wanted.kind == "json_schema" and not self.wanted.strict:
            return self._rest(found.text)
        raise _not_json(found.flaw if found else "")

    def _rest(self, text: str) -> tuple[Out, ...]:
        """What the caller has not got yet of the JSON."""
        rest = text.removeprefix(self._begun.strip())
        return (TextDelta(rest),) if rest else ()


def _not_json(flaw: str) -> OutputInvalid:
    path = flaw.partition(" ")[0]
    why = f"it does not fit the schema: {flaw}" if flaw else "it held no JSON"
    why_zh = f"不符合 schema：{flaw}" if flaw else "其中没有 JSON"
    return OutputInvalid(
        f"The model did not keep to the wanted form, even when asked again: {why}",
        f"模型未按要求的格式回答，重试后仍然如此：{why_zh}",
        generated="maybe",
        code="structured_output_failed",
        details={"path": path} if path else {},
        quoted=flaw,
    )


class AnswerTurn:
    """A turn without tools."""

    reminder = ""
    sentinel = ""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer
        self._text: list[str] = []
        self._repaired = False
        self.instructions = answer.instructions
        self.weight = answer.weight

    def cost(self, text: str) -> int:
        return 0

    def feed(self, text: str) -> list[Out]:
        if self._answer.held:
            self._text.append(text)
        return self._answer.feed(text)

    def feed_thought(self, text: str) -> list[Out]:
        return _thought(text)

    def finish(self) -> Finished | RepairNeeded:
        settled = self._answer.settle(last=self._repaired)
        if isinstance(settled, str):
            self._repaired = True
            return RepairNeeded((), settled, "".join(self._text))
        return Finished(settled)


class ToolTurn:
    """A turn in which tools may be called, or in which earlier calls may be imitated.

    Calls go out as soon as they are valid and are never taken back; in the repair turn text is held back and dropped
    when calls come.
    """

    def __init__(
        self,
        tools: tuple[Tool, ...],
        choice: ToolChoice,
        sentinel: str,
        call_id: Callable[[int], str],
        answer: _Answer,
        weight: int,
    ) -> None:
        self.sentinel = sentinel
        self.weight = answer.weight
        self._weight_of_calls = weight
        self.reminder = tool_calls.reminder(choice, sentinel)
        form = structured_output.instructions(answer.wanted, beside_tools=choice.mode != "none")
        self.instructions = "\n\n".join(filter(None, (tool_calls.instructions(tools, choice, sentinel), form)))
        self._tools = tools
        self._choice = choice
        self._call_id = call_id
        self._answer = answer
        self._scrubber = Scrubber(sentinel)
        self._parser = self._fresh_parser()
        self._text: list[str] = []
        self._calls: list[Called] = []
        self._problems: list[str] = []
        self._broken: list[InvalidCall] = []
        self._before: list[InvalidCall] = []
        self._strict = frozenset(tool.name for tool in tools if tool.strict)
        self._repairing = False
        self._late_text: list[str] = []
        self._spoke = False

    def cost(self, text: str) -> int:
        return self._parser.due(text) * self._weight_of_calls

    def feed(self, text: str) -> list[Out]:
        self._text.append(text)
        return _thought(self._scrubber.finish()) + self._take(self._parser.feed(text))

    def feed_thought(self, text: str) -> list[Out]:
        return _thought(self._scrubber.feed(text))

    def finish(self) -> Finished | RepairNeeded:
        events = _thought(self._scrubber.finish()) + self._take(self._parser.finish())
        if self._repairing:
            events += self._as_written(self._broken)
        if self._calls and (self._repairing or not self._problems):
            return Finished(tuple(events), "tool_calls")
        problems = self._open_problems()
        if problems and self._repairing:
            if events := self._as_written(self._before):
                return Finished(tuple(events), "tool_calls")
            if self._problems or not self._words_do():
                raise _not_called(problems)
            problems = []
        if problems:
            choice, accepted = self._choice, len(self._calls)
            prompt = tool_calls.repair_prompt(problems, choice, self.sentinel, accepted=accepted)
            return self._ask_again(events, prompt, "tools")
        if self._late_text and not (self._spoke and self._demanded):
            gap = "\n\n" if self._spoke else ""
            events += self._answer.feed(gap + "".join(self._late_text).lstrip("\n"))
        settled = self._answer.settle(last=self._repairing)
        if isinstance(settled, str):
            return self._ask_again(events, settled, "json")
        return Finished((*events, *settled))

    @property
    def _demanded(self) -> bool:
        return self._choice.mode == "required"

    def _words_do(self) -> bool:
        """Whether words stand for a call that was demanded and never came: they are the answer, the first ones said, so
        that the model's slip is not the client's end. Not where a strict tool could have been called.
        """
        spoken = self._spoke or "".join(self._late_text).strip()
        return bool(spoken) and not any(tool.strict for tool in tool_calls.offered(self._tools, self._choice))

    def _open_problems(self) -> list[str]:
        """What is wrong with the calls, or with there being none. Where none are wanted, text is enough."""
        if self._choice.mode == "none":
            silent = not (self._spoke or self._late_text)
            return ["no function may be called now, and there is no other answer"] if silent and self._problems else []
        if self._demanded and not self._problems:
            names = ", ".join(tool.name for tool in tool_calls.offered(self._tools, self._choice))
            return [f"it calls no function, and it must call one of: {names}"]
        return self._problems

    def _fresh_parser(self) -> ToolParser:
        allowed = [tool.name for tool in tool_calls.offered(self._tools, self._choice)]
        offered = self._tools if self._choice.mode != "none" else ()
        return ToolParser(offered, self.sentinel, allowed=allowed)

    def _take(self, items: list[str | Called | InvalidCall]) -> list[Out]:
        events: list[Out] = []
        for item in items:
            match item:
                case str():
                    events += self._say(item)
                case Called():
                    events += self._call(item)
                case InvalidCall() if self._choice.parallel or not self._calls:
                    self._problems.append(f"{item.name}: {item.reason}" if item.name else item.reason)
                    self._broken.append(item)
                case InvalidCall():
                    pass
        return events

    def _say(self, text: str) -> list[Out]:
        if self._repairing:
            self._late_text.append(text)
            return []
        self._spoke = self._spoke or not text.isspace()
        return self._answer.feed(text)

    def _call(self, call: Called) -> list[Out]:
        if self._choice.mode == "none" or (self._calls and not self._choice.parallel):
            return []
        if self._repairing and call in self._calls:
            return []
        self._calls.append(call)
        number = len(self._calls) - 1
        return [ToolCalled(ToolCall(self._call_id(number), call.name, call.arguments))]

    def _as_written(self, broken: list[InvalidCall]) -> list[Out]:
        """Calls that the repair did not mend, as the model wrote them: a client tells it what is wrong and goes on.

        Not those of strict tools, nor what is no object; a tool that was never offered is the client's to refuse.
        """
        if self._choice.mode == "none":
            return []
        allowed = self._choice.allowed
        fit = [
            one
            for one in broken
            if one.name and one.arguments and one.name not in self._strict and (not allowed or one.name in allowed)
        ]
        return [event for one in fit for event in self._call(Called(one.name, one.arguments))]

    def _ask_again(self, events: list[Out], prompt: str, what: Literal["json", "tools"]) -> RepairNeeded:
        answer = "".join(self._text)
        self._repairing = True
        self._problems, self._text = [], []
        self._broken, self._before = [], self._broken
        self._parser = self._fresh_parser()
        return RepairNeeded(tuple(events), prompt, answer, what)


def _thought(text: str) -> list[Out]:
    return [ThoughtDelta(text)] if text else []


def _not_called(problems: list[str]) -> OutputInvalid:
    why = "; ".join(problems)[:500]
    return OutputInvalid(
        f"The model did not call the tools as declared, even when asked again: {why}",
        f"模型未按声明调用工具，重试后仍然如此：{why}",
        generated="maybe",
        code="structured_output_failed",
        quoted=why,
    )
