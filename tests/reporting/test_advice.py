import pytest

from decisions.decide_run import decide_run
from evaluation.comparison.paired import verdict
from goodparts.files import read_json, write_json
from reporting.advice import advice

VALIDATE = range(16, 32)  # numbers of the images of a class in each split


def images(label, numbers):
    return [f"{label}/{number:03d}" for number in numbers]


def as_ensemble(run, *members):
    """The run as an ensemble of others beside it, whose answers it keeps."""
    path = run.folder / "config.json"
    paths = [f"../{member.name}" for member in members]
    said = {"members": paths, "arguments": {"combine": "soft"}}
    write_json(path, read_json(path) | said)
    run.config |= said
    return run


def test_the_run_its_line_and_what_test_saw_of_it(dataset, make_run):
    run = make_run(dataset, "mobilenetv2")
    text = advice(verdict([run]))
    assert text.startswith(
        "Recommended for deployment: mobilenetv2. It rejects parts with a defect "
        "score of"
    )
    assert f"{run.threshold:.4g}" in text and "misses 0.0 % (0.0 to" in text
    decide_run(run.folder, inspect_share=0.1)
    assert "These thresholds were set by decide" in advice(verdict([run]))


def test_an_ensemble_names_its_members_and_a_simpler_run(dataset, make_run):
    single = make_run(dataset, "bovw", wrong=images("good", VALIDATE[:4]))
    other = make_run(dataset, "small_cnn", wrong=images("good", VALIDATE[:8]))
    vote = as_ensemble(make_run(dataset, "ensemble_soft"), single, other)
    text = advice(verdict([single, other, vote]))
    assert "deployment: ensemble_soft, which combines bovw-" in text
    assert (
        "better than bovw alone, which is simpler, on validate, but test does not"
        in text
    )
    assert text.count("deploy") == 1  # one recommendation


@pytest.mark.parametrize(
    "num_wrong, said", [(14, "is clearly"), (2, "does not confirm")]
)
def test_how_sure_it_is(dataset, make_run, num_wrong, said):
    wrong = images("good", [*VALIDATE[:8], *range(32, 32 + num_wrong)])
    runs = [make_run(dataset, "strong"), make_run(dataset, "weak", wrong=wrong)]
    assert said in advice(verdict(runs))


def test_a_run_that_is_mostly_wrong_is_not_advised(dataset, make_run):
    run = make_run(dataset, "bovw", wrong=images("scratch", VALIDATE[:10]))
    text = advice(verdict([run]))
    assert text.startswith("None of these is good enough to deploy")
    assert "misses 62.5 %" in text and "(goodparts decide RUN)" in text
    assert "Recommended for deployment" not in text
    decide_run(run.folder, inspect_share=0.3)  # does not make it a good one
    text = advice(verdict([run]))
    assert text.startswith("None of these is good enough to deploy")
    assert "Recommended for deployment" not in text
    decide_run(run.folder, max_miss=0.4, max_false_reject=0.4, confidence="average")
    assert "Recommended for deployment" in advice(verdict([run]))
