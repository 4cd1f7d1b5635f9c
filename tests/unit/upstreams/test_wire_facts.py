"""The data file of the wire, and an operator's word against it."""

import pytest

from gemgate.errors import SettingsError
from gemgate.upstreams.web import facts


def test_the_shipped_file_is_whole():
    assert facts.shipped().prompt.plain_bytes > 0


def test_single_values_are_overridden(tmp_path):
    file = tmp_path / "facts.toml"
    file.write_text("[prompt]\nplain_bytes = 60_000\n")
    loaded = facts.load(file)
    assert loaded.prompt.plain_bytes == 60_000
    assert loaded.prompt.with_files_bytes == facts.shipped().prompt.with_files_bytes


@pytest.mark.parametrize(
    ("text", "named"),
    [("[prompt]\nplain_byte = 1\n", "prompt.plain_byte"), ("[prompt]\nplain_bytes = -1\n", "prompt.plain_bytes")],
)
def test_a_wrong_file_names_its_fault(tmp_path, text, named):
    file = tmp_path / "facts.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=named):
        facts.load(file)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml"):
        facts.load(tmp_path / "none.toml")
