import numpy as np
import pytest

from preprocessing.images import read_image, write_image
from reporting.overlays import Mistake, evidence_picture, overlay, write_evidence


def test_where_there_is_no_evidence_the_image_stays():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    evidence = np.zeros((6, 8), np.float32)
    evidence[2, 3] = 1
    marked = overlay(image, evidence)
    changed = (marked != image).any(axis=2)
    assert changed[2, 3] and changed.sum() == 1
    # 0.6 of the map's brightest colour, (252, 255, 164), and 0.4 of the image
    expected = 0.6 * np.array([252, 255, 164]) + 0.4 * image[2, 3]
    assert marked[2, 3] == pytest.approx(expected, abs=2)


def test_odd_maps_are_drawn_too():
    image = np.full((4, 4, 3), 100, np.uint8)
    assert (overlay(image, np.full((4, 4), np.nan)) == image).all()
    assert (
        overlay(image, np.full((4, 4), 7.0)) == overlay(image, np.ones((4, 4)))
    ).all()


@pytest.mark.parametrize("size", [(9, 12), (700, 900), (3, 400), (400, 3)])
def test_pictures_have_a_size_for_a_screen(size):
    mistake = Mistake(
        "a.png", "a name that is much too long for so small a part", "größer"
    )
    image = np.zeros((*size, 3), np.uint8)
    picture = evidence_picture(image, mistake, np.zeros(size), np.ones(size))
    assert max(picture.shape) <= 2 * 640 + 8
    assert picture.shape[1] >= 2 * 240 + 8  # a caption has room
    assert picture.dtype == np.uint8 and picture.shape[2] == 3


def test_batches_are_of_one_size_and_at_most_16(tmp_path):
    mistakes, targets, calls = [], [], []
    for number in range(40):
        size = (10, 20) if number % 2 else (20, 10)
        path = tmp_path / f"{number:02d}.png"
        write_image(path, np.full((*size, 3), number, np.uint8))
        mistakes.append(Mistake(path, f"named-{number}", f"true-{number}"))
        targets.append(tmp_path / "out" / f"{number:02d}.jpg")
    (tmp_path / "00.png").write_bytes(b"no image")
    (tmp_path / "02.png").unlink()

    def explain(images, class_names):
        calls.append((images, class_names))
        return np.zeros(images.shape[:3])

    assert write_evidence(mistakes, targets, explain) == 38
    assert [len(images) for images, _ in calls] == [16, 16, 4, 4, 16, 16, 2, 2]
    for (images, named), (again, true) in zip(calls[::2], calls[1::2], strict=True):
        assert images.dtype == np.uint8 and (images == again).all()
        # each image, known by its grey value, is asked for its own two classes
        numbers = images[:, 0, 0, 0].tolist()
        assert named == [f"named-{number}" for number in numbers]
        assert true == [f"true-{number}" for number in numbers]
    assert len(list((tmp_path / "out").iterdir())) == 38


def test_the_named_class_is_left_and_the_true_one_right(tmp_path):
    path, target = tmp_path / "a.png", tmp_path / "a_evidence.jpg"
    write_image(path, np.zeros((240, 240, 3), np.uint8))

    def explain(images, class_names):
        strength = {"named": 0.0, "true": 1.0}
        return np.stack([np.full((240, 240), strength[name]) for name in class_names])

    write_evidence([Mistake(path, "named", "true")], [target], explain)
    picture = read_image(target)
    assert picture[100:, :230].max() < 20 < 100 < picture[100:, 260:].mean()
