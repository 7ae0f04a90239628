"""Result: a circuit's answer to a case beside its algebra; the same whether it was just run or read from its folder."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import neo
import numpy as np
from brian2 import Quantity
from matplotlib.figure import Figure

from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.synapses import DEFAULT
from cortical_attention.inputs.cases import Case, CaseError, arrays, from_arrays, sizes
from cortical_attention.inputs.cases import load as load_case
from cortical_attention.readout.files import FolderError, exists, result_folder, write_array, write_json
from cortical_attention.readout.raster import raster
from cortical_attention.readout.rates import cell_rows, chosen_trains, frame, population_rows
from cortical_attention.readout.recording import to_block
from cortical_attention.readout.store import read_recording, write_recording
from cortical_attention.readout.style import save as save_figure
from cortical_attention.simulation.calibrate import UNIT_RATE, Calibration
from cortical_attention.simulation.settings import RATE, SettingError, Settings
from cortical_attention.trials import results
from cortical_attention.trials.calibration import GIVEN, calibrate_cases, read_calibration, write_calibration
from cortical_attention.trials.comparison import compare
from cortical_attention.trials.loading import one_line
from cortical_attention.trials.options import Options, restored
from cortical_attention.trials.systems import System

if TYPE_CHECKING:
    import pandas

KEYS = (
    "wiring",
    "form",
    "nulls",
    "rounding",
    "error_over_time",
    "settled",
    "interrupted",
)  # of comparison.json, needed
ARRAYS = ("output", "attention", "reference", "reference_attention")


class Result(NamedTuple):
    """What a circuit answered to a case.

    Attributes
    ----------
    case : Case
    report : dict
        Figures of agreement, as in comparison.json; its values may be None where nothing was measured.
    provenance : dict
        Content of run.json: settings with units, unit rates, seeds, versions.
    output : ndarray, (n_token, d_model), or None
        Answer of the circuit; None if the run was interrupted.
    attention : ndarray, (n_head, n_token, n_context), or None
        Attention weights that the cells carry; None where none do.
    reference : ndarray, (n_token, d_model), or None
        Answer of the algebra; None for a wiring without one.
    reference_attention : ndarray, (n_head, n_token, n_context), or None
        Attention weights of the algebra.
    recording : simulation.run.Run or readout.store.Recording
        Records of all populations, their time and epochs.
    calibration : simulation.calibrate.Calibration
        What the cells of the circuit were set to; `calibration.unit_rates` are the rates (Hz) that stand for the value one.
    """

    case: Case
    report: dict[str, Any]
    provenance: dict[str, Any]
    output: np.ndarray | None
    attention: np.ndarray | None
    reference: np.ndarray | None
    reference_attention: np.ndarray | None
    recording: Any
    calibration: Calibration

    def __repr__(self) -> str:
        error = self.report.get("relative_l2")
        found = "no error measured" if error is None else f"relative L2 {error:.2g}"
        nearer = ", ".join(each.replace("_", " ") for each in self.report.get("nearer_nulls") or ())
        found += f", further from the algebra than the null: {nearer}" if nearer else ""
        return f"<Result: {self.about}; {found}; {'settled' if self.report['settled'] else 'not settled'}>"

    @property
    def about(self) -> str:
        """Wiring, form and case, in words."""
        return results.about(self.report["wiring"], self.report["form"], self.case.name)

    @property
    def spikes(self) -> neo.Block:
        """Spikes, rates, traces and epochs as one neo Block (`readout.recording.to_block`)."""
        return to_block(self.recording, wiring=self.report["wiring"], form=self.report["form"])

    def spiketrains(
        self, population: str, *, t_start: Any = None, t_stop: Any = None, **at: int | str
    ) -> list[neo.SpikeTrain]:
        """Spike trains of the recorded cells at some places of a population, as Elephant and other tools take them.

        Parameters
        ----------
        population : str
        t_start, t_stop : Quantity (s), of Brian2 or of quantities, optional
            Cut to this time; default: the measured window, from the first to the last where tokens come one after another.
            Edges lie half a time step early, between two steps.
        **at : int or str
            Index along an axis of the population, ``head=0, token=2``; ``sign`` is "on" or "off".

        Returns
        -------
        list of neo.SpikeTrain
            In seconds; its annotations say where each cell lies. A cell without spikes has an empty train.

        Raises
        ------
        ValueError
            For a population, an axis or a place that is not there, a form without spikes, or no time at all.
        """
        return chosen_trains(self.recording, population, at, t_start, t_stop)

    def to_dataframe(self, per: str = "population") -> "pandas.DataFrame":
        """Rate and regularity of recorded cells in the measured window, as a table.

        Parameters
        ----------
        per : {"population", "cell"}

        Returns
        -------
        pandas.DataFrame
            A row per population or cell: `population`, `cell_type`, `layer`; the index of a cell along each axis, or the
            number of cells; `n_spikes`, `rate_hz`, and `cv`, the coefficient of variation of the intervals between
            spikes of a cell (of a population: the mean over its cells). What does not exist is missing: spikes in the form
            "rate", the variation of less than two intervals. `rate_hz` of a population is that of its recorded cells,
            `mean_rate_hz` that of all.

        Raises
        ------
        ValueError
            For another word.
        ImportError
            Without pandas.
        """
        rows = {"population": population_rows, "cell": cell_rows}
        if per not in rows:
            raise ValueError(f"per is {per!r} but needs to be 'population' or 'cell'")
        return frame(rows[per](self.recording))

    def trace(self, population: str, variable: str) -> neo.AnalogSignal:
        """A recorded variable of a population.

        Parameters
        ----------
        population, variable : str

        Returns
        -------
        neo.AnalogSignal, shape (n_sample, n_cell)
            In mV, pA, nS or without unit, with times; `array_annotations` say which cells.

        Raises
        ------
        ValueError
            If it was not recorded.
        """
        names = [f"{record.name} {trace.variable}" for record in self.recording.records for trace in record.traces]
        name = f"{population} {variable}"
        if name not in names:
            known = f"what was recorded is {', '.join(names)}" if names else "no variable was"
            raise ValueError(f"'{variable}' of population '{population}' was not recorded; {known}")
        return next(each for each in self.spikes.segments[0].analogsignals if each.name == name)

    def raster(
        self, *, head: int | None = None, token: int | None = None, context: int | None = None,
        t_start: Quantity | None = None, t_stop: Quantity | None = None, max_cells: int = 60,
    ) -> Figure:  # fmt: skip
        """Spikes (or values) of every population over time, and recorded variables (`readout.raster.raster`).

        Parameters
        ----------
        head, token, context : int, optional
            Only cells of this head, token or context token, of populations that have such an axis.
        t_start, t_stop : Quantity (s), optional
            Drawn time.
        max_cells : int
            Largest number of cells drawn per population.

        Returns
        -------
        matplotlib.figure.Figure
            With a method ``savefig(path)``.

        Raises
        ------
        ValueError
            If there is nothing to draw, or no such head or token.
        """
        places = {"head": head, "token": token, "context": context}
        at = {kind: index for kind, index in places.items() if index is not None}
        return raster(self.recording, t_start, t_stop, max_cells=max_cells, at=at, about=self.about)

    def comparison(self, heads: list[int] | None = None) -> Figure:
        """Output of the circuit beside that of the algebra, error over time, and attention weights of some heads.

        Parameters
        ----------
        heads : list of int, optional
            Heads whose attention weights are drawn; default: the first ones.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            Without an answer or an algebra, or for a head that is not there.
        """
        if self.output is None or self.reference is None:
            raise ValueError(f"there is no {'answer' if self.output is None else 'algebra'} to compare with")
        found = {name: getattr(self, name) for name in ARRAYS}
        return results.drawn(self.report, found, heads)

    def save(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write the result into a folder, from which :func:`load` restores it.

        Parameters
        ----------
        folder : str or Path
        overwrite : bool
            Whether to replace a result that is there.

        Returns
        -------
        Path

        Raises
        ------
        FolderError
            If the folder holds files already, or cannot be written.
        """
        folder = result_folder("compare", {}, _path(folder), overwrite)
        results.write_arrays(folder / "case.npz", arrays(self.case))
        write_json(folder / "run.json", self.provenance)
        write_calibration(self.calibration, folder / "calibration.json")
        write_recording(self.recording, folder / "recording.h5")
        write_json(folder / "comparison.json", self.report)
        for name in ARRAYS:
            if getattr(self, name) is not None:
                write_array(folder / f"{name}.npy", getattr(self, name))
        if self.recording.t_stop > 0:
            save_figure(self.raster(), folder / "raster.png")
        if self.output is not None and self.reference is not None:
            save_figure(self.comparison(), folder / "comparison.png")
        return folder

    def repeat(self, report: Any = None) -> "Result":
        """Run the same circuit on the same case with the same settings and seeds again.

        Parameters
        ----------
        report : callable, optional
            Brian2's progress report.

        Returns
        -------
        Result
            Equal spike for spike on the same machine and code.

        Raises
        ------
        RunError
            If the wiring or the form was given as an object of Python, or the simulation fails.
        """
        options = restored(self.provenance["options"])
        given = self.calibration if self.calibration.source == GIVEN else None  # others are found again
        return _run(self.case, options._replace(calibration=given), report)


