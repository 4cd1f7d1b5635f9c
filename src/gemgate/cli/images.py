"""`gemgate image` and `gemgate edit`: images from the terminal, written to files, with what was measured of them."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from gemgate.cli.chat import CALLER, signed_in
from gemgate.cli.connection import KeyOption
from gemgate.cli.console import counted_progress, err, marked, out
from gemgate.cli.image_orders import order_images
from gemgate.cli.jobs import PERSON_SECONDS, PatienceOption
from gemgate.cli.terminal import (
    ConfigOption,
    JsonOption,
    OutputOption,
    fail,
    language,
    load_settings,
    reason,
    run,
    say,
    write_json,
)
from gemgate.cli.words import word
from gemgate.dialects.image_options import model_for, shape
from gemgate.dialects.wire import image_facts
from gemgate.errors import BadRequest, ClientError, GatewayError
from gemgate.files import Inline
from gemgate.images import GeneratedImage, ImageOptions, ImageRequest
from gemgate.imaging import measure
from gemgate.settings import Settings
from gemgate.stores.drafts import drafted

Long = Literal["1k", "2k", "4k"]
SIZES: Mapping[Long, int] = {"1k": 1024, "2k": 2048, "4k": 4096}

CountOption = Annotated[int, typer.Option("-n", "--count", min=1, max=10, help="How many pictures.")]
SizeOption = Annotated[
    Long | None,
    typer.Option("--size", help="The long side; 2k and 4k choose the model.", case_sensitive=False),
]
AspectOption = Annotated[str | None, typer.Option("--aspect", help="Such as 16:9 or 1:1.", show_default=False)]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="Model id.", show_default=False)]
LogoOption = Annotated[bool, typer.Option("--keep-logo", help="Leave the visible logo on.")]
AsyncOption = Annotated[
    bool, typer.Option("--async", help="Order it at the gateway and leave; `gemgate jobs fetch` brings it.")
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Order it at the gateway and follow it to its files; it survives Ctrl-C.")
]
PlaceOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="GEMGATE_URL", show_default=False,
        help="The gateway that makes it, as a job. (default: with --async or --wait the one on this machine, "
        "without these none)",
    ),
]  # fmt: skip
ExactOption = Annotated[bool, typer.Option("--require-size", help="Fail when Google delivers fewer pixels.")]


def image(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    count: CountOption = 1,
    size: SizeOption = None,
    aspect: AspectOption = None,
    model: ModelOption = None,
    output: OutputOption = Path(),
    keep_logo: LogoOption = False,
    require_size: ExactOption = False,
    ordered: AsyncOption = False,
    wait: WaitOption = False,
    patience: PatienceOption = PERSON_SECONDS,
    url: PlaceOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make pictures from a prompt: gemgate image "a red fox in snow" -n 4 --size 4k -o foxes

    Here, with the accounts of the settings, also while a gateway runs on this machine; or at a gateway as a job (--url,
    --async, --wait), which survives restarts.
    """
    wanted = _request(prompt, [], count, size, aspect, model, keep_logo=keep_logo, require_size=require_size)
    if ordered or wait or url:
        order_images(wanted, output, url, key, config, wait=not ordered, patience=patience, as_json=as_json)
        return
    _only_ordered(context)
    _make(wanted, output, config, as_json=as_json)


