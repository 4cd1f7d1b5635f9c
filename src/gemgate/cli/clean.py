"""`gemgate clean` and `gemgate logo calibrate`: the visible logo on files of this machine.

Originals are never written over. A file without the logo is handed on byte for byte; one that was changed also gets
the machine-readable provenance that the visible logo stood for.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, NoReturn

import numpy as np
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from gemgate.cli.console import err, marked, out, progress
from gemgate.cli.interruption import interruptible
from gemgate.cli.terminal import JsonOption, fail, language, reason, say, write_json
from gemgate.errors import NO_TEXT, ClientError, LocalText
from gemgate.frozen import frozen
from gemgate.imaging import (
    PROFILES,
    Cleaned,
    Profile,
    Tagged,
    UnsupportedImage,
    clean,
    measure,
    profiles_from_json,
    profiles_to_json,
    tag_provenance,
)
from gemgate.imaging.calibrate import CORNER, Calibration, from_black, from_images
from gemgate.imaging.logo import Pixels
from gemgate.imaging.raster import decoding, opened
from gemgate.stores.drafts import drafted

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
THREADS = 4
OTHER_PICTURES = {".gif", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp"}
"""Pictures that are not cleaned: the web app makes none of them. In a folder they are counted, and left alone."""
OWN = "-clean"
"""Ends the names that we give beside an original."""

logo = typer.Typer(name="logo", help="The visible logo's place and shape.", no_args_is_help=True)

FilesArgument = Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.", show_default=False)]
ProfilesOption = Annotated[
    Path | None,
    typer.Option("--profiles", help="Logo profiles of your own, tried first (logo calibrate).", show_default=False),
]


@frozen
class Row:
    """What became of one file; `logo` is "error" when it could not be read or written; with --check "found", "absent"
    or "unknown" (it stands on damaged pixels, or cannot be told).
    """

    file: str
    logo: str
    profile: str = ""
    evidence: float = 0.0
    amplitude: float = 0.0
    left: float = 0.0
    output: str = ""
    provenance: str = ""
    c2pa: str = ""
    note: str = ""


def clean_files(
    files: FilesArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File or folder to write to; without it, NAME-clean beside what changed."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only look and say; write nothing.")] = False,
    profiles: ProfilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the visible logo off picture files, where there is evidence that it is there.

    SynthID, the invisible mark, is not touched, and changed files say in XMP that a trained algorithm made them.
    """
    known = _known(profiles)
    found, skipped = _images(files, beside=output is None)
    pairs = _targets(found, output)
    job = _Job(known, check=check, copies=output is not None)
    with interruptible():
        rows = list(_with_progress(pairs, job, quiet=as_json))
    if as_json:
        write_json([asdict(row) for row in rows], indent=None)
    else:
        _tell_rows(rows, skipped)
    if any(row.logo == "error" for row in rows):
        # Where none of them is there to be read, what was typed is wrong, and not a file of several.
        raise typer.Exit(1 if any(os.access(path, os.R_OK) for path in found) else 2)


