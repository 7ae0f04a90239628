"""A projection of rates as one sum per dendrite, computed from its index expression instead of by a Synapses object.

An index expression says by itself which source cell reaches which dendrite with which weight, so that no index needs to be
stored: each dendrite sums over the letters that it does not carry. Plain synapses read 24 bytes for each product; this
reads two values, in order.
"""

import re

import numpy as np
from brian2 import Function, get_device, prefs
from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

LONG = 8  # chosen: numbers of the widest vectors


def projected(name, expression, size_of, weights, rate, learnt=None):
    """Function of a dendrite's index: what reaches it (a value), for Brian2 equations.

    Parameters
    ----------
    name : str
        Of the function.
    expression : Expression
    size_of : dict of str to int
    weights : ndarray
        Of the rates (s), with the axes that the expression gives them; where weights change, what they are multiplied with.
    rate : ArrayVariable
        The rates of the source cells.
    learnt : ArrayVariable, optional
        Weights that change, without unit.

    Returns
    -------
    Function
        Implemented for numpy and, on the C++ standalone device, for C++.
    """
    shape = [size_of[letter] for letter in expression.source]
    weights = np.asarray(weights, dtype=prefs.core.default_float_dtype)

    def summed(i):
        """Every dendrite at once."""
        now = weights if learnt is None else weights * learnt.get_value().reshape(weights.shape)
        return np.einsum(expression.einsum, rate.get_value().reshape(shape), now).ravel()[i]

    found = Function(summed, arg_units=[1], return_unit=1, arg_types=["integer"], return_type="float")
    found.implementations.add_implementation(NumpyCodeGenerator, code=summed)
    if isinstance(get_device(), CPPStandaloneDevice):
        source = f"brian::{get_device().get_array_name(rate, access_data=False)}"
        changing = learnt and f"brian::{get_device().get_array_name(learnt, access_data=False)}"
        code, order = cpp(name, expression, size_of, source, c_data_type(weights.dtype), changing)
        values = np.ascontiguousarray(np.einsum(f"{expression.weight}->{order}", weights)).ravel()
        found.implementations.add_implementation("cpp", code, {f"{name}_weights": values}, name=name)
    return found


def cpp(name, expression, size_of, source, number="double", learnt=None):
    """The sum in C++: NAME(dendrite) for one dendrite, NAME_before() for all at once, which fills NAME_sums.

    The state update calls the second (`simulation.rewrite`). Where the last letter of the dendrites lies side by side in the
    source, or is not in it, a row of dendrites is added up together.

    Parameters
    ----------
    name : str
    expression : Expression
    size_of : dict of str to int
    source : str
        C++ name of the rates.
    number : str
        Type of a rate.
    learnt : str, optional
        C++ name of weights that change, with which the others are multiplied.

    Returns
    -------
    code : str
    order : str
        Letters of the weights, in the order in which the code reads them, from `_namespaceNAME_weights`.
    """
    letters = dict.fromkeys(expression.source + expression.weight)
    summed = sorted((letter for letter in letters if letter not in expression.target), key=size_of.get)
    inner = _innermost(expression, size_of) if summed else []
    order = "".join(sorted(expression.weight, key=lambda letter: letter in inner))
    outer = [letter for letter in expression.distinct if letter not in inner]
    one = f"{name}_sums[{place(expression.distinct, size_of)}]"

    def product(later=0):
        """Weight and rate, so many places later along the longest letter that is summed over."""
        weight, rate = (_later(letters, size_of, summed[-1:], later) for letters in (order, expression.source))
        fixed = f"_namespace{name}_weights[{weight}] * {source}[{rate}]"
        return (
            fixed if learnt is None else f"{fixed} * {learnt}[{_later(expression.weight, size_of, summed[-1:], later)}]"
        )

    alone = f"{number} sum = 0;\n{cpp_loops(summed, size_of)} sum += {product()};"
    body = f"{alone}\n{one} = sum;"
    if inner:
        row, last, size = cpp_loops(inner, size_of), summed[-1], size_of[summed[-1]]
        at_once = " + ".join(map(product, range(LONG)))
        body = (
            f"{row} {one} = 0;\n{cpp_loops(summed[:-1], size_of)} {{\nint {last} = 0;\n"
            f"for (; {last} + {LONG} <= {size}; {last} += {LONG}) {row} {one} += {at_once};\n"
            f"for (; {last} < {size}; {last}++) {row} {one} += {product()};\n}}"
        )
    n_dendrite = int(np.prod([size_of[letter] for letter in expression.distinct]))
    code = (
        f"static {number} {name}_sums[{n_dendrite}];\n"
        f"static inline void {name}_before() {{\n{cpp_loops(outer, size_of)} {{\n{body}\n}}\n}}\n"
        f"static inline {number} {name}(const int dendrite) {{\n{cpp_letters(expression.distinct, size_of)}\n"
        f"{alone}\nreturn sum;\n}}"
    )
    return code, order


def cpp_letters(letters, size_of, index="dendrite"):
    """Declarations of the letters of a dendrite, or of what else has an `index`, as C++."""
    lines, rest = [], index
    for letter in reversed(letters):
        lines.append(f"const int {letter} = ({rest}) % {size_of[letter]};")
        rest = f"({rest}) / {size_of[letter]}"
    return "\n".join(lines)


def _innermost(expression, size_of):
    """The letter in a list along which a row of dendrites is added up, if there is one."""
    last = [letter for letter in expression.distinct if size_of[letter] > 1][-1:]
    after = [size_of[letter] for letter in expression.source.rpartition(last[0])[2]] if last else []
    side_by_side = last and (last[0] not in expression.source or np.prod(after, dtype=int) == 1)
    return last if side_by_side and size_of[last[0]] >= LONG else []


def _later(letters, size_of, moved, by):
    """Flat index as `place` has it, with the letter in the list `moved` so many places later."""
    found = place(letters, size_of)
    return re.sub(rf"\b{moved[0]}\b", f"({moved[0]} + {by})", found) if by else found


def cpp_loops(letters, size_of):
    """Loops over letters, one in another, as C++."""
    return " ".join(f"for (int {letter} = 0; {letter} < {size_of[letter]}; {letter}++)" for letter in letters)


def place(letters, size_of):
    """Flat index in C order, as C++."""
    found = "0"
    for letter in letters:
        found = f"({found}) * {size_of[letter]} + {letter}"
    return found
