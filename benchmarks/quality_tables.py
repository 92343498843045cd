"""Tables of the documentation on how right models and decisions are.

Each function returns a header and rows, from the CSV of one benchmark.
"""

import pandas as pd
from figure_tables import DATA, NONE, figures, interval, pivot, points

from evaluation.wording import share

SPLITS = {  # of the bottles, as transfer_learning.py names them, and in tables
    "random, seed 42": "random",
    "near-duplicates": "near-duplicates together",
    "chronological": "chronological",
}
METHODS = {"probe": "linear probe"}


def honesty():
    bottles = figures("transfer_bottles").assign(
        split=lambda table: table["split"].map(SPLITS),
        method=lambda table: table["method"].replace(METHODS),
    )
    words = figures("visual_words_accuracy")
    words = words[words["data"].str.startswith("bottles")].assign(
        split=lambda table: table["data"].str.removeprefix("bottles, ").map(SPLITS),
        method="bovw",
    )
    names, rows = pivot(
        pd.concat([bottles, words]),
        "method",
        "split",
        lambda x: interval(x, "macro_f1"),
    )
    return ["macro-F1 on test, %", *names], rows


def transfer():
    tables = [figures(f"transfer_{name}") for name in ("bottles", *DATA)]
    rows = [
        [
            f"{DATA.get(row.data, row.data)}, {SPLITS.get(row.split, row.split)}",
            METHODS.get(row.method, row.method),
            row.num_images,
            row.num_groups,
            row.num_wrong,
            interval(row._asdict(), "accuracy"),
            interval(row._asdict(), "macro_f1"),
            share(row.weakest_recall),
        ]
        for row in pd.concat(tables).itertuples()
    ]
    header = ["data, split", "method", "test images", "groups", "wrong"]
    return [
        *header,
        "accuracy, %",
        "macro-F1, %",
        "recall of the weakest class, %",
    ], rows


def transfer_ablation():
    rows = [
        [
            row.method,
            f"{row.num_wrong} of {row.num_images}",
            interval(row._asdict(), "accuracy"),
            share(row.weakest_recall),
            f"{row.train_s / 60:.1f} min",
        ]
        for row in figures("transfer_ablation").itertuples()
    ]
    header = ["what is trained", "wrong on validate", "accuracy, %"]
    return [*header, "recall of the weakest class, %", "training time"], rows


def visual_words():
    rows = [
        [
            DATA.get(row.data, row.data.replace("random, seed 42", "random")),
            f"{row.num_wrong} of {row.num_images}",
            interval(row._asdict(), "accuracy"),
            interval(row._asdict(), "macro_f1"),
        ]
        for row in figures("visual_words_accuracy").itertuples()
    ]
    return ["data, split", "wrong on test", "accuracy, %", "macro-F1, %"], rows


def visual_words_ablation():
    names, rows = pivot(
        figures("visual_words_ablation").replace({"data": DATA}),
        "method",
        "data",
        lambda x: interval(x, "accuracy"),
    )
    return ["accuracy on validate, %", *names], rows


def visual_words_speed():
    table = figures("visual_words_speed")
    keys = ["data", "points", "num_train_images"]
    accuracies = ["validate_accuracy", "test_accuracy"]
    rows = []
    for (data, kind, count), lines in table.groupby(keys, sort=False):
        ours, slow, mixed = (line for _, line in lines.iterrows())
        rows.append(
            [
                data.replace("random, seed 42", "random"),
                {"both": "keypoints and grid"}.get(kind, kind),
                f"{count:,}",
                f"{ours.fit_s:.1f} s",
                f"{ours.fit_again_s:.1f} s",
                f"{slow.fit_s:.1f} s",
                " / ".join(map(share, ours[accuracies])),
                " / ".join(map(share, mixed[accuracies])),
            ]
        )
    header = ["data", "points", "train images", "bovw", "bovw again"]
    header += ["all descriptors, scipy", "accuracy on validate / test, %"]
    return [*header, "the same with the words of scipy"], rows


def ensembles():
    table = pd.concat([figures(f"ensembles_{name}") for name in ("parts", "reference")])
    order = ["inceptionresnetv2", "resnet50", "mobilenetv2", "small_cnn", "bovw"]
    members, combiners = (table[table["kind"] == x] for x in ("member", "combiner"))
    names = list(dict.fromkeys(table["data"]))

    def cell(row):
        text = interval(row, "macro_f1")
        return f"**{text}**" if row["is_chosen"] in (True, "True") else text

    rows = []
    for part, prefix in ((members, ""), (combiners, "ensemble ")):
        found = pivot(part, "name", "data", cell)[1]
        if not prefix:
            found.sort(key=lambda row: order.index(row[0]))
        rows += [[f"{prefix}{row[0]}", *row[1:]] for row in found]
    best = table[table["kind"] == "best member"].set_index("data").loc[names]
    for title, show, name in (
        ("chosen minus best member, paired, points", points, "gain_over_it"),
        ("at least one member right, % of images", interval, "oracle"),
    ):
        rows.append([title, *(show(best.loc[data], name) for data in names)])
    shown = {
        "bottles-chronological": "bottles, chronological",
        "magnetic_tile-0": "magnetic tiles, fold 0",
        "screw": "screws",
        "reference bottle": "MVTec bottle, published predictions",
    }
    return ["macro-F1 on test, %", *(shown[name] for name in names)], rows


