"""Gemini native: both spellings everywhere, both stream forms, and that chunks and responses tell the same.

google-genai's own parsers are not here (its releases exclude each other); what they accept is stated as rules: lines
begin with `data: ` or are empty, an error has `error` as its only key.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from gemgate.catalog import CARDS
from gemgate.chat import (
    Began,
    Ended,
    Event,
    File,
    Image,
    Message,
    ResponseFormat,
    Text,
    TextDelta,
    Thought,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
    fold,
)
from gemgate.dialects import gemini
from gemgate.dialects.wire import Base64, read
from gemgate.errors import BadRequest, Broken, ModelNotFound, NoAccount, NoImage, RateLimited, Refused, Unauthorized
from gemgate.files import Inline, Stored, StoredFile
from gemgate.images import ImageOptions
from tests.support.chat_events import ANSWERS, CREATED, answers, image, meta, sent

USER = [{"role": "user", "parts": [{"text": "hi"}]}]


def ask(**body: Any) -> Any:
    body = {"contents": USER, **body}
    return gemini.read_request(read(gemini.GenerateContentRequest, body), "m", stream=False)


def streamed(events: list[Event], *, array: bool = False, inline: bool = True) -> bytes:
    kind = gemini.ArrayWriter if array else gemini.ChunkWriter
    writer = kind(meta(""), "models/m", inline_images=inline)
    return b"".join(writer.event(0, event) for event in events) + writer.close()


def chunks(body: bytes) -> list[dict[str, Any]]:
    """The chunks of an SSE stream, by the rule of google-genai: every line is `data: ` and JSON, or empty."""
    found = []
    for line in body.split(b"\r\n"):
        if line:
            assert line.startswith(b"data: ")
            found.append(json.loads(line.removeprefix(b"data: ")))
    return found


def merged(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts with neighbouring texts of one kind joined and empty ones left out."""
    made: list[dict[str, Any]] = []
    for part in parts:
        if "text" in part and made and "text" in made[-1] and made[-1].get("thought") == part.get("thought"):
            made[-1] = {**made[-1], "text": made[-1]["text"] + part["text"]}
        elif part != {"text": ""}:
            made.append(part)
    return [part for part in made if part != {"text": ""}]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("array", [True, False])
@given(events=answers())
@settings(max_examples=100)
def test_chunks_tell_what_the_whole_response_tells(array: bool, inline: bool, events: list[Event]) -> None:
    whole = sent(gemini.write([fold(events)], meta(""), "models/m", inline_images=inline))
    body = streamed(events, array=array, inline=inline)
    told = json.loads(body) if array else chunks(body)
    parts = [part for chunk in told for part in chunk["candidates"][0]["content"]["parts"]]
    assert merged(parts) == merged(whole["candidates"][0]["content"]["parts"])
    assert [chunk["candidates"][0].get("finishReason") for chunk in told[:-1]] == [None] * (len(told) - 1)
    assert told[-1]["candidates"][0]["finishReason"] == whole["candidates"][0]["finishReason"]
    assert all("usageMetadata" not in chunk for chunk in told[:-1])
    assert told[-1]["usageMetadata"] == whole["usageMetadata"]
    assert {chunk["responseId"] for chunk in told} == {whole["responseId"]}
    assert all("modelVersion" not in chunk for chunk in told[:-1])  # Google says it at the end
    assert told[-1]["modelVersion"] == whole["modelVersion"] == (events[-1].served or "unknown")  # type: ignore[union-attr]
    assert whole["usageMetadata"]["totalTokenCount"] == events[-1].usage.total_tokens  # type: ignore[union-attr]


def test_an_array_is_valid_json_however_it_ends() -> None:
    assert orjson.loads(streamed([Began("x"), Ended("stop", Usage())], array=True))[0]["candidates"]
    writer = gemini.ArrayWriter(meta(""), "m")
    assert orjson.loads(writer.close()) == []
    writer = gemini.ArrayWriter(meta(""), "m")
    body = writer.event(0, Began("x")) + writer.event(0, TextDelta("a")) + writer.fail(Broken("gone"), "en", "")
    assert b"},\r\n{" in body
    assert list(orjson.loads(body)[1]) == ["error"]
    status, envelope = gemini.array_envelope(RateLimited("slow"), "en", "r")
    assert (status, len(envelope), list(envelope[0])) == (429, 1, ["error"])


