"""Where a user's data and configuration lie on each platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gemgate.errors import SettingsError


def _home() -> Path:
    """The user's; a user that the system does not know, as in a container, has none."""
    try:
        return Path.home()
    except RuntimeError:
        raise SettingsError(
            "this user has no home folder: set HOME, or DATA_DIR and COOKIE_KEY_FILE",
            "当前用户没有主目录：请设置 HOME，或设置 DATA_DIR 和 COOKIE_KEY_FILE",
        ) from None


def data_home() -> Path:
    """The platform's folder for user data."""
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "gemgate"
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(base) / "gemgate" if base else _home() / ".local" / "share" / "gemgate"


def config_home() -> Path:
    """The platform's folder for user configuration: the key file lives here, apart from the data."""
    if sys.platform == "darwin":
        return _home() / "Library" / "Preferences" / "gemgate"
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return Path(base) / "gemgate" if base else _home() / ".config" / "gemgate"
