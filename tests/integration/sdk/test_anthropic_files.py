"""Anthropic's Files API judged by its SDK: the one store of uploads, in its shapes; and its ids in messages."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import openai
import pytest

from gemgate_simulator import Simulator
from tests.support.serving import Served

MODEL = "gemini-3-flash-preview"
PDF = b"%PDF-1.4\n% the menu\n%%EOF\n"
BETAS = ["files-api-2025-04-14"]


@pytest.fixture
async def client(gate: Served) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=gate.url, api_key="any", max_retries=0) as made:
        yield made


async def test_a_file_is_kept_told_read_and_forgotten(client: anthropic.AsyncAnthropic) -> None:
    files = client.beta.files
    kept = await files.upload(file=("menü.pdf", PDF, "application/pdf"), betas=BETAS)
    assert (kept.type, kept.filename, kept.mime_type, kept.size_bytes) == (
        "file",
        "menü.pdf",
        "application/pdf",
        len(PDF),
    )
    assert (kept.downloadable, kept.expires_at, kept.scope) == (True, None, None)
    assert datetime.now(UTC) - kept.created_at < timedelta(minutes=1)
    assert await files.retrieve_metadata(kept.id) == kept
    assert await (await files.download(kept.id)).read() == PDF
    gone = await files.delete(kept.id)
    assert (gone.id, gone.type) == (kept.id, "file_deleted")
    for ask in (files.retrieve_metadata, files.download, files.delete):
        with pytest.raises(anthropic.NotFoundError) as caught:
            await ask(kept.id)
        assert caught.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]


async def test_an_upload_may_expire(client: anthropic.AsyncAnthropic) -> None:
    kept = await client.beta.files.upload(file=("a.txt", b"words"), expires_in_seconds=7200)
    assert kept.expires_at is not None
    assert kept.expires_at - kept.created_at == timedelta(hours=2)
    for seconds in (60, 90 * 86400 + 1):
        with pytest.raises(anthropic.BadRequestError, match="expires_in_seconds"):
            await client.beta.files.upload(file=("a.txt", b"words"), expires_in_seconds=seconds)


async def test_what_is_no_upload_is_refused(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="file is empty"):
        await client.beta.files.upload(file=("a.txt", b""))
    with pytest.raises(anthropic.BadRequestError, match="Missing required parameter: file"):
        await client.post(
            "/v1/files",
            cast_to=object,
            files={"other": ("a.txt", b"words")},
            options={"headers": {"content-type": "multipart/form-data"}},
        )


async def test_pages_of_files(client: anthropic.AsyncAnthropic) -> None:
    files = client.beta.files
    ids = [(await files.upload(file=(f"{number}.txt", b"words"))).id for number in range(5)]
    assert {file.id async for file in files.list()} == set(ids)
    listed = [file.id async for file in files.list(limit=2)]
    assert len(listed) == 5
    assert set(listed) == set(ids)
    assert {file.id async for file in files.list(ids=[ids[0], ids[3], "file-none"])} == {ids[0], ids[3]}
    assert [file async for file in files.list(scope_id="sess_1")] == []
    with pytest.raises(anthropic.BadRequestError, match="page"):
        await files.list(page="page_none")

    async def page(**query: Any) -> dict[str, Any]:
        """As releases of the SDK before 2 turn pages."""
        found: Any = await client.get("/v1/files", cast_to=object, options={"params": query})
        assert [one["id"] for one in found["data"]][::-1][:1] == [found["last_id"]]
        assert found["data"][0]["id"] == found["first_id"]
        return dict(found)

    first = await page(limit=2)
    assert first["has_more"]
    assert [one["id"] for one in first["data"]] == listed[:2]
    rest = await page(limit=5, after_id=first["last_id"])
    assert not rest["has_more"]
    assert [one["id"] for one in rest["data"]] == listed[2:]
    before = await page(limit=2, before_id=listed[4])
    assert before["has_more"]
    assert [one["id"] for one in before["data"]] == listed[2:4]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_messages_name_files_by_their_ids(
    client: anthropic.AsyncAnthropic, sim: Simulator, png: bytes, streamed: bool
) -> None:
    picture = await client.beta.files.upload(file=("cat.png", io.BytesIO(png), "image/png"))
    menu = await client.beta.files.upload(file=("menu.pdf", PDF, "application/pdf"))
    content: Any = [
        {"type": "image", "source": {"type": "file", "file_id": picture.id}},
        {"type": "document", "source": {"type": "file", "file_id": menu.id}},
        {"type": "text", "text": "What is this?"},
    ]
    asked: Any = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": content}], "betas": BETAS}
    if streamed:
        async with client.beta.messages.stream(**asked) as stream:
            await stream.get_final_message()
    else:
        await client.beta.messages.create(**asked)
    (call,) = sim.record.calls
    assert [(file.name, file.mime, file.data) for file in call.files] == [
        ("cat.png", "image/png", png),
        ("menu.pdf", "application/pdf", PDF),
    ]


async def test_an_upload_to_a_container_is_named_as_ignored(client: anthropic.AsyncAnthropic, sim: Simulator) -> None:
    table = await client.beta.files.upload(file=("table.csv", b"a,b\n1,2\n", "text/csv"))
    content: Any = [{"type": "text", "text": "Add up"}, {"type": "container_upload", "file_id": table.id}]
    earlier: Any = [{"role": "user", "content": content}, {"role": "assistant", "content": "Three."}]
    asked: Any = {"model": MODEL, "max_tokens": -1, "betas": BETAS}
    for history in ([], earlier):
        raw = await client.beta.messages.with_raw_response.create(
            messages=[*history, {"role": "user", "content": content}], **asked
        )
        assert raw.headers["x-gemgate-ignored"] == f"messages[{len(history)}].content[1].container_upload"
    assert not sim.record.calls[0].files


async def test_it_is_one_store_for_all_dialects(client: anthropic.AsyncAnthropic, gate: Served) -> None:
    kept = await client.beta.files.upload(file=("menu.pdf", PDF, "application/pdf"))
    async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="any", max_retries=0) as other:
        seen = await other.files.retrieve(kept.id)
        assert (seen.filename, seen.bytes, seen.purpose) == ("menu.pdf", len(PDF), "user_data")
        theirs = await other.files.create(file=("b.txt", b"words"), purpose="user_data")
    assert {file.id async for file in client.beta.files.list()} == {kept.id, theirs.id}
