"""What the system's own keeper of services is told of gemgate: files and commands, as pure functions of a `Plan`.

systemd (user and system), launchd, and Windows' task scheduler: a console program is no Windows service, so there it is
a task that starts at logon.
"""

from __future__ import annotations

import plistlib
from pathlib import PurePath, PurePosixPath
from typing import Literal
from xml.sax.saxutils import escape

from gemgate.frozen import frozen

Keeper = Literal["systemd-user", "systemd-system", "launchd-user", "launchd-system", "task"]
Step = tuple[str, ...]

NAME = "gemgate"
STOP_SECONDS = 45
"""Longer than a gateway lets running calls end (30 s)."""
SYSTEM_UNIT = PurePosixPath("/etc/systemd/system/gemgate.service")
SYSTEM_DAEMON = PurePosixPath("/Library/LaunchDaemons/gemgate.plist")


@frozen
class Plan:
    """What is to be kept running, and where.

    program: the words before `serve`, with absolute paths; config: the settings file; home: of the user whose service
    it is; log: where output goes that no journal takes; user: whose rights it has (launchd as a daemon only); uid: its
    number, for launchd.
    """

    keeper: Keeper
    program: tuple[str, ...]
    config: PurePath
    home: PurePath
    log: PurePath
    user: str = ""
    uid: int = 0

    @property
    def file(self) -> PurePath:
        """Where its file goes."""
        match self.keeper:
            case "systemd-user":
                return self.home / ".config" / "systemd" / "user" / f"{NAME}.service"
            case "systemd-system":
                return SYSTEM_UNIT
            case "launchd-user":
                return self.home / "Library" / "LaunchAgents" / f"{NAME}.plist"
            case "launchd-system":
                return SYSTEM_DAEMON
            case "task":
                return self.log.with_name(f"{NAME}-task.xml")

    @property
    def domain(self) -> str:
        """The name that launchd has for where it runs."""
        return "system" if self.keeper == "launchd-system" else f"gui/{self.uid}"


def content(plan: Plan) -> bytes:
    """The file, byte for byte."""
    match plan.keeper:
        case "systemd-user":
            return _user_unit(plan).encode()
        case "systemd-system":
            return _system_unit(plan).encode()
        case "launchd-user" | "launchd-system":
            return _property_list(plan)
        case "task":
            return _task(plan).encode("utf-16")


def install_steps(plan: Plan) -> tuple[Step, ...]:
    """The commands after the file is written; done again, they make a new file count."""
    match plan.keeper:
        case "systemd-user" | "systemd-system":
            return (_systemctl(plan, "daemon-reload"), _systemctl(plan, "enable", NAME), *restart_steps(plan))
        case "launchd-user" | "launchd-system":
            return (("launchctl", "bootstrap", plan.domain, str(plan.file)),)
        case "task":
            return (("schtasks", "/Create", "/TN", NAME, "/XML", str(plan.file), "/F"), *restart_steps(plan))


def uninstall_steps(plan: Plan) -> tuple[Step, ...]:
    """The commands before the file is removed."""
    match plan.keeper:
        case "systemd-user" | "systemd-system":
            return (_systemctl(plan, "disable", "--now", NAME),)
        case "launchd-user" | "launchd-system":
            return (("launchctl", "bootout", f"{plan.domain}/{NAME}"),)
        case "task":
            return (("schtasks", "/End", "/TN", NAME), ("schtasks", "/Delete", "/TN", NAME, "/F"))


def restart_steps(plan: Plan) -> tuple[Step, ...]:
    """Start it, anew when it runs: a new version of the program counts from then on."""
    match plan.keeper:
        case "systemd-user" | "systemd-system":
            return (_systemctl(plan, "restart", NAME),)
        case "launchd-user" | "launchd-system":
            return (("launchctl", "kickstart", "-k", f"{plan.domain}/{NAME}"),)
        case "task":
            return (("schtasks", "/End", "/TN", NAME), ("schtasks", "/Run", "/TN", NAME))


def status_step(plan: Plan) -> Step:
    """What tells how it is."""
    match plan.keeper:
        case "systemd-user" | "systemd-system":
            return _systemctl(plan, "status", "--no-pager", NAME)
        case "launchd-user" | "launchd-system":
            return ("launchctl", "print", f"{plan.domain}/{NAME}")
        case "task":
            return ("schtasks", "/Query", "/TN", NAME, "/V", "/FO", "LIST")


