import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from decisions.costs import mean_cost, read_costs, sample_costs
from decisions.guarantees import (
    allowed_errors,
    check_promises,
    groups_needed,
    strongest_rate,
    upper_bound,
)
from decisions.lines import (
    cheapest_lines,
    lines_by_capacity,
    lines_by_promise,
)
from decisions.open_set import probability_floor
from decisions.rule import Decision, between, decide_parts, read_decision
from evaluation.run_folder import Run
from goodparts.command import InputError
from goodparts.files import write_json

CONFIDENCES = st.sampled_from(["average", 0.8, 0.95])
RATES = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.29, 0.5, 0.9])


def predictions(scores, labels, groups=None):
    """A table of `validate`; each image a group of its own unless told."""
    groups = range(len(scores)) if groups is None else groups
    return pd.DataFrame(
        {
            "sample_id": [f"{number:03d}" for number in range(len(scores))],
            "label": labels,
            "split": "validate",
            "group": [str(group) for group in groups],
            "defect_score": np.asarray(scores, np.float64),
        }
    )


def parts(max_size=60):
    """Tables of good parts and two classes of defects, with ties and groups."""
    row = st.tuples(
        st.integers(0, 20).map(lambda value: value / 20),
        st.sampled_from(["good", "crack", "dent"]),
        st.integers(0, 30),
    )
    tables = st.lists(row, min_size=1, max_size=max_size)
    return tables.map(lambda rows: predictions(*zip(*rows, strict=True)))


def promised(table, **promise):
    """The lines, or None where the promise is refused."""
    try:
        return lines_by_promise(table, normal_class="good", **promise)
    except InputError:
        return None


def num_missed(table, line, label=None):
    """Defective groups with an image below the line, the slow way."""
    is_defect = table["label"] != "good" if label is None else table["label"] == label
    return len(set(table["group"][is_defect & (table["defect_score"] < line)]))


def num_rejected(table, line):
    return len(
        set(
            table["group"][(table["label"] == "good") & (table["defect_score"] >= line)]
        )
    )


def test_the_groups_that_a_promise_needs():
    # 1 / (n + 1) <= 0.01 from n = 99 on; 0.99 ** 298 = 0.0500, 0.99 ** 299 = 0.0495
    assert groups_needed(0.01, "average") == 99
    assert groups_needed(0.01, 0.95) == 299
    assert allowed_errors(98, 0.01, "average") == -1
    assert allowed_errors(99, 0.01, "average") == 0
    assert allowed_errors(298, 0.01, 0.95) == -1
    assert allowed_errors(299, 0.01, 0.95) == 0
    # (k + 1) / 100 <= 0.29 for k = 28, though 0.29 * 100 is 28.999999999999996
    assert allowed_errors(99, 0.29, "average") == 28


def test_the_bound_is_the_rate_at_which_so_few_errors_are_unlikely():
    # Clopper-Pearson: at the bound, k errors or fewer come in 5 % of the samples
    for errors, groups in ((0, 10), (3, 40), (39, 40)):
        rate = float(upper_bound(errors, groups, 0.95))
        assert binom.cdf(errors, groups, rate) == pytest.approx(0.05)
    assert upper_bound(40, 40, 0.95) == 1 == upper_bound(0, 0, 0.95)
    assert upper_bound(0, 0, "average") == 1


@given(st.integers(1, 4000), CONFIDENCES)
def test_the_strongest_rate_is_carried(num_groups, confidence):
    rate = strongest_rate(num_groups, confidence)
    assert rate == 1 or allowed_errors(num_groups, rate, confidence) >= 0
    assert rate <= 1.1 * float(upper_bound(0, num_groups, confidence)) + 1e-9


@given(RATES, CONFIDENCES)
def test_needed_and_allowed_agree(rate, confidence):
    needed = groups_needed(rate, confidence)
    assert allowed_errors(needed, rate, confidence) >= 0
    assert allowed_errors(needed - 1, rate, confidence) < 0


def test_a_refusal_offers_what_can_be_pasted():
    # 46 groups: 1 - 0.05 ** (1 / 46) = 0.0630, 1 / 47 = 0.0213, both rounded up
    asked = {
        "--max-miss": (0.01, {"defective parts": 46}),
        "--max-false-reject": (0.3, {"good parts": 200}),
    }
    with pytest.raises(InputError) as refusal:
        check_promises(asked, 0.95)
    assert str(refusal.value) == (
        "With 95 % confidence, --max-miss 0.01 needs 299 groups of defective parts "
        "in validate (99 for a guarantee on average), but there are 46. The "
        "strongest guarantee that they support: --max-miss 0.064 --max-false-reject "
        "0.3 or --max-miss 0.022 --max-false-reject 0.3 --confidence average."
    )
    with pytest.raises(InputError, match="Add such parts and split again"):
        check_promises({"--max-miss": (0.01, {"dent": 0})}, "average")


