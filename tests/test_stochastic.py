"""Stochastic models against closed forms and scipy, and Latin hypercube samples that keep strata and correlation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import igdt_planner as ip
from igdt_planner.witness.stochastic import correlation_matrix, latin_hypercube

MIDDLES = (np.arange(20_000) + 0.5) / 20_000
"""Equal steps of probability: quantiles at them average to the mean."""
PAPER_TURBINE = ip.Turbine(rated_mw=0.5, cut_in_m_s=3.0, rated_m_s=13.0, cut_out_m_s=20.0)
PAPER_PLANT = ip.PvPlant(rated_mw=0.5, area_m2=4320.0, efficiency=0.15)


def test_wind_speed_has_the_moments_of_weibull() -> None:
    speed = ip.WindSpeed(shape=2.0, scale_m_s=8.0).quantile(MIDDLES)
    assert speed.mean() == pytest.approx(8.0 * math.gamma(1.5), rel=1e-3)
    assert speed.var() == pytest.approx(64.0 * (math.gamma(2.0) - math.gamma(1.5) ** 2), rel=2e-3)
    median = ip.WindSpeed(2.0, 8.0).quantile(np.array([0.5]))
    assert median == pytest.approx(8.0 * math.log(2.0) ** 0.5)


def test_irradiance_has_the_moments_of_beta() -> None:
    sun = ip.Irradiance(alpha=2.0, beta=3.0, max_w_m2=1000.0).quantile(MIDDLES)
    assert sun.mean() == pytest.approx(400.0, rel=1e-3)
    assert sun.var() == pytest.approx(1e6 * 6.0 / (25.0 * 6.0), rel=1e-3)


def test_load_is_normal_and_never_negative() -> None:
    load = ip.NormalLoad(mean_mw=2.0, std_mw=0.2)
    assert load.quantile(np.array([stats.norm.cdf(1.0)])) == pytest.approx(2.2)
    assert load.factor(MIDDLES).mean() == pytest.approx(1.0)
    assert ip.NormalLoad(1.0, 2.0).quantile(MIDDLES).min() == 0.0


def test_price_has_its_own_mean_and_deviation() -> None:
    price = ip.LogNormalPrice(mean_per_mwh=60.0, std_per_mwh=15.0).quantile(MIDDLES)
    assert price.mean() == pytest.approx(60.0, rel=1e-3)
    assert price.std() == pytest.approx(15.0, rel=1e-2)
    assert np.log(price).std() == pytest.approx(math.sqrt(math.log(1.0 + 0.25**2)), rel=1e-3)


def test_turbine_of_the_paper_by_hand() -> None:
    speeds = np.array([0.0, 3.0, 8.0, 13.0, 19.9, 20.0, 30.0])
    assert PAPER_TURBINE.power_mw(speeds).tolist() == [0.0, 0.0, 0.25, 0.5, 0.5, 0.0, 0.0]
    cubic = ip.Turbine(0.5, 3.0, 13.0, 20.0, curve="cubic").power_mw(np.array([8.0]))
    assert cubic == pytest.approx(0.5 * (512 - 27) / (2197 - 27))


def test_plant_of_the_paper_by_hand() -> None:
    assert PAPER_PLANT.power_mw(np.array([0.0, 500.0, 1000.0])) == pytest.approx([0.0, 0.324, 0.5])


def test_mean_wind_power_is_the_integral_of_curve_and_density() -> None:
    """The density of the paper's eq. 3, integrated on its own."""
    speed = np.linspace(3.0, 13.0, 20_001)
    density = stats.weibull_min.pdf(speed, 2.0, scale=8.0)
    rising = np.trapezoid((speed - 3.0) / 10.0 * density, speed)
    flat = stats.weibull_min.cdf(20.0, 2.0, scale=8.0) - stats.weibull_min.cdf(13.0, 2.0, scale=8.0)
    share = ip.WindPower(ip.WindSpeed(2.0, 8.0), PAPER_TURBINE).factor(MIDDLES)
    assert share.mean() == pytest.approx(rising + flat, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 200), st.integers(1, 4), st.integers(0, 1000))
def test_every_interval_holds_one_number(samples: int, columns: int, seed: int) -> None:
    target = np.full((columns, columns), 0.5) + 0.5 * np.eye(columns)
    drawn = latin_hypercube(samples, columns, correlation=target, seed=seed)
    strata = np.sort(np.floor(drawn * samples).astype(int), axis=0)
    assert (strata == np.arange(samples)[:, None]).all()


def test_correlation_of_normal_scores_is_reached() -> None:
    target = np.array([[1.0, -0.6, 0.3], [-0.6, 1.0, 0.2], [0.3, 0.2, 1.0]])
    drawn = latin_hypercube(10_000, 3, correlation=target, seed=3)
    reached = np.corrcoef(stats.norm.ppf(drawn), rowvar=False)
    assert np.abs(reached - target).max() < 0.01
    assert (
        np.abs(np.corrcoef(stats.norm.ppf(latin_hypercube(10_000, 3, seed=3)), rowvar=False) - np.eye(3)).max() < 0.05
    )


def test_quantities_may_move_as_one() -> None:
    drawn = latin_hypercube(1_000, 2, correlation=np.ones((2, 2)), seed=0)
    assert np.corrcoef(drawn, rowvar=False)[0, 1] > 0.9999


def test_same_seed_same_sample() -> None:
    first, again, other = (latin_hypercube(50, 2, correlation=np.eye(2), seed=seed) for seed in (7, 7, 8))
    assert first.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1.0, 0.2]], "must have 3 rows"),
        ([["a", 0.0, 0.0]] * 3, "must be a matrix of numbers"),
        (np.full((3, 3), np.nan), "not numbers"),
        ([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]], "least eigenvalue is -0.8"),
    ],
)
def test_what_is_no_correlation_matrix_is_refused_in_words(matrix: object, words: str) -> None:
    with pytest.raises(ip.InputError, match=words):
        correlation_matrix(matrix, 3)  # type: ignore[arg-type]


def test_all_faults_of_a_matrix_at_once() -> None:
    with pytest.raises(ip.InputError) as refused:
        latin_hypercube(10, 3, correlation=[[0.9, 0.1, 1.5], [0.2, 1.0, 0.0], [1.5, 0.0, 1.0]])
    assert [finding.message for finding in refused.value.findings] == [
        "correlation: 1,1 is 0.9, must be 1",
        "correlation: 1,2 is 0.1 but 2,1 is 0.2",
        "correlation: 1,3 is 1.5, beyond -1 to 1",
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ip.WindSpeed(0.0, -1.0), "shape is 0, must be greater than 0\nWindSpeed: scale_m_s is -1"),
        (lambda: ip.Turbine(0.5, 13.0, 3.0, 20.0), "must rise, got 13, 3, 20 m/s"),
        (lambda: ip.Turbine(0.5, curve="square"), "curve must be linear or cubic"),  # type: ignore[arg-type]
        (lambda: ip.PvPlant(0.5, 4320.0, 15.0), "efficiency is 15, must be at most 1 .a share"),
        (lambda: ip.NormalLoad(1.0, math.nan), "std_mw is nan"),
        (lambda: latin_hypercube(0, 2), "0 samples of 2 quantities"),
    ],
)
def test_models_refuse_parameters_that_mean_nothing(make: object, words: str) -> None:
    with pytest.raises(ip.InputError, match=words):
        make()  # type: ignore[operator]