def test_a_late_error_has_error_as_its_first_and_only_key() -> None:
    writer = gemini.ChunkWriter(meta(""), "m")
    body = writer.fail(RateLimited("slow", "太快", retry_after=2.1), "zh", "req_1")
    (chunk,) = chunks(body)
    assert list(chunk) == ["error"]
    assert json.dumps(chunk).startswith('{"error":')
    assert chunk["error"]["code"] == 429
    assert chunk["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert chunk["error"]["message"] == "太快"
    assert chunk["error"]["details"][0] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}
    assert json.loads(writer.fail_again(RateLimited("slow", "太快", retry_after=2.1), "zh", "req_1")) == chunk
    assert writer.fail_again(Refused("no"), "en", "") == b""
    assert gemini.ArrayWriter(meta(""), "m").fail_again(RateLimited("slow"), "en", "") == b""


def test_a_heartbeat_changes_nothing_wherever_it_stands() -> None:
    events: list[Event] = [Began("x"), TextDelta("a"), TextDelta("b"), Ended("stop", Usage())]
    for kind in (gemini.ChunkWriter, gemini.ArrayWriter):
        plain, beating = kind(meta(""), "m"), kind(meta(""), "m")
        beat = beating.heartbeat or b""
        assert beat
        assert not beat.strip()
        quiet = b"".join(plain.event(0, event) for event in events) + plain.close()
        beaten = b"".join(beat + beating.event(0, event) + beat for event in events) + beating.close()
        read_back = json.loads if kind is gemini.ArrayWriter else chunks
        assert read_back(beaten) == read_back(quiet)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (BadRequest("x", param="contents"), 400, "INVALID_ARGUMENT"),
        (Unauthorized("x"), 401, "UNAUTHENTICATED"),
        (ModelNotFound("x"), 404, "NOT_FOUND"),
        (NoAccount("x"), 503, "UNAVAILABLE"),
        (NoAccount("x", quota=True), 429, "RESOURCE_EXHAUSTED"),
        (Broken("x"), 502, "INTERNAL"),
    ],
)
def test_errors_are_google_rpc_status(error: Any, code: int, status: str) -> None:
    found, body = gemini.envelope(error, "en", "req_1")
    assert found == body["error"]["code"] == code
    assert body["error"]["status"] == status
    assert {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req_1"} in body["error"]["details"]


def test_refusals_are_told_as_google_tells_them() -> None:
    blocked = gemini.write_refusal(Refused("no"), meta(""), "m", "en", images=False)
    assert blocked["promptFeedback"] == {"blockReason": "SAFETY"}
    assert "candidates" not in blocked
    unsafe = gemini.write_refusal(Refused("no"), meta(""), "m", "en", images=True)
    assert unsafe["candidates"][0]["finishReason"] == "IMAGE_SAFETY"
    text = gemini.write_refusal(NoImage("no", answer="I can only write."), meta(""), "m", "en", images=True)
    assert text["candidates"][0]["finishReason"] == "NO_IMAGE"
    assert text["candidates"][0]["content"]["parts"] == [{"text": "I can only write."}]


@pytest.mark.parametrize("kind", [gemini.ChunkWriter, gemini.ArrayWriter])
def test_a_refused_stream_ends_as_an_answer_whether_it_began_or_not(kind: type[gemini.ChunkWriter]) -> None:
    def told(body: bytes) -> list[dict[str, Any]]:
        return list(json.loads(body)) if kind is gemini.ArrayWriter else chunks(body)

    first = kind(meta(""), "m")
    assert told(first.event(0, Began("x")) + first.fail(Refused("no"), "en", ""))[0]["promptFeedback"]
    image = kind(meta(""), "m", inline_images=True)
    assert told(image.fail(NoImage("no"), "en", ""))[0]["candidates"][0]["finishReason"] == "NO_IMAGE"
    late = kind(meta(""), "m")
    body = late.event(0, Began("x")) + late.event(0, TextDelta("a")) + late.fail(Refused("no"), "en", "")
    assert [chunk["candidates"][0].get("finishReason") for chunk in told(body)] == [None, "SAFETY"]


def test_several_candidates_are_told_apart_by_index() -> None:
    whole = gemini.write([fold(ANSWERS["text"]), fold(ANSWERS["cut"])], meta(""), "m")
    assert [c["index"] for c in whole["candidates"]] == [0, 1]
    assert [c["finishReason"] for c in whole["candidates"]] == ["STOP", "MAX_TOKENS"]
    writer = gemini.ChunkWriter(meta(""), "m", answers=2)
    body = b"".join(writer.event(1, e) for e in ANSWERS["cut"]) + b"".join(writer.event(0, e) for e in ANSWERS["text"])
    told = chunks(body)
    assert ["usageMetadata" in chunk for chunk in told] == [False] * (len(told) - 1) + [True]
    assert told[-1]["usageMetadata"] == whole["usageMetadata"]


def test_images_are_inline_where_they_were_asked_for_and_links_elsewhere() -> None:
    parts = gemini.write([fold(ANSWERS["picture"])], meta(""), "m", inline_images=True)["candidates"][0]["content"][
        "parts"
    ]
    assert parts[1] == {"inlineData": {"mimeType": "image/png", "data": Base64(image().data or b"")}}
    parts = gemini.write([fold(ANSWERS["picture"])], meta(""), "m")["candidates"][0]["content"]["parts"]
    assert "![a red fox](http://gate.test/images/" in parts[1]["text"]


def snake(value: Any) -> Any:
    """The same body in snake_case, data inside arguments, responses and JSON schemas left alone."""
    if isinstance(value, list):
        return [snake(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    kept = ("args", "response", "properties", "parametersJsonSchema", "responseJsonSchema")
    return {
        re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): inner if key in kept else snake(inner)
        for key, inner in value.items()
    }


BODY: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be kind."}, {"text": "Always."}]},
    "contents": [
        {
            "parts": [
                {"text": "Look"},
                {"inlineData": {"mimeType": "image/png", "data": "-_-_"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "YWJj", "displayName": "a.pdf"}},
                {"fileData": {"fileUri": "http://h/gemini/v1beta/files/abc123", "mimeType": "image/png"}},
                {"fileData": {"fileUri": "files/xyz"}},
            ]
        },
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "Calling", "thoughtSignature": "AAAA"},
                {"functionCall": {"name": "get_weather", "args": {"city_name": "Paris", "aB": 1}}},
                {"functionCall": {"name": "get_weather", "args": {}, "id": "own"}},
            ],
        },
        {
            "role": "function",
            "parts": [
                {"functionResponse": {"name": "get_weather", "response": {"result": "sunny"}}},
                {"functionResponse": {"name": "get_weather", "id": "own", "response": {"error": "x"}}},
                {"text": "Go on"},
            ],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "get_weather",
                    "description": "d",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {
                            "city_name": {"type": "STRING", "minLength": "1"},
                            "aB": {"type": "INTEGER", "nullable": True},
                            "list": {"type": "ARRAY", "items": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}]}},
                        },
                        "required": ["city_name"],
                        "propertyOrdering": ["city_name"],
                    },
                },
                {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {"min_items": {}}}},
                {"name": "h"},
            ]
        },
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}},
    "generationConfig": {
        "stopSequences": ["END"],
        "candidateCount": 2.0,
        "topK": 3.0,
        "maxOutputTokens": 7.0,
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024.0},
    },
    "safetySettings": [{"category": "X", "threshold": "Y"}],
}


