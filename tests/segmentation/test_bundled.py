"""Every field of the part of a bundle is checked."""

import pytest
from networks_of import SETTINGS

from goodparts.command import InputError
from segmentation.bundled import NETWORKS, check
from segmentation.detector import settings_as_json


def record():
    return {**NETWORKS, **settings_as_json(SETTINGS), "classes": ["good", "hole"]}


def test_what_write_returns_passes():
    assert check(record(), "model", set(NETWORKS.values())) is None


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("pyramid", "other.onnx", "name of a file in the bundle"),
        ("mask_head", None, "must be text"),
        ("canvas", [64], "2 to 2 values"),
        ("canvas", [64, 9999], "multiples of 32"),
        ("canvas", [64, 90], "multiples of 32"),
        ("channels", 0, "whole number, 1 to 1024"),
        ("num_rois", 10**9, "whole number, 1 to 1000"),
        ("labels", [], "1 to 1000 values"),
        ("labels", ["a", "a"], "different names"),
        ("labels", ["a", 3], "must be text"),
        ("anchors", {"sizes": [1.0] * 5}, "lacks ratios"),
        ("anchors", {"sizes": [1.0] * 4, "ratios": [1.0]}, "5 to 5 values"),
        ("anchors", {"sizes": [1.0] * 4 + [0], "ratios": [1.0]}, "a number, 0.1"),
        ("anchors", {"sizes": [1.0] * 5, "ratios": [float("nan")]}, "a number, 0.01"),
    ],
)
def test_other_values_are_refused(field, value, text):
    with pytest.raises(InputError, match=text) as error:
        check(record() | {field: value}, "model", set(NETWORKS.values()))
    assert str(error.value).startswith("model")


@pytest.mark.parametrize("field", [*NETWORKS, *SETTINGS._fields])
def test_nothing_may_lack(field):
    part = record()
    del part[field]
    with pytest.raises(InputError, match=f"lacks {field}"):
        check(part, "model", set(NETWORKS.values()))
