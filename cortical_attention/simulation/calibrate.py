"""Calibration of a circuit with spikes: unit rates and currents of its cells, set once and for every input.

They are set on calibration sequences, by a run of the same circuit in the rate form, so that the largest value that any of
these sequences asks of a population comes near the ceiling of its cells. A calibrated circuit is frozen: what another input
asks beyond that saturates as the cells do.
"""

from hashlib import sha256
from typing import NamedTuple

import numpy as np
from brian2 import Hz, get_dimensions

from cortical_attention.cells.membranes.membrane import MembraneError
from cortical_attention.simulation.released import released
from cortical_attention.wiring.expressions import WiringError, parse
from cortical_attention.wiring.values import unit_rate_for

UNIT_RATE = 100 * Hz  # default upper bound for the nuclei, and the unit of every population of the rate form
# chosen: the rate of the largest value of a population, as a share of the form's ceiling
PEAK = 280 / 300
SMALL = 0.5  # chosen: the largest value of a nucleus then has a hundred spikes in 2 s, however small it is
PEAK_OF_INHIBITION = (
    200 / 300
)  # inhibition overshoots, or starts at the ceiling and falls: both need room above the largest
N_DRAWN = 16  # chosen: sequences that are drawn where none are given
DRAWN_SEED = 20261126
ALIKE = 1e-9  # chosen: tokens that differ by less, relative to the largest, are taken to be equal