def attend(
    case: Case, wiring: "str | System | Any" = "mask", form: str | Form = RATE, *, kernel: str = "elu+1",
    normaliser: str | None = "pi", synapses: str = DEFAULT, window: Quantity | None = None,
    settle: Quantity | None = None, dt: Quantity | None = None, unit_rate: Quantity = UNIT_RATE, cells: int = 1,
    shared: bool = True, target: str = "auto", precision: str = "double", seed: int = 0,
    record: str | dict[str, Any] = "default", calibration: Calibration | str | Path | None = None, on_input: bool = False,
    replicas: int = 1,
) -> Result:  # fmt: skip
    """Let a circuit compute an attention block, and compare it with its algebra.

    Parameters
    ----------
    case : Case
        Of :func:`load_case`, :func:`from_arrays`, :func:`from_torch` or :func:`from_transformers`.
    wiring : str, System or callable
        "mask" or "memory" for linear attention, "softmax" for softmax attention, ``module:object``, or an object of your
        own (`trials.systems.System`).
    form : str or Form
        "rate", "dale", "spiking", "adaptive", "exponential", "biophysical", "disinhibited" or "point", or a
        Form of your own.
    kernel : str
        "elu+1", "relu", "softplus" or "exp".
    normaliser : str or None
        Inhibitory circuit that divides by Z: "pi", "factorised", "plausible", "slow", "feedforward" or "output" (wrong by
        design); None: attention without division.
    synapses : str
        Time constants of dendrites, and delays: "slow", "fast" or "physiological".
    window, settle, dt : Quantity (s), optional
        Measured time, settling time before it, and time step: ``2 * second``. Defaults are those of the form.
    unit_rate : Quantity (Hz)
        Largest unit rate of thalamic nuclei.
    cells : int
        Cells per value.
    shared : bool
        Shared dendrites (True), or one synapse a pair.
    target : {"auto", "numpy", "cython", "cpp"}
        Code generation of Brian2.
    precision : {"double", "single"}
        Of the state of cells and synapses.
    seed : int
        Of initial membrane states and of noise.
    record : str or dict
        "default", "sample" or "all" cells; or variables by population, ``{"superficial": ["v", "apical"]}``
        (`simulation.traces.request_of`).
    calibration : Calibration, str or Path, optional
        What the cells of a form with spikes are set to, or its file; by default they are set on the calibration sequences of
        the case, and without any on sequences drawn with the mean and covariance of its tokens.
    on_input : bool
        Whether they are set on the tested sequence itself.
    replicas : int
        Answers, side by side with independent noise; from two on, the report tells the error by design
        (`relative_l2_by_design`) from noise. The result holds the first answer.

    Returns
    -------
    Result

    Raises
    ------
    SettingError, RecordError, WiringError
        For a wrong argument.
    CaseError
        If the case is none, its attention overflows, or it is among the sequences of its calibration.
    RunError
        If the simulation fails.
    KeyboardInterrupt
        If the calibration is interrupted; a run that is interrupted is returned as far as it came.

    Warns
    -----
    UserWarning
        With each notice of the case and of the wiring, and if the circuit has not settled: why.
    """
    if not isinstance(case, Case):
        raise CaseError(f"case is of type {type(case).__name__} but needs to be a Case, of load_case or from_torch")
    case = from_arrays(arrays(case), name=case.name)._replace(notices=case.notices)  # it may have been changed
    for notice in case.notices:
        warnings.warn(notice, stacklevel=2)
    if not isinstance(form, str | Form):
        raise SettingError(f"form is of type {type(form).__name__} but needs to be a Form or the name of one")
    settings = Settings(
        form=form, window=window, settle=settle, dt=dt, unit_rate=unit_rate, cells=cells, shared=shared, target=target,
        precision=precision, seed=seed, record=record, synapses=synapses,
    )  # fmt: skip
    if isinstance(calibration, str | Path):
        calibration = read_calibration(calibration)
    if not isinstance(calibration, Calibration | None):
        raise SettingError(f"calibration is {calibration!r} but needs to be a Calibration, or the path of its file")
    result = _run(case, Options(wiring, kernel, normaliser, settings, calibration, on_input, replicas).checked())
    for notice in result.report["wiring_notices"]:
        warnings.warn(notice, stacklevel=2)
    if not result.report["settled"]:
        why = "it was interrupted" if result.report["interrupted"] else result.report["reason"]
        warnings.warn(f"the circuit has not settled: {why}", stacklevel=2)
    return result


