"""Results for the tests of pages, and a browser to look at them with."""

import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import quantities as pq

from cortical_attention.readout.store import Epoch, Record, Recording, Trace

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 120_000  # ms; chosen: that long, a page takes on no machine unless it hangs
LAYERS = {
    "superficial": ("L2/3", 0.4), "interneuron": ("L2/3 interneuron", 0.02), "intratelencephalic": ("L5 IT", 0.3),
    "core": ("thalamus", 0.28),
}  # fmt: skip
DT, T_STOP = 0.001, 4.0  # s


def no_browser():
    """What a test in a browser needs and this computer does not have; None if all is there."""
    if find_spec("playwright") is None:
        return "the Python package playwright is missing"
    return None if BROWSER else f"none of the browsers {', '.join(BROWSERS)} is there"


def result_of(n_spike, name="made", n_token=6, n_head=3):
    """Something with all of a result, with random spikes, 50 Hz a cell."""
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(n_token), (n_head, n_token))
    reference = rng.dirichlet(np.ones(n_token), (n_head, n_token))
    output = rng.standard_normal((n_token, 5))
    report = {
        "wiring": "mask", "form": "spiking", "nulls": ["uniform", "key_only"], "uniform_relative_l2": 0.3,
        "key_only_relative_l2": 0.2, "relative_l2": 0.05, "relative_l2_by_design": 0.03, "replicas": 2, "skill": 0.75,
        "query_identification": 1.0, "settled": True, "interrupted": False, "n_cell": 4321, "n_synapse": 12, "wall_s": 1.0,
        "biological_s": 4.0, "error_over_time": {"s": [0.5, 1.0, 2.0], "relative_l2": [0.2, 0.1, 0.05]},
    }  # fmt: skip
    provenance = {
        "command": ["compare", "made.npz"], "versions": {"numpy": "2"},
        "unit_rates": {"core": {"value": 100.0, "unit": "Hz"}},
        "options": {"wiring": "mask"}, "parameters": {"dt": {"value": 0.001, "unit": "s"}}, "seeds": {}, "commit": None,
    }  # fmt: skip
    return SimpleNamespace(
        about=f"mask wiring, spiking form, {name}", report=report, provenance=provenance, output=output,
        reference=output + 0.01, attention=attention, reference_attention=reference, recording=recording_of(n_spike, rng),
    )  # fmt: skip


def recording_of(n_spike, rng):
    """Recording of random spikes of four populations."""
    n_cell = max(50, round(n_spike / T_STOP / 50))
    records = tuple(
        _record(name, layer, max(4, round(share * n_cell)), share * n_spike, rng)
        for name, (layer, share) in LAYERS.items()
    )
    epochs = (Epoch("settle", 0.0, 2.0, None), Epoch("window", 2.0, T_STOP, None))
    return Recording(records, T_STOP * pq.s, DT * pq.s, epochs, {"phases": 0})


def _record(name, layer, n_cell, n_spike, rng):
    index = rng.integers(0, n_cell, round(n_spike))
    time = rng.integers(0, round(T_STOP / DT), round(n_spike)) * DT * pq.s
    axes = (("batch", 1), ("token", n_cell), ("cells", 1))
    empty = np.zeros(0) * pq.s, np.zeros((0, n_cell)) * pq.Hz
    steps = np.arange(200) * DT * pq.s
    traces = (Trace("v", np.arange(2), steps, np.ones((200, 2)) * pq.mV),) if name == "core" else ()
    return Record(name, name, layer, axes, 100 * pq.Hz, np.arange(n_cell), index, time, *empty, None, traces)


@contextmanager
def opened(path, width=1280, height=800, wait="document.body.dataset.ready === 'yes' && Bokeh.documents[0].is_idle"):
    """A page in a browser, and what it said on the console and asked of the network (list of str)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        try:
            tab, said = browser.new_page(viewport={"width": width, "height": height}), []
            tab.on("console", lambda each: said.append(each.text) if each.type in ("error", "warning") else None)
            tab.on("pageerror", lambda each: said.append(str(each)))
            tab.on("request", lambda each: _asked(each.url, path, said))
            tab.goto(Path(path).resolve().as_uri())
            tab.wait_for_function(wait, timeout=PATIENCE)
            yield tab, said
        finally:
            browser.close()


def _asked(url, path, said):
    """Note a request of anything but the page itself and what is in it."""
    if url != Path(path).resolve().as_uri() and not url.startswith(("data:", "blob:")):
        said.append(f"asks for {url}")
