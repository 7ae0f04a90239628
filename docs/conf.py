"""The documentation: `make docs` builds it into docs/_build/html, without a warning and without the network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from cortical_attention import __version__  # noqa: E402

project = "cortical-attention"
author = "The cortical-attention founders"
copyright = "the cortical-attention founders"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "pages",
    "reference",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "gallery", "tutorial", "auto_*/*.txt", "**/README.rst"]
highlight_language = "none"
smartquotes = False
default_role = "py:obj"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"no-value": True}
add_module_names = False
python_maximum_signature_line_length = 200
numpydoc_show_class_members = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

sphinx_gallery_conf = {
    "examples_dirs": ["tutorial", "gallery"],
    "gallery_dirs": ["auto_tutorial", "auto_gallery"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": "figures.drawn",
    "reset_modules": ("matplotlib", "figures.without_deprecations"),
    "ignore_repr_types": r"matplotlib",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "parallel": 2,
    "show_memory": False,
    "remove_config_comments": True,
    "doc_module": ("cortical_attention",),
    "backreferences_dir": None,
}

html_theme = "pydata_sphinx_theme"
html_title = project
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"auto_api/cortical_attention.*.*": []}  # of 300 modules: a quarter of the time of the build
html_theme_options = {
    "header_links_before_dropdown": 8,
    "collapse_navigation": True,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["version"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
