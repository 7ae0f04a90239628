"""A run that is watched: the same answer, what is handed out meanwhile, its page, and how it ends."""

import http.client
import inspect
import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.command import BRIEF, PATIENCE, ROOT, check_refused, run, saved
from tests.pages import BROWSER, no_browser

pytestmark = pytest.mark.slow  # `make test` would take too long

pytest.importorskip("bokeh", reason="the extra report is not installed")
in_a_browser = pytest.mark.skipif(no_browser() is not None, reason=str(no_browser()))
LONGER = {"settle": 0.06, "duration": 0.12}
KINDS = "spike_index", "spike_time"
SHORT = ("--target", "numpy", "--settle", "0.1", "--duration", "0.2")  # does not settle


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def looks(monkeypatch):
    """Looks at every run that is watched."""
    from cortical_attention.report.live import Story

    taken, take = [], Story.take
    monkeypatch.setattr(Story, "take", lambda story, look: (taken.append(look), take(story, look))[1])
    return taken


def spikes_of(records):
    """Spikes by population, in the order of time and cells; of several records of one population those of all."""
    found = {}
    for name in dict.fromkeys(each.name for each in records):
        own = [each for each in records if each.name == name]
        index, times = (np.concatenate([np.asarray(getattr(each, kind)) for each in own]) for kind in KINDS)
        order = np.lexsort((index, times))
        found[name] = np.stack([index[order], times[order]])
    return found


# The run
def test_the_answer_is_that_of_compare_spike_for_spike(looks):
    """What was handed out on the way are the spikes of the result, each once, and in the end its error and attention."""
    from cortical_attention.trials.result import load

    words = ("--form", "spiking", *SHORT)
    done = run("watch", saved(), "--no-browser", "--chunk", 20, *words, "--out", "watched")
    assert (
        done.exit_code == run("compare", "case.npz", *words, "--out", "compared").exit_code == 1
    )  # too brief to settle
    assert re.search(r"watch the run at http://127\.0\.0\.1:\d+/", done.stdout)
    watched, compared, last = load(Path("watched")), load(Path("compared")), looks[-1]
    assert np.array_equal(watched.output, compared.output)
    found, expected = (spikes_of(each.recording.records) for each in (watched, compared))
    assert sum(each.shape[1] for each in found.values()) > 100
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    for name, whole in spikes_of([record for look in looks for record in look.records]).items():
        assert np.array_equal(whole, expected[name][:, expected[name][1] < last.t]), name
    _check_last(looks, watched.report, watched.attention)


def _check_last(looks, report, attention):
    """At the end of the run the error and the attention so far are those of the result."""
    errors, last = [each.relative_l2 for each in looks], looks[-1]
    assert last.t == pytest.approx(last.t_stop)
    assert errors[-1] == pytest.approx(report["relative_l2"], rel=1e-6)
    assert errors[0] is None
    assert len({*errors}) > 3
    assert (last.attention is None) == (attention is None)
    if attention is not None:
        assert last.attention == pytest.approx(attention, rel=1e-6)


def presented(take, **chosen):
    """A run that is watched every 20 ms, and its comparison."""
    from brian2 import ms

    from cortical_attention.command.options import check
    from cortical_attention.inputs.cases import load
    from cortical_attention.trials.comparison import held, present, reference_for
    from cortical_attention.trials.watching import watched

    options = check(**{"target": "numpy", "settle": 0.02, "duration": 0.04} | chosen)
    loaded = load(Path(saved()))
    reference = reference_for(loaded, options)
    found = present(loaded, options, watch=watched(reference, 20 * ms, take))
    return found.run, held(found, reference, loaded, options)


@pytest.mark.parametrize(
    "chosen", [{"form": "dale"}, {"wiring": "memory"}, {"wiring": "memory", "form": "spiking"} | LONGER], ids=str
)
def test_the_last_look_reads_the_answer(chosen):
    taken = []
    _, compared = presented(lambda look: not taken.append(look), **chosen)
    _check_last(taken, compared.report, compared.attention)


def test_a_stop_ends_the_run_at_the_next_look():
    taken = []
    stopped, compared = presented(lambda look: taken.append(look) or len(taken) < 3)
    assert compared.report["interrupted"] is True
    assert [each.t for each in taken] == pytest.approx([0, 0.02, 0.04])
    assert float(stopped.t_stop) == pytest.approx(0.041)
    assert compared.output is None


