"""Seconds to find the near-duplicates of 3,360 bottle crops.

    REAL_DATA=... python3 benchmarks/near_duplicates.py

Ten seconds; expects less than 30 s on two cores, reading the files included.
"""

import time

from figures import make_parser, real_data, write_figures

from goodparts.command import run_command
from preprocessing.importing.checked_images import check_images
from preprocessing.importing.layouts import read_source
from preprocessing.splitting.near_duplicates import cluster


def main():
    out = make_parser(__doc__.split("\n")[0]).parse_args().out
    source = read_source(real_data("bottles"))
    started = time.perf_counter()
    images, _ = check_images(source.images)
    read = time.perf_counter()
    clusters = cluster([image.fingerprint for image in images])
    ended = time.perf_counter()
    row = {
        "images": len(images),
        "read_and_hash_s": round(read - started, 2),
        "search_s": round(ended - read, 2),
        "clusters": len(set(clusters.tolist())),
    }
    write_figures("near_duplicates", [row], out)


if __name__ == "__main__":
    run_command(main)
