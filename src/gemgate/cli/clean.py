"""`gemgate clean` and `gemgate logo calibrate`: the visible logo on files of this machine.

Originals are never written over. A file without the logo is handed on byte for byte; one that was changed also gets
the machine-readable provenance that the visible logo stood for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import numpy as np
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gemgate.cli.terminal import JsonOption, err, fail, marked, out
from gemgate.errors import ClientError
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
COLOURS = {"removed": "green", "absent": "dim", "kept": "yellow", "error": "red"}

logo = typer.Typer(name="logo", help="The visible logo's place and shape.", no_args_is_help=True)

FilesArgument = Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.", show_default=False)]
ProfilesOption = Annotated[
    Path | None,
    typer.Option("--profiles", help="Logo profiles of your own, tried first (logo calibrate).", show_default=False),
]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one file; `logo` is "error" when it could not be read or written."""

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
    pairs = _targets(_images(files), output)
    job = _Job(known, check=check, copies=output is not None)
    rows = list(_with_progress(pairs, job, quiet=as_json))
    if as_json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
    else:
        out.print(_table(rows))
    if any(row.logo == "error" for row in rows):
        raise typer.Exit(1)


@logo.command("calibrate")
def calibrate(
    files: FilesArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the profile here, for `clean --profiles`.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the logo's place and shape off your own pictures: at least ten PNGs, or one that is black otherwise."""
    paths = _images(files)
    try:
        pictures = [_corner(path) for path in paths]
        found = from_black(pictures[0]) if len(pictures) == 1 else from_images(pictures)
    except (UnsupportedImage, ClientError, OSError) as error:
        fail(str(error))
    if output is not None:
        _write(output, profiles_to_json([found.profile]).encode())
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        _tell(found, output)


def _known(path: Path | None) -> tuple[Profile, ...]:
    if path is None:
        return PROFILES
    try:
        return (*profiles_from_json(path.read_text("utf-8")), *PROFILES)
    except (OSError, ValueError) as error:
        fail(f"--profiles {path}: {error}", 2)


def _images(files: Iterable[Path]) -> list[Path]:
    """The files named, and the images directly in the folders named."""
    found: list[Path] = []
    for path in files:
        if path.is_dir():
            found += sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        else:
            found.append(path)
    return found or _nothing()


def _nothing() -> NoReturn:
    fail("there is no PNG, JPEG or WebP in what you named", 2)


def _targets(files: Sequence[Path], output: Path | None) -> list[tuple[Path, Path]]:
    """Each file with where it goes; a clash or an overwritten original ends the command before anything is done."""
    if output is None:
        pairs = [(path, path.with_name(f"{path.stem}-clean{path.suffix}")) for path in files]
    elif output.is_dir() or len(files) > 1 or not output.suffix:
        pairs = [(path, output / path.name) for path in files]
    else:
        pairs = [(files[0], output)]
    targets = [target.resolve() for _, target in pairs]
    if len(set(targets)) < len(targets):
        fail("two of the files would be written to the same place; use folders with different names", 2)
    if set(targets) & {path.resolve() for path in files}:
        fail("the output would replace an original; choose another folder or name with -o", 2)
    return [(path, target) for (path, _), target in zip(pairs, targets, strict=True)]


@dataclass(frozen=True, slots=True)
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
        except (OSError, ClientError) as error:
            return Row(str(path), "error", note=str(error))
        return _row(path, cleaned, stamped, str(target) if writes else "")


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
        note="; ".join(note for note in (cleaned.note, stamped.note if stamped else "") if note),
    )


def _with_progress(pairs: Sequence[tuple[Path, Path]], job: _Job, *, quiet: bool) -> Iterator[Row]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=err, transient=True, disable=quiet or len(pairs) < 2) as progress,
        ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as threads,
    ):
        task = progress.add_task("cleaning", total=len(pairs))
        for row in threads.map(job, pairs):
            progress.advance(task)
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


def _table(rows: Sequence[Row]) -> Table:
    table = Table("file", "logo", "profile", "evidence", "left", "written to", "note", box=None)
    for row in rows:
        said = Text(row.logo, COLOURS[row.logo])
        numbers = (f"{row.evidence:.2f}", f"{row.left:+.2f}") if row.profile else ("", "")
        table.add_row(row.file, said, row.profile, *numbers, row.output, row.note)
    return table


def _tell(found: Calibration, output: Path | None) -> None:
    p = found.profile
    out.print(
        f"{p.size} px logo, {p.right} px from the right and {p.bottom} px from the bottom edge, strength {p.peak}, "
        f"read off {found.pictures} picture(s), fit {found.score:.2f}"
    )
    if found.confirms:
        out.print(marked("exactly the known profile [bold]{}[/bold]: nothing to add", found.confirms))
    elif found.different >= 0:
        out.print(f"{found.different} pixels differ from the known map of that size")
    if output is not None:
        out.print(f"written to {output}; use it with: gemgate clean --profiles {output} FILES")
