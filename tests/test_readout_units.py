"""The door between Brian2's units and those of the package quantities."""

import numpy as np
import pytest
import quantities as pq
from brian2 import Hz, Quantity, amp, ms, mV, nS, second, siemens, volt
from hypothesis import given
from hypothesis import strategies as st

from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.units import magnitude, shown_in, to_quantities, value_and_unit

times = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=20)


@given(times)
def test_seconds_and_hertz_come_through_bit_for_bit(values):
    for unit, name in ((second, "s"), (Hz, "Hz")):
        converted = to_quantities(np.array(values) * unit, name)
        assert converted.dimensionality.string == name
        assert converted.magnitude.tolist() == values


def test_what_the_unguarded_constructor_gets_wrong_silently():
    unguarded = pq.Quantity(3 * mV, "mV")
    assert float(unguarded.magnitude) == pytest.approx(0.003)  # the trap; if this fails, the door may go
    assert float(to_quantities(3 * mV, "mV").magnitude) == pytest.approx(3, rel=4e-16)
    assert float(to_quantities(2 * nS, "nS").magnitude) == pytest.approx(2, rel=4e-16)


@pytest.mark.parametrize("x", [3 * mV, 3 * second**2, 3, np.ones(2), Quantity(3)], ids=str)
def test_a_wrong_dimension_is_refused(x):
    with pytest.raises(ValueError, match="needed"):
        to_quantities(x, "s")


def test_a_quantity_of_the_other_package_keeps_its_unit():
    assert to_quantities(2 * pq.ms, "s").tolist() == 0.002
    assert magnitude(np.array([1.0, 2.0]) * pq.mV, "V").tolist() == [0.001, 0.002]
    with pytest.raises(ValueError, match="a quantity in dimensionless is needed, got one in s"):
        to_quantities(2 * pq.s, "dimensionless")


@pytest.mark.parametrize(
    ("quantity", "value", "unit"),
    [(-0.07 * volt, -70, "mV"), (2e-10 * amp, 200, "pA"), (3e-9 * siemens, 3, "nS"), (4 * Hz, 4, "Hz"), (0.5, 0.5, "")],
)
def test_units_in_which_people_read(quantity, value, unit):
    found, named = shown_in(quantity)
    assert (float(found), named) == (pytest.approx(value), unit)


def test_the_result_is_no_view_of_brian_memory():
    recorded = np.arange(3.0) * ms
    converted = magnitude(recorded, "s")
    converted[0] = 7.0
    assert recorded[0] == 0 * ms


def test_plain_numbers_pass_as_dimensionless():
    assert to_quantities([1.5, 2], "dimensionless").magnitude.tolist() == [1.5, 2.0]


def test_json_form_keeps_value_and_unit():
    assert value_and_unit(10 * nS) == {"value": 10e-9, "unit": "S"}
    assert value_and_unit([1, 2] * Hz) == {"value": [1.0, 2.0], "unit": "Hz"}
    assert value_and_unit(Quantity(3.0)) == 3.0  # Brian2 would say "rad"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0105, "1.05 %"), (-0.0105, "-1.05 %"), (-2e-6, "-2.0e-06")]
)
def test_fractions_are_shown_in_per_cent_on_both_sides_of_zero(value, text):
    assert per_cent(value) == text