def promises():
    drawn, runs = figures("decisions"), figures("decisions_runs")
    runs = runs[runs["promise"] != "unlike"]
    rows = []
    for name, table in (("drawn scores", drawn), ("runs on bottles and tiles", runs)):
        for holds, part in table.groupby("holds"):
            is_average = holds == "average"
            rows.append(
                [
                    name,
                    "on average"
                    if is_average
                    else f"{100 * float(holds):.0f} % confidence",
                    len(part),
                    NONE if is_average else share(part["broken"].mean()),
                    NONE if is_average else share(part["broken"].max()),
                    f"{(part['mean_rate'] / part['max_rate']).max():.3f}",
                ]
            )
    header = ["calibrations from", "promise", "settings", "broken, mean %"]
    return [
        *header,
        "broken, worst setting %",
        "mean rate / promised rate, worst",
    ], rows


def thresholds():
    rows = []
    for scores, table in figures("thresholds").groupby("scores", sort=False):
        row = [scores]
        for rule in ("shipped", "one_percent"):
            part = table[table["rule"] == rule]
            low, high = part["mean_regret"].min(), part["mean_regret"].max()
            row += [f"{100 * low:.1f} to {100 * high:.1f}"]
            row += [f"{100 * part['regret_95'].max():.1f}"]
        rows.append(row)
    header = ["scores", "default threshold, mean", "in 95 % of cases at most"]
    return [*header, "fixed 1 % false rejects, mean", "in 95 % of cases at most"], rows


def open_set():
    table = figures("open_set")
    table = table[table["may_go"] == 0.01]
    names = ["one_line", "accept", "reject", "inspect", "good_inspected"]
    rows = []
    for data, part in table.groupby("data", sort=False):
        data = DATA.get(data, data)
        for _, row in part.iterrows():
            rows.append([f"{data}: {row['left_out']}", *map(share, row[names])])
        rows.append([f"**{data}: mean**", *map(share, part[names].mean())])
    header = ["class left out of training", "accepted by a threshold of 0.5, %"]
    header += ["accepted by the two lines, %", "rejected, %", "inspected, %"]
    return [*header, "good parts inspected, %"], rows


def strange_scenes():
    table = figures("strange_scenes")
    header = ["pictures", "images", "accepted", "rejected", "inspected"]
    return [*header, "accepted by the classifier alone"], table.values.tolist()


def groups():
    table = figures("near_duplicates")
    found, links = (table[table["way"] == way] for way in ("groups", "links"))
    whole = links.set_index("data")["whole"]
    rows = [
        [
            row.data.replace("_", " "),
            row.images,
            f"{row.read_and_hash_cpu_s + row.search_cpu_s:.1f} s",
            int(row.groups),
            int(row.largest),
            NONE if pd.isna(row.parts) else int(row.parts),
            NONE if pd.isna(row.parts) else f"{row.whole:.0f}",
            NONE if pd.isna(row.parts) else f"{whole[row.data]:.0f}",
        ]
        for row in found.itertuples()
    ]
    header = ["data", "images", "processor time", "groups", "images in the largest"]
    header += ["parts known from file names", "of these in one group"]
    return [*header, "by near-copies alone"], rows


def one_class():
    table = pd.concat(
        figures(f"one_class_{part}") for part in ("mvtec", "magnetic_tile")
    )
    rows = [
        [
            DATA.get(row["dataset"], row["dataset"].replace("_", " ")),
            row["method"],
            row["pose"],
            *(interval(row, name) for name in ("auroc", "pixel_auroc", "aupro")),
            f"{row['fit_s']:.0f} s",
            f"{row['peak_memory_mb']:.0f} MB",
            f"{row['images_per_s']:.0f}",
        ]
        for _, row in table.iterrows()
    ]
    header = ["data", "model", "pose", "image AUROC, %", "pixel AUROC, %"]
    return [*header, "AUPRO 30 %, %", "training", "memory", "images/s"], rows


def one_class_others():
    rows = [
        [
            DATA.get(row["dataset"], row["dataset"].replace("_", " ")),
            row["method"],
            row["pose"],
            *(interval(row, name) for name in ("auroc", "pixel_auroc", "aupro")),
        ]
        for _, row in figures("one_class_others").iterrows()
    ]
    header = ["data", "model", "pose", "image AUROC, %", "pixel AUROC, %"]
    return [*header, "AUPRO 30 %, %"], rows


TABLES = {
    table.__name__: table
    for table in (
        honesty,
        transfer,
        transfer_ablation,
        visual_words,
        visual_words_ablation,
        visual_words_speed,
        ensembles,
        promises,
        thresholds,
        open_set,
        one_class,
        one_class_others,
        strange_scenes,
        groups,
    )
}