def test_lines_by_hand():
    # goods at 0.1 to 0.5, defects at 0.4 and 0.6 to 0.9
    table = predictions(
        [0.1, 0.2, 0.3, 0.35, 0.5, 0.4, 0.6, 0.7, 0.8, 0.9], ["good"] * 5 + ["bad"] * 5
    )
    # 1 / 6 on average: no defect below and no good one above; 0.4 and 0.5 between.
    # Below 0.4 the highest good is 0.35, next 0.4; above 0.5 the next is 0.6.
    both = promised(table, max_miss=0.2, max_false_reject=0.2, confidence="average")
    assert both == pytest.approx((0.375, 0.55))
    # 2 / 6: one of each may be wrong. Below 0.6 the highest good is 0.5: line 0.55.
    # Above 0.35 the lowest defect is 0.4: line 0.375. Both keep both: the middle.
    both = promised(table, max_miss=0.34, max_false_reject=0.34, confidence="average")
    assert both == pytest.approx((0.4625, 0.4625))
    alone = promised(table, max_miss=0.2, confidence="average")
    assert alone == pytest.approx((0.375, 0.375))
    alone = promised(table, max_false_reject=0.2, confidence="average")
    assert alone == pytest.approx((0.55, 0.55))


def test_a_loose_promise_misses_nothing_for_nothing():
    # apart at 0.3 and 0.7; ten of twenty defects might be missed, none needs to be
    table = predictions([0.3] * 5 + [0.7] * 20, ["good"] * 5 + ["bad"] * 20)
    assert promised(table, max_miss=0.6, confidence="average") == (0.5, 0.5)


def test_a_group_is_missed_with_any_of_its_images():
    # two defective parts seen from two sides, each low on one: the lowest counts
    table = predictions(
        [0.05, 0.1, 0.9, 0.3, 0.8],
        ["good", "bad", "bad", "bad", "bad"],
        [0, 1, 1, 2, 2],
    )
    low, _ = promised(table, max_miss=0.34, confidence="average")  # 1 / 3: none missed
    assert low == pytest.approx(0.075)


def test_where_no_part_may_be_accepted():
    table = predictions([0.2, 0.1, 0.9], ["good", "bad", "bad"])
    lines = promised(table, max_miss=0.4, max_false_reject=0.5, confidence="average")
    assert lines == (-np.inf, pytest.approx(0.55))
    decisions, _ = decide_parts(Decision(*lines), [0.0, 0.2, 0.6])
    assert decisions.tolist() == ["inspect", "inspect", "reject"]


@settings(deadline=None, max_examples=40)
@given(parts(), RATES, RATES, CONFIDENCES)
def test_never_more_errors_than_the_bound_allows(table, miss, reject, confidence):
    lines = promised(
        table, max_miss=miss, max_false_reject=reject, confidence=confidence
    )
    num_bad = table["group"][table["label"] != "good"].nunique()
    num_good = table["group"][table["label"] == "good"].nunique()
    if lines is None:
        carried = min(
            allowed_errors(num_bad, miss, confidence),
            allowed_errors(num_good, reject, confidence),
        )
        assert carried < 0
        return
    low, high = lines
    assert low <= high
    bound = upper_bound(num_missed(table, low), num_bad, confidence)
    assert bound <= miss + 1e-9
    bound = upper_bound(num_rejected(table, high), num_good, confidence)
    assert bound <= reject + 1e-9


@settings(deadline=None, max_examples=40)
@given(parts(), RATES, CONFIDENCES)
def test_a_promise_per_class_holds_of_each(table, miss, confidence):
    classes = ["crack", "dent"]
    lines = promised(
        table, max_miss=miss, confidence=confidence, defect_classes=classes
    )
    for name in classes if lines else ():
        count = table["group"][table["label"] == name].nunique()
        missed = num_missed(table, lines[0], name)
        assert upper_bound(missed, count, confidence) <= miss + 1e-9


@settings(deadline=None, max_examples=40)
@given(parts(), RATES, RATES, RATES, CONFIDENCES)
def test_a_looser_promise_inspects_no_more(table, miss, reject, looser, confidence):
    tight = promised(
        table, max_miss=miss, max_false_reject=reject, confidence=confidence
    )
    loose = promised(
        table,
        max_miss=max(miss, looser),
        max_false_reject=max(reject, looser),
        confidence=confidence,
    )
    if tight is None:
        return
    scores = np.linspace(-0.5, 1.5, 401)
    inspected = [
        decide_parts(Decision(*lines), scores)[0] == "inspect"
        for lines in (loose, tight)
    ]
    assert (inspected[0] <= inspected[1]).all()


