"""Images of 10 to 16 bits: one depth for a data set, and none that is guessed."""

import cv2
import numpy as np
import pytest

from bovw.train import train
from deployment.export import export
from deployment.predict import predict
from deployment.runtime import load_bundle
from goodparts.command import InputError
from live.camera.sources import open_source
from preprocessing.bit_depth import deep_values, depth_of, depth_of_image
from preprocessing.create_folders import create_folders
from preprocessing.describe_dataset import describe
from preprocessing.images import looks_like_mask, read_image


def part(seed):
    random = np.random.default_rng(seed)
    return cv2.resize(random.integers(0, 255, (5, 6, 3), np.uint8), (48, 40))


def write_deep(path, image, bits):
    path.parent.mkdir(parents=True, exist_ok=True)
    deep = image.astype(np.uint16) << (bits - 8)
    cv2.imwrite(str(path), deep[:, :, ::-1] if deep.ndim == 3 else deep)


@pytest.mark.parametrize(
    ("largest", "depth"),
    [(255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (16383, 14), (65535, 16)],
)
def test_the_depth_is_that_of_the_largest_value(largest, depth):
    assert depth_of(largest) == depth


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("grey", [True, False])
def test_a_data_set_gets_the_upper_8_bits(tmp_path, bits, suffix, grey):
    images = {}
    for seed in range(12):
        label = "good" if seed % 2 else "hole"
        image = part(seed)[:, :, 0] if grey else part(seed)
        image[0, 0] = 255
        images[f"{label}/{seed}{suffix}"] = image
        write_deep(tmp_path / f"parts/{label}/{seed}{suffix}", image, bits)

    dataset, _ = create_folders(tmp_path / "parts", out=tmp_path / "out", link=True)

    assert dataset.info["bit_depth"] == bits
    said = f"images with {bits} bits were converted to their upper 8 bits"
    assert said in describe(dataset)
    assert len(dataset.manifest) == 12
    for row in dataset.manifest.itertuples():
        expected = images[row.source]
        seen = read_image(dataset.folder / row.path)
        assert row.path.endswith(".png")
        assert np.array_equal(seen[:, :, 0] if grey else seen, expected)
    assert (
        create_folders(tmp_path / "parts", out=tmp_path / "out", link=True)[1] is False
    )


def test_one_depth_for_all_images_and_8_bits_stay_as_they_are(tmp_path):
    for seed in range(12):
        image = part(seed)
        write_deep(
            tmp_path / f"p/good/{seed}.png", image // (1 if seed == 1 else 8), 12
        )
        cv2.imwrite(str(tmp_path / f"p/good/{seed}.jpg"), image)

    dataset, _ = create_folders(
        tmp_path / "p", out=tmp_path / "out", layout="class_folders"
    )

    assert dataset.info["bit_depth"] == 12
    rows = dataset.manifest.set_index("source")
    assert rows.loc["good/0.jpg", "path"].endswith(".jpg")
    dark = read_image(dataset.folder / rows.loc["good/0.png", "path"])
    assert np.array_equal(dark, part(0) // 8)  # not stretched by itself


@pytest.mark.parametrize("bits", [10, 12])
def test_a_hot_pixel_darkens_no_image(tmp_path, bits):
    for seed in range(12):
        write_deep(
            tmp_path / f"p/{'good' if seed % 2 else 'hole'}/{seed}.png",
            part(seed),
            bits,
        )
    path = tmp_path / "p/good/1.png"
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    values[3, 3] = 65535
    cv2.imwrite(str(path), values)

    dataset, _ = create_folders(tmp_path / "p", out=tmp_path / "out")

    assert dataset.info["bit_depth"] == bits
    rows = dataset.manifest.set_index("source")
    expected = part(1)
    expected[3, 3] = 255
    assert np.array_equal(
        read_image(dataset.folder / rows.loc["good/1.png", "path"]), expected
    )
    said = (dataset.folder / "rejected.csv").read_text()
    assert f'good/1.png,"has 3 values above {bits} bits, up to 65535' in said


def test_good_parts_of_another_depth_than_defects_get_a_warning(tmp_path):
    for seed in range(12):
        label, bits = ("good", 8) if seed % 2 else ("hole", 12)
        path = tmp_path / f"p/{label}/{seed}.png"
        write_deep(path, part(seed), bits)
        if bits == 8:
            cv2.imwrite(str(path), part(seed))

    dataset, _ = create_folders(tmp_path / "p", out=tmp_path / "out")

    assert any("different bit depths" in note for note in dataset.info["notes"])


def test_bright_regions_and_near_depths_are_no_hot_pixels():
    dark = np.full((64, 64), 900, np.int64)
    dark[0, 0] = 4000  # 12 bits beside 10
    assert depth_of_image(dark) == 12
    dark[:4, :4] = 65535
    assert depth_of_image(dark) == 16


def test_images_of_10_bits_are_no_masks(tmp_path):
    write_deep(tmp_path / "1.png", part(1), 10)
    index = np.zeros((64, 64), np.uint16)
    index[:9, :9] = 1
    cv2.imwrite(str(tmp_path / "2.png"), index)

    assert not looks_like_mask(tmp_path / "1.png")
    assert looks_like_mask(tmp_path / "2.png")


def test_a_deep_file_alone_is_refused(tmp_path):
    write_deep(tmp_path / "1.png", part(1), 12)

    with pytest.raises(InputError, match="1.png has more than 8 bits.*--bit-depth"):
        read_image(tmp_path / "1.png")
    assert np.array_equal(read_image(tmp_path / "1.png", bit_depth=12), part(1))
    with pytest.raises(InputError, match="more than 10 bits"):
        read_image(tmp_path / "1.png", bit_depth=10)


def test_files_that_say_their_depth_need_none(tmp_path):
    pixels = np.full((4, 4), 2048, np.uint16).astype(">u2")
    (tmp_path / "1.pgm").write_bytes(b"P5 4 4 4095\n" + pixels.tobytes())

    assert deep_values((tmp_path / "1.pgm").read_bytes()) is None
    assert abs(int(read_image(tmp_path / "1.pgm").max()) - 128) <= 1


def test_the_depth_goes_with_run_and_bundle(tmp_path):
    """Files of 12 bits are answered as the images of 8 bits that were learnt from."""
    for seed in range(60):
        label = "good" if seed % 2 else "hole"
        write_deep(tmp_path / f"parts/{label}/{seed}.png", part(seed), 12)
    dataset, _ = create_folders(
        tmp_path / "parts", out=tmp_path / "out", grouping="none"
    )
    run = train(model="bovw", data=dataset.folder, runs=tmp_path / "runs", num_words=10)
    export(run, tmp_path / "parts.goodparts")
    row = dataset.rows("test").iloc[0]
    small, deep = dataset.folder / row["path"], tmp_path / "parts" / row["source"]
    assert read_image(small).max() > 0
    for model in (run, tmp_path / "parts.goodparts"):
        scores = [each["defect_score"] for each in predict(model, [small, deep])]
        assert scores[0] == scores[1]
        assert predict_problem(model, deep, bit_depth=10)
    inspector = load_bundle(tmp_path / "parts.goodparts")
    received = next(open_source(deep, bit_depth=inspector.bit_depth).receive())
    assert np.array_equal(received.picture.pixels, read_image(small))


def predict_problem(model, path, **options):
    return next(predict(model, [path], **options)).get("problem")
