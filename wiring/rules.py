"""Refusal of rules of plasticity that the synapses of a circuit cannot have."""

import ast
import re

import numpy as np

from cortical_attention.cells.rules.rule import VALUE
from cortical_attention.wiring.expressions import WiringError

FUNCTIONS = {"clip": 3, "exp": 1, "abs": 1, "sqrt": 1, "inf": None}  # number of arguments


def check_rules(circuit):
    """Refuse rules that do not fit a circuit.

    Raises
    ------
    WiringError
        If weights are learnt without a rule, or a rule has no weights; if projections that share weights differ in them;
        if synapses can have one sign only; if a factor is not in the circuit, its letters do not fit, or an expression
        names what its cells do not have; or if a number of a rule is out of its range.
    """
    for projection in circuit.projections:
        if projection.learnt:
            _check_projection(circuit, projection)
    for name, rule in circuit.rules.items():
        sharing = [each for each in circuit.projections if each.learnt == name]
        if not sharing:
            raise WiringError(f"rule '{name}': no projection has weights of this name")
        for other in sharing[1:]:
            if not np.array_equal(other.weights, sharing[0].weights):
                raise WiringError(
                    f"rule '{name}': '{sharing[0].name}' and '{other.name}' share it, but differ in weights"
                )
        _check_rule(circuit, name, rule, np.shape(sharing[0].weights))


def _check_projection(circuit, projection):
    """Refuse weights that no rule can change."""
    if projection.learnt not in circuit.rules:
        known = ", ".join(circuit.rules) or "nothing"
        raise WiringError(
            f"projection '{projection.name}': it learns '{projection.learnt}', but there are rules for {known}"
        )
    if projection.like_signs:
        raise WiringError(
            f"projection '{projection.name}': with like signs its synapses keep their sign, and cannot learn"
        )


def _check_rule(circuit, name, rule, shape):
    """Refuse a rule that does not fit weights of a shape."""
    for number, low, high in (("step", -np.inf, np.inf), ("momentum", 0, 1), ("decay", 0, 1)):
        value = getattr(rule, number)
        if not (np.isfinite(value) and low <= value < high):
            needs = "be finite" if number == "step" else "be at least 0 and below 1"
            raise WiringError(f"rule '{name}': {number} is {value} but needs to {needs}")
    _check_velocity(name, rule.velocity, shape)
    size_of = {}
    for factor in rule.factors:
        _check_factor(circuit, name, factor)
        _bind(size_of, name, factor.population, factor.letters, circuit.populations[factor.population].shape)
    for letter in rule.letters:
        if letter not in size_of:
            raise WiringError(f"rule '{name}': no factor has the letter '{letter}' of the weights")
    _bind(size_of, name, "weights", rule.letters, shape)


def _check_velocity(name, velocity, shape):
    """Refuse a last change that weights of a shape cannot have had."""
    if np.shape(velocity) not in ((), shape):
        raise WiringError(f"rule '{name}': velocity has shape {np.shape(velocity)}, but the weights {shape}")
    if not np.isfinite(velocity).all():
        raise WiringError(f"rule '{name}': velocity is not finite")


def _check_factor(circuit, name, factor):
    """Refuse a factor that is not in a circuit."""
    if factor.population not in circuit.populations:
        raise WiringError(f"rule '{name}': there is no population '{factor.population}'")
    population = circuit.populations[factor.population]
    if population.sent is not None:
        raise WiringError(f"rule '{name}': '{factor.population}' is played, so that its cells keep no traces")
    if factor.what != VALUE:
        _check_expression(name, factor.what, population.cell)


def _check_expression(name, what, cell):
    """Refuse an expression that cells of a type cannot keep a trace of."""
    try:
        tree = ast.parse(what, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise WiringError(f"rule '{name}': '{what}' is not an expression") from error
    unknown = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)} - set(cell.ports) - FUNCTIONS.keys()
    if unknown:
        raise WiringError(
            f"rule '{name}': '{what}' names {', '.join(sorted(unknown))}, but {cell.name} cells have "
            f"ports {', '.join(cell.ports)}"
        )
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and len(each.args) != FUNCTIONS.get(getattr(each.func, "id", None)):
            known = ", ".join(f"{function} of {n}" for function, n in FUNCTIONS.items() if n)
            raise WiringError(f"rule '{name}': '{what}' calls what is not one of {known}")


def _bind(size_of, name, what, letters, shape):
    """Add the sizes of letters, refusing what does not fit."""
    if not re.fullmatch("[A-Za-z]*", letters) or "B" in letters or len(set(letters)) < len(letters):
        raise WiringError(f"rule '{name}': {what} has letters '{letters}' but needs each once, and none of them 'B'")
    if len(letters) != len(shape):
        raise WiringError(f"rule '{name}': {what} has {len(shape)} axes, but the letters '{letters}'")
    for letter, size in zip(letters, shape, strict=True):
        if size_of.setdefault(letter, size) != size:
            raise WiringError(f"rule '{name}': '{letter}' has size {size_of[letter]}, but {size} in {what}")