class Calibration(NamedTuple):
    """What the cells of a circuit are set to.

    Attributes
    ----------
    circuit, form : str
        Names.
    unit_rates : dict of str to ndarray (Hz)
        Rate that represents the value one, by population: of shape () or, for interneurons, with the number of axes of the
        population, of size one along all of them but that of heads.
    constants : dict of str to dict of str to Quantity or float
        Constants of the cells by population and name, where the form fits them.
    sequences : tuple of str
        Digest of each calibration sequence (`digests`).
    source : {"given", "drawn", "on input"} or None
        Where the sequences come from: given with the case; drawn with the mean and covariance of the tested tokens; the
        tested sequences themselves. None in a form without spikes, which needs no calibration.
    kernels : dict of str to dict of str to str
        Kernels of each population that has any, by port.
    synapses : str
        Name of the set of time constants.
    rules : dict of str to str
        Rules of the interneurons, by population: they differ between normalisers.
    inputs : dict of str to dict of str to ndarray
        Inputs that calibration sets, by population and port, of shape (1, *sizes) with size one along all axes but that of
        heads: the value at which an interneuron starts, for example.
    """

    circuit: str
    form: str
    unit_rates: dict
    constants: dict = {}
    sequences: tuple = ()
    source: str | None = None
    kernels: dict = {}
    inputs: dict = {}
    synapses: str = "slow"
    rules: dict = {}

    def contains(self, tokens, context=None):
        """Whether any of some sequences (batch, n_token, d_model), and their contexts, is among those of the calibration."""
        return not set(self.sequences).isdisjoint(digests(tokens, context))

    def without_interneurons(self):
        """Calibration of the same circuit whose cells are divided by given values, in place of inhibition."""
        return self._replace(
            rules={}, unit_rates={name: each for name, each in self.unit_rates.items() if name not in self.rules}
        )

    def set(self, plan, form):
        """Plan with these constants, and unit rates for its batch.

        Parameters
        ----------
        plan : Plan
        form : Form

        Returns
        -------
        Plan
        dict of str to Quantity (Hz), shape (batch,) or (batch, *sizes)

        Raises
        ------
        WiringError
            If the calibration is that of another form, normaliser, kernel or set of time constants, lacks a population of
            the plan, or has other numbers of heads; populations that the plan lacks are left out.
        """
        populations = dict(plan.circuit.populations)
        if form.name != self.form:
            raise WiringError(
                f"the calibration is that of form '{self.form}' but needs to be that of form '{form.name}'"
            )
        if form.synapses.name != self.synapses:
            raise WiringError(
                f"the calibration is that of {self.synapses} synapses but needs to be that of {form.synapses.name} ones"
            )
        if extra := self.rules.keys() - populations.keys():
            raise WiringError(
                f"the calibration has interneurons '{', '.join(sorted(extra))}' but needs to be that of circuit "
                f"'{plan.circuit.name}', which has none"
            )
        if missing := populations.keys() - self.unit_rates.keys():
            raise WiringError(
                f"the calibration of circuit '{self.circuit}' has no unit rate for {', '.join(sorted(missing))} but needs "
                f"one for each population of circuit '{plan.circuit.name}'"
            )
        for name, old in populations.items():
            if self.rules.get(name, rule_of(old.cell)) != rule_of(old.cell):
                raise WiringError(
                    f"the calibration of '{name}' is that of another normaliser but needs to be that of circuit "
                    f"'{plan.circuit.name}'"
                )
            if self.kernels.get(name, {}) != old.kernels:
                had, needs = (", ".join(each.values()) or "none" for each in (self.kernels.get(name, {}), old.kernels))
                raise WiringError(f"the calibration of '{name}' is that of kernels {had} but needs that of {needs}")
            populations[name] = old._replace(parameters={**old.parameters, **self._constants(old, form)})
        units = {name: self._units(populations[name], plan.batch) for name in populations}
        populations = {
            name: each._replace(inputs={**each.inputs, **self._inputs(each)}) for name, each in populations.items()
        }
        return plan._replace(circuit=plan.circuit._replace(populations=populations)), units

    def _constants(self, population, form):
        """Constants of the cells of a population (dict of str to Quantity or float)."""
        found, membrane = self.constants.get(population.name, {}), form.of(population.cell)
        needs = {}
        if membrane.drive.calibrate:
            measured = membrane.measured(form.dt)
            needs = {each: unit for each, (unit, _) in membrane.drive.sources.items() if each not in measured}
        if found.keys() != needs.keys():
            has, lacks = (", ".join(sorted(each)) or "none" for each in (found, needs))
            raise WiringError(
                f"the calibration has the constants {has} of '{population.name}' but needs those that form '{form.name}' "
                f"sets there: {lacks}"
            )
        for each, unit in needs.items():
            if get_dimensions(found[each]) is not get_dimensions(unit):
                raise WiringError(
                    f"the calibration has {found[each]} for constant {each} of '{population.name}' but needs it in "
                    f"{'no unit' if isinstance(unit, int) else unit}"
                )
        return found

    def _inputs(self, population):
        """Inputs of a population (dict of str to ndarray)."""
        needs, cell = _one_each_head(population), population.cell
        found = self.inputs.get(population.name, {})
        for port, values in found.items():
            if port not in cell.fitted:
                raise WiringError(
                    f"the calibration has values for port '{port}' of '{population.name}' but needs to leave it alone: it "
                    f"sets {', '.join(cell.fitted) or 'no port'} there"
                )
            if np.shape(values) != needs:
                raise WiringError(
                    f"the calibration has values of shape {np.shape(values)} for port '{port}' of '{population.name}' but "
                    f"needs {needs}, one for each head"
                )
        if cell.stand_in and (lacks := set(cell.fitted) - found.keys()):
            raise WiringError(
                f"the calibration has no values for {', '.join(sorted(lacks))} of '{population.name}' but needs one for "
                "each head"
            )
        return found

    def _units(self, population, batch):
        """Unit rates of a population (Quantity), shape (batch,) or (batch, *sizes)."""
        rates = np.asarray(self.unit_rates[population.name])
        if not rates.ndim:
            return np.full(batch, rates) * Hz
        needs = tuple(size if kind == "head" else 1 for kind, size in population.axes)
        if rates.shape != needs:
            raise WiringError(
                f"the calibration has unit rates of shape {rates.shape} for '{population.name}' but needs {needs}, one for "
                "each head"
            )
        return np.broadcast_to(rates, (batch, *population.shape)).copy() * Hz


def ideal(plan, form):
    """Calibration of a form without spikes: one unit rate for all populations, since rates there have no bound."""
    units = dict.fromkeys(plan.circuit.populations, UNIT_RATE / Hz)
    return _calibration(plan.circuit, form, units)


def _calibration(circuit, form, units, constants=None, inputs=None):
    """Calibration of a circuit in a form."""
    names = circuit.name, form.name
    more = {"kernels": kernels_of(circuit), "inputs": inputs or {}, "synapses": form.synapses.name}
    return Calibration(*names, units, constants or {}, rules=rules_of(circuit), **more)


def rules_of(circuit):
    """Rules of the interneurons of a circuit (dict)."""
    return {name: rule_of(each.cell) for name, each in circuit.populations.items() if each.cell.role == "interneuron"}


def rule_of(cell):
    """Rule of a cell type in one line: its value, and the equations of its state."""
    return "; ".join(line.strip() for line in [cell.value, *cell.state.splitlines()] if line.strip())


def kernels_of(circuit):
    """Kernels of each population of a circuit that has any (dict)."""
    return {name: each.kernels for name, each in circuit.populations.items() if each.kernels}


