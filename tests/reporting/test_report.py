import html
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from evaluation.comparison.paired import verdict
from evaluation.plots import classes as plots
from evaluation.plots.style import plot_as_data_uri, save_plot
from evaluation.run_folder import read_run
from goodparts.files import write_json
from preprocessing.images import image_size, write_image
from reporting.compare import compare
from reporting.evaluate_run import evaluate_run, evaluation_text
from reporting.limits import cannot_conclude
from reporting.mistakes import decisions, find_dataset, mistake_gallery, thumbnail
from reporting.report import write_report

TEST = range(32, 48)  # numbers of the images of a class in test


def images(label, numbers):
    return [f"{label}/{number:03d}" for number in numbers]


def text_of(page):
    return " ".join(re.sub("<[^>]+>", "", page.read_text()).split())


def test_says_how_good_how_sure_and_what_was_missed(dataset, make_run, tmp_path):
    run = make_run(dataset, "bovw", wrong=images("scratch", TEST[:4]))
    text = text_of(write_report([run], tmp_path))
    # 16 of 16 good and 12 of 16 scratched ones: a mean of 87.5 of 100 per class
    assert "bovw classifies 87.5 of 100 images of parts correctly" in text
    # F1 of good 32 / (16 + 20), of scratch 24 / (16 + 12): mean 87.3 %
    assert "averaged over 2 classes, on 32 test images in 16 groups" in text
    assert "[balanced accuracy 87.5 % (" in text and "macro-F1 87.3 % (" in text
    assert "it misses 25.0 % (" in text
    assert "4 of 32 test images" in text
    assert "is based on 8 groups of good parts" in text
    assert run.config["manifest_sha256"] in text


def test_needs_nothing_from_outside(dataset, make_run, tmp_path):
    page = write_report([make_run(dataset, "bovw")], tmp_path).read_text()
    assert "<script" not in page and "http" not in page and "url(" not in page
    sources = re.findall(r'src="([^"]{10})', page)
    assert sources and set(sources) == {"data:image"}
    assert "No mistakes on 32 test images." in page


