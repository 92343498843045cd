"""Renders the README's picture of the embedded parts: a row per class.

python3 docs/pictures.py

Seconds. The report's picture is a screenshot of what `make demo` writes.
"""

from pathlib import Path

import numpy as np

from preprocessing.embedded_parts.render import CLASSES, render_part
from preprocessing.images import write_image

SIZE, NUM_EACH, FIRST_SEED = 160, 6, 100


def main():
    rows = [
        np.hstack(
            [
                render_part(label, FIRST_SEED + number, size=SIZE)[0]
                for number in range(NUM_EACH)
            ]
        )
        for label in CLASSES
    ]
    write_image(
        Path(__file__).parent / "pictures" / "embedded_parts.jpg", np.vstack(rows)
    )


if __name__ == "__main__":
    main()
