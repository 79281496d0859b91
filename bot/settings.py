"""All settings: defaults < ``neurobot.toml`` < ``NEUROBOT_*`` environment < flags.

Unknown keys are refused by name and path. Nested keys use two underscores in the environment:
``NEUROBOT_HTTP__PORT=8081``; lists are separated by commas. Secrets may also be given as
``<KEY>_FILE`` with a path to read.
"""

from __future__ import annotations

import difflib
import os
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from bot.errors import SettingsInvalid

_PREFIX = "NEUROBOT_"
# Spoken by the process, not settings: where the settings file is.
_RESERVED = frozenset({"NEUROBOT_CONFIG", "NEUROBOT_DEBUG"})

Preset = Literal["default", "fast", "seed", "ff", "cnn", "rnn", "auto"]
PRESETS: Final[tuple[Preset, ...]] = typing.get_args(Preset)

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Clock = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class HttpSettings(_Struct, frozen=True):
    """Where the server listens. Anything but loopback needs TLS or a trusted proxy."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""  # e.g. https://help.example.org; for the webhook and the widget snippet
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    max_body_bytes: Positive = 1_048_576
    max_upload_bytes: Positive = 10_485_760
    requests_per_minute: Positive = 600  # per client address, for anonymous routes


class StoreSettings(_Struct, frozen=True):
    """The database file and how often it is copied."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    readers: Positive = 4


class TelegramSettings(_Struct, frozen=True):
    """The Telegram channel; ``mode`` switches between polling and webhook without loss."""

    mode: Literal["off", "polling", "webhook"] = "off"
    token: str = ""
    webhook_secret: str = ""
    api_url: str = "https://api.telegram.org/bot"
    file_url: str = "https://api.telegram.org/file/bot"
    poll_timeout_s: Seconds = 25.0
    max_file_bytes: Positive = 20_000_000

    def __repr__(self) -> str:
        return f"TelegramSettings(mode={self.mode!r}, secrets hidden)"


class WidgetSettings(_Struct, frozen=True):
    """The web chat."""

    enabled: bool = True
    allowed_origins: tuple[str, ...] = ()  # sites that may embed it; empty: this server only
    title: str = ""
    quick_questions: tuple[str, ...] = ()


class HoursSettings(_Struct, frozen=True):
    """When people answer. Outside, the customer is told so truthfully."""

    enabled: bool = False
    timezone: str = "UTC"
    opens: Clock = "09:00"
    closes: Clock = "18:00"
    days: tuple[Annotated[int, msgspec.Meta(ge=1, le=7)], ...] = (1, 2, 3, 4, 5)  # ISO, Monday = 1


class AnswerSettings(_Struct, frozen=True):
    """How suggestions are shown and when the bot may answer by itself."""

    top_k: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    sure_from: Share = 0.3  # below: "not sure", no percent
    burst_quiet_s: Seconds = 1.5  # messages closer than this are answered once
    undo_s: Seconds = 5.0
    device: Literal["auto", "cpu", "gpu"] = "auto"


class TrainingSettings(_Struct, frozen=True):
    """The child process that trains."""

    threads: Positive = 1
    seed: int = 0
    preset: Preset = "default"
    max_minutes: Positive = 60
    source_share: Share = 0.5  # most of a category's rows that one agent or channel may give
    source_rows: Positive = 20  # below, that share does not matter


class InsightSettings(_Struct, frozen=True):
    """What is foretold of customers: from which counters, how far ahead, for whom."""

    engine: Annotated[str, msgspec.Meta(pattern=r"^(native|ray://[\w.:-]+)$")] = "native"
    windows_days: tuple[Positive, ...] = (7, 28)
    horizon_days: Positive = 28
    precision: Share = 0.8  # of all flagged this share will do it
    held_share: Share = 0.1  # of all subjects, never shown, to measure what acting brings
    max_minutes: Positive = 60


class WebhookSettings(_Struct, frozen=True):
    """Outgoing webhooks reach public addresses over https, and nothing else."""

    private_networks: tuple[str, ...] = ()  # networks inside that they may reach, also over http


class EventSettings(_Struct, frozen=True):
    """Events of the site's visitors: how many may wait, how long they are kept."""

    max_waiting: Positive = 20_000  # events accepted and not yet stored; above it 429
    max_event_bytes: Positive = 16_384
    requests_per_minute: Positive = 1_200  # per client address, of pages with the site key
    keep_days: Positive = 400
    export_dir: str = ""  # where they are exported to; none is removed before it is there
    identity_secret: str = ""  # pages prove with it who their visitor is; empty: they are believed

    def __repr__(self) -> str:
        return f"EventSettings(max_waiting={self.max_waiting}, secret hidden)"


class LogSettings(_Struct, frozen=True):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["console", "json"] = "console"


