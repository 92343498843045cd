import numpy as np
import pandas as pd
import pytest

from evaluation.comparison.leaderboard import (
    by_dataset,
    leaderboard,
    leaderboard_text,
    ranked,
)
from evaluation.comparison.paired import groups_needed, paired_difference, verdict
from evaluation.predictions import write_predictions
from evaluation.wording import display_names, duration, percent, share
from goodparts.command import InputError
from reporting.advice import advice
from reporting.compare import compare, read_runs

VALIDATE = range(16, 32)  # numbers of the images of a class in each split
TEST = range(32, 48)


def images(label, numbers):
    return [f"{label}/{number:03d}" for number in numbers]


def test_ranked_by_validate_never_by_test(dataset, make_run):
    lucky = make_run(dataset, "lucky", wrong=images("good", VALIDATE[:6]))
    steady = make_run(dataset, "steady", wrong=images("good", TEST[:6]))
    detector = make_run(dataset, "memory", detector=True)
    assert ranked([lucky, steady]) == [steady, lucky]
    # a detector has no macro-F1: AUROC ranks all three, and of equals the classifier
    assert ranked([detector, lucky, steady]) == [steady, detector, lucky]


def test_a_better_detector_leads_a_classifier(dataset, make_run):
    weak = make_run(dataset, "weak", wrong=images("scratch", VALIDATE[:6]))
    detector = make_run(dataset, "memory", detector=True)
    found = verdict([weak, detector])
    assert found["leader"] is detector and found["is_ranked"]
    assert {rival["metric"] for rival in found["rivals"]} == {"auroc"}


def test_without_defects_in_validate_nothing_is_ranked(make_dataset, make_run):
    data = make_dataset(name="good_alone")
    rows = data.manifest
    kept = (rows["split"] != "validate") | (rows["label"] == "good")
    data = data._replace(manifest=rows[kept])
    runs = [make_run(data, name, detector=True) for name in ("b", "a")]
    found = verdict(runs)
    assert not found["is_ranked"] and not found["is_clear"]
    assert "cannot be ranked: validate has no defective parts" in found["text"]
    assert [run.config["model"] for run in ranked(runs)] == ["a", "b"]
    text = " ".join(leaderboard_text(runs).split())
    assert "intervals; not ranked, in alphabetical order" in text
    assert advice(found).startswith("No run is recommended for deployment.")
    # one alone is not compared: it is what there is
    assert verdict(runs[:1])["is_ranked"]


def test_leaderboard_has_a_row_per_run_with_intervals(dataset, make_run):
    run = make_run(dataset, "bovw", wrong=images("good", TEST[:4]))
    table = leaderboard([run, make_run(dataset, "memory", detector=True)])
    first, second = table.to_dict("records")
    assert first["accuracy"] == pytest.approx(28 / 32)
    assert first["accuracy_low"] < first["accuracy"] < first["accuracy_high"]
    assert (first["num_test_samples"], first["num_test_groups"]) == (32, 16)
    assert np.isnan(second["macro_f1"]) and second["auroc"] == 1


def test_difference_by_hand(dataset, make_run):
    good = make_run(dataset, "a", wrong=images("good", TEST[:2]))
    bad = make_run(dataset, "b", wrong=images("good", TEST[:10]))
    found = paired_difference(good, bad, metric="accuracy")
    # 30 of 32 against 22 of 32; they answer differently on images 2 to 9, 4 parts
    assert found["value"] == pytest.approx(8 / 32)
    assert found["num_groups_apart"] == 4
    assert found["low"] < 8 / 32 < found["high"]
    turned = paired_difference(bad, good, metric="accuracy")
    assert turned["low"] == pytest.approx(-found["high"])


@pytest.mark.parametrize(
    "metric", ["macro_f1", "accuracy", "auroc", "miss_rate", "false_reject_rate"]
)
def test_a_run_does_not_differ_from_itself(dataset, make_run, metric):
    run = make_run(dataset, "a", wrong=images("scratch", TEST[:3]))
    found = paired_difference(run, run, metric=metric)
    assert found["value"] == found["low"] == found["high"] == 0


