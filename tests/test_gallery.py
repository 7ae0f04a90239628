"""Scripts of the gallery: each runs by itself and leaves one figure."""

import runpy
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from cortical_attention.readout import diagram

SCRIPTS = sorted((Path(__file__).parents[1] / "docs" / "gallery").glob("plot_*.py"))
MOST = 30  # lines of code


@pytest.mark.slow  # `make docs` runs them too
@pytest.mark.parametrize("script", SCRIPTS, ids=[each.stem for each in SCRIPTS])
def test_a_script_leaves_one_figure(script, tmp_path, monkeypatch):
    if script.stem == "plot_wiring" and diagram.missing():
        pytest.skip(diagram.missing())
    monkeypatch.chdir(tmp_path)
    figure = runpy.run_path(str(script))["figure"]
    assert isinstance(figure, Figure)
    figure.savefig("figure.png")
    assert Path("figure.png").stat().st_size > 10_000
    assert any(each.has_data() for each in figure.axes)
    assert [each.name for each in tmp_path.iterdir()] == ["figure.png"]  # and nothing else


def test_scripts_are_short_and_say_what_they_show():
    assert len(SCRIPTS) >= 12
    for script in SCRIPTS:
        _, about, code = script.read_text(encoding="utf-8").split('"""', 2)
        title, line, *text = about.strip().splitlines()
        assert line == "=" * len(title)
        assert len(" ".join(text)) > 100
        assert sum(bool(each.strip()) for each in code.splitlines()) <= MOST
