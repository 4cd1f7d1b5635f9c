"""`gemgate clean` and `gemgate logo calibrate` on real files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from gemgate.cli import clean as command
from gemgate.imaging import Profile, profiles_from_json, tag_provenance
from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_SMALL
from tests.support.image_files import decoded, encoded, png
from tests.support.image_kinds import KINDS, paint

app = typer.Typer()
app.command("clean")(command.clean_files)
app.add_typer(command.logo)

PLAIN = paint("leaves", 81, 300, 320)
MARKED = draw(PLAIN, V1_SMALL)
MANIFEST = (b"caBX", b"\0\0\0\x20jumb a manifest")


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def rows(*arguments):
    result = run("clean", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "in"
    images.mkdir()
    (images / "marked.png").write_bytes(png(MARKED, before=[MANIFEST]))
    (images / "marked.jpg").write_bytes(encoded(MARKED, "JPEG", quality=95))
    (images / "plain.webp").write_bytes(encoded(PLAIN, "WEBP"))
    (images / "notes.txt").write_text("not a picture")
    return images


def test_a_file_goes_to_the_name_given_without_its_logo_and_with_its_provenance(folder, tmp_path):
    (row,) = rows(folder / "marked.png", "-o", tmp_path / "out.png")
    assert (row["logo"], row["profile"], row["provenance"], row["c2pa"]) == ("removed", "v1-48", "added", "dropped")
    assert row["evidence"] == pytest.approx(1, abs=0.3)
    after = (tmp_path / "out.png").read_bytes()
    assert row["output"] == str(tmp_path / "out.png")
    assert np.abs(decoded(after) - PLAIN).max() <= 1
    assert tag_provenance(after, changed=True).provenance == "kept"
    assert b"caBX" not in after
    assert (folder / "marked.png").read_bytes() == png(MARKED, before=[MANIFEST])


def test_a_folder_of_images_becomes_a_folder_that_is_complete(folder, tmp_path):
    found = {row["file"].rsplit("/")[-1]: row["logo"] for row in rows(folder, "-o", tmp_path / "out")}
    assert found == {"marked.png": "removed", "marked.jpg": "removed", "plain.webp": "absent"}
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["marked.jpg", "marked.png", "plain.webp"]
    assert (tmp_path / "out" / "plain.webp").read_bytes() == (folder / "plain.webp").read_bytes()


def test_without_an_output_only_changed_files_get_a_neighbour(folder):
    rows(folder / "marked.jpg", folder / "plain.webp")
    assert (folder / "marked-clean.jpg").exists()
    assert not (folder / "plain-clean.webp").exists()


def test_check_says_what_is_there_and_writes_nothing(folder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    (row,) = rows(folder / "marked.png", "--check", "-o", tmp_path / "out")
    assert (row["logo"], row["profile"], row["output"]) == ("found", "v1-48", "")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_person_gets_a_line_for_each_file_that_needs_one_and_a_sum(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    (folder / "old.gif").write_bytes(b"GIF89a")
    (folder / "broken.png").write_bytes(b"no")
    result = run("clean", folder, "--check")
    assert result.exit_code == 1
    assert f"found {folder / 'marked.png'} (v1-48)\n" in result.stdout, "whole, however narrow"
    assert "plain.webp" not in result.stdout
    assert "2 with the logo, 1 without the logo, 1 unreadable, 1 skipped" in result.stdout


def test_a_second_run_over_a_folder_does_what_is_left(folder):
    first = run("clean", folder)
    assert "2 cleaned, 1 without the logo" in first.stdout, first.output
    before = {each: each.read_bytes() for each in folder.iterdir()}
    again = run("clean", folder)
    assert (again.exit_code, again.stdout.startswith("1 without the logo, 2 skipped")) == (0, True), again.output
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


def test_check_tells_damaged_files_from_whole_ones_and_missing_ones_in_words(folder):
    (folder / "cut.png").write_bytes((folder / "marked.png").read_bytes()[:4000])
    result = run("clean", "--json", "--check", folder / "cut.png", folder / "plain.webp", folder / "gone.png")
    cut, plain, gone = json.loads(result.stdout)
    assert cut["logo"] in ("unknown", "error")
    assert cut["note"]
    assert plain["logo"] == "absent"
    assert (gone["logo"], gone["note"]) == ("error", "No such file or directory")


def test_why_a_file_is_left_alone_is_told_in_the_language_of_the_terminal(folder, monkeypatch):
    data = (folder / "marked.png").read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    result = run("clean", "--json", folder / "cut.png")
    assert json.loads(result.stdout)[0]["note"] == "PNG 在最后一个数据块之前中断", result.stdout


def test_one_bad_file_does_not_stop_the_others_but_is_told(folder, tmp_path):
    result = run(
        "clean", "--json", folder / "notes.txt", folder / "gone.png", folder / "marked.png", "-o", tmp_path / "o"
    )
    assert result.exit_code == 1
    assert [row["logo"] for row in json.loads(result.stdout)] == ["error", "error", "removed"]
    assert (tmp_path / "o" / "marked.png").exists()


@pytest.mark.parametrize("options", [[], ["--check"], ["--json"]])
def test_where_nothing_of_what_was_named_can_be_read_the_input_is_wrong(tmp_path, options):
    result = run("clean", *options, tmp_path / "nofolder", tmp_path / "gone.png")
    assert result.exit_code == 2
    assert result.output.count("No such file or directory") == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (lambda folder: [folder / "marked.png", "-o", folder / "marked.png"], "original"),
        (lambda folder: [folder, "-o", folder], "original"),
        (lambda folder: [folder / "marked.png", folder / "." / ".." / "in" / "marked.png", "-o", folder / "o"], "same"),
        (lambda folder: [folder.parent], "no PNG"),
        (lambda folder: [folder, "--profiles", folder / "notes.txt"], "--profiles"),
    ],
)
def test_what_would_do_harm_is_refused_before_anything_is_written(folder, arguments, word):
    before = {each: each.read_bytes() for each in folder.iterdir()}
    result = run("clean", *arguments(folder))
    assert result.exit_code == 2
    assert word in result.stderr
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


def test_a_profile_calibrated_on_ones_own_images_is_used_by_clean(tmp_path):
    moved = Profile("moved", 64, 70, 41, 0.5)
    kinds = [kind for kind in KINDS if kind not in {"sparkle", "near_white"}]
    for index in range(10):
        (tmp_path / f"{index}.png").write_bytes(png(draw(paint(kinds[index], 90 + index), moved), filters=(1,)))
    assert rows(tmp_path / "0.png", "--check")[0]["logo"] == "absent"
    result = run("logo", "calibrate", tmp_path, "-o", tmp_path / "own.json")
    assert result.exit_code == 0, result.output
    assert "64 px logo, 70 px from the right and 41 px from the bottom" in result.stdout.replace("\n", " ")
    (own,) = profiles_from_json((tmp_path / "own.json").read_text())
    assert (own.size, own.right, own.bottom, own.peak) == (64, 70, 41, 0.5)
    (row,) = rows(tmp_path / "0.png", "--profiles", tmp_path / "own.json", "-o", tmp_path / "out.png")
    assert (row["logo"], row["profile"]) == ("removed", own.name)
    assert np.abs(decoded((tmp_path / "out.png").read_bytes()) - paint(kinds[0], 90)).max() <= 1


def test_calibrating_on_one_black_image_confirms_a_known_profile(tmp_path):
    (tmp_path / "black.png").write_bytes(png(draw(np.zeros((400, 400, 3), np.uint8), V1_SMALL)))
    result = run("logo", "calibrate", tmp_path / "black.png", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["confirms"] == "v1-48"


def test_calibrating_on_too_few_images_is_refused(tmp_path):
    for index in range(3):
        (tmp_path / f"{index}.png").write_bytes(png(MARKED))
    result = run("logo", "calibrate", tmp_path)
    assert result.exit_code == 1
    assert "at least 10" in result.stderr
