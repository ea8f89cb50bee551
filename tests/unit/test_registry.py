"""Promoted adapters: kept side by side, swapped at once, taken back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.config import load_settings
from app.domain.errors import AdapterMismatch, Conflict, NotFound
from app.ml.registry import AdapterRegistry, adapter_fingerprint

NOW = datetime(2025, 3, 1, 10, 15, tzinfo=UTC)


def adapter(folder: Path, weights: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_text(weights)
    (folder / "thresholds.json").write_text("{}")
    (folder / "checkpoint").mkdir()
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(tmp_path / "data" / "adapters")


def promote(registry: AdapterRegistry, folder: Path, hours: int = 0) -> str:
    return registry.promote(
        "responder", folder, NOW + timedelta(hours=hours), {"after": {"correct_outcome": 1.0}},
        measured=adapter_fingerprint(folder), instead_of=registry.current("responder"),
    )  # fmt: skip


def test_nothing_is_current_before_a_promotion(registry: AdapterRegistry) -> None:
    assert registry.current("responder") is None
    assert registry.versions("responder") == []
    with pytest.raises(NotFound, match="No responder adapter was promoted"):
        registry.roll_back("responder", NOW)


def test_promote_copies_and_roll_back_returns_step_by_step(registry: AdapterRegistry, tmp_path: Path) -> None:
    one, two = adapter(tmp_path / "one", "1"), adapter(tmp_path / "two", "2")
    first = promote(registry, one)
    second = promote(registry, two, 1)
    current = registry.current("responder")
    assert current is not None
    assert (current.name, (current / "adapter_model.safetensors").read_text()) == (second, "2")
    assert (current / "thresholds.json").is_file()
    assert not (current / "checkpoint").exists()
    assert registry.roll_back("responder", NOW) == first
    assert registry.current("responder").name == first
    assert registry.roll_back("responder", NOW) == ""
    assert registry.current("responder") is None
    with pytest.raises(NotFound, match="nothing before it"):
        registry.roll_back("responder", NOW)
    assert registry.versions("responder") == [first, second]
    assert [(e["action"], e["version"]) for e in registry.history("responder")] == [
        ("promote", first), ("promote", second), ("rollback", first), ("rollback", ""),
    ]  # fmt: skip
    assert registry.history("responder")[0]["after"] == {"correct_outcome": 1.0}


def test_tasks_do_not_mix(registry: AdapterRegistry, tmp_path: Path) -> None:
    promote(registry, adapter(tmp_path / "one", "1"))
    assert registry.current("sentiment") is None


def test_promote_refuses_what_was_not_measured(registry: AdapterRegistry, tmp_path: Path) -> None:
    one, two = adapter(tmp_path / "one", "1"), adapter(tmp_path / "two", "2")
    measured = adapter_fingerprint(two)
    (two / "adapter_model.safetensors").write_text("still training")
    with pytest.raises(Conflict, match="has changed since it was measured"):
        registry.promote("responder", two, NOW, {}, measured=measured, instead_of=None)
    promote(registry, one)
    with pytest.raises(Conflict, match="Another responder adapter was promoted meanwhile"):
        registry.promote("responder", two, NOW, {}, measured=adapter_fingerprint(two), instead_of=None)
    assert len(registry.versions("responder")) == 1
    assert [p.name for p in (tmp_path / "data/adapters/responder").iterdir() if p.name.startswith(".")] == []


def test_a_damaged_adapter_is_named_and_can_be_rolled_back(registry: AdapterRegistry, tmp_path: Path) -> None:
    first = promote(registry, adapter(tmp_path / "one", "1"))
    second = promote(registry, adapter(tmp_path / "two", "2"), 1)
    (tmp_path / "data/adapters/responder" / second / "adapter_config.json").unlink()
    with pytest.raises(AdapterMismatch, match="--task responder --rollback"):
        registry.current("responder")
    assert registry.roll_back("responder", NOW) == first


def test_a_current_file_that_points_elsewhere_is_refused(registry: AdapterRegistry, tmp_path: Path) -> None:
    promote(registry, adapter(tmp_path / "one", "1"))
    (tmp_path / "data/adapters/responder/current").write_text("../../elsewhere\n")
    with pytest.raises(AdapterMismatch, match="is damaged"):
        registry.current("responder")


def test_a_cut_off_history_line_is_passed_over(registry: AdapterRegistry, tmp_path: Path) -> None:
    promote(registry, adapter(tmp_path / "one", "1"))
    with (tmp_path / "data/adapters/responder/history.jsonl").open("a") as stream:
        stream.write('{"action": "pro')
    assert [entry["action"] for entry in registry.history("responder")] == ["promote"]


def test_settings_take_the_promoted_adapter_unless_one_is_set(
    registry: AdapterRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BELLWETHER_RESPONDER_ADAPTER", raising=False)
    data_dir = tmp_path / "data"
    shipped = load_settings(data_dir=data_dir)
    promote(registry, adapter(tmp_path / "one", "1"))
    assert load_settings(data_dir=data_dir).responder_adapter == registry.current("responder")
    assert load_settings(data_dir=data_dir).sentiment_adapter == shipped.sentiment_adapter
    assert load_settings(data_dir=data_dir, promoted=False).responder_adapter == shipped.responder_adapter
    monkeypatch.setenv("BELLWETHER_RESPONDER_ADAPTER", "none")
    assert load_settings(data_dir=data_dir).responder_adapter is None
    registry.roll_back("responder", NOW)
    monkeypatch.delenv("BELLWETHER_RESPONDER_ADAPTER")
    assert load_settings(data_dir=data_dir) == shipped