def digests(tokens, context=None):
    """Digest (SHA-256) of each sequence, shape (batch, n_token, d_model), and of its context, which without one is the
    sequence itself. Sequences are the same if their tokens agree in single precision, in whatever order."""
    both = [_canonical(tokens), _canonical(tokens if context is None else context)]
    return tuple(sha256(b"".join(each[k].tobytes() for each in both)).hexdigest() for k in range(len(tokens)))


def _canonical(sequences):
    """Sequences in single precision, each with its tokens in lexical order."""
    with np.errstate(over="ignore"):
        rounded = np.asarray(sequences, dtype=np.float32) + 0.0  # no negative zero
    return [np.ascontiguousarray(each[np.lexsort(each.T)]) for each in rounded]


def drawn_like(tokens, n_sequence=N_DRAWN, shown=None, stream=0):
    """Sequences of normal tokens with the mean and the covariance of given ones.

    A token is the mean plus a combination of the deviations from it with independent normal weights of variance
    1 / (n - 1), n being the number of tokens. Tokens that are all equal have no covariance: components of drawn ones are
    then independent, with the root mean square of the given ones (or one, if they are zero).

    Parameters
    ----------
    tokens : ndarray, shape (batch, n_token, d_model)
    n_sequence : int
    shown : ndarray of bool, shape (n_token,), optional
        Tokens that count; None: all.
    stream : int
        Draws of different streams are independent.

    Returns
    -------
    ndarray, shape (n_sequence, n_token, d_model)
    """
    tokens = np.asarray(tokens, dtype=float)
    rows = (tokens if shown is None or not shown.any() else tokens[:, shown]).reshape(-1, tokens.shape[-1])
    rng = np.random.default_rng(np.random.SeedSequence(DRAWN_SEED, spawn_key=(stream,)))
    deviations, largest = rows - rows.mean(axis=0), np.abs(rows).max()
    if np.abs(deviations).max() <= ALIKE * largest:
        size = largest * np.sqrt(((rows / largest) ** 2).mean()) if largest else 1.0
        return size * rng.standard_normal((n_sequence, *tokens.shape[1:]))
    weights = rng.standard_normal((n_sequence, tokens.shape[1], len(rows))) / np.sqrt(len(rows) - 1)
    return rows.mean(axis=0) + weights @ deviations


def rate_units(plan):
    """Unit rates of the rate form: one for all, since rates there have no bound."""
    return {name: np.ones(plan.batch) * UNIT_RATE for name in plan.circuit.populations}


def calibration_of(pilots, form, counted, bound=UNIT_RATE):
    """Calibration on the sequences of runs in the rate form.

    Parameters
    ----------
    pilots : sequence of (Plan, Run)
        Of the calibration sequences, in the rate form, one for each block.
    form : Form
        Its membranes say the highest rate that a cell is asked for, and which of them are fitted.
    counted : Quantity (s)
        Cells per value times the window.
    bound : Quantity (Hz)
        Upper bound for the unit rates of nuclei.

    Returns
    -------
    Calibration
        Without digests and source.
    """
    circuit, inputs = pilots[0][0].circuit, fitted(pilots)
    if not form.spikes:
        return ideal(pilots[0][0], form)._replace(inputs=inputs)
    raised = {
        name: each["tonic"] - circuit.populations[name].cell.ports["tonic"]
        for name, each in inputs.items()
        if "tonic" in each
    }
    every, constants = [unit_rates(*pilot, form, bound, raised) for pilot in pilots], {}
    units = {name: np.min([each[name] for each in every], axis=0) for name in every[0]}
    for name, population in circuit.populations.items():
        drive = form.of(population.cell).drive
        if drive.calibrate is not None:
            drives = {port: _joined([drive_at(*pilot, name, port) for pilot in pilots]) for port in drive.ports}
            if divided_by_own_sum(circuit, name):
                drives["gate"] = _joined([_gate(plan, name) for plan, _ in pilots])
            try:
                constants[name], unit = drive.calibrate(population, drives, counted)
            except MembraneError as error:
                raise MembraneError(f"the cells of '{name}' cannot be calibrated: {error}") from error
            units[name] = np.asarray(unit / Hz)
        ceiling = form.of(population.cell).ceiling
        if population.cell.starts_at_ceiling and "start" in population.cell.ports and ceiling is not None:
            inputs[name] = {"start": np.broadcast_to(ceiling / Hz / units[name], _one_each_head(population))}
    return _calibration(circuit, form, units, constants, inputs)


def _one_each_head(population):
    """Shape of values by head at a port: (1, *sizes), of size one along all other axes."""
    return (1, *(size if kind == "head" else 1 for kind, size in population.axes))


