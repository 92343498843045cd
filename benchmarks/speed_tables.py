"""Tables of the documentation on speed, memory and the live inspection.

Each function returns a header and rows, from the CSV of one benchmark.
"""

import pandas as pd
from figure_tables import NONE, figures, pivot


def alarms():
    table = figures("alarms")
    names, rows = pivot(
        table, "rule", "share_rejected", lambda x: f"{x['alarms_mean']:.1f}"
    )
    often = table.groupby("rule")["false_alarms_per_day"].first()
    rows = [[f"`{rule}`", *rest, f"{often[rule]:.1f}"] for rule, *rest in rows]
    shares = [f"{100 * name:.0f} % rejected" for name in names]
    return ["rule", *shares, "false alarms per day"], rows


def live_throughput():
    rows = [
        [row.way, f"{row.images_per_s:.0f}", f"{row.times_keras:.1f}"]
        for row in figures("live_throughput").itertuples()
    ]
    return ["way", "images/s", "times Keras"], rows


def live_runtime():
    rows = [
        [
            row.way,
            f"{row.images_per_s:.0f}",
            f"{row.max_difference:.1g}" if row.max_difference else NONE,
            f"{row.answers_changed} of {row.of_images}",
            f"{row.file_mb} MB",
            NONE if pd.isna(row.memory_mb) else f"{row.start_to_verdict_s:.1f} s",
            NONE if pd.isna(row.memory_mb) else f"{row.memory_mb:.0f} MB",
        ]
        for row in figures("live_runtime").itertuples()
    ]
    header = ["engine", "images/s", "largest difference from Keras", "answers changed"]
    return [*header, "file", "start to first verdict", "memory"], rows


def live_latency():
    table = figures("live_latency")
    last = table.iloc[-1]
    watched = int(last["after_s"])
    rows = [
        ["watched, s", watched],
        ["frames judged", f"{int(last['frames']):,}"],
        ["frames dropped for newer ones", int(last["dropped"])],
        ["latency, median, ms", f"{table['latency_p50_ms'].median():.1f}"],
        ["latency, worst 99th percentile of 20 s, ms", table["latency_p99_ms"].max()],
        ["memory after 20 s, MB", int(table["memory_mb"].iloc[0])],
        [f"memory after {watched} s, MB", int(last["memory_mb"])],
    ]
    return ["RTSP camera, 30 frames/s", ""], rows


def live_events():
    rows = [
        [
            f"`{row.rule}`" if "debounce" not in row.rule else "published debounce",
            f"{row.found} of {row.faults}",
            row.frames_to_alarm_max,
            f"{row.false_alarms} in {row.normal_frames:,} good frames",
        ]
        for row in figures("live_events").drop_duplicates("rule").itertuples()
    ]
    return [
        "rule",
        "faults found",
        "frames to the alarm, at most",
        "false alarms",
    ], rows


def live_faults():
    rows = []
    for row in figures("live_faults").itertuples():
        is_known = not pd.isna(row.alarms)
        received = NONE if pd.isna(row.received) else f"{row.received:.0f}"
        rows.append(
            [
                row.fault,
                f"{row.survived} of {row.faults}",
                f"{row.recovered_s} s",
                f"{row.alarms:.0f} / {received}" if is_known else NONE,
                row.note,
            ]
        )
    header = ["fault", "survived", "next verdict after at most"]
    return [*header, "alarms raised / received", "note"], rows


def connections():
    rows = [
        [row.idle_connections, f"{row.stop_s_most:.2f} s", f"{row.answer_s_most:.2f} s"]
        for row in figures("connections").itertuples()
    ]
    header = ["idle connections", "stop command done after at most"]
    return [*header, "page answers after at most"], rows


def event_log():
    [row] = figures("event_log").itertuples()
    rows = [
        ["open a log of one file", f"{row.open_in_one_file_s:.2f} s"],
        ["begin the next file", f"{row.begin_another_file_s:.2f} s"],
        ["open it later", f"{row.open_later_s:.2f} s"],
        ["verify all of it", f"{row.verify_all_s:.2f} s"],
    ]
    return [f"log of {row.megabytes} MB, {row.lines:,} lines", "time"], rows


def loader():
    names, rows = pivot(
        figures("loader"), "augmentation", "images", lambda x: f"{x['images_per_s']:,}"
    )
    return ["images/s, augmentation", *names], rows


def head_speed():
    rows = [
        [row.what, f"{row.s:.0f} s", f"{row.peak_memory_mb / 1000:.1f} GB"]
        for row in figures("transfer_speed_head").itertuples()
    ]
    return ["3,360 frames split 70/15/15", "time", "peak memory"], rows


def step_speed():
    table = figures("transfer_speed_steps")
    table = table[table["image_size"].isna()]
    train = table[table["bare_s"].notna()].iloc[0]
    rows = [["in `train`, with loading and augmentation", f"{train.s:.2f} s"]]
    rows += [["bare, with arrays in memory", f"{train.bare_s:.2f} s"]]
    for row in table[table["what"].str.startswith("bare, ")].itertuples():
        rows.append([row.what, f"{row.s:.2f} s"])
    return ["fine-tuning mobilenetv2", "a step of 32 images"], rows


def backbones():
    table = figures("transfer_speed_steps").dropna(subset=["image_size"])
    whole = figures("transfer_speed_recipes").set_index("what")["s"]
    rows = []
    for row in table.itertuples():
        name = row.what.removesuffix(" at its size")
        rows.append(
            [
                name,
                row.image_size,
                f"{row.s:.2f} s",
                f"{row.features_per_s:.0f} images/s",
                f"{row.peak_memory_mb / 1000:.1f} GB",
                f"{whole[name]:.0f} s",
            ]
        )
    header = ["backbone", "image size", "a step of 32 images", "frozen features"]
    return [*header, "peak memory", "whole recipe, 120 parts of 96 x 96"], rows


TABLES = {
    table.__name__: table
    for table in (
        alarms,
        live_throughput,
        live_runtime,
        live_latency,
        live_events,
        live_faults,
        connections,
        event_log,
        loader,
        head_speed,
        step_speed,
        backbones,
    )
}
