"""What the figures show, read from their artists."""

import importlib
import pkgutil

import matplotlib
import numpy as np
import pytest
from brian2 import Hz, ms, mV, second, volt
from matplotlib.colors import to_hex
from test_readout_recording import paired, record, run_of

from cortical_attention import cells
from cortical_attention.cells.cell import CellType
from cortical_attention.circuits.protocol import Epoch
from cortical_attention.readout.figures import comparison, curve, save
from cortical_attention.readout.files import FolderError
from cortical_attention.readout.maps import attention_over_digit
from cortical_attention.readout.raster import raster
from cortical_attention.readout.store import Trace
from cortical_attention.readout.style import LAYER_COLOURS, OTHER_COLOURS, layer_colours, lighter, style

RNG = np.random.default_rng(0)
NULLS = {"uniform_relative_l2": 0.5, "additive_relative_l2": 0.2}


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    from matplotlib import _pylab_helpers

    assert _pylab_helpers.Gcf.figs == {}


def attention(n_head=4, n_token=16, n_context=16):
    weights = np.exp(RNG.normal(size=(n_head, n_token, n_context)))
    return weights / weights.sum(axis=-1, keepdims=True)


def rate_form(**given):
    return record(name="superficial", layer="L2/3", spike_index=None, spike_time=None, **given)


def words(part):
    """All that is written in a figure, a part of it or a panel."""
    return "\n".join(text.get_text() for text in part.findobj(matplotlib.text.Text))


def lines(panel):
    """Ends of the spikes drawn in a panel, by label: arrays (n_spike, 2, 2)."""
    found = [each for each in panel.collections if isinstance(each, matplotlib.collections.LineCollection)]
    return {each.get_label(): np.array(each.get_segments()).reshape(-1, 2, 2) for each in found}


def test_cortex_lies_above_thalamus():
    names = ("higher-order thalamus", "thalamus", "L5 PT", "L5 IT", "L2/3 interneuron", "L2/3")
    run = run_of(*(record(name=f"in {layer}", layer=layer) for layer in names))
    figure = raster(run)
    shown = [words(panel).split("in ")[1].split("\n")[0] for panel in figure.axes]
    assert shown == ["L2/3", "L2/3 interneuron", "L5 IT", "L5 PT", "thalamus", "higher-order thalamus"]
    assert figure_colours(figure) == [LAYER_COLOURS[layer] for layer in shown]


def test_every_layer_of_the_cells_is_registered_with_a_colour_of_its_own():
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(cells.__path__, f"{cells.__name__}.")
    ]
    types = [each for module in modules for each in vars(module).values() if isinstance(each, CellType)]
    assert {"L2/3", "thalamus"} <= {each.layer for each in types}
    assert {each.layer for each in types} | {"reticular nucleus"} <= set(LAYER_COLOURS)
    assert len({*LAYER_COLOURS.values(), *OTHER_COLOURS}) == len(LAYER_COLOURS) + len(OTHER_COLOURS)


def test_a_layer_that_is_not_registered_comes_last_in_a_colour_of_its_own():
    layers = ("tectum", "thalamus", "claustrum", "L2/3")
    figure = raster(run_of(*(record(name=f"in {layer}", layer=layer) for layer in layers)))
    shown = [words(panel).split("in ")[1].split("\n")[0] for panel in figure.axes]
    assert shown == ["L2/3", "thalamus", "claustrum", "tectum"]
    assert layer_colours(layers) == dict(zip(shown, figure_colours(figure), strict=True))
    assert figure_colours(figure)[2:] == list(OTHER_COLOURS[:2])
    many = layer_colours(map(str, range(9)))  # more than there are colours: they are given again
    assert len(many) == 9


def figure_colours(figure):
    """Colours of the bars at the left of the panels."""
    return [to_hex(panel.spines["left"].get_edgecolor()).upper() for panel in figure.axes]


def test_all_spikes_of_the_shown_cells_are_drawn_in_their_rows():
    core = record()
    first = core.cells < 6  # of the first input
    (panel,) = raster(run_of(core)).axes
    (drawn,) = lines(panel).values()
    rows = {cell: row for row, cell in enumerate(core.cells[first])}
    meant = sorted((t, rows[c]) for t, c in zip(np.asarray(core.spike_time), core.spike_index, strict=True) if c < 6)
    assert sorted(zip(drawn[:, 0, 0], drawn[:, :, 1].mean(axis=1), strict=True)) == meant
    assert "3 of 6 cells" in words(panel)
    assert "mean 5 Hz\nof the population" in words(panel)  # of all cells, recorded or not, in the measured window