@pytest.mark.parametrize("body", [BODY, snake(BODY)], ids=["camelCase", "snake_case"])
def test_a_full_request_is_read_in_both_spellings(body: dict[str, Any]) -> None:
    chat = gemini.read_request(read(gemini.GenerateContentRequest, body), "m", stream=True)
    assert chat.messages == (
        Message("system", (Text("Be kind.\n\nAlways."),)),
        Message(
            "user",
            (
                Text("Look"),
                Image(Inline(b"\xfb\xff\xbf", "image/png")),
                File(Inline(b"abc", "application/pdf", "a.pdf")),
                Image(Stored("file-abc123", "image/png")),
                File(Stored("file-xyz")),
            ),
        ),
        Message(
            "assistant",
            (
                Thought("hm"),
                Text("Calling"),
                ToolCall("call_0", "get_weather", '{"city_name":"Paris","aB":1}'),
                ToolCall("own", "get_weather", "{}"),
            ),
        ),
        Message("tool", (ToolResult("call_0", "get_weather", (Text("sunny"),)),)),
        Message("tool", (ToolResult("own", "get_weather", (Text('{"error":"x"}'),), is_error=True),)),
        Message("user", (Text("Go on"),)),
    )
    weather, g, h = chat.tools
    assert weather.parameters == {
        "type": "object",
        "properties": {
            "city_name": {"type": "string", "minLength": 1},
            "aB": {"type": ["integer", "null"]},
            "list": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "boolean"}]}},
        },
        "required": ["city_name"],
    }
    assert g.parameters == {"type": "object", "properties": {"min_items": {}}}
    assert h.parameters == {"type": "object", "properties": {}}
    assert chat.tool_choice == ToolChoice("required", ("g",))
    assert chat.images == ImageOptions(aspect="16:9", long_side=2048)
    assert (chat.stop, chat.n, chat.stream) == (("END",), 2, True)
    assert (chat.thinking, chat.include_thoughts) == (True, True)
    assert chat.ignored == ("topK", "maxOutputTokens", "safetySettings")