def edit(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="The picture to change; more give more to look at.")],
    prompt: Annotated[str, typer.Argument(help="What to change.")],
    count: CountOption = 1,
    size: SizeOption = None,
    aspect: AspectOption = None,
    model: ModelOption = None,
    output: OutputOption = Path(),
    keep_logo: LogoOption = False,
    require_size: ExactOption = False,
    ordered: AsyncOption = False,
    wait: WaitOption = False,
    patience: PatienceOption = PERSON_SECONDS,
    url: PlaceOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Change a picture in words: gemgate edit fox.png "make it night" -o foxes

    Here, with the accounts of the settings, also while a gateway runs on this machine; or at a gateway as a job (--url,
    --async, --wait), which survives restarts.
    """
    wanted = _request(prompt, images, count, size, aspect, model, keep_logo=keep_logo, require_size=require_size)
    if ordered or wait or url:
        order_images(wanted, output, url, key, config, wait=not ordered, patience=patience, as_json=as_json)
        return
    _only_ordered(context)
    _make(wanted, output, config, as_json=as_json)


def _only_ordered(context: typer.Context) -> None:
    """Without a job the picture is made in this process: no gateway is asked, and nobody is waited for."""
    for name, where in (("key", "--url, --async"), ("patience", "--url")):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            fail(
                say(
                    f"--{name} goes with {where} or --wait",
                    f"--{name} 需与 {where.replace(', ', '、')} 或 --wait 一起使用",
                ),
                2,
            )


def _request(
    prompt: str,
    images: Sequence[Path],
    count: int,
    size: Long | None,
    aspect: str | None,
    model: str | None,
    *,
    keep_logo: bool,
    require_size: bool,
) -> ImageRequest:
    if not prompt.strip():
        fail(say("the prompt is empty", "提示词为空"), 2)
    options = ImageOptions(
        aspect=shape_wished(aspect),
        long_side=SIZES[size] if size else None,
        size_policy="require" if require_size else "best_effort",
        remove_logo=False if keep_logo else None,
    )
    references = tuple(_read(path) for path in images)
    return ImageRequest(prompt, model_for(model, options), count, references, options)


def shape_wished(aspect: str | None) -> str | None:
    """The shape as it is called here; leaves with 2 for what is none, before anything is spent."""
    try:
        return shape(aspect, "--aspect") if aspect else None
    except BadRequest as error:
        fail(error.text(language()), 2)


def _read(path: Path) -> Inline:
    try:
        data = path.read_bytes()
        return Inline(data, measure(data).mime, path.name)
    except OSError as error:
        fail(reason(error), 2, of=path)
    except ClientError as error:
        fail(error.text(language()), of=path)


def _make(wanted: ImageRequest, folder: Path, config: Path | None, *, as_json: bool) -> None:
    settings = load_settings({"rate_limit_per_hour": 0, "model_interval_seconds": 0}, config, quiet=True).settings
    results = run(_made(settings, wanted, folder, quiet=as_json))
    if as_json:
        write_json([_row(path, result) for path, result in results])
    else:
        _show(results)
    if any(isinstance(result, GatewayError) for _, result in results):
        raise typer.Exit(1)


Result = tuple[Path | None, GeneratedImage | GatewayError]


async def _made(settings: Settings, wanted: ImageRequest, folder: Path, *, quiet: bool) -> list[Result]:
    """Every image, written as soon as it is there; what failed with its error."""
    with counted_progress(quiet=quiet) as shown:
        bar = shown.add_task(say("signing in", "正在登录"), total=wanted.n)
        async with signed_in(settings) as service:
            shown.update(bar, description=say("painting", "正在生成"))
            admission = await service.gateway.admit_images(wanted.model, CALLER)
            results: list[Result] = []

            def done(result: GeneratedImage | GatewayError) -> None:
                results.append((_written(folder, result) if isinstance(result, GeneratedImage) else None, result))
                shown.advance(bar)

            await service.gateway.generate_images(wanted, admission, done=done)
    return results


def _written(folder: Path, image: GeneratedImage) -> Path:
    """The picture's file, written whole or not at all; a name that is taken gets the picture's hash behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    extension = mimetypes.guess_extension(image.mime) or ".png"
    path = folder / (image.name.rpartition("/")[2] or f"picture_{image.sha256[:12]}{extension}")
    if path.exists():
        path = path.with_stem(f"{path.stem}_{image.sha256[:8]}")
    with drafted(path) as file:
        file.write(image.data or b"")
    return path


def _row(path: Path | None, result: GeneratedImage | GatewayError) -> dict[str, object]:
    if isinstance(result, GatewayError):
        return {"file": None, "error": {"kind": result.kind, "message": result.text(language())}}
    return {"file": str(path), **image_facts(result, language())}


def _show(results: Sequence[Result]) -> None:
    for path, result in results:
        if isinstance(result, GatewayError):
            err.print(
                marked(say("[red]error:[/red] {}", "[red]错误：[/red]{}"), result.text(language())),
                highlight=False,
                soft_wrap=True,
            )
            continue
        out.print(str(path), highlight=False, soft_wrap=True)
        facts = (
            say(f"{result.size} px", f"{result.size} 像素"),
            f"{result.nbytes / 1000:.0f} kB",
            word(result.source),
            say(f"logo {result.logo}", f"标志：{word(result.logo)}"),
            result.note.for_(language()),
        )
        out.print(f"  {say(', ', '，').join(filter(None, facts))}", style="dim", highlight=False, soft_wrap=True)
