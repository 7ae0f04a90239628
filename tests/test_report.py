"""The page of a result: what is in it, and what it does in a browser."""

import json
import re
import sys
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
import pytest

from tests.command import QUICK, check_refused, run, saved
from tests.pages import DT, no_browser, opened, result_of

pytest.importorskip("bokeh", reason="the extra report is not installed")
in_a_browser = pytest.mark.skipif(no_browser() is not None, reason=str(no_browser()))

MB = 1e6


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@cache
def made(n_spike=2000):
    """Text of the page of random spikes."""
    from cortical_attention.report.page import page

    return page(result_of(n_spike))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page of few spikes."""
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(made(), encoding="utf-8")
    return place


# The command
@pytest.mark.parametrize("form", ["rate", "spiking"])
def test_a_page_is_made_of_a_result_folder_alone(form):
    saved()
    run(
        "compare",
        "case.npz",
        "--form",
        form,
        *QUICK,
        "--record",
        "superficial:v" if form == "spiking" else "all",
        "--out",
        "r",
    )
    Path("case.npz").unlink()
    done = run("report", "r")
    assert (done.exit_code, done.stdout) == (0, f"{Path('r', 'report.html')}\n"), done.stderr
    text = Path("r/report.html").read_text(encoding="utf-8")
    report = json.loads(Path("r/comparison.json").read_text())
    for words in (
        "Relative L2",
        "Skill",
        f"{report['n_cell']:,}",
        "im, hkm -&gt; hijk",
        "dfiltered/dt" if form == "spiking" else "soma",
    ):
        assert words in text
    check_refused("report", "r", names="report.html exists already")
    assert run("report", "r", "--out", "elsewhere/page.html").exit_code == 0
    assert Path("elsewhere/page.html").read_text(encoding="utf-8").split("<figure")[0] == text.split("<figure")[0]
    assert run("compare", saved(), *QUICK, "--out", "r", "--overwrite").exit_code == 0
    assert not Path("r/report.html").exists()  # it was of another result


def test_compare_makes_its_page():
    done = run("compare", saved(), *QUICK, "--out", "r", "--report", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["settled"]
    assert "page in r/report.html" in done.stderr
    assert "</html>" in Path("r/report.html").read_text(encoding="utf-8")


def test_an_index_of_several_results():
    for seed, form in ((0, "rate"), (1, "dale")):
        run("compare", saved(seed=seed), "--form", form, *QUICK, "--out", f"some #/{form}")
    Path("some #/broken").mkdir()
    Path("some #/broken/comparison.json").write_text("{}")
    done = run("report", "some #")
    assert (done.exit_code, done.stdout) == (1, f"{Path('some #', 'index.html')}\n")
    assert "broken has no case.npz" in done.stderr
    text = Path("some #/index.html").read_text(encoding="utf-8")
    assert re.findall('href="([^"]*report.html)"', text) == ["dale/report.html", "rate/report.html"]
    assert "broken has no case.npz" in text
    assert {str(each) for each in Path("some #").glob("*/report.html")} == {
        f"some #/{f}/report.html" for f in ("rate", "dale")
    }
    assert run("report", "some #", "--out", "elsewhere.html").exit_code == 1
    assert 'href="some%20%23/dale/report.html"' in Path("elsewhere.html").read_text(encoding="utf-8")
    check_refused("report", "some #", names="index.html exists already")


def test_bad_input():
    check_refused("report", "nowhere", names="nowhere has no case.npz")
    Path("file").write_text("")
    check_refused("report", "file", names="has no case.npz")


def test_without_bokeh_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    check_refused("report", "nowhere", names="pip install 'cortical-attention[report]'")
    check_refused("compare", saved(), "--report", names="--report needs the package bokeh")


# The text
def test_a_text_from_outside_is_escaped():
    from cortical_attention.report.page import page

    bad = "</script><script>alert(1)</script>"
    result = result_of(100, name=bad)
    record, *others = result.recording.records
    result.recording = result.recording._replace(records=(record._replace(name=bad, layer=bad), *others))
    result.provenance["command"] = [bad]
    result.report["reason"] = bad
    assert bad not in page(result, bad)


@pytest.mark.parametrize(("n_spike", "limit"), [(100_000, 2.2), (400_000, 2.8), (1_000_000, 5.0)])
def test_size(n_spike, limit):
    assert len(made(n_spike).encode()) < limit * MB


def test_every_spike_is_packed():
    from cortical_attention.report.activity import panels

    recording = result_of(5000).recording
    drawn = panels(recording)
    sources = {each.name: each for each in drawn.raster.references() if getattr(each, "name", None)}
    for k, lane in enumerate(drawn.lanes):
        count, row = sources[f"spikes {k} a step"].data["count"], sources[f"spikes {k}"].data["row"]
        found = np.stack([np.repeat(np.arange(len(count)), count), lane.record.cells[lane.order][row]])
        step = np.round(np.asarray(lane.record.spike_time) / DT).astype(int)
        order = np.lexsort((lane.record.spike_index, step))
        assert np.array_equal(found, np.stack([step, lane.record.spike_index])[:, order])


def test_mean_rates():
    from cortical_attention.report.activity import mean_rate

    record = result_of(40_000).recording.records[0]
    times, rates = mean_rate(record, 4.0, DT)
    assert rates.mean() == pytest.approx(record.spike_index.size / len(record.cells) / 4.0)
    assert times[:2] == pytest.approx([0.01, 0.03])


def test_noise_and_design_add_up_as_squares():
    from cortical_attention.report.headline import figures

    found = {name: value for name, value, _ in figures(result_of(100).report)}
    assert [found[name] for name in ("Relative L2", "by design", "by noise", "Best null")] == [
        "5.00 %", "3.00 %", "4.00 %", "20.00 %",
    ]  # fmt: skip


@pytest.mark.parametrize("lacks", ["attention", "reference_attention", "reference", "output"])
def test_what_is_not_there_is_said(lacks):
    from cortical_attention.report.page import page

    result = result_of(100)
    setattr(result, lacks, None)
    if lacks in ("reference", "output"):
        result.report |= {"error_over_time": None, "relative_l2": None, "relative_l2_by_design": None, "skill": None}
    sentence = {"output": "before its answer", "reference": "has no algebra"}.get(lacks, "There is no map to draw")
    assert sentence in page(result, "of a module that is gone")


@pytest.mark.parametrize("wiring", ["mask", "memory", "softmax"])
def test_the_circuit_is_drawn_and_tabulated(wiring):
    """Its populations, projections, equations and constants, each with its source."""
    from cortical_attention.report.anatomy import circuit_section

    described = json.loads(run("describe", saved(), "--wiring", wiring, "--json").stdout)
    html = circuit_section(described)
    drawing = html.split("<svg")[1].split("</svg>")[0]
    assert drawing.count("marker-end") == len(described["projections"])
    for each in described["populations"]:
        assert f">{each['name'].replace('_', ' ')}<" in drawing
    for each in described["projections"]:
        assert f"{each['port']}: {each['expression'].replace('->', '→')}" in drawing
        assert escape(each["expression"]) in html
    for each in described["cells"]:
        assert f"value = {each['rule']}" in html
    for each in described["constants"]:
        assert escape(each["source"]) in html


def test_a_run_that_never_began():
    import quantities as pq

    from cortical_attention.report.page import page

    result = result_of(100)
    result.recording = result.recording._replace(t_stop=0 * pq.s)
    result.output = result.attention = None
    result.report |= {
        "interrupted": True,
        "settled": False,
        "error_over_time": None,
        "relative_l2": None,
        "skill": None,
    }
    result.report["relative_l2_by_design"] = None
    text = page(result)
    for words in ("interrupted", "Nothing was recorded.", "The run was interrupted before its answer"):
        assert words in text
    assert "figure" not in re.sub("<(style|script).*?</", "", text, flags=re.DOTALL).split("<main>")[1].replace(
        "figures", ""
    )


# In a browser
@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_it_says_nothing_asks_for_nothing_and_fits(path, width):
    with opened(path, width) as (tab, said):
        assert said == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            tab.evaluate("document.images.length + document.querySelectorAll('link[href^=http], script[src]').length")
            == 0
        )


@in_a_browser
def test_the_pickers_drive_the_maps(path):
    result = result_of(2000)
    with opened(path) as (tab, said):
        for head, token in ((0, 0), (2, 4), (1, 5)):
            tab.select_option("#head", str(head))
            tab.locator("#token").fill(str(token))
            looks = tab.locator("#looks").text_content()
            row = result.attention[head, token]
            assert f"Token {token} of head {head} looks most at context token {row.argmax()} ({row.max():.3g}" in looks
            shown = tab.evaluate("Array.from(corticalAttention.model('map of difference').data.weight)")
            assert shown == pytest.approx(
                (result.attention - result.reference_attention)[head].ravel().tolist(), abs=1e-6
            )
            shown = tab.evaluate("Array.from(corticalAttention.model('looking').data.algebra)")
            assert shown == pytest.approx(result.reference_attention[head, token].tolist(), abs=1e-6)
        tab.locator("#token").focus()
        tab.keyboard.press("ArrowLeft")
        assert tab.locator("#token-said").text_content() == "4"
        assert said == []


@in_a_browser
def test_a_click_on_a_map_picks_its_token(path):
    with opened(path) as (tab, said):
        tab.locator(".maps > *").first.scroll_into_view_if_needed()
        box = tab.evaluate(
            "(() => { const view = Object.values(Bokeh.index).map(each => each.model.title?.text === 'circuit' && each)"
            ".find(Boolean) ?? [...Bokeh.index].map(each => each).find(each => each.model.title?.text === 'circuit');"
            "const inner = view.el.getBoundingClientRect(), frame = view.frame.bbox;"
            "return [inner.x + frame.x0, inner.y + frame.y0, frame.width, frame.height]; })()"
        )
        tab.mouse.click(box[0] + box[2] / 2, box[1] + box[3] * 2.5 / 6)  # the third of six rows
        tab.wait_for_function("document.getElementById('token-said').textContent === '2'", timeout=10_000)
        assert said == []


@in_a_browser
def test_zoom_counts_exactly_the_spikes_in_view(path):
    records = result_of(2000).recording.records
    steps = np.concatenate([np.round(np.asarray(each.spike_time) / DT).astype(int) for each in records])
    with opened(path) as (tab, said):
        assert tab.evaluate("corticalAttention.view().spikes") == steps.size
        tab.click("[data-move=measured]")
        _drawn(tab)
        assert tab.evaluate("corticalAttention.view().spikes") == np.sum(steps >= 2000)
        for first, last in ((1000, 1500), (3000, 3010)):
            tab.evaluate(f"corticalAttention.model('raster').x_range.setv({{start: {first * DT}, end: {last * DT}}})")
            _drawn(tab)
            assert tab.evaluate("corticalAttention.view().spikes") == np.sum((steps >= first) & (steps < last))
            assert tab.evaluate("corticalAttention.model('rates').x_range.start") == first * DT
        painted = tab.evaluate(
            "corticalAttention.model('raster image').data.image[0].reduce((sum, each) => sum + (each !== 0), 0)"
        )
        assert painted > 0
        tab.click("[data-move=whole]")
        _drawn(tab)
        assert re.fullmatch(r"From 0 s to 4 s: 2,000 spikes", tab.locator("#view").text_content())
        assert said == []


@in_a_browser
@pytest.mark.parametrize("top", [0.0, 0.45])
def test_each_spike_in_view_is_where_it_belongs(path, top):
    """Of 300 steps and, in part, of the lower cells only: a cell is coloured in a step if and only if it fires in it."""
    from cortical_attention.report.activity import lanes

    placed, first, last = lanes(result_of(2000).recording.records), 1200, 1500
    bottom = placed[-1].top + placed[-1].height
    with opened(path) as (tab, _):
        tab.evaluate(
            f"corticalAttention.model('raster').x_range.setv({{start: {first * DT}, end: {last * DT}}});"
            f"corticalAttention.model('raster').y_range.setv({{start: {-bottom}, end: {-top * bottom}}})"
        )
        _drawn(tab)
        data = tab.evaluate(
            "(({image, x, y, dw, dh}) => { const painted = []; image[0].forEach((each, k) => each && painted.push(k));"
            "return [painted, image[0].shape, x[0], y[0], dw[0], dh[0]]; })(corticalAttention.model('raster image').data)"
        )
        counted = tab.evaluate("corticalAttention.view().spikes")
    painted, (height, width), x, y, dw, dh = data
    image = np.zeros(height * width, bool)
    image[painted] = True
    image = image.reshape(height, width)
    assert (x, dw / width) == pytest.approx((first * DT, DT))  # a column is a step
    inside = 0
    for lane in placed:
        step = np.round(np.asarray(lane.record.spike_time) / DT).astype(int)
        for k, cell in enumerate(lane.record.cells[lane.order]):
            middle = lane.top + (k + 0.5) * lane.height / len(lane.order)
            if middle < top * bottom:
                continue
            row = int((middle + y + dh) / dh * height)
            fires = np.isin(np.arange(first, last), step[lane.record.spike_index == cell])
            inside += np.sum((lane.record.spike_index == cell) & (step >= first) & (step < last))
            assert np.array_equal(image[row, : last - first], fires), (lane.name, cell)
    assert counted == pytest.approx(inside, abs=0 if top == 0 else 10)  # a cell that is cut off counts too


@in_a_browser
def test_a_place_of_the_raster_is_said(path):
    from cortical_attention.report.activity import lanes

    lane = lanes(result_of(2000).recording.records)[1]
    middle = lane.top + 1.5 * lane.height / len(lane.order)
    with opened(path) as (tab, said):
        tab.evaluate(f"corticalAttention.point(1.25, {-middle})")
        assert tab.locator("#pointed").text_content() == "interneuron, cell 1 (token 1), at 1.25 s"
        tab.locator("#activity figure").first.scroll_into_view_if_needed()
        box = tab.locator("#activity figure").first.bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
        tab.wait_for_function("document.getElementById('pointed').textContent.startsWith('superficial, cell ')")
        assert said == []


def _drawn(tab):
    """Wait until what was asked for is on the screen."""
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    tab.wait_for_function("Bokeh.documents[0].is_idle")


@in_a_browser
def test_redraw_at_many_spikes(tmp_path):
    place = tmp_path / "many.html"
    place.write_text(made(400_000), encoding="utf-8")
    with opened(place) as (tab, said):
        times = tab.evaluate(
            "(async () => { const range = corticalAttention.model('raster').x_range, found = [];"
            "const frame = () => new Promise(done => requestAnimationFrame(done));"
            "for (let k = 0; k < 7; k++) { const began = performance.now();"
            "range.setv({start: 0.1 * k, end: 4 - 0.1 * k}); await frame(); await frame();"
            "found.push(performance.now() - began); } return found; })()"
        )
        print("ms to the second frame after a zoom:", np.round(times))
        assert np.median(times) <= 300
        assert said == []


@in_a_browser
def test_the_index_sorts(tmp_path):
    from cortical_attention.report.index import write_index

    report = result_of(100).report
    rows = [
        (f"r{k}", f"r{k}/report.html", report | {"relative_l2": error}) for k, error in enumerate((0.3, None, 0.02))
    ]
    write_index("made", rows, [], ["one is broken"], tmp_path / "index.html")
    with opened(tmp_path / "index.html", 390, wait="true") as (tab, said):
        orders = [_order(tab)]
        for _ in range(2):
            tab.get_by_role("button", name="relative L2").click()
            orders.append(_order(tab))
        assert orders == [["r0", "r1", "r2"], ["r2", "r0", "r1"], ["r0", "r2", "r1"]]  # what is not known stays last
        assert tab.locator("th[aria-sort=descending]").count() == 1
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert said == []


def _order(tab):
    """Names in the table from the top down."""
    return tab.locator("tbody a").all_text_contents()