def calibrate(
    cases: Case | Sequence[Case], wiring: "str | System | Any" = "mask", form: str | Form = "spiking", *,
    kernel: str = "elu+1", normaliser: str | None = "pi", synapses: str = DEFAULT, window: Quantity | None = None,
    unit_rate: Quantity = UNIT_RATE, cells: int = 1, target: str = "auto",
) -> Calibration:  # fmt: skip
    """Set the cells of a circuit on the calibration sequences of a case, once, for every input of its block.

    Parameters
    ----------
    cases : Case or sequence of Case
        With calibration sequences. Several cases of the same sizes: one calibration for all their blocks.
    wiring, form, kernel, normaliser, synapses, window, unit_rate, cells, target
        As for :func:`attend`; cells per value and window count where the form fits the currents of its cells.

    Returns
    -------
    Calibration
        For `attend(calibration=...)`.

    Raises
    ------
    SettingError, WiringError
        For a wrong argument, such as a form without spikes.
    CaseError
        If a case has no calibration sequences.
    RunError
        If the simulation fails.
    """
    settings = Settings(form=form, window=window, unit_rate=unit_rate, cells=cells, target=target, synapses=synapses)
    cases = [cases] if isinstance(cases, Case) or not isinstance(cases, Sequence) else list(cases)
    return calibrate_cases(cases, Options(wiring, kernel, normaliser, settings).checked())


