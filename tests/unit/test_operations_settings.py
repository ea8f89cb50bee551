"""Where settings come from, and what of them may be shown."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.bootstrap_operations import sources_of_settings
from app.config import load_settings
from app.integrations import documents
from app.services.knowledge_files import KINDS
from app.ui.operations.settings import shown_value
from app.ui.operations.storage import size_of


def test_sources_of_settings_tells_each_from_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BELLWETHER_TOP_K=3\nBELLWETHER_PORT=7001\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BELLWETHER_PORT", "7002")
    monkeypatch.setenv("BELLWETHER_HOST", "0.0.0.0")
    found = sources_of_settings(load_settings(host="127.0.0.1"))
    names = ("top_k", "port", "host", "time_zone", "smtp_password")
    assert [found[name] for name in names] == [".env", "environment", "command line", "default", "default"]


def test_sources_of_settings_knows_promoted_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    version = tmp_path / "adapters" / "sentiment" / "20250301T101500-3fa94c01"
    version.mkdir(parents=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (version / name).write_text("")
    (version.parent / "current").write_text(version.name)
    found = sources_of_settings(load_settings(data_dir=tmp_path))
    assert (found["sentiment_adapter"], found["responder_adapter"]) == ("promoted adapter", "default")
    assert found["data_dir"] == "command line"


def test_shown_value_holds_no_secret() -> None:
    assert shown_value("smtp_password", SecretStr("hunter2")) == "set, not shown"
    assert shown_value("smtp_password", SecretStr("")) == "not set"
    url = shown_value("database_url", "postgresql://bw:hunter2@db.example/bw?password=hunter2")
    assert "db.example" in url
    assert "hunter2" not in url
    recipients = shown_value("alert_recipients", ("desk@bank.example", "https://hooks.example/T0/hunter2"))
    assert "desk@bank.example" in recipients
    assert "hunter2" not in recipients
    assert [shown_value("threads", 2), shown_value("max_request_bytes", 5_000_000)] == ["2", "5,000,000"]
    assert shown_value("scheduler", False) == "off"


def test_kinds_are_those_that_are_read() -> None:
    assert set(KINDS) == set(documents._READERS)


def test_size_of_reads_well() -> None:
    assert [size_of(n) for n in (0, 999, 1000, 12_345_678, 5 * 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "5.0 TB",
    ]