def test_another_input_has_other_spikes():
    run = run_of(record())
    both = [next(iter(lines(raster(run, batch=batch).axes[0]).values())) for batch in (0, 1)]
    assert len(both[0]) + len(both[1]) == 60
    assert "input 1 (of 2)" in raster(run, batch=1).get_suptitle()
    for batch in (2, -1):
        with pytest.raises(ValueError, match="there is no input"):
            raster(run, batch=batch)


def test_on_cells_are_above_and_dark_and_off_cells_below_and_light():
    pairs = paired(cells=np.arange(12), rate=np.ones((400, 12)) * Hz)
    pairs.spike_index, pairs.spike_time = np.arange(12), np.linspace(0.1, 1, 12) * second
    (panel,) = raster(run_of(pairs)).axes
    drawn = lines(panel)
    assert drawn["off"][:, :, 1].max() <= drawn["on"][:, :, 1].min()
    assert (len(drawn["on"]), len(drawn["off"])) == (6, 6)
    shades = {each.get_label(): to_hex(each.get_colors()[0]) for each in panel.collections if len(each.get_colors())}
    assert shades["on"] == LAYER_COLOURS["L5 PT"].lower()
    assert shades["off"] == lighter(LAYER_COLOURS["L5 PT"])
    assert [label.get_text() for label in panel.get_yticklabels()] == ["off", "on"]


def test_at_most_so_many_cells_are_drawn_and_the_mean_is_of_all():
    run = run_of(record())
    (panel,) = raster(run, max_cells=1).axes
    assert "1 of 6 cells" in words(panel)
    assert words(panel).split("mean")[1] == words(raster(run).axes[0]).split("mean")[1]
    assert panel.get_ylim() == (-0.5, 0.5)


def test_the_drawn_time_bounds_spikes_and_the_measured_window_the_mean():
    core = record()
    (panel,) = raster(run_of(core), 0.3 * second, 1 * second).axes
    (drawn,) = lines(panel).values()
    assert drawn[:, 0, 0].min() >= 0.3
    assert drawn[:, 0, 0].max() <= 1.0
    assert panel.get_xlim() == (0.3, 1.0)
    assert "mean 5 Hz" in words(panel)  # of the measured window, whatever is drawn
    assert [line.get_xdata()[0] for line in panel.lines] == [0.5]


@pytest.mark.parametrize(("start", "stop"), [(1, 1), (1, 0.5), (3, None)])
def test_no_time_to_draw_is_refused(start, stop):
    with pytest.raises(ValueError, match="no time to draw"):
        raster(run_of(record()), start * second, None if stop is None else stop * second)
    with pytest.raises(ValueError, match="needed"):
        raster(run_of(record()), 3 * mV)


def test_only_the_chosen_head_or_token_is_drawn():
    figure = raster(
        run_of(record(), record(name="matrix", axes=(("batch", 2), ("context", 6)))), at={"head": 1, "token": 0}
    )
    assert "1 of 1 cells" in words(figure.axes[0])  # flat index 2 of 3 heads x 2 tokens
    assert "3 of 6 cells" in words(figure.axes[1])  # no such axis
    assert figure.get_suptitle().startswith("head 1, token 0, input 0 (of 2): spikes")
    for at, sentence in [({"head": 3}, "no head 3: there are 3"), ({"value": 0}, "no population with an axis 'value'")]:
        with pytest.raises(ValueError, match=sentence):
            raster(run_of(record()), at=at)


def test_windows_of_single_tokens_are_named_and_what_lies_between_is_shaded():
    run = run_of(record())
    run.epochs = tuple(
        Epoch(name, start, start + 0.5, token)
        for start, (name, token) in enumerate([("settle", None), ("window", 0), ("settle", None), ("window", 1)])
    )
    run.epochs = tuple(each._replace(start=each.start / 2, stop=each.start / 2 + 0.5) for each in run.epochs)
    panel = raster(run).axes[0]
    assert [text for text in words(panel).split("\n") if text.startswith("token")] == ["token 0", "token 1"]
    assert sorted({line.get_xdata()[0] for line in panel.lines}) == [0.5, 1.0, 1.5]


