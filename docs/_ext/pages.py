"""Pages that are made before Sphinx reads its sources: texts of the root of the repository, and the commands."""

import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click
from typer.core import MARKUP_MODE_KEY

from cortical_attention.command.line import COMMANDS, EXPERIMENTS, application, docstring

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
TEXTS = {
    "readme": "README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "support": "SUPPORT.md",
    "security": "SECURITY.md",
    "conduct": "CODE_OF_CONDUCT.md",
}
"""Pages of `auto_project`, and the texts at the root that they repeat."""
TITLES = "Question", "Prediction", "Reference", "Run time"


def setup(app):
    """Make the pages before Sphinx looks for them, and lead links to the root to them."""
    app.connect("builder-inited", lambda _: make(DOCS))
    app.connect("source-read", lambda _, page, source: source.__setitem__(0, led_inside(source[0], page)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def make(docs):
    """Write all pages below a folder; those that have not changed keep their time."""
    for page, text in TEXTS.items():
        _write(docs / "auto_project" / f"{page}.md", from_root((ROOT / text).read_text(encoding="utf-8")))
    for name, text in commands().items():
        _write(docs / "auto_commands" / name, text)


def from_root(text):
    """A text of the root as a page of `auto_project`: its links lead to pages."""
    for page, name in TEXTS.items():
        text = text.replace(f"]({name}", f"]({page}.md")
    return text.replace("](docs/", "](../")


def led_inside(text, page):
    """Source of a page whose links to texts of the root, to scripts and to their folders lead to pages made from them."""
    up = "../" * page.count("/")
    text = re.sub(rf"\]\({re.escape(up)}(tutorial|gallery)/?\)", rf"]({up}auto_\1/index.rst)", text)
    text = re.sub(rf"\]\({re.escape(up)}(tutorial|gallery)/(\w+)\.py\)", rf"]({up}auto_\1/\2.rst)", text)
    for name, text_of in TEXTS.items():
        text = text.replace(f"]({up}../{text_of}", f"]({up}auto_project/{name}.md")
    return text


def commands():
    """Pages of the commands, by file name, and the table that lists them (dict of str)."""
    names = [*EXPERIMENTS, *COMMANDS]
    group = typer.main.get_command(application(names))
    context = group.context_class(group, info_name="cortical-attention", obj={MARKUP_MODE_KEY: "rich"})
    pages = {f"{name}.md": _page(name, group.commands[name], context) for name in names}
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *(f"auto_commands/{name}" for name in names), "```"])
    return pages | {"table.txt": f"{_table(group, EXPERIMENTS)}\n\n{_table(group, COMMANDS)}\n\n{toctree}\n"}


def _page(name, command, context):
    """Help of a command, and what the docstring of an experiment says about it."""
    page = get_docs_for_click(obj=command, ctx=context, name=name, call_prefix="cortical-attention", title=name)
    return f"{page}{_about(name)}" if name in EXPERIMENTS else page


def _about(name):
    """Docstring of an experiment without its first sentence, which the help repeats."""
    _, _, rest = docstring(name).partition("\n\n")
    return re.sub(rf"^({'|'.join(TITLES)}): ", r"**\1.** ", rest, flags=re.MULTILINE) + "\n"


def _table(group, names):
    """Commands with what each does."""
    rows = [f"* - [{name}](auto_commands/{name}.md)\n  - {group.commands[name].help}" for name in names]
    return "\n".join(["```{list-table}", ":widths: 22 78", "", *rows, "```"])


def _write(path, text):
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
