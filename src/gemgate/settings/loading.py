"""Settings out of gemgate.toml, .env, the environment and options; what cannot be is said in one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from gemgate.errors import NO_TEXT, GatewayError, LocalText, SettingsError, system_words
from gemgate.frozen import frozen
from gemgate.settings import CONFIG_FILE, Settings, explicit
from gemgate.settings.files import check_env, env_lines, toml_lines, toml_values, unreadable
from gemgate.settings.outdated import GONE, gone
from gemgate.validation import problem


@frozen
class Loaded:
    """Settings; where each value came from (default, file, .env, environment, option); `warnings`: what in the files
    does nothing, and is likely to have been meant.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[LocalText, ...] = ()


def load(options: Mapping[str, Any] | None = None, *, config: Path | None = None) -> Loaded:
    """Read gemgate.toml (or `config`), .env, the environment and `options`. SettingsError with a clear line for each
    thing that is wrong, and for what does nothing: who mends a file mends it once.
    """
    file = config or Path(CONFIG_FILE)
    if config is not None and not config.is_file():
        raise SettingsError(f"{config} does not exist", f"{config} 不存在")
    values: dict[str, Any] = {}
    warnings: list[LocalText] = []
    origins = dict.fromkeys(Settings.model_fields, "default")
    wrong: list[LocalText] = []
    for origin, layer in _layers(file, options or {}):
        known = {key.lower(): value for key, value in layer.items() if key.lower() in Settings.model_fields}
        unknown = sorted(set(map(str.lower, layer)) - set(Settings.model_fields)) if origin == str(file) else []
        warnings += [gone(f"{file}: {name}", GONE[name]) for name in unknown if name in GONE]
        wrong += [_no_setting(file, toml_lines(file).get(name, 1), name) for name in unknown if name not in GONE]
        values.update(known)
        origins.update(dict.fromkeys(known, origin))
    warnings += _mistyped(Path(".env"))
    try:
        settings = explicit(**values)
    except ValidationError as error:
        wrong += _refused(error, origins, {str(file): toml_lines(file), ".env": env_lines(Path(".env"))})
    except GatewayError as error:
        wrong.append(LocalText(error.en, error.zh))
    else:
        if not wrong:
            return Loaded(settings, origins, tuple(warnings))
    told = [*wrong, *warnings]
    raise SettingsError("\n".join(one.en for one in told), "\n".join(one.zh for one in told))


def _layers(file: Path, options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What each source says, the one that counts most last."""
    layers = [(str(file), toml_values(file) if file.exists() else {}), (".env", _dotenv(Path(".env")))]
    try:
        layers.append(("environment", EnvSettingsSource(Settings, env_ignore_empty=True)()))
    except ValueError as error:
        raise unreadable("environment", system_words(error)) from None
    return [*layers, ("option", {key: value for key, value in options.items() if value is not None})]


def _dotenv(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    check_env(file)
    return DotEnvSettingsSource(Settings, env_file=file, env_file_encoding="utf-8-sig", env_ignore_empty=True)()


def _no_setting(file: Path, line: int, name: str) -> LocalText:
    meant = _meant(name)
    return LocalText(
        f"{file}, line {line}: there is no setting {name}{meant.en}; `gemgate settings` lists them all",
        f"{file} 第 {line} 行：没有名为 {name} 的设置{meant.zh}；`gemgate settings` 会列出所有设置",
    )


def _meant(name: str) -> LocalText:
    """Which setting a name that is none was likely to be, as the rest of a sentence; empty when nobody can tell.

    A cookie's own name, and one with our name in front, are as near as a slip of the finger.
    """
    bare = name.lower().replace("-", "_").strip("_").removeprefix("gemgate_")
    near = get_close_matches(bare, Settings.model_fields, 1, 0.85)
    return LocalText(f" (did you mean {near[0].upper()}?)", f"（是否想写 {near[0].upper()}？）") if near else NO_TEXT


def _mistyped(file: Path) -> list[LocalText]:
    """Names of .env that are almost a setting's; other programs have theirs there, and of those nothing is said."""
    lines = env_lines(file)
    return [
        LocalText(
            f"{file}, line {lines[name]}: {name.upper()} is no setting and does nothing{meant.en}",
            f"{file} 第 {lines[name]} 行：{name.upper()} 不是设置，不起作用{meant.zh}",
        )
        for name in sorted(set(lines) - set(Settings.model_fields) - set(GONE))
        if (meant := _meant(name)).en
    ]


def _refused(
    error: ValidationError, origins: Mapping[str, str], lines: Mapping[str, Mapping[str, int]]
) -> list[LocalText]:
    """Each value that cannot be, by the setting's name and where it came from; `lines` of the files among that."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        why = problem(one)
        if one["loc"]:
            name = str(one["loc"][0])
            origin = origin_of(origins[name])
            if line := lines.get(origins[name], {}).get(name):
                origin = LocalText(f"{origin.en}, line {line}", f"{origin.zh} 第 {line} 行")
            en, zh = f"{name.upper()} (from {origin.en})", f"{name.upper()}（来自{origin.zh}）"
            why = LocalText(f"{en}: {why.en}", f"{zh}：{why.zh}")
        found.append(why)
    return list(dict.fromkeys(found))


_ORIGINS = {
    "default": LocalText("default", "默认值"),
    "environment": LocalText("environment", "环境变量"),
    "option": LocalText("option", "命令选项"),
    "database": LocalText("database", "数据库"),
}


def origin_of(origin: str) -> LocalText:
    """Where a value came from, for people; a file is its own name."""
    return _ORIGINS.get(origin) or LocalText(origin, f" {origin}")
