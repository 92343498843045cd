import numpy as np
import pytest
from scipy.ndimage import label as connected
from sklearn import metrics as reference

from evaluation import pixel_metrics
from evaluation.anomaly_maps import MapWriter, heat, mean_map, read_map
from evaluation.pixel_metrics import count_pixels
from goodparts.command import InputError
from preprocessing.images import write_image


@pytest.fixture
def judged(make_dataset, tmp_path):
    return judge(make_dataset, tmp_path)


def judge(make_dataset, tmp_path, *, highest=0.0):
    """Random maps of the test images, and masks of its defects: `(counts, pixels)`.

    One pixel of a good part has the value `highest`.
    """
    random = np.random.default_rng(0)
    data = make_dataset(name="masked", groups=6)
    rows = data.manifest
    writer, pixels = MapWriter(tmp_path), []
    for index, row in rows[rows["split"] == "test"].iterrows():
        truth = np.zeros((9, 12), bool)
        if row["label"] == "scratch":
            truth[1:3, 2:5] = truth[6:8, 8:12] = True
            rows.loc[index, "mask_path"] = path = f"{row['sample_id']}_mask.png"
            write_image(data.folder / path, truth)
        anomaly_map = random.normal(size=(9, 12)) + 1.5 * truth
        if not pixels:
            anomaly_map[0, 0] = highest
        writer.write(row["sample_id"], anomaly_map, is_good=False)
        pixels.append((row["group"], anomaly_map.astype(np.float16), truth))
    table = rows[rows["split"] == "test"].reset_index(drop=True)
    table["map_path"] = table["sample_id"].map(writer.paths)
    counts = count_pixels(tmp_path, data, table, normal_class="good")
    return counts, pixels


def once(counts):
    return np.ones((1, len(counts.normal)))


def test_pixel_metrics_agree_with_sklearn(judged):
    counts, pixels = judged
    values = np.concatenate([each.ravel() for _, each, _ in pixels])
    truth = np.concatenate([each.ravel() for _, _, each in pixels])
    found = pixel_metrics.auroc(counts, once(counts))[0]
    assert found == pytest.approx(reference.roc_auc_score(truth, values), abs=1e-3)
    found = pixel_metrics.average_precision(counts, once(counts))[0]
    expected = reference.average_precision_score(truth, values)
    assert found == pytest.approx(expected, abs=5e-3)


def test_one_odd_pixel_leaves_the_others_told_apart(make_dataset, tmp_path):
    counts, pixels = judge(make_dataset, tmp_path, highest=60_000)
    values = np.concatenate([each.ravel() for _, each, _ in pixels])
    truth = np.concatenate([each.ravel() for _, _, each in pixels])
    assert values.max() > 50_000
    found = pixel_metrics.auroc(counts, once(counts))[0]
    assert found == pytest.approx(reference.roc_auc_score(truth, values), abs=1e-3)


@pytest.mark.parametrize("column", [400, 401, 402, 1703])
def test_a_scratch_of_one_pixel_stays_in_a_mask_that_is_reduced(
    make_dataset, tmp_path, column
):
    data = make_dataset(name="wide", groups=1)
    rows = data.manifest
    row = rows[(rows["split"] == "test") & (rows["label"] == "scratch")].iloc[:1].copy()
    truth = np.zeros((30, 3072), bool)
    truth[:, column] = True
    for path, content in ((row["path"].iloc[0], truth), ("mask.png", truth)):
        write_image(data.folder / path, content)
    rows.loc[row.index, "mask_path"] = row["mask_path"] = "mask.png"
    writer = MapWriter(tmp_path)
    writer.write(row["sample_id"].iloc[0], np.eye(8), is_good=False)
    row["map_path"] = row["sample_id"].map(writer.paths)
    counts = count_pixels(tmp_path, data, row, normal_class="good")
    assert counts.num_regions.sum() == 1 and counts.defective.sum() >= 10


