"""The command `watch`: `compare` on a page that shows spikes, attention and error while the circuit runs."""

import os
import sys
import webbrowser
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from brian2 import ms

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.pages import PAGE, check_bokeh, make_page
from cortical_attention.command.status import status_by
from cortical_attention.command.tables import judgement, print_comparison
from cortical_attention.experiments.compare import CASE, concluded, foresee
from cortical_attention.inputs.cases import load
from cortical_attention.readout.formats import per_cent
from cortical_attention.trials.comparison import present, reference_for
from cortical_attention.trials.results import about, content_of, open_folder
from cortical_attention.trials.watching import nulls_of, watched

PORTS = 2**16 - 1
Chunk = Annotated[float, typer.Option(help="Biological time (ms) from one look at the run to the next.")]
Port = Annotated[int, typer.Option(help="Port of the page, on this machine alone; 0: any that is free.")]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in a browser, where there is a display.")
]
Target = Annotated[str, typer.Option(help="Code generation of Brian2: auto (which is numpy here), numpy or cython.")]


@with_output
def main(
    case: Annotated[Path, typer.Argument(help=CASE)],
    wiring: o.Wiring = "mask",
    attention: o.Attention = None,
    form: o.Form = "rate",
    kernel: o.Kernel = "elu+1",
    unnormalised: o.Unnormalised = False,
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    dendrites: o.Dendrites = "shared",
    cells: o.Cells = 1,
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    unit_rate: o.UnitRate = 100.0,
    target: Target = "auto",
    precision: o.Precision = "double",
    seed: o.Seed = 0,
    record: o.Record = "default",
    calibration: o.Calibration = None,
    calibrate_on_input: o.OnInput = False,
    replicas: o.Replicas = 1,
    chunk: Chunk = 50.0,
    port: Port = 0,
    browser: Browser = True,
    *,
    output: Output,
    workers: o.Workers = 0,
    scheduler: o.Scheduler = None,
):
    """Compare a circuit with its algebra on a page that shows the run while it is computed."""
    check_bokeh("watch")
    _check(target, workers, scheduler, chunk, port)
    options = o.check(**locals() | {"target": "numpy" if target == "auto" else target}, without_reference=True)
    loaded = load(case)
    for notice in loaded.notices:
        output.console.print(f"notice: {notice}", highlight=False)
    output.check()
    reference, forecast = reference_for(loaded, options), foresee(loaded, options, output.console)
    words = output.about[0], options.system.name, *output.about[2:]
    title = about(options.system.name, options.settings.form.name, loaded.name)
    with _shown(title, reference, port, browser, output.console) as story:
        with output.progress(title) as told:
            presented = present(loaded, options, told, watch=watched(reference, chunk * ms, story.take))
        folder = open_folder("watch", options, content_of(loaded), output.out, output.overwrite, words)
        compared = concluded(presented, reference, loaded, options, forecast, folder)
        print_comparison(compared, folder, output.console, output.json)
        make_page(folder, output.console)
        story.end = _end(compared, folder.resolve())
    return status_by([compared.report["settled"]], compared.run.interrupted)


def _check(target, workers, scheduler, chunk, port):
    """Refuse what cannot be watched (OptionError)."""
    if target == "cpp":
        raise o.OptionError(
            "--target is 'cpp', whose program shows nothing before it ends; watch needs numpy or cython"
        )
    if workers or scheduler is not None:
        name = "--workers" if workers else "--scheduler"
        raise o.OptionError(f"{name} does not go with watch, which shows one process; compare takes several")
    if not 0 < chunk < float("inf"):
        raise o.OptionError(f"--chunk is {chunk} ms but needs to be a finite number above 0")
    o.within("--port", port, 0, PORTS)


@contextmanager
def _shown(title, reference, port, browser, console):
    """Story that is shown at an address, which is printed; ends when every open page has shown its end."""
    from cortical_attention.report.live import Story
    from cortical_attention.report.served import served

    algebra = reference.attention
    story = Story(title, nulls_of(reference), None if algebra is None else algebra.kappa)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(served(story, port))
        except OSError as error:
            raise o.OptionError(
                f"--port is {port}, which cannot be used: {error.strerror}; 0 takes any that is free"
            ) from error
        console.print(f"watch the run at {server.url}", highlight=False)
        opened = browser and _display() and webbrowser.open(server.url)
        try:
            yield story
        except BaseException as error:
            story.end = {"state": f"The run has failed: {error}." if str(error) else "The run was interrupted."}
            raise
        finally:
            with suppress(KeyboardInterrupt):
                server.wait(expected=opened)


def _display():
    """Whether there is a display for a browser."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _end(compared, folder):
    """What the page says when the run has ended."""
    report = compared.report
    error, settled = (
        report["relative_l2"],
        "interrupted" if report["interrupted"] else "yes" if report["settled"] else "no",
    )
    said = {
        "settled": settled, "settled-note": "; ".join(judgement(report)),
        "state": f"The run has ended, and this page is fed no more. Result: {folder}; its page: {folder / PAGE}.",
    }  # fmt: skip
    return said if error is None else said | {"error": per_cent(error), "error-note": "of the whole measured time"}
