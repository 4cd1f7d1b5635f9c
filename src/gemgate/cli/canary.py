"""`gemgate canary`: a few cheap live probes, held against what this version believes of Google's wire."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from gemgate.accounts import Cookies
from gemgate.assembly.accounts import account_builder, seeds_of
from gemgate.assembly.storage import look
from gemgate.cli.console import out
from gemgate.cli.terminal import ConfigOption, JsonOption, fail, language, load_settings, run, say, write_json
from gemgate.cli.words import word
from gemgate.errors import GatewayError, SettingsError
from gemgate.policy.cookie_order import cookie_order
from gemgate.pool.record import InMemoryRecord
from gemgate.pool.status import Egress
from gemgate.ports.accounts import StoredAccount
from gemgate.settings import Settings
from gemgate.stores.drafts import drafted
from gemgate.telemetry import Observers, SystemClock, system_random
from gemgate.upstreams.web import canary as probes
from gemgate.upstreams.web import facts
from gemgate.version import __version__

_MARK = {"confirmed": "green", "changed": "red", "new": "yellow", "unseen": "dim"}


def canary(
    account: Annotated[str | None, typer.Argument(help="Account to look with; the first one that has cookies")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Send no prompt: look only at what costs nothing")] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Also rotate the cookies; not while a gateway or browser uses them")
    ] = False,
    picture: Annotated[bool, typer.Option("--picture", help="Also have one picture made, and look at its row")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report here; no content, cookie or id stands in it")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Keep scrubbed frames in this folder, for the simulator to replay")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Hold Google's wire against what this version believes: five short prompts at most, on one account of yours."""
    settings = load_settings(config=config).settings
    try:
        believed = facts.load(settings.wire_facts)
    except SettingsError as error:
        fail(error.text(language()), 2)
    watch = run(_watched(settings, believed, account, speak=not quiet, rotate=rotate, picture=picture))
    findings = probes.judge(believed.canary, watch.seen)
    summary = _report(findings, believed, watch)
    if report is not None:
        with drafted(report) as file:
            file.write((json.dumps(summary, indent=2) + "\n").encode())
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
        for name, frames in watch.recorded.items():
            with drafted(record / f"{name}.json", 0o600) as file:
                file.write((json.dumps(frames) + "\n").encode())
    if as_json:
        write_json(summary)
    else:
        _show(findings, watch)
    if any(finding.verdict == "changed" for finding in findings):
        raise typer.Exit(1)


def _report(findings: list[probes.Finding], believed: facts.WireFacts, watch: probes.Watch) -> dict[str, Any]:
    return {
        "gemgate": __version__,
        "facts": believed.version,
        "date": datetime.now(UTC).date().isoformat(),
        "prompts": watch.generations,
        "findings": [asdict(finding) for finding in findings],
    }


def _show(findings: list[probes.Finding], watch: probes.Watch) -> None:
    table = Table(box=None, pad_edge=False)
    for column in say(",fact,section,seen", ",事实,章节,所见").split(","):
        table.add_column(column, overflow="fold")
    counts = dict.fromkeys(_MARK, 0)
    for finding in findings:
        counts[finding.verdict] += 1
        if finding.verdict == "confirmed" and not finding.disputed:
            continue
        seen = finding.seen or say("not looked at", "未查看")
        believed = ""
        if finding.disputed:
            believed = say(" (disputed)", "（有争议）")
        elif finding.verdict == "changed":
            believed = say(f" (believed: {finding.believed})", f"（原以为：{finding.believed}）")
        table.add_row(
            Text(word(finding.verdict), _MARK[finding.verdict]), finding.fact, finding.section, f"{seen}{believed}"
        )
    if table.row_count:
        out.print(table)
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    summary_zh = "，".join(f"{word(verdict)} {count} 项" for verdict, count in counts.items())
    sent = watch.generations
    told = say(
        f"{summary}; prompts sent: {sent}. Sections are those of docs/google-wire.md.",
        f"{summary_zh}；共发送 {sent} 条提示词。章节指 docs/google-wire.md 的章节。",
    )
    out.print(told, highlight=False, soft_wrap=True)


async def _watched(
    settings: Settings, believed: facts.WireFacts, name: str | None, *, speak: bool, rotate: bool, picture: bool
) -> probes.Watch:
    cookies, proxy = await _session_of(settings, name)
    ca_file = str(settings.proxy_ca_file) if settings.proxy_ca_file else None
    return await probes.observe(
        cookies, believed, proxy=proxy, ca_file=ca_file, speak=speak, rotate=rotate, picture=picture
    )


async def _session_of(settings: Settings, name: str | None) -> tuple[Cookies, str | None]:
    """An account's cookies in the order the gateway would take them, and its way out; the command ends without any."""
    stored = {kept.name: kept for kept in (await look(settings)).accounts or ()}
    setups = {kept.name: kept.setup for kept in stored.values()} | {setup.name: setup for setup in seeds_of(settings)}
    build = account_builder(settings, clock=SystemClock(), random=system_random, observer=Observers([]))
    for setup in setups.values():
        if setup.kind != "web" or name not in (None, setup.name):
            continue
        account = await build(setup, Egress("canary"), InMemoryRecord())
        fresh = None
        if account.source is not None:
            try:
                fresh = await account.source.read()
            except GatewayError:
                fresh = None
        live = account.source is not None and account.source.live
        order = cookie_order(stored.get(setup.name) or StoredAccount(setup), fresh, live=live)
        await account.upstream.close()
        if order:
            return order[0], setup.proxy or settings.proxy_url
    if name:
        return fail(say(f"there is no account {name} with cookies", f"没有名为 {name} 且有 Cookie 的账号"))
    return fail(say("no account with cookies is set up", "没有设置带 Cookie 的账号"))
