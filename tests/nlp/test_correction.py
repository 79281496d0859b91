import numpy as np
import pytest
import torch

from nlp.artifacts import ArtifactDamaged
from nlp.correction import Calibration, Correction, Evidence, Network, contrast, weighted_sum
from nlp.metrics import expected_calibration_error
from nlp.train.correction import (
    Lists,
    cross_logits,
    fit_calibration,
    fit_network,
    held_out_confidence,
    quality,
)

NAMES = ("good", "noise", "still")


def lists(n=200, seed=0, unanswerable=0.2):
    """Lists in which a high first feature speaks for a candidate; some have no right one."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, n)
    features = rng.standard_normal((int(sizes.sum()), 3)).astype(np.float32)
    features[:, 2] = 0.5
    right = np.zeros(len(features), bool)
    for start, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        if rng.random() >= unanswerable:
            place = start + int(rng.integers(size))
            right[place] = True
            features[place, 0] += 2.5
    return Lists(features, sizes.astype(np.int64), right)


@pytest.fixture(scope="module")
def fitted():
    torch.set_num_threads(1)
    train = lists()
    folds = np.arange(len(train)) % 4
    logits = cross_logits(train, folds, seed=0)
    network = fit_network(train, seed=0)
    return Correction(NAMES, network, fit_calibration(logits, train), "mlp")


def test_weights_must_fit_the_features():
    with pytest.raises(ArtifactDamaged, match="2 features"):
        Correction(("a", "b"), weighted_sum(NAMES, {}), Calibration(), "fixed")


def test_features_must_fit_the_segments(fitted):
    with pytest.raises(ValueError, match="candidates"):
        fitted.predict_proba(np.zeros((3, 3), np.float32), [2])
    with pytest.raises(ValueError, match="candidates"):
        fitted.predict_proba(np.zeros((3, 2), np.float32), [3])


def test_damaged_folders_are_named(fitted, tmp_path):
    with pytest.raises(ArtifactDamaged, match="correction"):
        Correction.load(tmp_path)
    fitted.save(tmp_path)
    (tmp_path / "correction.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactDamaged, match="missing"):
        Correction.load(tmp_path)


def test_no_candidates_and_empty_segments(fitted):
    assert fitted.predict_proba(np.zeros((0, 3), np.float32), []).shape == (0,)
    assert fitted.predict_proba(np.zeros((0, 3), np.float32), [0, 0]).shape == (0,)
    some = np.zeros((2, 3), np.float32)
    assert fitted.predict_proba(some, [0, 2, 0]) == pytest.approx(fitted.predict_proba(some, [2]))


def test_a_batch_is_the_same_as_one_at_a_time(fitted):
    fresh = lists(30, seed=5)
    together = fitted.predict_proba(fresh.features, fresh.sizes)
    parts = np.split(fresh.features, np.cumsum(fresh.sizes)[:-1])
    alone = [fitted.predict_proba(part, [len(part)]) for part in parts]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-6)


def test_probabilities_leave_room_for_none(fitted):
    fresh = lists(100, seed=6)
    proba = fitted.predict_proba(fresh.features, fresh.sizes)
    assert (proba >= 0).all()
    assert (np.add.reduceat(proba, np.cumsum(fresh.sizes) - fresh.sizes) < 1).all()


def test_it_ranks_and_means_what_it_says(fitted):
    fresh = lists(600, seed=7)
    logits = fitted.predict_proba(fresh.features, fresh.sizes)
    assert quality(logits, fresh).acc_at_1 > 0.55
    hit = fresh.right.astype(float)
    assert abs(float(logits.mean() - hit.mean())) < 0.02
    sure = logits > 0.7
    assert hit[sure].mean() > 0.65


def test_unanswerable_questions_get_less(fitted):
    fresh = lists(400, seed=8, unanswerable=0.5)
    proba = fitted.predict_proba(fresh.features, fresh.sizes)
    starts = np.cumsum(fresh.sizes) - fresh.sizes
    best = np.maximum.reduceat(proba, starts)
    answered = np.maximum.reduceat(fresh.right.astype(int), starts) == 1
    assert best[answered].mean() > best[~answered].mean() + 0.15


def test_a_feature_that_never_moved_has_no_say(fitted):
    fresh = lists(20, seed=9)
    moved = fresh.features.copy()
    moved[:, 2] = 1000
    proba = fitted.predict_proba(fresh.features, fresh.sizes)
    assert fitted.predict_proba(moved, fresh.sizes) == pytest.approx(proba)


def test_it_comes_back_from_disk(fitted, tmp_path):
    fitted.save(tmp_path / "correction")
    again = Correction.load(tmp_path / "correction")
    fresh = lists(20, seed=9)
    assert again.feature_names == NAMES
    assert again.variant == "mlp"
    assert again.predict_proba(fresh.features, fresh.sizes) == pytest.approx(
        fitted.predict_proba(fresh.features, fresh.sizes)
    )


def test_a_weighted_sum_survives_the_disk_too(tmp_path):
    fixed = Correction(NAMES, weighted_sum(NAMES, {"good": 2}), Calibration(), "fixed")
    fixed.save(tmp_path)
    proba = Correction.load(tmp_path).predict_proba(np.eye(3, dtype=np.float32), [3])
    assert proba.argmax() == 0


def test_calibration_of_no_lists_is_the_start():
    empty = Lists(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), np.zeros(0, bool))
    assert fit_calibration(np.zeros(0, np.float32), empty) == Calibration()
    assert quality(np.zeros(0, np.float32), empty).acc_at_1 == 0


def test_calibration_error_is_small_after_cross_fitting():
    train = lists(500, seed=11)
    folds = np.arange(len(train)) % 4
    logits = cross_logits(train, folds, seed=0, hidden=0)
    counted = np.arange(len(train)) >= 40
    confidence, right = held_out_confidence(logits, train, folds, counted)
    assert len(confidence) == len(right) == 460
    assert expected_calibration_error(confidence, right) < 0.12


def test_evidence_comes_back_from_disk(tmp_path):
    evidence = Evidence(np.asarray([0.9, 0.2], np.float32), np.asarray([True, False]))
    network = weighted_sum(("a",), {"a": 1})
    Correction(("a",), network, Calibration(), "fixed", evidence).save(tmp_path)
    again = Correction.load(tmp_path).evidence
    assert again.confidence.tolist() == evidence.confidence.tolist()
    assert again.right.tolist() == [True, False]


def test_large_logits_do_not_overflow():
    zeros = np.zeros(0, np.float32)
    network = Network(
        np.zeros(1, np.float32),
        np.ones(1, np.float32),
        np.ones(1, np.float32),
        np.zeros((1, 0), np.float32),
        zeros,
        zeros,
    )
    proba = Correction(("a",), network, Calibration(1e4), "x").predict_proba(
        np.asarray([[1e4], [-1e4]], np.float32), [2]
    )
    assert np.isfinite(proba).all()


def test_contrast_compares_candidates_of_one_question():
    features = contrast(np.asarray([[4.0, 0], [2, 0], [1, 0]], np.float32))
    assert features[:, 0].tolist() == [1, 0.5, 0.25]
    assert features[:, 1].tolist() == [0.5, -0.5, -0.75]
    assert (features[:, 2:] == 0).all()
    assert contrast(np.zeros((0, 2), np.float32)).shape == (0, 4)
    assert contrast(np.asarray([[3.0]], np.float32)).tolist() == [[1, 1]]
