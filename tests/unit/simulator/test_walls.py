"""The simulated service drops the end of a prompt at a wall and says nothing."""

from __future__ import annotations

from gemgate_simulator import reading
from gemgate_simulator.accounts import Account
from gemgate_simulator.script import Upload


def file(data: bytes, mime: str = "text/markdown") -> Upload:
    return Upload("id", "history.md", mime, data)


def test_a_text_is_cut_at_a_whole_character() -> None:
    account = Account("alice", wall=10, file_wall=None)
    seen = reading.read("字" * 5, (), account, temporary=False)
    assert (seen.text, seen.text_bytes) == ("字" * 3, 9)
    assert reading.read("字" * 3, (), account, temporary=False).text_bytes is None


def test_text_and_files_have_one_budget_and_images_none() -> None:
    account = Account("alice", wall=100, file_wall=120)
    files = (file(b"a" * 50), file(b"\x89PNG\0" * 50, "image/png"), file(b"b" * 50))
    seen = reading.read("x" * 60, files, account, temporary=False)
    assert [len(one.data) for one in seen.files] == [50, 250, 10]
    assert seen.file_bytes == (None, None, 10)


def test_a_temporary_chat_reads_less() -> None:
    account = Account("alice", wall=100, file_wall=200, temporary_share=0.5)
    assert reading.read("x" * 100, (), account, temporary=True).text_bytes == 50
    assert reading.read("x" * 100, (), account, temporary=False).text_bytes is None