def test_names_and_notes_of_users_are_text_not_markup(make_dataset, make_run, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    data = make_dataset(name="a&b", classes=("good", "$x_1$ <b>"), source=evil)
    run = make_run(data, "bovw", wrong=images("$x_1$ <b>", TEST[:2]), notes=[evil])
    page = write_report([run], tmp_path).read_text()
    assert "<b>" not in page.replace("<b>good</b>", "").replace("prediction: <b>", "")
    assert "<img src=x" not in page
    assert "a&amp;b" in page and "&lt;img src=x onerror=alert(1)&gt;" in page


def test_commas_quotes_and_other_letters_break_nothing(
    make_dataset, make_run, tmp_path
):
    classes = ("good, all", 'a "deep" scratch', "Kratzer, größer", "zażółć")
    data = make_dataset(name='1,"2"-Prüfung', classes=classes, groups=3)
    missed = images("zażółć", range(12, 15))
    run = make_run(data, 'cnn, "ä"', wrong=missed, has_plots=True)
    assert {f"prob_{name}" for name in classes} <= set(run.predictions.columns)
    assert set(run.predictions["predicted"]) == set(classes)
    assert evaluate_run(run)["num_mistakes"] == 3
    page = compare([run], out=tmp_path / "out")
    table = pd.read_csv(page.parent / "results.csv")
    assert table.loc[0, ["dataset", "run", "model"]].tolist() == [
        data.name,
        run.name,
        'cnn, "ä"',
    ]
    text = html.unescape(text_of(page))
    for name in (*classes, data.name, run.name):
        assert name in text


def test_a_class_called_all_is_not_the_total(make_dataset, make_run, tmp_path):
    data = make_dataset(name="named", classes=("good", "all"), num_rejected=3)
    page = write_report([make_run(data, "bovw")], tmp_path).read_text()
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    # 8 parts of 2 images in each of three splits, for each class and in sum
    assert "all 16 16 16 24 good 16 16 16 24 all classes 32 32 32 48" in text
    assert "The import made 3 remarks on unreadable or doubtful files" in text


def test_missing_weights_are_said_beside_the_headline(dataset, make_run, tmp_path):
    note = "ImageNet weights were not used: a was trained from scratch"
    runs = [make_run(dataset, "a", warnings=[note]), make_run(dataset, "b")]
    text = text_of(write_report(runs, tmp_path))
    assert text.index(f"a: {note}.") < text.index("The data")


def test_the_report_says_that_intervals_are_widened(dataset, make_run, tmp_path):
    runs = [make_run(dataset, name) for name in "abc"]
    # 100 - 5 / 2
    assert "each is an interval of 97.5 %" in text_of(write_report(runs, tmp_path))


def test_without_the_data_set_the_report_says_so(make_dataset, make_run, tmp_path):
    data = make_dataset(name="gone")
    run = make_run(data, "bovw", wrong=images("good", TEST[:2]))
    shutil.rmtree(data.folder)
    text = text_of(write_report([run], tmp_path))
    assert "The pictures are missing" in text
    assert "picture missing" in text


def test_a_changed_data_set_is_noticed(make_dataset, make_run):
    data = make_dataset(name="changed")
    run = make_run(data, "bovw")
    table = (data.folder / "manifest.csv").read_text().splitlines()
    (data.folder / "manifest.csv").write_text("\n".join(table[:-1]) + "\n")
    assert "was changed after" in find_dataset(run)[1]


def test_the_same_parts_split_in_two_ways(make_dataset, make_run, tmp_path):
    one = make_dataset(name="random", grouping="none", source="/raw/x", leak=0.3)
    two = make_dataset(name="in-time", grouping="chronological", source="/raw/x")
    runs = [
        make_run(one, "bovw"),
        make_run(two, "bovw", wrong=images("scratch", TEST[:4])),
    ]
    text = text_of(write_report(runs, tmp_path))
    assert "The same parts, split in different ways" in text
    assert "12.7 points" in text  # 100 - 87.3
    assert "Caution: 30.0 % of the validate and test images" in text


def test_of_several_runs_of_a_model_the_best_on_validate_is_compared(
    make_dataset, make_run, tmp_path
):
    one = make_dataset(name="random", grouping="none", source="/raw/x")
    two = make_dataset(name="in-time", grouping="chronological", source="/raw/x")
    validate = images("scratch", range(16, 20))
    runs = [  # the runs without mistakes on test have some on validate
        make_run(one, "bovw", wrong=validate, seed=0),
        make_run(one, "bovw", wrong=images("scratch", TEST[:4]), seed=1),
        make_run(two, "bovw", wrong=images("scratch", TEST[:8]), seed=0),
        make_run(two, "bovw", wrong=validate, seed=1),
    ]
    for given in (runs, runs[::-1]):
        text = text_of(write_report(given, tmp_path))
        table = text.split("The same parts, split in different ways")[1]
        # of 4 mistakes 87.3 %; of 8 the mean of 32 / (16 + 24) and 16 / (8 + 16)
        row, gap, _ = table.partition("14.0 points")
        assert gap and "87.3 % (" in row and "73.3 % (" in row


def test_other_parts_are_not_called_the_same(make_dataset, make_run, tmp_path):
    runs = [make_run(make_dataset(name=name), "bovw") for name in ("one", "two")]
    assert "The same parts" not in text_of(write_report(runs, tmp_path))


def test_detectors_only(dataset, make_run, tmp_path):
    wrong = images("scratch", TEST[:2])
    run = make_run(dataset, "memory", detector=True, wrong=wrong)
    text = text_of(write_report([run], tmp_path))
    # 14 of 16 defects above all 16 good ones, 2 tied with them: (14 + 1) / 16
    assert (
        "memory gives the defective part the higher score in 93.8 of 100 pairs of a"
    ) in text
    assert "[AUROC 93.8 % (" in text and "Ranked by AUROC on validate" in text
    assert "most probable class is wrong" not in text
    assert "What is taken for what" not in text
    assert "prediction: accepted" in text


def test_twelve_runs_fifteen_classes_stay_small(make_dataset, make_run, tmp_path):
    classes = ["good", *(f"a_defect_with_a_long_name_{n}" for n in range(14))]
    data = make_dataset(name="many", classes=classes, groups=2)
    runs = [make_run(data, f"model_{number}") for number in range(12)]
    assert write_report(runs, tmp_path).stat().st_size < 5_000_000


def test_what_cannot_be_concluded(make_dataset, make_run):
    data = make_dataset(name="weak", leak=0.02, grouping="chronological", groups=3)
    runs = [
        make_run(data, "a", notes=["ImageNet weights were not available."]),
        make_run(data, "b", wrong=["good/012"]),
    ]
    text = " ".join(cannot_conclude(runs, data.info, verdict(runs)))
    assert "Which of a and b is the best" in text
    assert "scratch is recognised: its recall, " in text
    assert "2.0 % of the validate and test images" in text
    assert "from one recording" in text
    # 3 good parts on validate: 1 / 3
    assert "below about 33.3 %" in text
    assert "trained with one seed" in text
    assert "Note on a: ImageNet weights were not available." in text


def test_the_worst_mistake_comes_first(dataset, make_run):
    run = make_run(dataset, "a", wrong=images("good", TEST[:3]))
    table = run.predictions
    row = table["sample_id"] == "good/033"
    table.loc[row, ["prob_good", "prob_scratch"]] = [0.01, 0.99]
    table.to_csv(run.folder / "predictions.csv", index=False)
    worst = decisions(run)
    assert worst["sample_id"][0] == "good/033"
    # 0.99 for the answer, 0.01 for the truth
    assert worst["how_wrong"][0] == pytest.approx(0.98)
    assert worst["is_wrong"].sum() == 3


def test_the_gallery_is_cut_but_counts_all(make_dataset, make_run):
    data = make_dataset(name="bad", groups=16)
    run = make_run(data, "a", wrong=images("good", range(64, 96)))
    mistakes, count = mistake_gallery(run, data)
    assert (len(mistakes), count) == (24, 32)
    assert mistakes[0]["picture"].startswith("data:image/jpeg")


@pytest.mark.parametrize("size", [(40, 2000), (2000, 40), (3, 3)])
def test_thumbnails_of_wide_and_tall_images(tmp_path, size):
    write_image(tmp_path / "a.png", np.zeros((*size, 3), np.uint8))
    assert thumbnail(tmp_path / "a.png").startswith("data:image/jpeg")
    assert thumbnail(tmp_path / "none.png") is None


def test_evaluate_refreshes_metrics_and_copies_mistakes(dataset, make_run):
    run = make_run(dataset, "a", wrong=images("scratch", TEST[:2]))
    metrics = run.metrics
    write_json(run.folder / "metrics.json", {**metrics, "test": metrics["validate"]})
    pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "val_loss": [3, 2]}).to_csv(
        run.folder / "history.csv", index=False
    )
    for _ in range(2):  # the second time replaces what the first one wrote
        result = evaluate_run(run)
    assert run.metrics == metrics
    assert sorted(path.name for path in (run.folder / "mistakes").iterdir()) == [
        "scratch__as__good__032.png",
        "scratch__as__good__033.png",
    ]
    assert {path.stem for path in (run.folder / "plots").iterdir()} == {
        "confusion",
        "curves",
        "miss_against_false_reject",
        "per_class_recall",
        "reliability",
        "roc",
        "scores",
    }
    text = evaluation_text(result)
    assert "most probable class is wrong. predict accepts and rejects by the" in text
    # 8 good parts on test: 1 / 8 is more than 5 %
    assert (
        text.count("not measurable: at this threshold, 0 of 16 good images (8 groups)")
        == 3
    )
    assert "  87.5 % (" in text and "cross-entropy" in text
    assert "2 mistakes on test, 2 copied" in text
    assert max(map(len, text.splitlines())) <= 100