def _run(case, options, report=None):
    """Result of a case under checked options."""
    compared = compare(case, options, report)
    run = compared.run
    found = dict.fromkeys(ARRAYS) | results.results_of(compared)
    provenance = results.run_json(compared.answer, options, case.name)
    return Result(case, compared.report, provenance, **found, recording=run, calibration=compared.answer.calibration)


def load(folder: str | Path) -> Result:
    """Read a result from its folder.

    Parameters
    ----------
    folder : str or Path
        As `compare` or :meth:`Result.save` wrote it.

    Returns
    -------
    Result

    Raises
    ------
    FolderError
        If a file of the result is missing or damaged, or does not fit to the case.
    """
    folder = _path(folder)
    missing = [
        name
        for name in ("case.npz", "run.json", "calibration.json", "comparison.json", "recording.h5")
        if not exists(folder / name)
    ]
    if missing:
        raise FolderError(f"{folder} has no {missing[0]} but needs to be the folder of a result of compare")
    report = _read_json(folder / "comparison.json", KEYS)
    provenance = _read_json(folder / "run.json", ("case", "options", "versions", "written", "command", "code"))
    case = reading(folder / "case.npz", load_case)._replace(name=provenance["case"])
    calibration = reading(folder / "calibration.json", read_calibration)
    found = {name: reading(folder / f"{name}.npy", _read_array) for name in ARRAYS}
    _check_shapes(folder, case, found)
    return Result(
        case, report, provenance, **found, recording=reading(folder / "recording.h5", read_recording),
        calibration=calibration,
    )  # fmt: skip


def _path(folder):
    """A path of what names one (or FolderError)."""
    if not isinstance(folder, str | Path) or "\0" in str(folder):
        raise FolderError(f"folder is {folder!r} but needs to be a path")
    return Path(folder)


def reading(path, read):
    """What a file holds, as `read` gives it; whatever goes wrong with a damaged file is a FolderError."""
    try:
        return read(path)
    except FolderError:
        raise
    except Exception as error:  # parsers raise almost anything
        raise FolderError(f"{path} cannot be read: {one_line(error)}") from error


def _read_json(path, keys):
    content = reading(path, lambda path: json.loads(path.read_text(encoding="utf-8")))
    lacks = [key for key in keys if not isinstance(content, dict) or key not in content]
    if lacks:
        raise FolderError(f"{path} has no '{lacks[0]}' but needs to be that of a result of compare")
    return content


def _read_array(path):
    return np.load(path, allow_pickle=False) if path.is_file() else None


def _check_shapes(folder, case, found):
    """Refuse arrays that are not those of the case (FolderError)."""
    size = sizes(case)
    rows, weights = (size["n_token"], size["d_model"]), (size["n_head"], size["n_token"], size["n_context"])
    for name, array in found.items():
        needs = weights if "attention" in name else rows
        if array is not None and array.shape != needs:
            raise FolderError(f"{folder / name}.npy has shape {array.shape} but needs {needs}, that of its case")