def test_pairing_sees_what_two_intervals_cannot(dataset, make_run):
    # both are wrong on the same 3 parts, b on 7 more of 16
    both = images("good", TEST[:6])
    a = make_run(dataset, "a", wrong=both)
    b = make_run(dataset, "b", wrong=both + images("scratch", TEST[:14]))
    found = paired_difference(a, b, metric="accuracy")
    alone = [run.metrics["test"]["metrics"]["accuracy"] for run in (a, b)]
    unpaired = np.hypot(*(each["high"] - each["low"] for each in alone))
    assert found["high"] - found["low"] < unpaired
    assert found["low"] > 0


def test_the_order_of_rows_does_not_matter(dataset, make_run):
    a = make_run(dataset, "a", wrong=images("good", TEST[:2]))
    b = make_run(dataset, "b", wrong=images("scratch", TEST[:6]))
    before = paired_difference(a, b)
    write_predictions(b.folder, b.predictions.iloc[::-1])
    assert paired_difference(a, b) == before


def test_other_samples_are_refused(dataset, make_dataset, make_run):
    other = make_dataset(name="more", groups=9)
    with pytest.raises(InputError, match="different samples.*is in only one"):
        paired_difference(make_run(dataset, "a"), make_run(other, "b"))


def test_a_detector_has_no_macro_f1_to_compare(dataset, make_run):
    detector = make_run(dataset, "memory", detector=True)
    with pytest.raises(InputError, match="Compare it by auroc"):
        paired_difference(make_run(dataset, "a"), detector)


def test_few_parts_apart_are_no_clear_winner(dataset, make_run):
    # 5 parts, all in favour of a: the interval lies above 0, luck is not excluded
    a, b = (
        make_run(dataset, "a"),
        make_run(dataset, "b", wrong=images("good", TEST[:10])),
    )
    found = verdict([a, b])
    assert found["rivals"][0]["difference"]["low"] > 0
    assert not found["is_clear"]
    assert "No clear winner between a and b" in found["text"]
    assert "only 5 groups" in found["text"]


def test_a_clear_winner_and_a_detector_beside_it(dataset, make_run):
    wrong = images("good", VALIDATE[:8]) + images("scratch", TEST[:14])
    runs = [
        make_run(dataset, "weak", wrong=wrong),
        make_run(dataset, "strong"),
        make_run(dataset, "memory", detector=True),
    ]
    found = verdict(runs)
    outcomes = {rival["name"]: rival["outcome"] for rival in found["rivals"]}
    assert found["name"] == "strong"
    assert outcomes == {"weak": "better", "memory": "same"}
    assert found["rivals"][1]["metric"] == "auroc"


def test_more_rivals_need_more_evidence(dataset, make_run):
    # 0.5 ** 6 * 2 = 3 % < 5 %, but 0.5 ** 7 * 2 = 1.6 % > 5 % / 6
    assert [groups_needed(count) for count in (1, 2, 6)] == [6, 7, 8]
    strong = make_run(dataset, "strong")
    weak = make_run(dataset, "weak", wrong=images("good", TEST[:12]))
    alone = paired_difference(strong, weak)
    among = paired_difference(strong, weak, num_rivals=6)
    assert among["value"] == alone["value"]
    assert among["low"] < alone["low"] and alone["high"] < among["high"]
    others = [make_run(dataset, f"other_{n}") for n in range(5)]
    outcomes = [
        {rival["name"]: rival["outcome"] for rival in verdict(runs)["rivals"]}["weak"]
        for runs in ([strong, weak], [strong, weak, *others])
    ]
    assert outcomes == ["better", "open"]


def test_a_leader_that_loses_on_test_is_said(dataset, make_run):
    leader = make_run(dataset, "a", wrong=images("scratch", TEST))
    loser = make_run(dataset, "b", wrong=images("good", VALIDATE[:2]))
    text = verdict([leader, loser])["text"]
    assert "a is best on validate, but clearly worse on test than b" in text


def test_one_run_alone(dataset, make_run):
    found = verdict([make_run(dataset, "a")])
    assert found["is_clear"] and "only run" in found["text"]


def test_names_are_as_short_as_they_can_be(dataset, make_run):
    runs = [make_run(dataset, model) for model in ("bovw", "mobilenet", "bovw")]
    assert display_names(runs) == ["bovw #1", "mobilenet", "bovw #2"]


