"""Sphinx configuration: MyST pages, furo, API pages from docstrings. Built with -W: every warning is an error."""

import importlib.util
import os
import shutil
from pathlib import Path

# The pages are the same on every backend; autodoc imports the package, and Keras then wants one.
BACKENDS = ("jax", "torch", "tensorflow")
os.environ.setdefault("KERAS_BACKEND", next(filter(importlib.util.find_spec, BACKENDS), "jax"))

from importlib.metadata import version as installed_version  # noqa: E402  the backend is chosen first

# Sphinx wants all of its sources in one folder.
HERE = Path(__file__).parent
shutil.rmtree(HERE / "tutorials", ignore_errors=True)
shutil.copytree(HERE.parent / "tutorials", HERE / "tutorials")

project = "keras_neural_opt"
author = "The keras_neural_opt authors"
copyright = f"2026, {author}"
release = version = installed_version("keras-neural-opt")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "jupyter_execute", "conf.py", "optimizers/*.py"]
source_suffix = {".md": "myst-nb"}
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}  # tutorials, which run as scripts too

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 900  # beside the tests, on two processors
nb_render_markdown_format = "myst"  # the default knows no tables

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # what Keras says of its own methods stays with Keras
autodoc_typehints = "none"  # the Args sections say it in words
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes of a subclass", "params_style")]
default_role = "code"  # in docstrings a single backtick means code, as in Markdown
maximum_signature_line_length = 80

html_theme = "furo"
html_title = "keras_neural_opt"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
