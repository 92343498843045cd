import io

import numpy as np
import pytest
from sklearn.svm import SVC

from goodparts.command import InputError
from svm import fit_svm, load_svm, save_svm, svm_decisions, svm_probabilities


def blobs(num_classes, *, spread=1.0, seed=0, counts=None):
    """Samples around centres that stay; the noise is drawn by `seed`."""
    centres = 3 * np.random.default_rng(0).normal(size=(num_classes, 5))
    counts = counts or [40] * num_classes
    labels = np.repeat([f"c{i}" for i in range(num_classes)], counts)
    noise = np.random.default_rng([1, seed]).normal(size=(len(labels), 5))
    groups = np.array([f"g{i // 2}" for i in range(len(labels))])
    return np.repeat(centres, counts, axis=0) + spread * noise, labels, groups


@pytest.mark.parametrize("num_classes", [2, 3, 6])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "sigmoid"])
def test_arrays_decide_as_scikit_learn(kernel, num_classes):
    features, labels, groups = blobs(num_classes)
    svm = fit_svm(
        features, labels, groups, kernel=kernel, c_values=(2.0,), gammas=(1.0,)
    )
    values = (features - svm.mean) / svm.scale
    svc = SVC(
        kernel=kernel,
        C=2.0,
        gamma=1 / 5,
        class_weight="balanced",
        decision_function_shape="ovo",
    ).fit(values, labels)
    expected = svc.decision_function(values).reshape(len(values), -1)
    sign = -1 if num_classes == 2 else 1  # there, positive means the second class
    assert np.allclose(svm_decisions(svm, features), sign * expected, atol=1e-8)


def test_gamma_is_chosen_by_what_is_not_seen():
    random = np.random.default_rng(0)
    features = random.uniform(-1, 1, (300, 2))
    # a chequered board: a wide kernel cannot see its fields
    labels = np.where(np.floor(features * 4).sum(1) % 2 > 0, "white", "black")
    groups = np.arange(300).astype(str)
    chosen = float(fit_svm(features, labels, groups, gammas=(0.01, 16.0)).gamma)
    assert chosen == pytest.approx(16 / 2)  # 2 features of variance 1


def test_of_many_samples_some_of_every_class_are_drawn():
    features, labels, groups = blobs(3, counts=[600, 30, 30])
    svm = fit_svm(features, labels, groups, max_samples=110)
    assert len(svm.vectors) <= 110 and svm.classes.tolist() == ["c0", "c1", "c2"]
    again = fit_svm(features, labels, groups, max_samples=110)
    assert (svm.vectors == again.vectors).all()


def over_confidence(svm, features, labels):
    """Mean probability of the answers less the share of them that is right."""
    probabilities = svm_probabilities(svm, features)
    assert np.allclose(probabilities.sum(1), 1)
    is_right = svm.classes[probabilities.argmax(1)] == labels
    return probabilities.max(1).mean() - is_right.mean()


def test_probabilities_are_calibrated_out_of_fold():
    features, labels, groups = blobs(3, spread=4.0)
    fresh, truth, _ = blobs(3, spread=4.0, seed=1, counts=[400] * 3)
    # in-sample, where decisions are sure of what they have seen, it is 0.2 and more
    found = over_confidence(fit_svm(features, labels, groups), fresh, truth)
    assert abs(found) < 0.08


def test_without_anything_held_out_it_promises_no_more_than_it_keeps():
    features, labels, _ = blobs(3, spread=4.0)
    fresh, truth, _ = blobs(3, spread=4.0, seed=1, counts=[400] * 3)
    assert over_confidence(fit_svm(features, labels, labels), fresh, truth) < 0.05


def test_rare_classes_are_found_too():
    features, labels, groups = blobs(3, spread=2.0, counts=[400, 20, 20])
    fresh, truth, _ = blobs(3, spread=2.0, seed=1, counts=[300] * 3)
    svm = fit_svm(features, labels, groups)
    answers = svm.classes[svm_probabilities(svm, fresh).argmax(1)]
    recalls = [(answers[truth == name] == name).mean() for name in svm.classes]
    assert min(recalls) > 0.75  # with classes weighed by their size, 0.5


def test_a_class_of_one_group_is_known_all_the_same():
    features, labels, groups = blobs(3)
    groups[labels == "c1"] = "alone"
    svm = fit_svm(features, labels, groups)
    fresh, truth, _ = blobs(3, seed=1)
    answers = svm.classes[svm_probabilities(svm, fresh).argmax(1)]
    assert (answers == truth).mean() > 0.9


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