def test_text_fits_100_columns_and_keeps_names_apart(dataset, make_run):
    stem = "a_model_with_a_name_that_is_much_too_long_for_any_terminal"
    runs = [
        make_run(dataset, f"{stem}_{end}", wrong=images("good", TEST[:3]))
        for end in ("first", "second")
    ]
    lines = leaderboard_text(runs).splitlines()
    assert max(len(line) for line in lines) <= 100
    assert "_first " in lines[2] and "_second " in lines[3]


def test_text_shows_what_ranks(dataset, make_run):
    wrong = images("scratch", VALIDATE[:4])
    run = make_run(dataset, "weak", wrong=wrong)
    lines = leaderboard_text([run, make_run(dataset, "strong")]).splitlines()
    assert lines[0].endswith("ranked by: macro-F1 on validate")
    assert lines[1].split()[:2] == ["ranked", "by"]
    # on validate F1 of good 32 / (16 + 20), of scratch 24 / (16 + 12): mean 87.3 %
    assert [line.split()[:2] for line in lines[2:]] == [
        ["strong", "100.0"],
        ["weak", "87.3"],
    ]
    detector = make_run(dataset, "memory", detector=True)
    text = " ".join(leaderboard_text([run, detector]).split())
    assert "ranked by: AUROC on validate" in text


def test_data_sets_of_one_name_are_kept_apart(dataset, make_dataset, make_run):
    again = make_dataset(name="parts", groups=9)
    groups = by_dataset([make_run(dataset, "a"), make_run(again, "a")])
    assert len(groups) == 2
    assert all(name.startswith("parts, manifest ") for name in groups)


def test_compare_writes_both_files_or_none(dataset, make_run, tmp_path, monkeypatch):
    run = make_run(dataset, "a", wrong=images("good", TEST[:3]))
    page = compare([run], out=tmp_path / "out")
    table = pd.read_csv(page.parent / "results.csv")
    expected = run.metrics["test"]["metrics"]["macro_f1"]["value"]
    assert table["macro_f1"][0] == pytest.approx(expected, rel=1e-15)
    with pytest.raises(InputError, match="already exists"):
        compare([run], out=tmp_path / "out")

    def fail(runs, folder):
        raise OSError("disk full")

    monkeypatch.setattr("reporting.compare.write_report", fail)
    with pytest.raises(OSError):
        compare([run], out=tmp_path / "other")
    assert not [path for path in tmp_path.iterdir() if "other" in path.name]


def test_reports_are_numbered_beside_the_runs(dataset, make_run):
    run = make_run(dataset, "a")
    folders = [compare([run]).parent for _ in range(2)]
    assert [folder.name[-9:] for folder in folders] == ["-report-1", "-report-2"]
    assert {folder.parent for folder in folders} == {run.folder.parent}


def test_earlier_reports_and_repeated_runs_are_left_out(dataset, make_run, tmp_path):
    run = make_run(dataset, "a")
    report = compare([run], out=tmp_path / "report").parent
    assert len(read_runs([run.folder, report, f"{run.folder}/"])) == 1
    with pytest.raises(InputError, match="These folders are reports"):
        read_runs([report])


def test_numbers_never_round_to_none_or_all():
    assert [share(value) for value in (0, 0.0001, 0.931, 0.9999, 1)] == [
        "0.0",
        "<0.1",
        "93.1",
        ">99.9",
        "100.0",
    ]
    interval = {"value": 0.931, "low": 0.88, "high": 0.964}
    assert percent(interval) == "93.1 % (88.0 to 96.4)"
    assert percent({"value": None, "low": None, "high": None}) == "–"


def test_duration():
    assert [duration(seconds) for seconds in (8.46, 59.99, 725, 12_000)] == [
        "8.5 s",
        "1 min 0 s",
        "12 min 5 s",
        "3 h 20 min",
    ]


def test_runs_that_answer_alike_are_called_the_same(dataset, make_run):
    runs = [make_run(dataset, name, wrong=["good/032"]) for name in ("bovw", "twin")]
    found = verdict(runs)
    assert [rival["outcome"] for rival in found["rivals"]] == ["same"]
    assert "bovw and twin make the same predictions on test" in found["text"]
    assert "performed equally well" in advice(found)
    detectors = [make_run(dataset, name, detector=True) for name in ("a", "b")]
    assert verdict(detectors)["rivals"][0]["outcome"] == "same"