def log_step(plan: Plan, *, lines: int, follow: bool) -> Step:
    """What shows its last lines, and the next ones with `follow`."""
    match plan.keeper:
        case "systemd-user" | "systemd-system":
            whose = "--user-unit" if plan.keeper == "systemd-user" else "--unit"
            return ("journalctl", whose, NAME, "--lines", str(lines), *(["--follow"] if follow else ["--no-pager"]))
        case "launchd-user" | "launchd-system":
            return ("tail", "-n", str(lines), *(["-F"] if follow else []), str(plan.log))
        case "task":
            quoted = str(plan.log).replace("'", "''")
            wait = " -Wait" if follow else ""
            return ("powershell", "-NoProfile", "-Command", f"Get-Content -LiteralPath '{quoted}' -Tail {lines}{wait}")


def _systemctl(plan: Plan, *words: str) -> Step:
    return ("systemctl", *(["--user"] if plan.keeper == "systemd-user" else []), *words)


def _literal(text: object) -> str:
    """A value in which systemd expands nothing."""
    return str(text).replace("%", "%%")


def _command(plan: Plan, config: str) -> str:
    """ExecStart. systemd takes no quotes, escapes or variables in the program's own path: then env(1) starts it."""
    first, *rest = plan.program
    plain = not set(first) & set("\"'\\$")
    start = [f'"{_literal(first)}"'] if plain else ["/usr/bin/env", _word(first)]
    return " ".join([*start, *map(_word, rest), "serve", "--config", config])


def _word(text: object) -> str:
    """One word of ExecStart: no specifier, variable, quote or escape of systemd's in it."""
    inner = _literal(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{inner}"'


_UNIT_COMMON = f"""\
Type=exec
Restart=on-failure
RestartSec=5
# 2: a setting is wrong, and another start would not make it right.
RestartPreventExitStatus=2
TimeoutStopSec={STOP_SECONDS}
UMask=0077
NoNewPrivileges=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""


def _user_unit(plan: Plan) -> str:
    return f"""\
# Written by `gemgate service install`; changes of yours go into: systemctl --user edit gemgate
[Unit]
Description=gemgate
StartLimitIntervalSec=0

[Service]
ExecStart={_command(plan, _word(plan.config))}
WorkingDirectory={_literal(plan.config.parent)}
{_UNIT_COMMON}
[Install]
WantedBy=default.target
"""


def _system_unit(plan: Plan) -> str:
    """No user is made and no file is owned: systemd lends an account, two folders, and a look at the settings."""
    return f"""\
# Written by `gemgate service install --system`; changes of yours go into: systemctl edit gemgate
[Unit]
Description=gemgate
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={_command(plan, "%d/gemgate.toml")}
LoadCredential=gemgate.toml:{_literal(plan.config)}
DynamicUser=yes
# The key that seals cookies stays out of the folder for data: a copy of one must not open the other.
StateDirectory=gemgate gemgate-keys
StateDirectoryMode=0700
WorkingDirectory=%S/gemgate
Environment=DATA_DIR=%S/gemgate COOKIE_KEY_FILE=%S/gemgate-keys/cookie.key
{_UNIT_COMMON}PrivateDevices=yes
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
CapabilityBoundingSet=

[Install]
WantedBy=multi-user.target
"""


def _property_list(plan: Plan) -> bytes:
    told: dict[str, object] = {
        "Label": NAME,
        "ProgramArguments": [*plan.program, "serve", "--config", str(plan.config)],
        "WorkingDirectory": str(plan.config.parent),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": STOP_SECONDS,
        "Umask": 0o077,
        "StandardOutPath": str(plan.log),
        "StandardErrorPath": str(plan.log),
    }
    if plan.keeper == "launchd-system":
        told["UserName"] = plan.user
    return plistlib.dumps(told, sort_keys=False)


def _task(plan: Plan) -> str:
    words = " ".join(f'"{word}"' for word in (*plan.program, "serve", "--config", str(plan.config)))
    command = f'/d /s /c "{words} >> "{plan.log}" 2>&1"'
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>gemgate, written by gemgate service install</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{escape(plan.user)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{escape(plan.user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>%SystemRoot%\\System32\\cmd.exe</Command>
      <Arguments>{escape(command)}</Arguments>
      <WorkingDirectory>{escape(str(plan.config.parent))}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""
