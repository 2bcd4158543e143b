"""Sphinx settings; ``sphinx-build -W docs docs/_build`` builds the pages."""

import os
import sys

sys.path.insert(0, os.path.abspath(".."))

from neuro_sync import __version__

project = "neuro_sync"
author = "The neuro_sync developers"
copyright = "2026, " + author
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "neuro_sync"
html_static_path = ["_static"]
html_css_files = ["output.css"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Attributes of two classes may share a name.
suppress_warnings = ["ref.python"]
nitpicky = False
