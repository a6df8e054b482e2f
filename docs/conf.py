"""Settings of the documentation pages."""

import fluxkit

project = "fluxkit"
author = "The fluxkit authors"
release = fluxkit.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.intersphinx",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 2
autodoc_typehints = "none"  # the docstrings say types in words, with shapes and units
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
intersphinx_mapping = {}
html_theme = "furo"
html_title = "fluxkit"
exclude_patterns = ["images"]
