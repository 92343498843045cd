"""Settings of the documentation site; `make docs` builds it into docs/_build."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

project = "Goodparts"
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # links such as splits.md#why-groups-matter
autodoc_typehints = "none"  # types stand in the signatures
napoleon_use_ivar = True  # attributes as one list
default_role = "code"  # `names` in docstrings
html_theme = "furo"
html_title = "Goodparts"
html_copy_source = False
