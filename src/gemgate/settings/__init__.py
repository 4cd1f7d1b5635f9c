"""Every setting, its default and its meaning. Names are a contract (docs/settings.md); later wins: file, environment,
option.

The description of each field is what `gemgate settings`, `.env.example` and the settings page of the docs show.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL

from gemgate.accounts import Cookies
from gemgate.caller import Budget
from gemgate.catalog import DEFAULT_IMAGE_MODEL, DEFAULT_MODEL, Aliases, parse_aliases
from gemgate.cookies.spec import parse_source
from gemgate.errors import BadValue, GatewayError
from gemgate.policy.alert_address import parse_channels
from gemgate.ports.alerts import ChannelKind
from gemgate.settings.api_keys import ApiKey, parse_api_keys
from gemgate.settings.folders import data_home

CONFIG_FILE = "gemgate.toml"


Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
BudgetText = Annotated[str, AfterValidator(lambda text: str(Budget.parse(text)))]


class Settings(BaseSettings):
    """All settings in force. Build with `loading.load`, which says where each value came from."""

    model_config = SettingsConfigDict(
        extra="ignore", case_sensitive=False, frozen=True, env_ignore_empty=True, defer_build=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8100, ge=0, le=65535, description="Port to listen on; 0 picks a free one")
    api_key: SecretStr | None = Field(
        None,
        description="Client keys, comma separated, `[name:]secret[;rph=100][;alias=NAME=MODEL]`; needed off loopback",
    )
    admin_key: SecretStr | None = Field(None, description="Key of the page and the admin routes")
    auth: Literal["", "none"] = Field("", description="`none` = open on purpose, even off loopback")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Networks whose X-Forwarded-For counts, comma separated"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of web pages that may call the API, comma separated; `*` = any"
    )

    secure_1psid: SecretStr | None = Field(None, description="Cookie __Secure-1PSID of the single account")
    secure_1psidts: SecretStr | None = Field(None, description="Cookie __Secure-1PSIDTS of the single account")
    secure_1psidcc: SecretStr | None = Field(None, description="Cookie __Secure-1PSIDCC, if there is one")
    accounts_file: Path | None = Field(None, description="Several accounts; default DATA_DIR/accounts.toml")
    cookie_source: str = Field(
        "env", description="`env`, `file:PATH`, `browser:firefox[:PROFILE]` or `browser:chrome[:PROFILE]`"
    )
    cookie_refresh_seconds: Seconds = Field(600, description="Rotation interval; 0 = never")
    official_api_url: str = Field(
        "https://generativelanguage.googleapis.com", description="Where accounts of kind `official` find their API"
    )
    proxy_url: str | None = Field(None, description="Outgoing proxy to Google")
    proxy_ca_file: Path | None = Field(None, description="CA file to trust for that proxy")
    cookie_keys: SecretStr | None = Field(None, description="Keys that encrypt cookies at rest; the first encrypts")
    cookie_key_file: Path | None = Field(None, description="File with those keys, made at first start (0600)")

    data_dir: Path = Field(default_factory=data_home, description="Database, pictures, uploads")
    database_url: SecretStr | None = Field(None, description="`postgresql+psycopg://…`; default SQLite in DATA_DIR")
    redis_url: SecretStr | None = Field(None, description="Limits shared by several processes")
    redis_down: Literal["local", "closed", "open"] = Field(
        "local", description="Without Redis: count per process, refuse, or let all pass"
    )

    rate_limit_per_hour: Count = Field(60, description="Calls an hour per client; 0 = off")
    budget: BudgetText = Field("", description="Of all keys together: `images_per_day=100,tokens_per_month=5000000`")
    key_budget: BudgetText = Field("", description="Of every key that has no other budget (docs/usage.md)")
    model_interval_seconds: Seconds = Field(5, description="Seconds between two calls of one model; 0 = off")
    rpm_limit: Count = Field(60, description="Prompts a minute per account, towards Google; 0 = off")
    address_rpm_limit: float | None = Field(
        None,
        ge=0,
        description="Prompts a minute per way out (proxy, or none) after a burst, all accounts together; "
        "default as measured (10, docs/google-wire.md 4.3); 0 = off",
    )
    concurrency: int = Field(2, ge=1, description="Prompts at once per account")
    reserve_percent: float = Field(
        10,
        ge=0,
        lt=100,
        description="Share of Google's usage windows that batches leave to interactive calls; 0 = none",
    )
    cooldown_429_seconds: Seconds = Field(3600, description="Rest after a usage limit without a stated reset; 0 = off")
    cooldown_address_seconds: float | None = Field(
        None,
        ge=0,
        description="Rest of an address that Google blocks; default as long as blocks were measured (7200); 0 = off",
    )
    cooldown_auth_seconds: Seconds = Field(900, description="Rest after three failures in a row; 0 = off")

    request_timeout_seconds: float = Field(300, gt=0, description="Whole time of one generation")
    first_byte_timeout_seconds: float = Field(90, gt=0, description="Silence before the first byte")
    idle_timeout_seconds: float = Field(60, gt=0, description="Silence between two pieces")
    keepalive_seconds: Seconds = Field(
        20,
        description="A whole answer that takes longer sends its head, and white space until it is there "
        "(docs/proxies.md); 0 = off",
    )
    canary: Literal["", "daily"] = Field(
        "", description="`daily` = hold Google's wire against what is believed, with five short prompts a day"
    )
    wire_facts: Path | None = Field(
        None, description="TOML file that overrides single facts of Google's wire (docs/google-wire.md)"
    )
    prompt_max_bytes: int | None = Field(
        None,
        ge=0,
        description="UTF-8 bytes of one prompt's text; older turns beyond go up as a file. Default 120000; 0 = any",
    )
    prompt_with_files_max_bytes: int | None = Field(
        None, ge=0, description="UTF-8 bytes of a prompt and the text of its files together. Default 150000; 0 = any"
    )
    max_body_mb: float = Field(64, gt=0, description="Largest request body, in MB")
    files_per_key_mb: float = Field(
        10_000,
        ge=0,
        description="Uploads that a key may have at a time, in MB together; 0 = off",
    )
    media_per_key_mb: float = Field(
        200_000,
        ge=0,
        description="Pictures, videos and music that a key may have, in MB together; no more are made then, until some "
        "are deleted; 0 = off",
    )
    chats_per_key_mb: float = Field(
        2000,
        ge=0,
        description="Answers that can be continued (`store`), named conversations and jobs (what was asked and said) "
        "that a key may have, in MB together; the oldest that have ended are forgotten; 0 = off",
    )
    conversations_per_key: Count = Field(
        100_000,
        description="Chats that a key may have in which a conversation can go on; the oldest are forgotten, those that "
        "callers named are not; 0 = off",
    )
    batch_tasks_per_key: Count = Field(
        100_000, description="Tasks of batches that a key may have open at a time; 0 = off"
    )
    max_image_pixels: int = Field(50_000_000, gt=0, description="Largest picture, in pixels")

    default_model: str = Field(DEFAULT_MODEL, description="Text model when a request names none")
    default_image_model: str = Field(DEFAULT_IMAGE_MODEL, description="Picture model when a request names none")
    model_aliases: str = Field(
        "",
        description="Other names of models, `PATTERN=MODEL` comma separated, with `*`: `gpt-*=gemini-3-flash-preview`",
    )
    model_policy: Literal["report", "require"] = Field(
        "report",
        description="When Google answers with another model than asked: `report` tells it, `require` makes it an error",
    )
    history: str = Field("keep", description="Chats at Google: `keep`, `temporary` or `delete:SECONDS`")
    account_history: bool = Field(
        False, description="Open the accounts' own chats at Google to the admin key: read, export, rename, pin, delete"
    )
    abandoned: Literal["finish", "cancel"] = Field(
        "finish",
        description="A call for pictures whose caller leaves after its prompt went to Google: `finish` and keep them, "
        "or `cancel`",
    )
    watermark_removal: bool = Field(True, description="Remove the visible logo from pictures")
    logo_profiles: Path | None = Field(
        None, description="JSON file of places and shapes of the logo, tried first (gemgate logo calibrate)"
    )
    usage_days: Count = Field(400, description="How many days the ledger of usage is kept; 0 = for ever")
    audit_days: Count = Field(400, description="How many days the audit is kept: who changed what; 0 = for ever")
    retention_days: Count = Field(
        0, description="Delete pictures, uploads, jobs and conversations after so many days; 0 = never"
    )

    storage: Literal["", "folder", "r2", "s3"] = Field("", description="Where pictures go: a folder, `r2` or `s3`")
    public_base_url: str | None = Field(None, description="The gateway's own address in links")
    r2_account_id: str | None = Field(None, description="Cloudflare R2 account")
    r2_access_key_id: str | None = Field(None, description="R2 key id")
    r2_secret_access_key: SecretStr | None = Field(None, description="R2 secret")
    r2_bucket: str | None = Field(None, description="R2 bucket")
    r2_public_url: str | None = Field(None, description="Public address of the R2 bucket")
    s3_endpoint: str | None = Field(None, description="S3 endpoint")
    s3_bucket: str | None = Field(None, description="S3 bucket")
    s3_region: str | None = Field(None, description="S3 region")
    s3_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="Where the bucket's name stands: in the path or before the host; auto knows the usual hosts"
    )
    s3_creating: Literal["auto", "if-none-match", "oss", "cos", "look"] = Field(
        "auto", description="How the store makes an object only if there is none; auto finds out, `gemgate doctor` says"
    )
    s3_access_key_id: str | None = Field(None, description="S3 key id")
    s3_secret_access_key: SecretStr | None = Field(None, description="S3 secret")

    fleet: bool = Field(
        False, description="All state is shared: DB_* serves everything, and what is not shared stops the start"
    )
    db_host: str | None = Field(None, description="PostgreSQL of the node registry (default 127.0.0.1)")
    db_port: int = Field(5432, description="Its port")
    db_user: str | None = Field(None, description="Its user")
    db_password: SecretStr | None = Field(None, description="Its password")
    db_name: str | None = Field(None, description="Its database")
    external_ip: str | None = Field(None, description="Address under which other machines reach this node")
    external_port: int | None = Field(None, description="Port under which they reach it; default PORT")
    gemini_worker_id: str = Field("gemini-worker-01", description="Name of this node")
    gemini_weight: float = Field(1.0, ge=0, description="Share of the calls that this node takes")
    internal_token: SecretStr | None = Field(None, description="Secret between gateway and nodes")

    alert_webhook_url: SecretStr | None = Field(None, description="Receives alerts as JSON")
    responses_webhook_url: SecretStr | None = Field(
        None, description="Is told of the end of every background response, video and music, as OpenAI's webhooks are"
    )
    responses_webhook_secret: SecretStr | None = Field(
        None, description="Signs what RESPONSES_WEBHOOK_URL is told (Standard Webhooks)"
    )
    alert_bark_url: SecretStr | None = Field(None, description="Receives alerts in Bark's form")
    alert_urls: SecretStr | None = Field(
        None,
        description="More receivers of alerts, `KIND=URL` with white space between: ntfy, telegram, slack, discord, "
        "feishu, dingtalk, wecom (docs/operations.md)",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="OTLP/HTTP collector that receives traces, e.g. http://127.0.0.1:4318 (extra `otel`)"
    )
    recent_requests: Count = Field(500, description="Requests that are remembered, to be explained; 0 = none")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line")
    log_format: Literal["console", "json"] = Field("console", description="`json` for machines")
    debug: bool = Field(False, description="More in the log; never a secret")

    @field_validator("trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise BadValue(
                    f"{network!r} is no network, as 10.0.0.0/8", f"{network!r} 不是网段，例如 10.0.0.0/8"
                ) from None
        return value

    @field_validator(
        "auth", "log_level", "log_format", "storage", "redis_down", "model_policy", "canary", "abandoned", mode="before"
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("history")
    @classmethod
    def _history(cls, value: str) -> str:
        kind, _, seconds = value.partition(":")
        if value in ("keep", "temporary") or (kind == "delete" and seconds.isdigit()):
            return value
        raise BadValue("must be keep, temporary or delete:SECONDS", "必须是 keep、temporary 或 delete:秒数")

    @field_validator("model_aliases")
    @classmethod
    def _aliases(cls, value: str) -> str:
        parse_aliases(value)
        return value

    @field_validator("cookie_source")
    @classmethod
    def _cookie_source(cls, value: str) -> str:
        try:
            return str(parse_source(value))
        except GatewayError as error:
            raise BadValue(error.en, error.zh) from None

    @field_validator("proxy_url")
    @classmethod
    def _proxy(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://", "socks5://", "socks5h://", "socks4://")):
            raise BadValue(
                "must begin with http://, https:// or socks5://", "必须以 http://、https:// 或 socks5:// 开头"
            )
        return value

    @field_validator("internal_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_LENGTH:
            raise BadValue(
                f"needs at least {TOKEN_LENGTH} characters; make one with: openssl rand -hex 32",
                f"至少需要 {TOKEN_LENGTH} 个字符；可用 openssl rand -hex 32 生成",
            )
        return value

    @field_validator("api_key")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_api_keys(value.get_secret_value())
        return value

    @field_validator("alert_urls")
    @classmethod
    def _alert_urls(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parse_channels(value.get_secret_value())
            except GatewayError as error:
                raise BadValue(error.en, error.zh) from None
        return value

    @model_validator(mode="after")
    def _closed_unless_said(self) -> Settings:
        if not self.on_loopback and not self.api_key and not self.internal_token and self.auth != "none":
            raise BadValue(
                f"HOST={self.host} can be reached from elsewhere: set API_KEY, or AUTH=none to leave it open on "
                "purpose",
                f"HOST={self.host} 可以从其他机器访问：请设置 API_KEY；若有意开放，请设置 AUTH=none",
            )
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @property
    def db_url(self) -> str:
        """The DB_* variables as a URL; "" while none of them is set (docs/decisions.md 9)."""
        if not (self.db_host or self.db_user or self.db_password or self.db_name):
            return ""
        url = URL.create(
            "postgresql+psycopg",
            self.db_user,
            self.db_password.get_secret_value() if self.db_password else None,
            self.db_host or "127.0.0.1",
            self.db_port,
            self.db_name,
        )
        return url.render_as_string(hide_password=False)

    @property
    def shared_database(self) -> bool:
        """Whether other nodes see our conversations, files and batches."""
        if self.database_url:
            return self.database_url.get_secret_value().startswith("postgres")
        return self.fleet and bool(self.db_url)

    @property
    def fleet_only(self) -> bool:
        """Whether only a gateway of our fleet may call: reachable from elsewhere, with its token and no keys."""
        return not self.on_loopback and not self.api_key and self.internal_token is not None and self.auth != "none"

    @property
    def api_keys(self) -> tuple[ApiKey, ...]:
        return parse_api_keys(self.api_key.get_secret_value()) if self.api_key else ()

    def aliases(self) -> Aliases:
        """Other names of models, for everybody and for single API keys."""
        by_key = {key.name: key.aliases for key in self.api_keys if key.aliases}
        return Aliases(parse_aliases(self.model_aliases), by_key)

    @property
    def more_alerts(self) -> tuple[tuple[ChannelKind, str], ...]:
        return parse_channels(self.alert_urls.get_secret_value()) if self.alert_urls else ()

    @property
    def accounts_path(self) -> Path:
        return self.accounts_file or self.data_dir / "accounts.toml"

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * 1_000_000)

    @property
    def environment_cookies(self) -> Cookies | None:
        """The single account's cookies from SECURE_1PSID and its siblings; None when unset."""
        if self.secure_1psid is None:
            return None
        ts = self.secure_1psidts.get_secret_value() if self.secure_1psidts else ""
        cc = self.secure_1psidcc.get_secret_value() if self.secure_1psidcc else ""
        return Cookies(self.secure_1psid.get_secret_value(), ts, cc)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Explicit(Settings):
    """Settings from the values given and nothing else; `loading.load` has read the sources already."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, settings_cls: Any, init_settings: Any, **_: Any
    ) -> tuple[Any, ...]:
        return (init_settings,)


def explicit(**values: Any) -> Settings:
    """Settings for embedding and tests: only what is given, and defaults."""
    return _Explicit(**values)


TOKEN_LENGTH = 16
"""Characters that INTERNAL_TOKEN has at least: who knows it is whoever it says it is. An ADMIN_KEY of as many is never
refused for wrong keys of others."""

SECRET_MARK = "set"  # noqa: S105 - a word to show in place of one


def shown(settings: Settings, name: str) -> str:
    """A setting as it may be shown: secrets only as set or not, URLs without their password."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return SECRET_MARK
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    scheme, sep, rest = text.partition("://")
    if sep and "@" in rest:
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    return text
