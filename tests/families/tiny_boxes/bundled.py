"""The part of a bundle that finds red spots."""

from evaluation.predictor import Answer
from tiny_boxes.train import find_spots


def write(run, folder, prefix, *, precision):
    return {}


def load(model, files, *, engine=None):
    def answer(image):
        found = find_spots(image)
        return Answer(float(found.scores.max(initial=0)), instances=found)

    return answer
