"""Trains nothing: what is far redder than green is a spot of the class `bad`."""

import cv2
import numpy as np

from evaluation.predictor import Instances, Prediction, Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.files import write_json
from preprocessing.manifest import read_dataset

REDNESS = 60


def add_arguments(parser):
    pass


def train(*, model="tiny_boxes", data, runs="runs", seed=0):
    dataset = read_dataset(data, check_files=True)
    with start_run(
        runs,
        model=model,
        family="tiny_boxes",
        dataset=dataset,
        arguments={},
        seed=seed,
    ) as run:
        write_json(run.folder / "redness.json", REDNESS)
        run.finish(_predictor(run.config), dataset)
    return run.folder


def load_predictor(run_folder):
    return _predictor(read_run(run_folder).config)


def _predictor(config):
    def predict(images):
        found = [find_spots(image) for image in images]
        scores = [float(each.scores.max(initial=0)) for each in found]
        return Prediction(np.array(scores), instances=found)

    return Predictor(config["classes"], config["normal_class"], None, predict)


def find_spots(image):
    """The `Instances` of an image of any size, in its pixels."""
    red = image[..., 0].astype(int) - image[..., 1]
    count, regions = cv2.connectedComponents((red > REDNESS).astype(np.uint8))
    masks = np.array([regions == number for number in range(1, count)])
    masks = masks.reshape(-1, *image.shape[:2]).astype(bool)
    scores = np.array([red[mask].mean() / 255 for mask in masks])
    boxes = np.array([cv2.boundingRect(mask.astype(np.uint8)) for mask in masks])
    order = np.argsort(-scores, kind="stable")
    boxes = boxes.reshape(-1, 4).astype(float)
    return Instances(boxes[order], scores[order], ["bad"] * len(masks), masks[order])