@settings(deadline=None, max_examples=40)
@given(parts(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_names_of_classes_change_nothing(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = table.iloc[order].reset_index(drop=True)
    renamed = shuffled.replace({"label": {"crack": "dent", "dent": "crack"}})
    for other in (shuffled, renamed):
        for promise in ({"max_miss": 0.2}, {"max_false_reject": 0.2}):
            found = [
                promised(each, confidence=0.8, **promise) for each in (table, other)
            ]
            assert found[0] == found[1]
        found = [
            lines_by_capacity(each, normal_class="good", max_inspected=3)
            for each in (table, other)
        ]
        assert found[0] == found[1]


def slow_cheapest(scores, costs, max_inspected):
    """The least cost over all pairs of lines, and the fewest inspected of these."""
    distinct = [-np.inf, *np.unique(scores), np.inf]
    lines = [between(*pair) for pair in zip(distinct[:-1], distinct[1:], strict=True)]
    found = []
    for low in lines:
        for high in lines:
            accepted, rejected = scores < low, scores >= high
            inspected = ~accepted & ~rejected
            if low <= high and inspected.sum() <= max_inspected:
                total = sum(
                    costs[rows, column].sum()
                    for column, rows in enumerate((accepted, rejected, inspected))
                )
                found.append((total, inspected.sum()))
    return min(found)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 8), *[st.integers(0, 5)] * 3), min_size=1, max_size=12
    ),
    st.sampled_from([0, 2, 5, np.inf]),
)
def test_the_cheapest_lines_are_those_of_trying_all(rows, max_inspected):
    rows = np.array(rows, np.float64)
    scores, costs = rows[:, 0], rows[:, 1:]
    low, high = cheapest_lines(scores, costs, max_inspected)
    accepted, rejected = scores < low, scores >= high
    inspected = ~accepted & ~rejected
    total = (
        costs[accepted, 0].sum() + costs[rejected, 1].sum() + costs[inspected, 2].sum()
    )
    expected = slow_cheapest(scores, costs, max_inspected)
    assert (total, inspected.sum()) == expected


def test_reasons():
    decision = Decision(0.3, 0.6, 0.5)
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.45, 0.45], [0.5, 0.4]])
    decisions, reasons = decide_parts(decision, [0.1, 0.6, 0.1, 0.3], probabilities)
    assert decisions.tolist() == ["accept", "reject", "inspect", "inspect"]
    assert reasons.tolist() == [
        "low score",
        "high score",
        "unlike every class",
        "between the thresholds",
    ]


def test_the_floor_of_known_parts_by_hand():
    # three groups with lowest best probabilities 0.6, 0.7 and 0.8
    probabilities = np.array([[0.6, 0.4], [0.05, 0.95], [0.7, 0.3], [0.8, 0.2]])
    groups = ["a", "a", "b", "c"]
    # (k + 1) / 4 <= 0.5 for k = 1: one of three groups may lie below; at 0.01 none
    assert probability_floor(probabilities, groups, 0.5) == pytest.approx(0.699)
    assert probability_floor(probabilities, groups, 0.01) == pytest.approx(0.599)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.sampled_from([0.01, 0.05, 0.2]), st.integers(0, 999))
def test_few_known_parts_are_unlike_every_class(num_groups, max_unlike, seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(3), 2 * num_groups)
    groups = np.repeat(np.arange(num_groups), 2)
    floor = probability_floor(probabilities, groups, max_unlike)
    below = np.unique(groups[probabilities.max(axis=1) < floor]).size
    assert below == 0 or (below + 1) / (num_groups + 1) <= max_unlike + 1e-9


def cost_file(tmp_path, text):
    path = tmp_path / "costs.csv"
    path.write_text(text)
    return path


def test_costs_by_hand(tmp_path):
    table = predictions([0.1, 0.2, 0.6, 0.5, 0.9], ["good"] * 3 + ["bad"] * 2)
    path = cost_file(
        tmp_path, "class,accept,reject,inspect,share\ngood,0,4,1,9\nbad,50,0,1,1\n"
    )
    costs = read_costs(path, table)
    assert costs["share"].to_dict() == {"bad": 0.1, "good": 0.9}
    # an image of good weighs 0.9 / 3 = 0.3, one of bad 0.1 / 2 = 0.05
    each = sample_costs(table["label"], costs)
    assert each[0] == pytest.approx([0, 1.2, 0.3])
    assert each[4] == pytest.approx([2.5, 0, 0.05])
    # the two at 0.5 and 0.6: inspected 0.05 + 0.3, rejected 0 + 1.2, so inspected
    low, high = cheapest_lines(table["defect_score"].to_numpy(), each)
    assert (low, high) == pytest.approx((0.35, 0.75))
    decisions, _ = decide_parts(Decision(low, high), table["defect_score"])
    found = mean_cost(table.assign(decision=decisions), costs)
    assert found["value"] == pytest.approx(0.35)
    # unseen in three good groups: rejected in up to 1 - 0.025 ** (1 / 3) = 0.7076,
    # which is 0.9 * (4 - 1 / 3) * 0.7076 = 2.335 more; in two bad ones accepted in up
    # to 0.8419, which is 0.1 * (50 - 0.5) * 0.8419 = 4.167 more
    assert found["high"] == pytest.approx(0.35 + 4.167, abs=0.01)
    assert 0 <= found["low"] <= 0.35