def fitted(pilots):
    """Inputs that cells with a `fit` need, by population and port, from runs in the rate form (dict of dict of ndarray)."""
    circuit, found = pilots[0][0].circuit, {}
    for name, population in circuit.populations.items():
        cell = population.cell
        if cell.fit is not None:
            values = _joined([_shown(plan, run.values[name][plan.protocol.instants]) for plan, run in pilots])
            drives = {port: _drive_of_all(pilots, name, port, values.shape) for port in _reached(circuit, name)}
            by_head = {port: _samples_by_head(each, population) for port, each in drives.items()}
            fits = cell.fit(_samples_by_head(values, population), by_head)
            found[name] = {port: np.reshape(each, _one_each_head(population)) for port, each in fits.items()}
    return found | _tonic_of_tufts(circuit, found)


def _tonic_of_tufts(circuit, found):
    """Tonic drive of tufts (dict of dict of ndarray): that of the interneurons that inhibit them, which add it to log Z."""
    given = {}
    for projection in circuit.projections:
        source, target = circuit.ends(projection)
        if "tonic" in target.cell.fitted and target.cell.fit is None and "tonic" in found.get(source.name, {}):
            given[target.name] = {"tonic": np.reshape(found[source.name]["tonic"], _one_each_head(target))}
    return given


def _shown(plan, values):
    """Values (n_window, batch, *sizes); of tokens that are presented one after another those in their own windows and
    memories alone, (n_token, batch, *sizes)."""
    return values if plan.protocol.token_of is None else plan.protocol.presented(values).swapaxes(0, 1)


def _reached(circuit, name):
    """Ports of a population that projections reach."""
    targets = {each.target for each in circuit.projections}
    return [port for port in circuit.populations[name].cell.ports if f"{name}.{port}" in targets]


def divided_by_own_sum(circuit, name):
    """Whether inhibition divides the cells of a population by the sum over their own macrocolumn, and by nothing else.

    A factor that all cells of a macrocolumn share is then without effect. It is so if the population has a port that only
    interneurons reach which it alone drives, as those of the normalisers `pi` and `slow`. Those of `output`, a control that
    is wrong by design, count as well, although it divides by the root of the sum.

    Parameters
    ----------
    circuit : Circuit
    name : str
        Of the population; its last two axes need to be the context and the key for an answer of yes.

    Returns
    -------
    bool
    """
    population = circuit.populations[name]
    if [kind for kind, _ in population.axes][-2:] != ["context", "key"]:
        return False
    targets = {f"{name}.{port}" for port in population.cell.inhibited}
    interneurons = {each.source for each in circuit.projections if each.target in targets}
    drivers = {each.source for each in circuit.projections if each.target.split(".")[0] in interneurons}
    return drivers == {name}


def _gate(plan, name):
    """Which microcolumns of a population are open, shape (1, batch, *sizes)."""
    population = plan.circuit.populations[name]
    return np.broadcast_to(population.inputs.get("gate", 1.0), (1, plan.batch, *population.shape))


def _drive_of_all(pilots, name, port, shape):
    """Values that reach a port in several runs, side by side, for every cell."""
    return np.broadcast_to(_joined([_shown(plan, drive_at(plan, run, name, port)) for plan, run in pilots]), shape)


def _samples_by_head(values, population):
    """Values (n_window, batch, *sizes) as (n_head, n_sample); one row without a head axis."""
    kinds = [kind for kind, _ in population.axes]
    if "head" not in kinds:
        return values.reshape(1, -1)
    by_head = np.moveaxis(values, 2 + kinds.index("head"), 0)
    return by_head.reshape(len(by_head), -1)


def _joined(drives):
    """Drives (n_window, batch, *sizes) of several runs, side by side; the first if they are no such arrays."""
    return np.concatenate(drives, axis=1) if np.ndim(drives[0]) > 1 else drives[0]