def test_evaluate_a_detector_whose_data_set_is_gone(make_dataset, make_run):
    data = make_dataset(name="lost")
    run = make_run(data, "memory", detector=True, wrong=images("good", TEST[:1]))
    shutil.rmtree(data.folder)
    text = evaluation_text(evaluate_run(run))
    assert "1 mistake on test, 0 copied" in text and "pictures are missing" in text


def test_evidence_lies_beside_each_mistake(dataset, make_run):
    run = make_run(dataset, "a", wrong=images("scratch", TEST[:2]))
    asked = []

    def explain(pictures, class_names):
        asked.extend(class_names)
        return np.zeros(pictures.shape[:3])

    result = evaluate_run(run, explain)
    assert asked == ["good", "scratch"] * 2  # of each the named, then the true class
    assert sorted(path.name for path in (run.folder / "mistakes").iterdir()) == [
        "scratch__as__good__032.png",
        "scratch__as__good__032_evidence.jpg",
        "scratch__as__good__033.png",
        "scratch__as__good__033_evidence.jpg",
    ]
    assert "2 copied to mistakes/, 2 with an explanation picture" in evaluation_text(
        result
    )
    detector = make_run(dataset, "m", detector=True, wrong=images("good", TEST[:1]))
    assert evaluate_run(detector, explain)["num_explained"] == 0