def test_costs_as_a_spreadsheet_in_europe_writes_them(tmp_path):
    table = predictions([0.1, 0.9], ["good", "bad"])
    path = tmp_path / "costs.csv"
    path.write_text(
        "class;accept;reject;inspect\ngood;0;4,5;1\nbad;50;0;1\n",
        encoding="utf-8-sig",
    )
    assert read_costs(path, table)["reject"].to_dict() == {"bad": 0, "good": 4.5}


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "cannot be read as CSV"),
        ("class,accept,reject\ngood,0,1\n", "lacks the column.* inspect"),
        ("class,accept,reject,inspect\ngood,0,1,1\n", "no row for 'bad'"),
        ("class,accept,reject,inspect\nbda,9,0,1\n", "Did you mean 'bad'"),
        ("class,accept,reject,inspect\nbad,9,0,1\nbad,9,0,1\n", "more than one row"),
        ("class,accept,reject,inspect\nbad,,0,1\ngood,0,1,1\n", "row of 'bad'"),
        ("class,accept,reject,inspect\nbad,9,0,1\ngood,0,-1,1\n", "'good', .* reject"),
        (
            "class,accept,reject,inspect,share\nbad,9,0,1,0\ngood,0,1,1,0\n",
            "only zeros in the column share",
        ),
    ],
)
def test_costs_that_cannot_be_used(tmp_path, text, message):
    table = predictions([0.1, 0.9], ["good", "bad"])
    with pytest.raises(InputError, match=message):
        read_costs(cost_file(tmp_path, text), table)


def test_without_shares_the_classes_come_as_on_validate(tmp_path):
    table = predictions([0.1, 0.2, 0.3, 0.9], ["good"] * 3 + ["bad"])
    path = cost_file(tmp_path, "class,accept,reject,inspect\ngood,0,1,1\nbad,9,0,1\n")
    assert read_costs(path, table)["share"].to_dict() == {"bad": 0.25, "good": 0.75}


def true_miss_rates(max_miss, confidence, num_groups, num_trials=300):
    """The true miss rates of lines drawn on calibrations that are drawn anew.

    A group is two defective images with scores uniform on 0 to 1: missed below t with
    probability 1 - (1 - t) ** 2. Good parts lie among them, so that lines are tight.
    """
    random = np.random.default_rng(0)
    goods = np.linspace(0.001, 1, 500)
    table = predictions(
        np.concatenate([np.zeros(2 * num_groups), goods]),
        ["bad"] * 2 * num_groups + ["good"] * goods.size,
        [*np.repeat(np.arange(num_groups), 2), *range(1000, 1500)],
    )
    lines = []
    for _ in range(num_trials):
        defects = random.random(2 * num_groups)
        table["defect_score"] = np.concatenate([defects, goods])
        lines.append(promised(table, max_miss=max_miss, confidence=confidence)[0])
    return 1 - (1 - np.clip(lines, 0, 1)) ** 2


@pytest.mark.parametrize("max_miss, num_groups", [(0.1, 40), (0.05, 99)])
def test_promises_are_broken_no_more_often_than_stated(max_miss, num_groups):
    # 5 % of 300 trials have a standard error of 1.3 points
    rates = true_miss_rates(max_miss, 0.95, num_groups)
    assert (rates > max_miss).mean() <= 0.05 + 3 * 0.013
    rates = true_miss_rates(max_miss, "average", num_groups)
    assert rates.mean() <= max_miss + 3 * rates.std() / 300**0.5
    assert rates.mean() > 0.7 * max_miss  # and not by being far too careful


def test_a_least_probability_needs_probabilities():
    with pytest.raises(ValueError, match="needs a model with class probabilities"):
        decide_parts(Decision(0.2, 0.8, 0.5), [0.1])


def test_a_run_with_classes_only_has_no_lines(tmp_path):
    write_json(tmp_path / "threshold.json", {"value": None, "rule": "none"})
    with pytest.raises(InputError, match="nothing to accept or reject"):
        read_decision(Run(tmp_path, {"outputs": ["classes"]}))
