"""Every test: no window system, no lines of progress, Brian2 without a compiler, and its global state left as it was.

What takes time and is asserted elsewhere is left out: threads of linear algebra, and the rendering of the pictures of a
comparison.
"""

import gc
import logging
import os
import signal
import sys

os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is imported: tests side by side would wait for each other's threads

import pytest

from cortical_attention.command import progress
from cortical_attention.readout.files import replacing

FRESH = {"code generation target": "auto", "device": "RuntimeDevice", "default clock (ms)": 0.1}  # as Brian2 imports


def pytest_configure(config):
    """Marks, and Ctrl-C as in a terminal: a shell has what it starts in the background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "slow: run by hand and every week; each has a quick sibling")
    config.addinivalue_line("markers", "pictures: renders the pictures of a comparison, which other tests only draw")


def pytest_collection_finish(session):
    """Networks that a test runs by itself are interpreted by numpy: nothing to compile. Brian2 collects garbage at each run;
    what the imports made is no garbage, and to look through it takes longer than many a run."""
    if "brian2" in sys.modules:
        sys.modules["brian2"].prefs.codegen.target = "numpy"
    gc.collect()
    gc.freeze()


def brian_state():
    """What of Brian2 a test could leave changed for the tests after it; empty while Brian2 is not imported."""
    brian2 = sys.modules.get("brian2")
    if brian2 is None:
        return {}
    return {
        "code generation target": brian2.prefs.codegen.target,
        "device": type(brian2.get_device()).__name__,
        "default clock (ms)": round(float(brian2.defaultclock.dt) * 1e3, 9),
    }


def hooks():
    """What importing Brian2 lays hold of, and what `simulation.engine` takes back."""
    handlers = logging.getLogger("brian2").handlers
    files = {each.baseFilename for each in handlers if isinstance(each, logging.FileHandler)}
    files -= {os.devnull}  # pytest's own
    return {"hook of uncaught errors": sys.excepthook, "log files of Brian2": sorted(files)}


@pytest.fixture(autouse=True)
def no_lines_of_progress(nothing_leaks, monkeypatch):
    """What a command says depends on no time that it takes: in this process the first line of progress is never due."""
    monkeypatch.setattr(progress, "FIRST", float("inf"))


def environment():
    """Variables of this process but for that of pytest itself."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(autouse=True)
def as_before():
    """Put back what a command in this process, or a library that it imports, may leave for the tests after it: variables of
    the environment, the working directory and what Ctrl-C does."""
    variables, folder, interruption = environment(), os.getcwd(), signal.getsignal(signal.SIGINT)
    imported = "brian2" in sys.modules
    yield
    found = environment()
    for name in found.keys() - variables.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in variables.items() if found.get(name) != value})
    os.chdir(folder)
    if imported == ("brian2" in sys.modules):  # which takes hold of Ctrl-C when it is imported
        signal.signal(signal.SIGINT, interruption)


@pytest.fixture(autouse=True)
def unrendered(request, nothing_leaks, monkeypatch):
    """The pictures of a comparison are drawn and written without a pixel: to render them takes half of its time."""
    results = sys.modules.get("cortical_attention.trials.results")
    if results is not None and request.node.get_closest_marker("pictures") is None:
        monkeypatch.setattr(results, "save", save_nothing)


def save_nothing(figure, path):
    """An empty picture in place of a figure."""
    with replacing(path) as part:
        part.write_bytes(b"\x89PNG")


@pytest.fixture(autouse=True)
def nothing_leaks(as_before):
    """Fail a test that leaves Brian2 changed, or its hooks in place once `simulation.engine` is imported."""
    before, held, imported = brian_state(), hooks(), "brian2" in sys.modules
    yield
    after, expected = brian_state(), before or FRESH
    changed = [f"{name}: {after[name]}, not {expected[name]}" for name in after if after[name] != expected[name]]
    if "cortical_attention.simulation.engine" in sys.modules:
        held = {"hook of uncaught errors": sys.__excepthook__, "log files of Brian2": []}
    elif imported != ("brian2" in sys.modules):
        held = hooks()  # Brian2 imported by itself keeps what it takes
    changed += [f"{name}: {found}, not {held[name]}" for name, found in hooks().items() if found != held[name]]
    assert not changed, f"the test leaves behind: {'; '.join(changed)}"