@logo.command("calibrate")
def calibrate(
    files: FilesArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the profile here, for `clean --profiles`.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the logo's place and shape off your own pictures: at least ten PNGs, or one that is black otherwise."""
    paths, _ = _images(files)
    try:
        pictures = [_corner(path) for path in paths]
        found = from_black(pictures[0]) if len(pictures) == 1 else from_images(pictures)
    except ClientError as error:
        fail(error.text(language()))
    except OSError as error:
        fail(reason(error), 2, of=error.filename)
    except UnsupportedImage as error:
        fail(error.text.for_(language()))
    if output is not None:
        _write(output, profiles_to_json([found.profile]).encode())
    if as_json:
        write_json(asdict(found), indent=None)
    else:
        _tell(found, output)


def _known(path: Path | None) -> tuple[Profile, ...]:
    if path is None:
        return PROFILES
    try:
        return (*profiles_from_json(path.read_text("utf-8")), *PROFILES)
    except (OSError, ValueError) as error:
        fail(reason(error), 2, of=f"--profiles {path}")


def _images(files: Iterable[Path], *, beside: bool = False) -> tuple[list[Path], list[Path]]:
    """The files named and the images directly in the folders named; and the pictures there that are left alone.

    beside: of a folder, what an earlier run has written there is no original, and what it was made from is done.
    """
    found: list[Path] = []
    skipped: list[Path] = []
    for path in files:
        if not path.is_dir():
            found.append(path)
            continue
        for each in sorted(path.iterdir()):
            kind = each.suffix.lower()
            done = beside and (_is_own(each) or _neighbour(each).exists())
            if kind in SUFFIXES and not done:
                found.append(each)
            elif kind in SUFFIXES | OTHER_PICTURES and not _is_own(each):
                skipped.append(each)
    return (found, skipped) if found or skipped else _nothing()


def _neighbour(path: Path) -> Path:
    return path.with_name(f"{path.stem}{OWN}{path.suffix}")


def _is_own(path: Path) -> bool:
    """Whether an earlier run wrote it beside its original."""
    return path.stem.endswith(OWN) and path.with_name(path.stem.removesuffix(OWN) + path.suffix).exists()


def _nothing() -> NoReturn:
    fail(say("there is no PNG, JPEG or WebP in what you named", "所指定的内容中没有 PNG、JPEG 或 WebP"), 2)


def _targets(files: Sequence[Path], output: Path | None) -> list[tuple[Path, Path]]:
    """Each file with where it goes; a clash or an overwritten original ends the command before anything is done."""
    if output is None:
        pairs = [(path, _neighbour(path)) for path in files]
    elif output.is_dir() or len(files) > 1 or not output.suffix:
        pairs = [(path, output / path.name) for path in files]
    else:
        pairs = [(files[0], output)]
    targets = [target.resolve() for _, target in pairs]
    if len(set(targets)) < len(targets):
        clash = "two of the files would be written to the same place; use folders with different names"
        fail(say(clash, "有两个文件会写入同一位置；请使用不同名称的文件夹"), 2)
    if set(targets) & {path.resolve() for path in files}:
        replaces = "the output would replace an original; choose another folder or name with -o"
        fail(say(replaces, "输出会覆盖原文件；请用 -o 另选文件夹或名称"), 2)
    return [(path, target) for (path, _), target in zip(pairs, targets, strict=True)]


@frozen
class _Job:
    """The same for all files. copies: unchanged files are written too, so that the folder is complete."""

    profiles: Sequence[Profile]
    check: bool
    copies: bool

    def __call__(self, pair: tuple[Path, Path]) -> Row:
        path, target = pair
        try:
            data = path.read_bytes()
            measure(data)
            cleaned = clean(data, profiles=self.profiles, remove=not self.check)
            stamped = tag_provenance(cleaned.data, changed=True) if cleaned.logo == "removed" else None
            writes = not self.check and (stamped is not None or self.copies)
            if writes:
                _write(target, stamped.data if stamped else data)
        except OSError as error:
            return Row(str(path), "error", note=reason(error))
        except ClientError as error:
            return Row(str(path), "error", note=error.text(language()))
        row = _row(path, cleaned, stamped, str(target) if writes else "")
        return replace(row, logo=_seen(cleaned), note="" if row.profile else row.note) if self.check else row


def _seen(cleaned: Cleaned) -> str:
    """What a look has shown; a kept logo that no profile fits is one that cannot be told."""
    return cleaned.logo if cleaned.logo == "absent" else "found" if cleaned.profile else "unknown"


def _row(path: Path, cleaned: Cleaned, stamped: Tagged | None, output: str) -> Row:
    return Row(
        file=str(path),
        logo=cleaned.logo,
        profile=cleaned.profile,
        evidence=round(cleaned.evidence, 3),
        amplitude=round(cleaned.amplitude, 3),
        left=round(cleaned.left, 3),
        output=output,
        provenance=stamped.provenance if stamped else "",
        c2pa=stamped.c2pa if stamped else "",
        note=LocalText.joined(cleaned.note, stamped.note if stamped else NO_TEXT).for_(language()),
    )


def _with_progress(pairs: Sequence[tuple[Path, Path]], job: _Job, *, quiet: bool) -> Iterator[Row]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        progress(*columns, quiet=quiet or len(pairs) < 2) as shown,
        ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as threads,
    ):
        task = shown.add_task(say("cleaning", "正在处理"), total=len(pairs))
        for row in threads.map(job, pairs):
            shown.advance(task)
            yield row