def test_the_report_says_what_ranks_and_what_ensembles_cost(
    dataset, make_run, tmp_path
):
    members = [make_run(dataset, name) for name in ("a", "b")]
    combined = make_run(dataset, "both", wrong=images("good", TEST[:2]))
    for run, seconds in (*((member, 30.0) for member in members), (combined, 0.1)):
        config = {**run.config, "wall_time_s": seconds}
        config["arguments"] = {"epochs": None, "words": 7}
        if run is combined:
            config["members"] = [f"../{member.name}" for member in members]
        write_json(run.folder / "config.json", config)
    page = write_report(
        [read_run(run.folder) for run in (*members, combined)], tmp_path
    )
    text = text_of(page)
    assert "Ranked by: macro-F1 on validate" in text
    assert "1 min 0 s including its 2 members" in text
    assert "words=7" in text and "epochs" not in text
    assert "so a part shown here" not in text  # the leader has no mistake


def test_the_gallery_says_that_it_goes_by_the_most_probable_class(
    dataset, make_run, tmp_path
):
    run = make_run(dataset, "a", wrong=images("scratch", TEST[:2]))
    text = text_of(write_report([run], tmp_path))
    assert "the worst first. A mistake here is an image whose most" in text
    assert "0.1 % is not measurable: at this threshold, 0 of 16 good images" in text


def test_a_report_on_runs_that_were_judged_before(dataset, make_run, tmp_path):
    run = make_run(dataset, "a", wrong=images("scratch", TEST[:2]))
    stored = run.metrics
    for split in stored.values():
        del split["roc"], split["metrics"]["cross_entropy"]
        del split["metrics"]["calibration_error"]
    write_json(run.folder / "metrics.json", stored)
    assert ("Defects caught at a given false reject rate") not in text_of(
        write_report([run], tmp_path)
    )


def test_plots_are_files_of_the_same_bytes(tmp_path):
    def draw():
        return plots.confusion_plot([[3, 0], [1, 0]], ["good", "a $b$ _c"], title="$")

    save_plot(draw(), tmp_path / "plots" / "a.png")
    assert image_size(tmp_path / "plots" / "a.png")[0] > 300
    assert plot_as_data_uri(draw()) == plot_as_data_uri(draw())


def test_curves_of_any_number_of_columns():
    history = pd.DataFrame({"epoch": [1, 2]})
    for number in range(1, 6):
        history[f"measure_{number}"] = [0.0, 1.0]
        figure = plots.curves_plot(history)
        drawn = [axes for axes in figure.axes if axes.axison]
        assert len(drawn) == number


def test_curves_mark_stages_and_draw_the_learning_rate_by_powers():
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 1, 2],  # counted anew in each stage
            "stage": ["head", "head", "fine-tuning", "fine-tuning"],
            "loss": [4, 3, 2, 1],
            "learning_rate": [1e-3, 1e-3, 1e-5, 1e-5],
        }
    )
    loss, rate = plots.curves_plot(history).axes
    assert loss.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    # one line, between the second and the third epoch
    assert [line.get_xdata()[0] for line in loss.lines[1:]] == [2.5]
    assert [text.get_text() for text in loss.texts] == ["head", "fine-tuning"]
    assert (loss.get_yscale(), rate.get_yscale()) == ("linear", "log")
    history["learning_rate"] = [0.0, 1e-3, 1e-5, 1e-5]  # a warm-up from 0
    assert plots.curves_plot(history).axes[1].get_yscale() == "linear"
