"""Settings of Sphinx. `scripts/build_site.py` prepares the pages and calls it."""

import re
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from moirepol import __version__  # noqa: E402

project = "moirepol"
author = "the moirepol developers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.graphviz"]
exclude_patterns = ["README.md", "scripts"]
default_role = "code"

myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3
myst_substitutions = {"version": __version__}

autodoc_member_order = "bysource"
autodoc_mock_imports = ["gpaw"]
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_rtype = False
graphviz_output_format = "svg"

html_theme = "furo"
html_title = f"moirepol {__version__}"
html_copy_source = False
html_show_sphinx = False


def escape_bars(app, what, name, obj, options, lines):
    """Let |P| in a docstring be an absolute value; in reStructuredText it is a substitution."""
    lines[:] = [re.sub(r"\|(?=\S)([^|`]+)\|", r"\|\1\|", line) for line in lines]


def setup(app):
    """Connect the functions above."""
    app.connect("autodoc-process-docstring", escape_bars)
