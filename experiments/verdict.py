"""The sceptic's verdict: every sentence of the dossier that can be measured, with the figure that decides it.

Question: is the cortico-thalamic loop computationally equivalent to attention? For each measurable sentence of a sceptical
dossier: what was measured, by which command, against which threshold, and where does that move the needle?

Prediction: none of its own. Thresholds stand in `protocol.toml`, written before the runs; what each outcome means stands in
`verdict.toml`, with the thresholds of systems. A reader who disagrees moves a threshold there and asks for the verdict again
(`--no-run`): figures that were kept are judged by the thresholds of now. A setting that enters a run itself needs the run
again; then the folder of that experiment goes first.

Rule: the needle is the mean of +1 for a statement that supports the claim, -1 for one that opposes it and 0 for an undecided
one, over the statements that were measured; a second needle leaves out those that algebra decides, or a circuit that is
exact by construction. The strong form of the claim is rejected if any statement that it needs opposes it, and accepted only
if all of them support it.

Reference: those of the experiments.

Run time: that of the experiments that have not run yet, two at a time; with --quick four minutes.
"""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.progress import counted
from cortical_attention.command.status import script, status_by
from cortical_attention.readout.files import check_writable, made, replacing
from cortical_attention.readout.style import save
from cortical_attention.trials.batch import Swept
from cortical_attention.trials.verdict import NOT_MEASURED, content_of, of_other_runs, verdict
from cortical_attention.trials.verdict_figure import draw_map, draw_needle
from cortical_attention.trials.verdict_page import asked, called, interval, page, shown
from cortical_attention.trials.verdict_statements import RUNS, check

# Parameters
COMMAND = "from cortical_attention.command.line import main; main()"
KEPT = {False: Path("results/verdict/runs"), True: Path("results/verdict-quick/runs")}


# Protocol
def missing(folder):
    """Experiments without a result in a folder, of those that are run (list of str)."""
    return [name for name, own in RUNS.items() if not own.get("only_read") and content_of(folder, name) is None]


def run_all(names, folder, quick, workers, quiet):
    """Run experiments, so many at a time; which of them failed, with the last line that they said, and whether they were
    interrupted (dict and bool).

    Each is a process of its own with one thread, whose output stands in `EXPERIMENT.log` beside its folder. An interruption
    is passed on to those that run, and the others are not started.
    """
    failed, started = {}, []
    with ThreadPoolExecutor(workers) as pool, counted(f"{len(names)} experiments", len(names), quiet) as advance:
        try:
            for done in as_completed([pool.submit(_run, name, folder, quick, started) for name in names]):
                advance()
                failed |= {name: sentence for name, sentence in [done.result()] if sentence}
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.send_signal(signal.SIGINT)  # nothing, where it has ended
            return failed, True
    return failed, False


def _run(name, folder, quick, started):
    """Name of an experiment, and why it has no result (empty: it has)."""
    words = [sys.executable, "-c", COMMAND, name, *RUNS[name]["quick" if quick else "full"]]
    words += ["--out", str(folder / name), "--overwrite", "--quiet"]
    log = folder / f"{name}.log"
    with log.open("w", encoding="utf-8") as file:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with subprocess.Popen(words, stdout=file, stderr=file, env=environment, start_new_session=True) as process:
            started.append(process)
    if content_of(folder, name) is not None:  # an experiment that misses its predictions, or does not settle, has one
        return name, ""
    said = [line for line in log.read_text(encoding="utf-8").splitlines() if re.search(r"\w", line)]
    return name, said[-1].strip(" │") if said else "it said nothing"


# Figure
def _table(found):
    narrow = (Column(name, max_width=13) for name in ("value", "interval", "asked", "outcome"))
    table = Table("statement", *narrow, title="what each sentence predicts, and what was measured")
    for each in found["statements"]:
        said = f"{called(each['id'])}: {each['statement']}"
        if each["outcome"] == NOT_MEASURED:
            table.add_row(said, "-", "-", "-", NOT_MEASURED)
        else:
            table.add_row(said, shown(each["value"]), interval(each) or "-", asked(each), each["outcome"])
    return table


@with_output
def main(
    quick: Annotated[bool, typer.Option(help="A smaller design of each experiment.")] = False,
    runs: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the result folder of each experiment; what is missing there is run, and kept there.",
            show_default="results/verdict/runs, or results/verdict-quick/runs",
        ),
    ] = None,
    run: Annotated[bool, typer.Option(help="Run what is missing.")] = True,
    workers: Annotated[int, typer.Option(help="Experiments that run at a time.")] = 2,
    *,
    output: Output,
):
    """Gather what experiments measured, run what is missing, and say where that leaves the claim."""
    o.within("--workers", workers, 1, 64)
    check()
    kept = KEPT[quick] if runs is None else runs
    if not run and runs is not None and not runs.is_dir():
        raise o.OptionError(f"--runs is {runs}, which is no folder, but needs one with results of experiments")
    output.check()
    names, failed, interrupted = missing(kept), {}, False
    if run and names:
        check_writable(kept, overwrite=True)
        failed, interrupted = run_all(names, made(kept), quick, workers, output.quiet)
    found = verdict(kept)
    parameters = {"quick": quick, "runs": str(kept)}
    folder, content = output.folder("verdict", parameters), output.provenance(parameters, {})
    result = Swept({}, failed, interrupted).result(found["statements"], **found)
    save(draw_map(found), folder / "map.png")
    with replacing(folder / "verdict.md") as part:
        part.write_text(page(found, quick), encoding="utf-8")
    output.report("verdict", folder, result, draw_needle(found), content, _table(found), [], as_json=found)
    for sentence in (*_notices(kept, quick), _closing(found, kept)):
        output.console.print(sentence, highlight=False, soft_wrap=True)
    return status_by([], interrupted, failed)


def _notices(kept, quick):
    """What kept results are not of the running code, or of another design (list of str)."""
    code, design = of_other_runs(kept, quick)
    asked = "with" if quick else "without"
    notices = [
        f"notice: kept from other code or other thresholds: {', '.join(code)}; their figures are judged by the thresholds "
        f"of now, but a change that enters a run counts once their folders in {kept} are removed"
    ] * bool(code)
    return notices + [f"notice: not measured {asked} --quick: {', '.join(design)}"] * bool(design)


def _closing(found, kept):
    """The needle and the strong form in sentences (str)."""
    if found["needle"] is None:
        return f"no statement was measured: {kept} has no results of experiments"
    strong = found["composite"]
    why = f"; opposed by {', '.join(map(called, strong['opposed']))}" * bool(strong["opposed"])
    why += f"; open: {', '.join(map(called, strong['open']))}" * bool(strong["open"])
    without, built = found["needle_not_by_construction"], found["by_construction"]
    second = f"; without {built} that algebra or construction decides: " * bool(built)
    second += ("no other was measured" if without is None else f"{without:+.2f}") * bool(built)
    measured = f"{found['measured']} of {len(found['statements'])} statements measured"
    return (
        f"needle {found['needle']:+.2f} (-1 refuted, +1 vindicated), {measured}{second}; "
        f"strong form: {strong['outcome']}{why}"
    )


if __name__ == "__main__":
    script(main)