def test_aupro_agrees_with_every_threshold_tried(judged):
    counts, pixels = judged
    maps = np.stack([each for _, each, _ in pixels]).astype(float)
    truths = np.stack([each for _, _, each in pixels])
    regions = [
        maps[index][marked == number]
        for index, truth in enumerate(truths)
        for marked, count in [connected(truth, np.ones((3, 3)))]
        for number in range(1, count + 1)
    ]
    assert counts.num_regions.sum() == len(regions) == 24
    lines = np.sort(np.unique(maps))[::-1]
    false = np.array([(maps[~truths] >= line).mean() for line in lines])
    found = np.array([[(x >= line).mean() for x in regions] for line in lines]).mean(1)
    false, found = np.r_[0, false], np.r_[0, found]
    grid = np.linspace(0, 0.3, 20_000)
    expected = np.interp(grid, false, found).mean()
    value = pixel_metrics.aupro(counts, once(counts))[0]
    assert value == pytest.approx(expected, abs=3e-3)


def test_a_resample_is_what_its_groups_are(judged):
    counts, pixels = judged
    names = sorted({group for group, _, _ in pixels})
    draws = np.random.default_rng(1).integers(0, 3, (1, len(names)))
    times = [draws[0, names.index(group)] for group, _, _ in pixels]
    values, truth = (
        np.concatenate(
            [np.tile(x[n].ravel(), t) for x, t in zip(pixels, times, strict=True)]
        )
        for n in (1, 2)
    )
    found = pixel_metrics.auroc(counts, draws)[0]
    assert found == pytest.approx(reference.roc_auc_score(truth, values), abs=1e-3)


def test_perfect_maps_score_one_and_without_defects_there_is_no_figure(judged):
    counts, _ = judged
    best = np.zeros_like(counts.normal)
    ideal = counts._replace(normal=best.copy(), defective=best.copy(), overlaps=best)
    ideal.normal[:, -1], ideal.defective[:, 0] = 100, 10
    ideal.overlaps[:, 0] = counts.num_regions
    for metric in (
        pixel_metrics.auroc,
        pixel_metrics.average_precision,
        pixel_metrics.aupro,
    ):
        assert metric(ideal, once(ideal))[0] == pytest.approx(1)
        assert np.isnan(metric(ideal, 0 * once(ideal))[0])


def test_a_defect_without_a_mask_is_left_out(make_dataset, tmp_path):
    data = make_dataset(name="unmasked", groups=2)
    writer = MapWriter(tmp_path)
    for sample in data.manifest["sample_id"]:
        writer.write(sample, np.zeros((3, 4)), is_good=False)
    table = data.rows("test")
    table["map_path"] = table["sample_id"].map(writer.paths)
    assert count_pixels(tmp_path, data, table, normal_class="good") is None


def test_maps_survive_the_disk_and_odd_values_do_not(tmp_path):
    writer = MapWriter(tmp_path)
    found = np.random.default_rng(0).normal(size=(5, 7)) * 30
    writer.write("good/a", found, is_good=True)
    assert np.allclose(read_map(tmp_path / writer.paths["good/a"]), found, rtol=1e-3)
    for odd in (np.nan, 1e6):
        with pytest.raises(InputError, match="good/b has values that are NaN"):
            writer.write("good/b", np.full((5, 7), odd), is_good=True)
    (tmp_path / "maps/good/a.npz").write_bytes(b"PK no map")
    with pytest.raises(InputError, match="a.npz cannot be read"):
        read_map(tmp_path / "maps/good/a.npz")


def test_the_highest_good_value_is_drawn_in_the_middle(tmp_path):
    writer = MapWriter(tmp_path)
    writer.write("good/a", np.array([[1.0, 1.0, 1.0, 3.0]]), is_good=True)
    writer.write("bad/a", np.array([[1.0, 9.0]]), is_good=False)
    assert writer.range() == [1, 5]
    shares = heat(np.array([[0.0, 1.0, 3.0, 5.0, 9.0]]), writer.range())
    assert shares.tolist() == [[0, 0, 0.5, 1, 1]]


def test_the_mean_of_maps_brings_each_to_its_range():
    one, other = np.array([[0.0, 10.0]]), np.array([[100.0, 300.0]])
    found = mean_map([one, other], [[0, 20], [100, 300]])
    assert found.tolist() == [[0, 0.75]]
    assert mean_map([one, np.zeros((4, 8))], [[0, 1], [0, 1]]).shape == (4, 8)
