import io

import numpy as np
import pytest
from sklearn.svm import SVC

from evaluation.svm import fit_svm, load_svm, save_svm, svm_decisions, svm_probabilities
from preprocessing.command import InputError


def blobs(num_classes, seed=0, spread=1.0):
    random = np.random.default_rng(seed)
    centres = 3 * random.normal(size=(num_classes, 5))
    labels = np.repeat([f"c{i}" for i in range(num_classes)], 40)
    features = np.repeat(centres, 40, axis=0) + spread * random.normal(
        size=(40 * num_classes, 5)
    )
    groups = [f"g{i // 2}" for i in range(len(labels))]
    return features, labels, groups


@pytest.mark.parametrize("num_classes", [2, 3, 6])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "sigmoid"])
def test_arrays_decide_as_scikit_learn(kernel, num_classes):
    features, labels, groups = blobs(num_classes)
    svm = fit_svm(features, labels, groups, kernel=kernel, c_values=(2.0,))
    values = (features - svm.mean) / svm.scale
    svc = SVC(
        kernel=kernel, C=2.0, gamma=1 / 5, class_weight="balanced",
        decision_function_shape="ovo",
    ).fit(values, labels)  # fmt: skip
    expected = svc.decision_function(values).reshape(len(values), -1)
    sign = -1 if num_classes == 2 else 1  # there, positive means the second class
    assert np.allclose(svm_decisions(svm, features), sign * expected, atol=1e-8)


def test_probabilities_are_calibrated_out_of_fold():
    features, labels, groups = blobs(3, spread=4.0)
    svm = fit_svm(features, labels, groups)
    fresh, truth, _ = blobs(3, spread=4.0)
    fresh = fresh + np.random.default_rng(9).normal(size=fresh.shape)
    probabilities = svm_probabilities(svm, fresh)
    assert np.allclose(probabilities.sum(1), 1)
    confidence = probabilities.max(1).mean()
    right = (svm.classes[probabilities.argmax(1)] == truth).mean()
    assert abs(confidence - right) < 0.12  # an uncalibrated SVM is off by far more


def test_saved_equals_loaded_without_pickle(tmp_path):
    features, labels, groups = blobs(3)
    svm = fit_svm(features, labels, groups)
    content = io.BytesIO()
    save_svm(content, svm)
    content.seek(0)
    loaded = load_svm(content)
    first, second = (svm_probabilities(each, features) for each in (svm, loaded))
    assert (first == second).all()


def test_a_constant_feature_and_one_group_a_class_do_no_harm():
    features, labels, _ = blobs(2)
    features[:, 0] = 7.0
    svm = fit_svm(features, labels, labels)
    assert np.isfinite(svm_probabilities(svm, features)).all()


def test_one_class_is_refused():
    with pytest.raises(InputError, match="two classes. Received: a"):
        fit_svm(np.zeros((3, 2)), ["a"] * 3, ["x", "y", "z"])
