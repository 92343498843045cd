"""The plain way to beat: logistic regression on frozen MobileNetV2 features."""

import tempfile
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classification.features import read_features
from classification.model import build_features
from evaluation.predictions import predictions_table
from evaluation.predictor import classifier_prediction
from preprocessing.datasets import choose_image_size
from preprocessing.manifest import is_copy


def probe_predictions(dataset, *splits):
    """Predictions of splits by a probe fitted on the originals of train.

    Args:
        dataset: A `Dataset`.
        splits: Which to predict.

    Returns:
        The predictions table.
    """
    size = choose_image_size(dataset, 224 * 224)
    features = build_features("mobilenetv2", size, weights="imagenet")
    rows = dataset.rows("train", *splits)
    rows = rows[~is_copy(rows)].reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        values = read_features(features, dataset, rows, Path(folder))
    train = (rows["split"] == "train").to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(values[train], rows["label"][train])
    answers = model.predict_proba(values[~train])
    prediction = classifier_prediction(answers, dataset.classes, dataset.normal_class)
    return predictions_table(rows[~train], prediction, dataset.classes)