def test_recorded_variables_are_drawn_below_in_units_that_people_read():
    core = record()
    values = np.linspace(-0.07, -0.05, 2000)[:, None] * np.ones(4)
    core.traces = (Trace("v", core.cells[:4], np.arange(2000) * ms, values * volt),)
    panel = raster(run_of(core)).axes[1]
    assert "core\nv (mV)\ncell 0, 2, 4" in words(panel)
    (first, *_) = [line for line in panel.lines if len(line.get_xdata()) > 2]
    assert first.get_ydata()[[0, -1]] == pytest.approx([-70, -50])


def test_spikes_of_a_recorded_cell_are_ticks_above_its_trace():
    core = record()
    fired = core.spike_index[core.spike_index < 6][:1]
    core.traces = (Trace("v", fired, np.arange(2000) * ms, np.zeros((2000, 1)) * volt),)
    panel = raster(run_of(core)).axes[1]
    meant = np.asarray(core.spike_time)[core.spike_index == fired[0]]
    assert 0 < len(meant) < len(core.spike_time)
    assert sorted(lines(panel)["spikes"][:, 0, 0]) == sorted(meant)


def test_the_title_speaks_of_shading_only_where_there_is_some():
    run = run_of(record())
    assert raster(run).get_suptitle().endswith("; shaded: not measured")
    assert "shaded" not in raster(run, 0.6 * second, 1 * second).get_suptitle()


def test_no_population_to_draw_is_refused():
    with pytest.raises(ValueError, match="no population"):
        raster(run_of())


def test_the_rate_form_is_drawn_as_an_image_on_a_scale_around_zero():
    rates = rate_form()
    figure = raster(run_of(rates))
    (image,) = figure.axes[0].images
    first = np.asarray(rates.rate)[:, rates.cells < 6] / 80  # values: rates over the unit rate
    assert image.get_array().tolist() == first.T.tolist()
    largest = np.abs(first[np.asarray(rates.sample_time) >= 0.5]).max()
    assert image.get_clim() == (-largest, largest)
    assert f"mean {5 / 80:.3g}\nscale ±{largest:.3g}" in words(figure.axes[0])
    assert "Hz" not in words(figure.axes[0])
    assert "value / scale" in figure.axes[-1].get_xlabel()


def test_a_transient_before_settling_does_not_fade_the_rates_after_it():
    rates = np.ones((400, 6)) * 20
    rates[:50] = 8000.0
    figure = raster(run_of(rate_form(rate=rates * Hz)))
    assert figure.axes[0].images[0].get_clim() == (-0.25, 0.25)
    rates[100:] = 0.0  # a population silent while measured keeps a scale
    assert raster(run_of(rate_form(rate=rates * Hz))).axes[0].images[0].get_clim() == (-100, 100)


def test_crowded_spikes_are_thin_and_see_through_and_sparse_ones_are_not():
    often = record(spike_index=np.zeros(4000, int), spike_time=np.linspace(0, 2, 4000) * second)
    looks = [raster(run_of(each)).axes[0].collections[0] for each in (often, record())]
    assert looks[0].get_alpha() < looks[1].get_alpha() == 1
    assert looks[0].get_linewidth()[0] < looks[1].get_linewidth()[0]


def test_silent_and_unrecorded_populations_are_drawn_empty(tmp_path):
    silent = record(spike_index=np.array([], int), spike_time=[] * second, mean_rate=np.zeros(2) * Hz)
    elsewhere = record(name="matrix", cells=np.array([8]), rate=np.ones((400, 1)) * Hz, spike_index=np.array([], int))
    elsewhere.spike_time = [] * second
    still = rate_form(rate=np.zeros((400, 6)) * Hz)
    figure = raster(run_of(silent, elsewhere, still))
    assert "mean 0 Hz" in words(figure.axes[1])
    assert "not recorded" in words(figure.axes[2])
    save(figure, tmp_path / "raster.png")
    assert (tmp_path / "raster.png").stat().st_size > 1000


