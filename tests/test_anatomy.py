"""Rules of the anatomy: every registered wiring keeps them or says why not; made-up circuits that break one are refused."""

import numpy as np
import pytest
from brian2 import Clock, Hz, ms

from cortical_attention.cells.cell import GABA
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.interneuron import POOLING
from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.layer_6b import LAYER_6B
from cortical_attention.cells.pyramidal_tract import PYRAMIDAL_TRACT
from cortical_attention.cells.relay import CORE, HIGHER_ORDER, MATRIX
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.plan import named
from cortical_attention.simulation.attend import Settings
from cortical_attention.trials.systems import SYSTEMS
from cortical_attention.wiring.anatomy import RULES, violations
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import WiringError
from cortical_attention.wiring.network import Construction, wire

AXES = (("head", 2), ("token", 3))
RETICULAR = CORE._replace(name="reticular", layer="reticular nucleus", transmitter=GABA, role="reticular", nucleus="")
CELLS = {
    "core": CORE, "matrix": MATRIX, "higher_order": HIGHER_ORDER, "superficial": SUPERFICIAL, "it": INTRATELENCEPHALIC,
    "pt": PYRAMIDAL_TRACT, "interneuron": POOLING, "reticular": RETICULAR,
    "layer_6b": LAYER_6B,
}  # fmt: skip


def circuit(*lines, signed=(), breaks=None, **weights):
    """Circuit of lines "source -> target.port" or (source, target.port, expression), each weight one unless given."""
    lines = [(*line.split(" -> "), "ht -> ht") if isinstance(line, str) else line for line in lines]
    names = {end for source, target, _ in lines for end in (source, target.partition(".")[0])}
    ports = {name: "soma" if "soma" in CELLS[name].ports else "basal" for name in names}
    populations = named(
        *(Population(name, CELLS[name], AXES, signed=ports[name] if name in signed else None) for name in sorted(names))
    )
    projections = (Projection(*line, **weights) for line in lines)
    return Circuit("made up", populations, tuple(projections), breaks or {})


BROKEN = {
    "one-signed synapses": [circuit("reticular -> core.soma"), circuit("superficial -> it.shunt")],
    "IT to PT": [circuit("it -> pt.soma", "pt -> it.basal")],
    "PT spares its driver": [circuit("pt -> core.soma", "core -> superficial.basal")],
    "core to layers 3 and 4": [circuit("core -> superficial.apical")],
    "matrix to layers 1 and 5a": [circuit("matrix -> superficial.basal")],
    "layer 6b to layers 1 and 5a": [circuit("layer_6b -> superficial.basal")],
    "local inhibition": [circuit(("interneuron", "superficial.shunt", "hi -> hj"))],
}


def test_every_rule_has_a_circuit_that_breaks_it():
    assert set(BROKEN) == set(RULES)


@pytest.mark.parametrize(("rule", "broken"), [(rule, each) for rule, some in BROKEN.items() for each in some])
def test_a_circuit_that_breaks_a_rule_is_refused_by_name_unless_it_says_why(rule, broken):
    with pytest.raises(WiringError, match=f"^circuit 'made up': projection '.*' breaks '{rule}': "):
        broken.check()
    assert broken._replace(breaks={rule: "a control"}).check().describe().endswith(f"breaks '{rule}': a control")


@pytest.mark.parametrize(
    "kept",
    [
        circuit(
            "it -> pt.soma", "pt -> higher_order.soma", "core -> superficial.basal", "matrix -> superficial.apical"
        ),
        circuit("layer_6b -> it.apical"),
        circuit("layer_6b -> it.basal"),
        circuit("matrix -> it.basal", "interneuron -> superficial.shunt", "superficial -> interneuron.pool"),
        circuit("pt -> core.soma", "core -> superficial.basal", "pt -> it.basal", weights=0.0),  # no synapse is there
    ],
)
def test_circuits_that_keep_every_rule(kept):
    assert violations(kept) == {}
    kept.check()


def test_an_unknown_rule_cannot_be_broken():
    with pytest.raises(WiringError, match="breaks 'gravity', but the rules are one-signed synapses, IT to PT"):
        circuit("it -> pt.soma", breaks={"gravity": "why not"}).check()


@pytest.mark.parametrize(
    ("wiring", "normaliser"),
    [
        (name, each)
        for name, system in SYSTEMS.items()
        for each in (*system.normalisers, *((None,) if system.attention == "linear" else ()))
    ],
)
def test_every_registered_wiring_breaks_what_it_says_and_nothing_else(wiring, normaliser):
    draw = np.random.default_rng(0).normal
    weights = {"W_Q": (2, 3, 4), "W_K": (2, 3, 4), "W_V": (2, 3, 4), "W_O": (2, 4, 3)}
    block = {name: draw(size=size) for name, size in weights.items()}
    made = SYSTEMS[wiring].wiring(Settings().times(), draw(size=(1, 5, 4)), **block, normaliser=normaliser).circuit
    assert set(violations(made.check())) == set(made.breaks)


def wired(made, form):
    units = {name: np.ones(1) * 100 * Hz for name in made.populations}
    return wire(made, Construction(form, units, 1, 1, True, Clock(1 * ms), 10 * ms))


@pytest.mark.parametrize("form", [DALE, SPIKING])
def test_gabaergic_cells_subtract_by_their_own_synapses(form):
    """No relay stands behind them, as one does behind a glutamatergic cell with a negative weight (control)."""
    for source, n_relay in (("reticular", 0), ("higher_order", 1)):
        made = wired(circuit(f"{source} -> core.soma", weights=-0.5), form)
        assert sum(each.name.startswith("relay") for each in made.others) == n_relay
        assert list(made.synapses) == [(f"{source} -> core.soma", "inhibition")]


def test_a_signed_gabaergic_population_needs_like_signs():
    """Its off cells would have to excite."""
    line = ("reticular", "core.soma", "ht -> ht")
    signed = circuit(line, signed=("reticular", "core"), weights=-0.5)
    with pytest.raises(WiringError, match="'reticular -> core.soma' breaks 'one-signed synapses': reticular cells are"):
        signed.check()
    alike = circuit(line, signed=("reticular", "core"), weights=-0.5, like_signs=True)
    assert violations(alike.check()) == {}
    with pytest.raises(WiringError, match="like signs need weights <= 0"):
        circuit(line, signed=("reticular", "core"), weights=0.5, like_signs=True).check()


def test_signed_rates_of_one_cell_are_an_idealisation_of_the_form_and_not_of_the_circuit():
    made = wired(circuit("reticular -> core.soma", weights=-0.5), RATE)
    assert made.others[0].N == 6
