"""One calibration for many blocks, beside one for each."""

import numpy as np
import pytest
from brian2 import second

from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.experiments import shared_calibration as experiment
from cortical_attention.experiments.shared_calibration import OWN, SHARED
from cortical_attention.simulation.settings import Settings
from tests.command import run as command

FACTORS = np.exp([[-0.2, 0.1], [0.0, 0.3], [0.2, -0.1]])  # by weight set and sequence


def rows_with(times):
    """Made-up rows of a form: the shared calibration has so many times the error, a little more or less by sequence."""
    more = [[(1 + 0.1 * k) * 1.05 ** (2 * j - 1) * times for j in range(2)] for k in range(3)]
    return [
        {
            "form": "spiking", "setting": setting, "weights": k, "case": f"{setting} {k} {j}", "calibration": name,
            "relative_l2": 0.01 * factor * (more[k][j] if name == SHARED else 1), "query_identification": 1.0,
            "settled": True,
        }
        for setting in ("n4 scale 1", "n4 scale 2")
        for (k, j), factor in np.ndenumerate(FACTORS)
        for name in (OWN, SHARED)
    ]  # fmt: skip


@pytest.mark.parametrize(("times", "held"), [(1.1, True), (1.4, False)])
def test_the_ratio_is_that_of_the_same_sequence(times, held):
    """The interval is about the geometric mean of the ratios; the prediction is of its upper bound over all settings."""
    found = experiment.summarise(rows_with(times))
    assert [each["setting"] for each in found] == ["n4 scale 1", "n4 scale 2", "all"]
    mean = times * np.prod([1.0, 1.1, 1.2]) ** (1 / 3)
    for each in found:
        low, high = each["times_interval"]
        assert each["times"] == pytest.approx(mean, rel=1e-3)
        assert low < mean < high
    (prediction,) = experiment.judge(found)
    assert prediction.held == held


def test_an_interrupted_run_with_one_weight_set_is_summarised_without_an_interval():
    rows = [row for row in rows_with(1.1) if row["weights"] == 0 and row["setting"] == "n4 scale 1"]
    for each in experiment.summarise(rows):
        assert each["times_interval"] == [None, None]
    assert not any(each.held for each in experiment.judge(experiment.summarise(rows)))


def test_both_circuits_answer_the_same_sequences(monkeypatch):
    """On a window of a fifth of a second: the calibrations differ, since the second block asks for other rates."""
    seen = []

    def brief(form, given):
        options = experiment.o.check(form=form, record="sample")
        return options._replace(settings=Settings(SPIKING, 0.2 * second, 0.3 * second, target="numpy"))

    def spy(cases, options, report, calibration):
        answer = asked(cases, options, report, calibration)
        seen.append(answer.calibration)
        return answer

    asked = experiment.ask
    monkeypatch.setattr(experiment, "options_of", brief)
    monkeypatch.setattr(experiment, "ask", spy)
    rows = [row for k in (0, 1) for row in experiment.rows_of(experiment.Job("spiking", 4, 2, k), {}, 2, 1)]
    assert [(row["weights"], row["calibration"]) for row in rows] == [
        (k, name) for k in (0, 1) for name in (OWN, SHARED)
    ]
    assert len({row["case"] for row in rows}) == 2
    own, shared, other, again = seen
    assert shared is again
    assert set(shared.sequences) == {*own.sequences, *other.sequences}
    for name, rates in shared.unit_rates.items():
        assert np.all(rates <= own.unit_rates[name])
        assert np.all(rates <= other.unit_rates[name])
    assert any(np.any(shared.unit_rates[name] < own.unit_rates[name]) for name in shared.unit_rates)


def test_a_single_weight_set_is_refused():
    found = command("shared_calibration", "--weights", "1")
    assert found.exit_code == 2
    assert "--weights is 1 but needs to lie between 2 and" in found.output