def _write(target: Path, data: bytes) -> None:
    """All or nothing: into a temporary neighbour first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with drafted(target) as file:
        file.write(data)


def _corner(path: Path) -> Pixels:
    data = path.read_bytes()
    header = measure(data)
    with decoding():
        image = opened(data, header.mime)
        width, height = image.size
        corner = image.crop((max(0, width - CORNER), max(0, height - CORNER), width, height))
        return np.asarray(corner.convert("RGB"))


SAID = {
    "removed": ("green", "cleaned", "已去除"),
    "found": ("yellow", "with the logo", "有标志"),
    "absent": ("dim", "without the logo", "无标志"),
    "kept": ("yellow", "left as it was", "保持原样"),
    "unknown": ("yellow", "unknown", "无法判断"),
    "error": ("red", "unreadable", "无法读取"),
}
"""How each fate is shown and summed up."""


def _tell_rows(rows: Sequence[Row], skipped: Sequence[Path]) -> None:
    """A line for each file that was changed or wants to be looked at, and what became of all of them."""
    for row in rows:
        if row.logo == "absent":
            continue
        colour = SAID[row.logo][0]
        head = f" -> {row.output}" if row.output else ""
        tail = say("; ", "；").join(filter(None, (row.profile, row.note)))
        line = marked(
            f"[{colour}]{{}}[/{colour}] {{}}{{}}{{}}",
            say(row.logo, SAID[row.logo][2]),
            row.file,
            head,
            say(f" ({tail})", f"（{tail}）") if tail else "",
        )
        place = err if row.logo == "error" else out
        place.print(line, highlight=False, soft_wrap=True)
    counted = Counter(row.logo for row in rows)
    sums = [f"{counted[logo]} {say(*words)}" for logo, (_, *words) in SAID.items() if counted[logo]]
    if skipped:
        why = say("skipped (done before, or no PNG, JPEG or WebP)", "已跳过（之前处理过，或不是 PNG、JPEG、WebP）")
        sums.append(f"{len(skipped)} {why}")
    out.print(say(", ", "，").join(sums), highlight=False, soft_wrap=True)


def _tell(found: Calibration, output: Path | None) -> None:
    p = found.profile
    out.print(
        say(
            f"{p.size} px logo, {p.right} px from the right and {p.bottom} px from the bottom edge, strength {p.peak}, "
            f"read off {found.pictures} picture(s), fit {found.score:.2f}",
            f"标志 {p.size} 像素，距右边 {p.right} 像素、距底边 {p.bottom} 像素，强度 {p.peak}，"
            f"由 {found.pictures} 张图片得出，拟合度 {found.score:.2f}",
        )
    )
    if found.confirms:
        known = (
            "exactly the known profile [bold]{}[/bold]: nothing to add",
            "与已知特征 [bold]{}[/bold] 完全一致，无需添加",
        )
        out.print(marked(say(*known), found.confirms))
    elif found.different >= 0:
        differ = f"{found.different} pixels differ from the known map of that size"
        out.print(say(differ, f"与该尺寸的已知特征有 {found.different} 个像素不同"))
    if output is not None:
        use = f"gemgate clean --profiles {output} FILES"
        out.print(say(f"written to {output}; use it with: {use}", f"已写入 {output}；用法：{use}"))
