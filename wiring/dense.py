"""A projection of rates as one sum per dendrite, computed from its index expression instead of by a Synapses object.

An index expression says by itself which source cell reaches which dendrite with which weight, so that no index needs to be
stored: each dendrite sums over the letters that it does not carry. Plain synapses read 24 bytes for each product; this
reads two values, in order.
"""

import numpy as np
from brian2 import Function, get_device
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice


def projected(name, expression, size_of, weights, rate):
    """Function of a dendrite's index: what reaches it (a value), for Brian2 equations.

    Parameters
    ----------
    name : str
        Of the function.
    expression : Expression
    size_of : dict of str to int
    weights : ndarray
        Of the rates (s), with the axes that the expression gives them.
    rate : ArrayVariable
        The rates of the source cells.

    Returns
    -------
    Function
        Implemented for numpy and, on the C++ standalone device, for C++.
    """
    shape = [size_of[letter] for letter in expression.source]

    def summed(i):
        """Every dendrite at once."""
        return np.einsum(expression.einsum, rate.get_value().reshape(shape), weights).ravel()[i]

    found = Function(summed, arg_units=[1], return_unit=1, arg_types=["integer"], return_type="float")
    found.implementations.add_implementation(NumpyCodeGenerator, code=summed)
    if isinstance(get_device(), CPPStandaloneDevice):
        source = f"brian::{get_device().get_array_name(rate, access_data=False)}"
        code = cpp(name, expression, size_of, source, f"_namespace{name}_weights")
        values = np.ascontiguousarray(weights, dtype=float).ravel()
        found.implementations.add_implementation("cpp", code, {f"{name}_weights": values}, name=name)
    return found


def cpp(name, expression, size_of, source, weights):
    """The sum in C++: the letters of the dendrite from its index, then a loop for each letter that it lacks."""
    body, rest = [], "dendrite"
    for letter in reversed(expression.distinct):
        body.append(f"const int {letter} = ({rest}) % {size_of[letter]};")
        rest = f"({rest}) / {size_of[letter]}"
    summed = [
        letter for letter in dict.fromkeys(expression.source + expression.weight) if letter not in expression.target
    ]
    loops = " ".join(f"for (int {letter} = 0; {letter} < {size_of[letter]}; {letter}++)" for letter in summed)
    product = f"{weights}[{place(expression.weight, size_of)}] * {source}[{place(expression.source, size_of)}]"
    body += ["double sum = 0;", f"{loops} sum += {product};", "return sum;"]
    return f"static inline double {name}(const int dendrite) {{\n" + "\n".join(body) + "\n}"


def place(letters, size_of):
    """Flat index in C order, as C++."""
    found = "0"
    for letter in letters:
        found = f"({found}) * {size_of[letter]} + {letter}"
    return found