def test_one_object_may_stand_where_a_list_is_usual() -> None:
    chat = ask(contents={"parts": {"text": "hi"}}, systemInstruction=[{"text": "a"}], tools={"codeExecution": {}})
    assert [message.text for message in chat.messages] == ["a", "hi"]
    assert ask(systemInstruction="plain").messages[0].text == "plain"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ResponseFormat()),
        ({"responseMimeType": "text/plain"}, ResponseFormat()),
        ({"responseMimeType": "application/json"}, ResponseFormat("json_schema", {}, "answer")),
        (
            {"responseMimeType": "application/json", "responseSchema": {"type": "ARRAY", "items": {"type": "STRING"}}},
            ResponseFormat("json_schema", {"type": "array", "items": {"type": "string"}}, "answer", True),
        ),
        (
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
            ResponseFormat("json_schema", {"type": "object"}, "answer", True),
        ),
        (
            {"responseJsonSchema": {"type": "object"}},
            ResponseFormat("json_schema", {"type": "object"}, "answer", True),
        ),
        ({"responseSchema": {"type": "STRING"}}, ResponseFormat("json_schema", {"type": "string"}, "answer", True)),
    ],
)
def test_json_answers(config: dict[str, Any], expected: ResponseFormat) -> None:
    assert ask(generationConfig=config).response_format == expected


def test_a_schema_beside_plain_text_is_named_as_ignored() -> None:
    chat = ask(generationConfig={"responseMimeType": "text/plain", "responseSchema": {"type": "STRING"}})
    assert (chat.response_format, chat.ignored) == (ResponseFormat(), ("generationConfig.responseSchema",))