def unit_rates(plan, run, form, bound=UNIT_RATE, raised=None):
    """Unit rate of each population, so that the largest value it carries for any input of a run comes near the ceiling.

    Interneurons of each head have their own, since what divides one head may be hundreds of times what divides another, and
    a cell that fires at a few Hz shunts unevenly.

    Parameters
    ----------
    plan : Plan
    run : Run
        Of that plan, in the rate form.
    form : Form
        Its membranes say the highest rate that a cell is asked for.
    bound : Quantity
        Upper bound for the nuclei.
    raised : dict of str to ndarray, optional
        Of interneurons with a tonic rate: how much higher it is than in this run, by head.

    Returns
    -------
    dict of str to ndarray (Hz)
        As `Calibration.unit_rates`.
    """
    circuit, last = plan.circuit, plan.protocol.instants
    peaks = {name: np.abs(values[last]).max() for name, values in run.values.items()}
    reached = {each.target.partition(".")[0] for each in circuit.projections}
    for name, population in circuit.populations.items():
        divides = population.cell.role == "interneuron"
        if divides:
            held = run.values[name][last]
            tonic = (raised or {}).get(
                name
            )  # what is then below zero is of closed macrocolumns, where nothing holds it
            peaks[name] = _by_head(np.abs(held) if tonic is None else np.clip(held + tonic, 0, None), population)
        drives = population.inputs and (population.cell.role == "relay" or name not in reached)
        if drives or (population.cell.variable and not divides):  # a memory may shrink again
            peaks[name] = np.abs(run.values[name]).max()
    for projection in circuit.projections:
        if projection.like_signs:
            target = projection.target.partition(".")[0]
            sent = released(projection, run.values[projection.source][last], run.unit_rates[projection.source])
            peaks[target] = _like_signed_peak(projection, sent)
    found = {
        name: unit_rate_for(peak, highest_rate(circuit.populations[name].cell, form)) for name, peak in peaks.items()
    }
    nuclei = {name for name, each in circuit.populations.items() if each.cell.role == "relay"}
    found |= {name: _bounded(found[name], peaks[name], bound) for name in nuclei}
    return {name: np.asarray(each / Hz) for name, each in found.items()}


def _by_head(values, population):
    """Largest of the values (n_window, batch, *sizes) of each head, of size one along all other axes of the population."""
    others = tuple(2 + k for k, (kind, _) in enumerate(population.axes) if kind != "head")
    return values.max(axis=(0, 1, *others), keepdims=True)[0, 0]


def _bounded(unit, peak, bound):
    """Unit rate of a nucleus: at most `bound`, or more where all values are below `SMALL`: attention is linear in them."""
    return min(unit, max(bound, unit_rate_for(peak, SMALL * bound)))


def highest_rate(cell, form):
    """Rate at which the largest value of a cell type is to lie."""
    share = PEAK_OF_INHIBITION if cell.role == "interneuron" else PEAK
    return share * form.of(cell).ceiling


def drive_at(plan, run, name, port):
    """Values that reach a port at the end of each query window (`Protocol.instants`), in a run of the rate form, before its
    kernel.

    Parameters
    ----------
    plan : Plan
        Inputs of the port from outside need to be constant: inputs that change are not read at the end of a window.
    run : Run
        A finished run of that plan, in the rate form.
    name : str
        Name of the population.
    port : str

    Returns
    -------
    ndarray, shape (n_window, batch, *sizes), or float
        Of size one along the axes of copies. Without the window axis if no projection reaches the port; 0.0 if it has no
        input from outside either.

    Raises
    ------
    WiringError
        If cells of the population have no such port.
    """
    population = plan.circuit.populations[name]
    if port not in population.cell.ports:
        raise WiringError(
            f"population '{name}': a {population.cell.name} cell has no port '{port}' to be calibrated at"
        )
    last, total = plan.protocol.instants, population.inputs.get(port, 0.0)
    for projection in plan.circuit.projections:
        if projection.target == f"{name}.{port}":
            source = projection.source
            total = total + drive_of(projection, run.values[source][last], run.unit_rates[source])
    return total


def drive_of(projection, values, unit_rate=None):
    """Values that a projection brings to its target: the weighted sum over its source, after short-term plasticity.

    Parameters
    ----------
    projection : Projection
    values : ndarray, shape (..., batch, *sizes)
        Of the source.
    unit_rate : Quantity (Hz), shape (batch,) or (batch, *sizes), optional
        Of the source; needed where the projection has short-term plasticity (`released.released`).

    Returns
    -------
    ndarray, shape (..., batch, *sizes)
        With the axes of the target, of size one along the axes of copies.

    Raises
    ------
    WiringError
        If the projection is plastic and no unit rate is given, or if its index expression cannot be parsed.
    """
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    drive = np.einsum(line, released(projection, values, unit_rate), np.asarray(projection.weights, dtype=float))
    lead = drive.ndim - len(expression.distinct)
    copies = [lead + place for place, letter in enumerate(expression.target) if letter not in expression.distinct]
    return np.expand_dims(drive, copies)


def _like_signed_peak(projection, values):
    """Largest drive of an on or an off cell that hears its own sign only, from the signed values released by the source."""
    expression = parse(projection.expression)
    line = f"...{expression.source},{expression.weight}->...{expression.distinct}"
    weights = np.asarray(projection.weights, dtype=float)
    return max(np.einsum(line, np.clip(sign * values, 0, None), weights).max() for sign in (1, -1))