class Settings(_Struct, frozen=True):
    """The whole tree."""

    data_dir: str = "data"
    language: Literal["ru", "en"] = "en"  # of system texts where the customer's is unknown
    company: str = "Neurobot"
    http: HttpSettings = msgspec.field(default_factory=HttpSettings)
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    telegram: TelegramSettings = msgspec.field(default_factory=TelegramSettings)
    widget: WidgetSettings = msgspec.field(default_factory=WidgetSettings)
    hours: HoursSettings = msgspec.field(default_factory=HoursSettings)
    answers: AnswerSettings = msgspec.field(default_factory=AnswerSettings)
    training: TrainingSettings = msgspec.field(default_factory=TrainingSettings)
    insights: InsightSettings = msgspec.field(default_factory=InsightSettings)
    webhooks: WebhookSettings = msgspec.field(default_factory=WebhookSettings)
    events: EventSettings = msgspec.field(default_factory=EventSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)

    @property
    def data_path(self) -> Path:
        """Absolute data folder."""
        return Path(self.data_dir).expanduser().absolute()

    @property
    def database_path(self) -> Path:
        """The one SQLite file."""
        return self.data_path / "neurobot.db"

    @property
    def events_path(self) -> Path:
        """The events' own SQLite file."""
        return self.data_path / "events.db"

    @property
    def artefacts_path(self) -> Path:
        """Folder of model bundles."""
        return self.data_path / "artefacts"

    @property
    def index_path(self) -> Path:
        """Folder of the indexes of the bundles; they can be made again."""
        return self.data_path / "index"

    @property
    def insights_path(self) -> Path:
        """Folder of the models about customers."""
        return self.data_path / "insights"

    @property
    def attachments_path(self) -> Path:
        """Folder of files sent by agents and visitors, named by their SHA-256."""
        return self.data_path / "attachments"

    @property
    def control_path(self) -> Path:
        """Unix socket through which writing commands reach the running server."""
        return self.data_path / "control.sock"


SECRETS = ("telegram.token", "telegram.webhook_secret", "events.identity_secret")


def load_settings(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from file, environment and flags.

    Args:
        path: TOML file; a named file must exist, the default ``neurobot.toml`` may be absent.
        environ: environment to read ``NEUROBOT_*`` from.
        overrides: dotted key to value, from flags; None values are left out.

    Raises:
        SettingsInvalid: the file is missing or not TOML, or a key is unknown or out of range; the
            text names the key and the nearest known one.
    """
    named = path or (Path(environ["NEUROBOT_CONFIG"]) if "NEUROBOT_CONFIG" in environ else None)
    tree = _read_toml(named or Path("neurobot.toml"), must_exist=named is not None)
    for key, value in _from_environment(environ):
        _put(tree, key, _listed(value) if _is_list(key) else value)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            _put(tree, dotted.split("."), value)
    _refuse_unknown(tree, Settings, "")
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(
            f"Settings: {error}.", remedy="docs/settings.md lists every key."
        ) from error


def _read_toml(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if must_exist:
            raise SettingsInvalid(f"The settings file {path} does not exist.") from None
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsInvalid(
            f"The settings file {path} cannot be read: {error}.",
            remedy="Mend it, let this user read it, or name another one in NEUROBOT_CONFIG.",
        ) from error


def _from_environment(environ: Mapping[str, str]) -> list[tuple[list[str], str]]:
    pairs = []
    for name, value in sorted(environ.items()):
        if not name.startswith(_PREFIX) or name in _RESERVED:
            continue
        keys = name.removeprefix(_PREFIX).lower().split("__")
        if ".".join(keys).removesuffix("_file") in SECRETS and keys[-1].endswith("_file"):
            keys[-1] = keys[-1].removesuffix("_file")
            try:
                value = Path(value).read_text(encoding="utf-8").strip()  # noqa: PLW2901
            except OSError as error:
                raise SettingsInvalid(f"{name}: {error}.") from error
        pairs.append((keys, value))
    return pairs


def _is_list(keys: list[str]) -> bool:
    kind: Any = Settings
    for key in keys:
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return False
        kind = {f.name: f.type for f in msgspec.structs.fields(kind)}.get(key)
    return typing.get_origin(kind) is tuple


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise SettingsInvalid(f"Settings: '{key}' is a value, not a section.")
    tree[keys[-1]] = value


def _refuse_unknown(tree: Mapping[str, Any], kind: type[msgspec.Struct], path: str) -> None:
    fields = {f.name: f for f in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        where = f"{path}{key}"
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" Did you mean '{path}{near[0]}'?" if near else ""
            raise SettingsInvalid(
                f"Settings: unknown key '{where}'.{hint}",
                remedy="docs/settings.md lists every key.",
            )
        inner = fields[key].type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            if not isinstance(value, dict):
                raise SettingsInvalid(f"Settings: '{where}' is a section, not a value.")
            _refuse_unknown(value, inner, f"{where}.")