# The command
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--target", "cpp"), "--target is 'cpp'"),
        (("--workers", "2"), "--workers does not go with watch"),
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler does not go with watch"),
        (("--chunk", "0"), "--chunk is 0.0 ms"),
        (("--port", "70000"), "--port is 70000"),
        (("--form", "none"), "--form is 'none'"),
    ],
)
def test_bad_input(words, name):
    check_refused("watch", saved(), *words, names=name)


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        check_refused("watch", saved(), *BRIEF, "--port", port, names=f"--port is {port}, which cannot be used")


def test_without_bokeh_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    check_refused("watch", saved(), names="watch needs the package bokeh")


def test_a_run_on_cpp_is_not_watched():
    from brian2 import ms

    from cortical_attention.cells.forms.rate import RATE
    from cortical_attention.circuits.protocol import RunError
    from cortical_attention.simulation.calibrate import rate_units
    from cortical_attention.simulation.run import simulate
    from cortical_attention.simulation.watch import Watch
    from tests.test_build import plan_of

    plan = plan_of()
    with pytest.raises(RunError, match="cannot be watched"):
        simulate(plan, RATE, rate_units(plan), dt=1 * ms, target="cpp", watch=Watch(5 * ms, None))


def test_it_has_every_option_of_compare():
    from cortical_attention.command import watch as watching
    from cortical_attention.experiments import compare

    watched, compared = ({*inspect.signature(each.main).parameters} for each in (watching, compare))
    assert compared - watched == {"plan"}
    assert watched - compared == {"chunk", "port", "browser"}


# The server
def test_it_is_reached_from_this_machine_alone():
    from cortical_attention.report.live import Story
    from cortical_attention.report.served import served

    with served(Story("a case", {"nulls": []}, None)) as server:
        assert server.listening.getsockname()[0] == "127.0.0.1"
        status, page = _asked(server.port, "/")
        assert (status, b"is being calibrated" in page) == (200, True)
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "eA==",
        }
        assert _asked(server.port, "/ws", upgrade | {"Origin": "http://elsewhere.example"})[0] == 403
        others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
        for address in others:
            with pytest.raises(OSError, match="refused|unreachable|timed out"):
                socket.create_connection((address, server.port), timeout=5)


def _asked(port, path, headers=None):
    """Status and content of an answer of the server."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


# In a browser
READ = """(() => {
  const model = corticalAttention.model, time = parseFloat(document.getElementById("time").textContent);
  const spikes = model("spikes of superficial").data.image[0].reduce((sum, each) => sum + each, 0);
  return [time, spikes, model("errors so far").data.relative_l2.length, document.documentElement.scrollWidth];
})()"""


@in_a_browser
def test_a_page_shows_the_run_while_it_goes_on_and_ends_it():
    """A page that is closed leaves the run alone; the button of another ends it, and that page gets the last word."""
    from playwright.sync_api import sync_playwright

    from cortical_attention.trials.result import load

    words = [
        saved(),
        "--form",
        "spiking",
        "--duration",
        "1000",
        "--no-browser",
        "--chunk",
        "20",
        "--out",
        "r",
        "--quiet",
    ]
    command = [sys.executable, "-m", "cortical_attention.command.line", "watch", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as program,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+/", program.stdout.readline())[0]
            first, said = browser.new_page(), []
            first.goto(url)
            first.close()
            tab = browser.new_page(viewport={"width": 390, "height": 800})
            tab.on("pageerror", lambda each: said.append(str(each)))
            tab.on("request", lambda each: said.append(each.url) if "127.0.0.1" not in each.url else None)
            tab.goto(url)
            tab.wait_for_function("document.body.dataset.ready === 'yes'", timeout=PATIENCE * 1000)
            seen = [_read(tab, 0.0)]
            seen.append(_read(tab, seen[0][0]))
            tab.click("#stop")
            tab.wait_for_function("document.body.dataset.ended === 'yes'", timeout=PATIENCE * 1000)
            state, judged = (tab.locator(f"#{name}").text_content() for name in ("state", "settled"))
            assert program.wait(PATIENCE) == 130
        finally:
            browser.close()
            program.kill()
    for earlier, later in zip(seen[0][:3], seen[1][:3], strict=True):
        assert earlier < later
    assert [width for *_, width in seen] == [390, 390]
    assert said == []
    assert (judged, str(Path("r").resolve()) in state) == ("interrupted", True)
    result = load(Path("r"))
    assert seen[1][0] <= float(result.recording.t_stop) < 1000
    assert Path("r/report.html").exists()


def _read(tab, after):
    """What the page has, once it has spikes and an error, and more than before."""
    tab.wait_for_function(
        f"parseFloat(document.getElementById('time').textContent) > {after} + 0.1"
        " && corticalAttention.model('errors so far').data.relative_l2.length > 2", timeout=PATIENCE * 1000,
    )  # fmt: skip
    return tab.evaluate(READ)
