"""Writes bounding boxes from the masks of a data set.

    goodparts boxes                    every data set under dataset/
    goodparts boxes dataset/screw      this one

Writes a Pascal VOC file <split>/boxes/<class>/<stem>.xml for each image that has a
mask or annotated instances, and all boxes and outlines to instances.json (COCO).
Where there is a mask, the boxes come from the mask. A thousand masks take about ten
seconds.
"""

from argparse import ArgumentParser, Namespace

from goodparts.loading import loading


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help="dataset/<name>")


def run(arguments: Namespace) -> None:
    with loading():
        from preprocessing.create_bndbox import create_boxes, find_datasets
    for folder in find_datasets(arguments.datasets):
        create_boxes(folder)