def test_every_entry_stands_at_algebra_and_circuit():
    output, reference = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    panel = comparison(output, reference).axes[0]
    (points,) = panel.collections
    assert points.get_offsets().tolist() == np.stack([reference.ravel(), output.ravel()], axis=1).tolist()
    (equal,) = panel.lines
    assert tuple(equal.get_xdata()) == tuple(equal.get_ydata()) == panel.get_xlim()
    assert panel.get_xlim() == panel.get_ylim()
    assert min(panel.get_xlim()) < min(output.min(), reference.min())
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("algebra", "circuit")


def test_errors_and_nulls_are_stated():
    reference = np.array([[3.0, 4.0]])
    nulls = NULLS | {"key_only_relative_l2": None}
    panel = comparison(reference * 1.05, reference, null_errors=nulls).axes[0]
    text = words(panel)
    for statement in ("relative L2  5 %", "cosine  1", "skill  0.75", "uniform  50 %", "key only  undefined"):
        assert statement in text
    panel = comparison(reference, 0 * reference).axes[0]
    assert "relative L2  undefined" in words(panel)
    with pytest.raises(ValueError, match="shape"):
        comparison(np.ones((1, 2)), np.ones((1, 3)))


def test_attention_maps_share_their_scales():
    reference = attention()
    kappa = reference + 0.01 * RNG.normal(size=reference.shape)
    kappa = np.abs(kappa)
    output = np.ones((16, 8))
    _, figure = comparison(output, output, kappa, reference, heads=[1, 3]).subfigs
    images = [panel.images[0] for panel in figure.axes[:6]]
    shown = [kappa[1], reference[1], kappa[1] - reference[1], kappa[3], reference[3], kappa[3] - reference[3]]
    for image, matrix in zip(images, shown, strict=True):
        assert image.get_array().tolist() == matrix.tolist()
    largest = max(kappa[[1, 3]].max(), reference[[1, 3]].max())
    assert {images[place].get_clim() for place in (0, 1, 3, 4)} == {(0.0, largest)}
    (difference,) = {images[place].get_clim() for place in (2, 5)}
    assert difference == pytest.approx((-difference[1], np.abs(kappa - reference)[[1, 3]].max()))
    assert "head 3" in words(figure)
    assert figure.get_suptitle() == "Attention weights (2 of 4 heads)"


@pytest.mark.parametrize(
    ("kappa", "reference", "heads", "sentence"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), None, "n_head, n_token, n_context"),
        (np.ones((2, 3, 3)), np.ones((2, 3, 4)), None, "shape"),
        (np.full((2, 3, 3), np.nan), np.ones((2, 3, 3)), None, "not finite"),
        (np.ones((2, 3, 3)), np.ones((2, 3, 3)), [2], "no head 2 among 2"),
        (np.ones((2, 3, 3)), np.ones((2, 3, 3)), [], "no head is asked for"),
    ],
)
def test_attention_refused(kappa, reference, heads, sentence):
    with pytest.raises(ValueError, match=sentence):
        comparison(np.ones((2, 2)), np.ones((2, 2)), kappa, reference, heads=heads)


def test_the_comparison_shows_output_error_and_attention(tmp_path):
    output, reference, kappa = RNG.normal(size=(16, 8)), RNG.normal(size=(16, 8)), attention()
    times, errors = [0.1, 0.2, 0.3, 0.4], [0.3, None, 0.0, 0.1]
    figure = comparison(output, reference, kappa, kappa, times * second, errors, NULLS)
    upper, lower = figure.subfigs
    scatter, error = upper.axes
    assert len(scatter.collections[0].get_offsets()) == 128
    assert error.get_yscale() == "log"
    curve_line, null = error.lines
    np.testing.assert_array_equal(curve_line.get_xdata(), times)
    np.testing.assert_array_equal(curve_line.get_ydata(), [0.3, np.nan, np.nan, 0.1])
    assert (null.get_ydata()[0], null.get_label()) == (0.2, "best null: additive")
    assert lower.axes[0].images[0].get_array().tolist() == kappa[0].tolist()
    assert len([panel for panel in lower.axes if panel.images]) == 6  # two heads
    save(figure, tmp_path / "comparison.png")
    assert matplotlib.image.imread(tmp_path / "comparison.png").shape[1] <= 1600