@pytest.mark.parametrize("field", ["parameters", "parametersJsonSchema"])
def test_parameters_that_are_no_schema_are_named(field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(tools=[{"functionDeclarations": [{"name": "f", field: "x"}]}])
    assert caught.value.param == "tools[0].functionDeclarations[0].parameters"
    assert "tools[0].functionDeclarations[0].parameters" in caught.value.en


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"thinkingBudget": 0}, False),
        ({"thinkingBudget": -1}, None),
        ({"thinkingBudget": 8192}, True),
        ({"thinkingLevel": "low"}, False),
        ({"thinkingLevel": "HIGH"}, True),
        ({"includeThoughts": True}, None),
    ],
)
def test_the_thinking_switch(config: dict[str, Any], thinking: bool | None) -> None:
    assert ask(generationConfig={"thinkingConfig": config}).thinking is thinking


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"contents": []}, "contents"),
        ({"contents": None}, "contents"),
        ({"contents": [{"parts": []}]}, "contents"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"inlineData": {"data": "???"}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/x"}}]}]}, "contents[0].parts[0].fileData.fileUri"),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "https://youtu.be/x"}}]}]},
            "contents[0].parts[0].fileData.fileUri",
        ),
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"generationConfig": {"speechConfig": {}}}, "speech output"),
        ({"generationConfig": {"responseModalities": ["AUDIO"]}}, "speech output"),
        ({"generationConfig": {"imageConfig": {"imageSize": "8K"}}}, "generationConfig.imageConfig.imageSize"),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseSchema"),
        ({"generationConfig": {"responseMimeType": "text/csv"}}, "responseMimeType text/csv"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "toolConfig.functionCallingConfig"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "toolConfig.functionCallingConfig.mode"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(**body)
    if param is not None:
        assert caught.value.param == param
    if body.get("contents", 1) in ([], None):
        assert caught.value.en == "contents is not specified"


def test_counting_takes_contents_or_the_whole_request() -> None:
    for body in ({"contents": USER}, {"generateContentRequest": {"model": "models/m", "contents": USER}}):
        chat = gemini.read_token_count(read(gemini.CountTokensRequest, body), "m")
        assert chat.messages[0].text == "hi"
    assert gemini.write_token_count(4)["totalTokens"] == 4


def test_models_are_listed_in_pages() -> None:
    cards = list(CARDS)
    first = gemini.model_listing(cards, page_size=5)
    assert [model["name"] for model in first["models"]] == [f"models/{card.id}" for card in cards[:5]]
    rest = gemini.model_listing(cards, page_size=5, page_token=first["nextPageToken"])
    assert "nextPageToken" not in rest
    assert len(rest["models"]) == 3
    with pytest.raises(BadRequest):
        gemini.model_listing(cards, page_token="x")
    assert set(gemini.model_object(cards[0])) >= {"name", "version", "inputTokenLimit", "supportedGenerationMethods"}


FILE = StoredFile("file-0ab1", "", "Bild.png", "image/png", 5, "00ff" * 16, "user_data", CREATED)


def test_files_are_named_so_that_the_sdk_can_cut_the_name_out_of_the_uri() -> None:
    file = gemini.write_uploaded(FILE, "http://h/gemini", "v1beta")["file"]
    assert file["name"] == "files/0ab1"
    assert file["uri"] == "http://h/gemini/v1beta/files/0ab1"
    assert re.match("[a-z0-9]+", file["uri"].split("files/")[1]).group() == "0ab1"  # type: ignore[union-attr]
    assert gemini.file_id("0ab1") == gemini.file_id("files/0ab1") == gemini.file_id("file-0ab1") == "file-0ab1"
    assert file["sizeBytes"] == "5"
    assert file["createTime"] == "2026-11-21T10:00:00Z"
    assert (file["state"], file["source"]) == ("ACTIVE", "UPLOADED")
    listing = gemini.write_files([FILE, FILE], "http://h", "v1", page_size=1)
    assert (len(listing["files"]), listing["nextPageToken"]) == (1, "1")


def test_the_start_of_an_upload_is_read_from_body_and_headers() -> None:
    body = read(gemini.UploadRequest, {"file": {"mime_type": "image/png", "display_name": "a.png", "size_bytes": "12"}})
    assert gemini.read_upload(body) == gemini.UploadStart("a.png", "image/png", 12)
    empty = read(gemini.UploadRequest, {"file": {}})
    start = gemini.read_upload(empty, header_name="b.pdf", header_type="application/pdf", header_length="9")
    assert start == gemini.UploadStart("b.pdf", "application/pdf", 9)
    assert gemini.read_upload(read(gemini.UploadRequest, {})).size is None
