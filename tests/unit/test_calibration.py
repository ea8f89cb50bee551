import math
from typing import Any

import pytest
import torch

from app.domain.errors import AdapterMismatch
from app.ml.calibration import Calibration, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_finds_the_one_that_labels_were_drawn_with(temperature: float) -> None:
    torch.manual_seed(3)
    logits = 4 * torch.randn(20_000, 3)
    labels = torch.multinomial(torch.softmax(logits / temperature, 1), 1)[:, 0].tolist()
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_fit_temperature_stays_within_bounds_where_the_likelihood_has_no_best() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0]] * 5)
    assert fit_temperature(logits, [0] * 5) == pytest.approx(0.1)
    assert fit_temperature(logits, [1] * 5) == pytest.approx(10.0)


def test_fit_temperature_of_no_rows_changes_nothing() -> None:
    assert fit_temperature(torch.zeros(0, 3), []) == 1.0


def test_temperature_of_a_language_without_its_own_is_the_common_one() -> None:
    calibration = Calibration({"": 1.5, "zh": 2.0}, topic=0.7)
    assert [calibration.temperature(language) for language in ("zh", "en", "")] == [2.0, 1.5, 1.5]
    assert Calibration().temperature("en") == 1.0


def test_calibration_survives_the_metadata() -> None:
    calibration = Calibration({"": 1.5, "zh": 2.0}, topic=0.7)
    assert Calibration.from_metadata({"task": "sentiment", "calibration": calibration.as_metadata()}) == calibration
    assert Calibration.from_metadata({"task": "sentiment"}) == Calibration({}, 1.0)


@pytest.mark.parametrize(
    "saved",
    [
        {"sentiment": {"en": "hot"}},
        {"sentiment": {"en": 0}},
        {"topic": -1},
        {"topic": math.nan},
        {"topic": None},
        7,
    ],
)
def test_calibration_that_is_damaged_is_refused_with_the_mend(saved: Any) -> None:
    with pytest.raises(AdapterMismatch, match=r"Run pipelines\.calibrate_sentiment"):
        Calibration.from_metadata({"calibration": saved})