def test_without_kappa_the_outputs_are_shown_and_without_errors_no_error():
    output, reference = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
    upper, lower = comparison(output, reference).subfigs
    images = [panel.images[0] for panel in lower.axes[:3]]
    for image, matrix in zip(images, (output, reference, output - reference), strict=True):
        assert image.get_array().tolist() == matrix.tolist()
    assert images[0].get_clim() == images[1].get_clim()
    assert len(upper.axes) == 1
    (upper, _) = comparison(output, output, times=[1, 2] * second, errors=[0.0, None]).subfigs
    assert "no error above zero" in words(upper.axes[1])
    with pytest.raises(ValueError, match="3 places along the axis"):
        comparison(output, reference, times=[1, 2, 3] * second, errors=[0.1])


def test_attention_over_a_digit_is_that_of_the_framed_patch():
    image, kappa, reference = np.zeros((8, 8)), attention(2), attention(2)
    image[2:4, 4:6] = 16.0  # patch 6 of 4 x 4
    figure = attention_over_digit(image, kappa, reference)
    for head, line in enumerate(np.reshape(figure.axes[:6], (2, 3))):
        assert line[0].images[0].get_array().tolist() == image.tolist()
        assert line[1].images[0].get_array().tolist() == kappa[head, 6].reshape(4, 4).tolist()
        assert line[2].images[0].get_array().tolist() == reference[head, 6].reshape(4, 4).tolist()
        assert line[1].images[0].get_clim() == figure.axes[1].images[0].get_clim()
        for panel in line:
            assert panel.patches[0].get_bbox().bounds == (3.5, 1.5, 2.0, 2.0)
            assert panel.get_xlim() == (-0.5, 7.5)
    chosen = attention_over_digit(image, kappa, reference, token=3, heads=[1])
    assert chosen.axes[1].images[0].get_array().tolist() == kappa[1, 3].reshape(4, 4).tolist()


@pytest.mark.parametrize(
    ("shape", "patch", "token", "sentence"),
    [((8, 7), 2, 0, "cut into patches"), ((8, 8), 4, 0, "4 patches"), ((8, 8), 2, 16, "no patch 16 among 16")],
)
def test_digits_refused(shape, patch, token, sentence):
    with pytest.raises(ValueError, match=sentence):
        attention_over_digit(np.ones(shape), attention(), attention(), patch, token)


def test_curves_are_medians_with_their_range_on_logarithmic_axes():
    x, samples = [0.5, 1, 2], np.array([[1.0, 0.5, 0.25], [6.0, np.nan, 0.0], [2.0, 0.7, 0.35]])
    figure = curve(x, {"many": samples, "one": [4.0, 2.0, 1.0]}, "window (s)", "relative L2", {"slope −1": -1})
    (panel,) = figure.axes
    many, one, guide = panel.lines
    np.testing.assert_allclose(many.get_ydata(), [2.0, 0.6, 0.3])
    np.testing.assert_allclose(one.get_ydata(), [4.0, 2.0, 1.0])
    np.testing.assert_allclose(guide.get_ydata(), [2.0, 1.0, 0.5])
    (band,) = panel.collections
    assert band.get_paths()[0].vertices[:, 1].max() == 6.0
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("window (s)", "relative L2")
    assert [label.get_text() for label in panel.get_xticklabels()] == ["0.5", "1", "2"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["many", "one", "slope −1"]


def test_curves_refused():
    with pytest.raises(ValueError, match="'short' has shape"):
        curve([1, 2], {"short": [1.0]}, "x", "y")
    with pytest.raises(ValueError, match="positive x"):
        curve([0, 2], {"zero": [1.0, 1.0]}, "x", "y")


def test_the_style_leaves_the_settings_of_others_alone():
    with matplotlib.rc_context({"font.size": 3, "savefig.dpi": 20}):
        with style():
            assert matplotlib.rcParams["font.size"] == 10
        assert matplotlib.rcParams["font.size"] == 3


def test_a_figure_that_cannot_be_written_is_one_sentence(tmp_path):
    figure = comparison(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(FolderError, match="cannot be written"):
        save(figure, tmp_path / "nowhere" / "comparison.png")
