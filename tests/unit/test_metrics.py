import pytest

from app.ml.metrics import (
    classification_report,
    confusion_matrix,
    expected_calibration_error,
    reliability_bins,
    retrieval_report,
)

LABELS = ["negative", "neutral", "positive"]


def test_classification_report_counts_by_hand() -> None:
    truth = ["negative", "negative", "negative", "neutral", "neutral", "positive"]
    given = ["negative", "negative", "neutral", "neutral", "positive", "positive"]
    report = classification_report(truth, given, LABELS)
    assert report["n"] == 6
    assert report["accuracy"] == pytest.approx(4 / 6)
    # precision 2/2, 1/2, 1/2; recall 2/3, 1/2, 1/1
    assert report["per_class"]["negative"] == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3}
    )
    assert report["per_class"]["neutral"]["f1"] == pytest.approx(0.5)
    assert report["per_class"]["positive"] == pytest.approx(
        {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 1}
    )
    assert report["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_classification_report_leaves_absent_labels_out_of_the_mean() -> None:
    report = classification_report(["negative", "neutral"], ["negative", "positive"], LABELS)
    assert report["macro_f1"] == pytest.approx(0.5)
    assert report["per_class"]["positive"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_classification_report_of_nothing_is_zero() -> None:
    report = classification_report([], [], LABELS)
    assert (report["n"], report["accuracy"], report["macro_f1"]) == (0, 0.0, 0.0)


def test_classification_report_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="zip"):
        classification_report(["negative"], [], LABELS)


def test_expected_calibration_error_weighs_bins_by_size() -> None:
    # Bin [0.6, 0.7): accuracy 1/2 at 0.65. Bin [0.9, 1]: accuracy 2/2 at 0.95, where 1.0 belongs as well.
    correct, confidence = [True, False, True, True], [0.65, 0.65, 0.9, 1.0]
    expected = (2 * abs(0.5 - 0.65) + 2 * abs(1.0 - 0.95)) / 4
    assert expected_calibration_error(correct, confidence) == pytest.approx(expected)


def test_expected_calibration_error_does_not_let_bins_cancel_out() -> None:
    assert expected_calibration_error([True, False], [0.5, 0.95]) == pytest.approx((0.5 + 0.95) / 2)
    assert expected_calibration_error([True, False], [0.55, 0.55]) == pytest.approx(0.05)


def test_expected_calibration_error_of_nothing_is_zero() -> None:
    assert expected_calibration_error([], []) == 0.0


def test_retrieval_report_counts_ranks_from_one() -> None:
    report = retrieval_report([1, 2, 5, 6, None])
    assert report == pytest.approx({"hit@1": 1 / 5, "hit@5": 3 / 5, "mrr": (1 + 1 / 2 + 1 / 5 + 1 / 6) / 5})
    assert retrieval_report([]) == {"hit@1": 0.0, "hit@5": 0.0, "mrr": 0.0}


def test_reliability_bins_hold_the_rows_of_their_range() -> None:
    bins = reliability_bins([True, False, True, True], [0.41, 0.49, 0.95, 1.0])
    assert [(part["low"], part["n"], part["accuracy"]) for part in bins] == [(0.4, 2, 0.5), (0.9, 2, 1.0)]
    assert [part["confidence"] for part in bins] == pytest.approx([0.45, 0.975])


def test_confusion_matrix_has_a_row_for_each_true_label() -> None:
    truth, given = ["negative", "negative", "positive"], ["negative", "neutral", "neutral"]
    assert confusion_matrix(truth, given, LABELS) == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
