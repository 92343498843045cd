"""Writes the tables of the documentation from the figures in benchmarks/results.

    python3 benchmarks/results_page.py

A second. In README.md and docs/results.md, what stands between `<!-- table: NAME -->`
and `<!-- end -->` is replaced by the table of that name; the text around it is written
by hand. Run it after `make bench`.
"""

import re
from pathlib import Path

import pandas as pd
import quality_tables
import speed_tables
from figure_tables import NONE

from goodparts.command import InputError, run_command
from goodparts.files import write_text

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TABLES = quality_tables.TABLES | speed_tables.TABLES


def rewritten(text):
    """A page with its tables made anew.

    Raises:
        InputError: If it asks for a table that is not known.
    """

    def fill(found):
        name = found[2]
        if name not in TABLES:
            raise InputError(
                f"There is no table {name!r}. Known are: {', '.join(TABLES)}."
            )
        return f"{found[1]}\n{markdown(*TABLES[name]())}\n\n{found[3]}"

    return PLACE.sub(fill, text)


def markdown(header, rows):
    """A table; numbers that are missing become a dash."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[NONE if pd.isna(cell) else str(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def main():
    for page in PAGES:
        before = page.read_text()
        after = rewritten(before)
        if after != before:
            write_text(page, after)
        state = "up to date" if after == before else "written"
        print(f"{page.relative_to(ROOT)}: {state}")


if __name__ == "__main__":
    run_command(main)
