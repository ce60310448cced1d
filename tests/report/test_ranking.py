"""ROC and precision-recall points are scikit-learn's."""

import json

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from strata.report.ranking import ranking_curves


def test_two_classes_equal_scikit_learn():
    random = np.random.RandomState(0)
    y, scores, w = random.randint(0, 2, 200), random.rand(200).round(2), random.rand(200)
    (curve,) = ranking_curves(np.array(["no", "yes"])[y], scores, sample_weight=w)
    fpr, tpr, _ = roc_curve(y, scores, sample_weight=w)
    precision, recall, _ = precision_recall_curve(y, scores, sample_weight=w, drop_intermediate=True)
    assert curve.label == "yes"
    assert np.array_equal(curve.false_positive_rate, fpr) and np.array_equal(curve.true_positive_rate, tpr)
    assert np.array_equal(curve.precision[::-1], precision) and np.array_equal(curve.recall[::-1], recall)
    assert curve.roc_auc == roc_auc_score(y, scores, sample_weight=w) == pytest.approx(auc(fpr, tpr))
    assert curve.average_precision == average_precision_score(y, scores, sample_weight=w)
    assert curve.prevalence == pytest.approx(w[y == 1].sum() / w.sum())


def test_several_classes_stand_each_against_the_rest_and_a_missing_one_has_no_curve():
    random = np.random.RandomState(1)
    y, probs = random.randint(0, 3, 90), random.dirichlet(np.ones(4), 90)
    curves = ranking_curves(y, probs, classes=[0, 1, 2, 3])
    assert [curve.label for curve in curves] == [0, 1, 2]
    assert curves[2].roc_auc == roc_auc_score(y == 2, probs[:, 2])
    assert ranking_curves([1], [0.3], classes=[0, 1]) == []


def test_long_curves_are_thinned_out_with_both_ends():
    random = np.random.RandomState(2)
    y, scores = random.randint(0, 2, 5000), random.rand(5000)
    fields = ranking_curves(y, scores)[0].to_dict(max_points=50)
    assert len(fields["recall"]) == len(fields["false_positive_rate"]) == 50
    assert (fields["false_positive_rate"][0], fields["false_positive_rate"][-1]) == (0.0, 1.0)
    assert (fields["recall"][0], fields["recall"][-1]) == (0.0, 1.0)
    assert json.loads(json.dumps(fields, allow_nan=False))["label"] == 1


def test_probabilities_that_are_none_are_refused():
    with pytest.raises(ValueError, match="`y_prob` must lie in"):
        ranking_curves([0, 1], [0.1, np.nan])
