"""Stochastic models of wind, sun, load and price, and correlated Latin hypercube samples of them.

The models are those of Yan, Luo, Tu, Tian and Xiao, Processes 12(2), 395, 2024, doi:10.3390/pr12020395, section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.stats import qmc

from igdt_planner.errors import Finding, InputError

Floats = npt.NDArray[np.float64]

SYMMETRY, LEAST_EIGENVALUE = 1e-9, -1e-9
"""How far rounding may move a correlation matrix away from one."""


class Distribution(Protocol):
    """A random quantity, by its quantile function."""

    def quantile(self, share: Floats) -> Floats:
        """The value that a share of all outcomes stays below."""
        ...


@dataclass(frozen=True)
class WindSpeed:
    """Weibull distribution of wind speed (eq. 1): ``f(v) = k/c (v/c)^(k-1) exp(-(v/c)^k)``."""

    shape: float
    scale_m_s: float

    def __post_init__(self) -> None:
        _require(self, positive=("shape", "scale_m_s"))

    def quantile(self, share: Floats) -> Floats:
        """Speed in m/s: ``c (-ln(1 - u))^(1/k)``."""
        return np.asarray(stats.weibull_min.ppf(share, self.shape, scale=self.scale_m_s), dtype=float)


@dataclass(frozen=True)
class Irradiance:
    """Beta distribution of irradiance between 0 and ``max_w_m2`` (eq. 4)."""

    alpha: float
    beta: float
    max_w_m2: float = 1000.0

    def __post_init__(self) -> None:
        _require(self, positive=("alpha", "beta", "max_w_m2"))

    def quantile(self, share: Floats) -> Floats:
        """Irradiance in W/m2."""
        return np.asarray(stats.beta.ppf(share, self.alpha, self.beta, scale=self.max_w_m2), dtype=float)


@dataclass(frozen=True)
class NormalLoad:
    """Normal distribution of load (eq. 7), cut off at 0; reactive load follows at its power factor (eq. 8)."""

    mean_mw: float
    std_mw: float

    def __post_init__(self) -> None:
        _require(self, positive=("mean_mw",), not_negative=("std_mw",))

    def quantile(self, share: Floats) -> Floats:
        """Load in MW."""
        return np.maximum(self.mean_mw + self.std_mw * np.asarray(stats.norm.ppf(share), dtype=float), 0.0)

    def factor(self, share: Floats) -> Floats:
        """Load as a factor on its mean."""
        return self.quantile(share) / self.mean_mw


@dataclass(frozen=True)
class LogNormalPrice:
    """Log-normal distribution of the price of energy (section 3.1, in words), by its own mean and deviation.

    With ``s = ln(1 + (std/mean)^2)`` its logarithm has the mean ``ln(mean) - s/2`` and the variance ``s``.
    """

    mean_per_mwh: float
    std_per_mwh: float

    def __post_init__(self) -> None:
        _require(self, positive=("mean_per_mwh",), not_negative=("std_per_mwh",))

    def quantile(self, share: Floats) -> Floats:
        """Price in money per MWh."""
        variance = math.log1p((self.std_per_mwh / self.mean_per_mwh) ** 2)
        score = np.asarray(stats.norm.ppf(share), dtype=float)
        return self.mean_per_mwh * np.exp(math.sqrt(variance) * score - variance / 2.0)

    def factor(self, share: Floats) -> Floats:
        """Price as a factor on its mean."""
        return self.quantile(share) / self.mean_per_mwh


@dataclass(frozen=True)
class Turbine:
    """Power of a wind turbine by wind speed (eq. 2).

    0 below cut-in and above cut-out, ``rated_mw`` from rated speed on, and in between linear in the speed,
    ``(v - v_in) / (v_r - v_in)``, or ``cubic``, in its cube: ``(v^3 - v_in^3) / (v_r^3 - v_in^3)``. (The paper writes
    the first with both signs turned and leaves out cut-out itself; its density, eq. 3, is that of the line.)
    """

    rated_mw: float
    cut_in_m_s: float = 3.0
    rated_m_s: float = 13.0
    cut_out_m_s: float = 20.0
    curve: Literal["linear", "cubic"] = "linear"

    def __post_init__(self) -> None:
        findings = _faults(self, positive=("rated_mw", "rated_m_s"), not_negative=("cut_in_m_s",))
        speeds = self.cut_in_m_s, self.rated_m_s, self.cut_out_m_s
        if not speeds[0] < speeds[1] < speeds[2]:
            shown = ", ".join(f"{speed:g}" for speed in speeds)
            findings.append(Finding(f"Turbine: cut-in, rated and cut-out speed must rise, got {shown} m/s", got=shown))
        if self.curve not in ("linear", "cubic"):
            findings.append(Finding(f"Turbine: curve must be linear or cubic, got {self.curve!r}", got=self.curve))
        if findings:
            raise InputError(findings)

    def power_mw(self, speed_m_s: Floats) -> Floats:
        """Power at a wind speed."""
        power = 3.0 if self.curve == "cubic" else 1.0
        low, high = self.cut_in_m_s**power, self.rated_m_s**power
        rising = np.clip((speed_m_s**power - low) / (high - low), 0.0, 1.0)
        return self.rated_mw * np.where(speed_m_s < self.cut_out_m_s, rising, 0.0)


@dataclass(frozen=True)
class PvPlant:
    """Power of a PV plant by irradiance (eq. 5): ``min(e S lambda, rated)``; the paper does not say what ends it."""

    rated_mw: float
    area_m2: float
    efficiency: float

    def __post_init__(self) -> None:
        findings = _faults(self, positive=("rated_mw", "area_m2", "efficiency"))
        if self.efficiency > 1.0:
            message = f"PvPlant: efficiency is {self.efficiency:g}, must be at most 1"
            findings.append(Finding(message, got=self.efficiency, hint="a share, not a percentage"))
        if findings:
            raise InputError(findings)

    def power_mw(self, irradiance_w_m2: Floats) -> Floats:
        """Power at an irradiance."""
        return np.minimum(irradiance_w_m2 * self.area_m2 * self.efficiency / 1e6, self.rated_mw)


@dataclass(frozen=True)
class WindPower:
    """What a turbine gives in a wind, as a share of its rating."""

    speed: WindSpeed
    turbine: Turbine

    def factor(self, share: Floats) -> Floats:
        """Power as a share of the rating, at a quantile of the speed."""
        return self.turbine.power_mw(self.speed.quantile(share)) / self.turbine.rated_mw


@dataclass(frozen=True)
class PvPower:
    """What a PV plant gives under a sun, as a share of its rating."""

    irradiance: Irradiance
    plant: PvPlant

    def factor(self, share: Floats) -> Floats:
        """Power as a share of the rating, at a quantile of the irradiance."""
        return self.plant.power_mw(self.irradiance.quantile(share)) / self.plant.rated_mw


def latin_hypercube(samples: int, columns: int, *, correlation: npt.ArrayLike | None = None, seed: int = 0) -> Floats:
    """Latin hypercube sample of the unit cube whose normal scores have a stated correlation.

    Every column holds one number in each of ``samples`` intervals of equal width (eq. 9, at random within the interval
    where the paper takes its middle). Columns are then put into another order, so that the ranks are those of
    correlated normal scores and the intervals stay filled: Iman and Conover, Communications in Statistics 11(3),
    311-334, 1982, doi:10.1080/03610918208812265.

    Parameters
    ----------
    samples, columns : int
    correlation : array, shape (columns, columns), optional
        Of the normal scores (a Gaussian copula); without it columns are independent.
    seed : int
        The same seed gives the same sample.

    Returns
    -------
    array, shape (samples, columns)

    Raises
    ------
    InputError
        No sample is asked for, or the matrix is not a correlation matrix: every reason in words.
    """
    if samples < 1 or columns < 1:
        raise InputError.of(f"{samples} samples of {columns} quantities: both must be 1 or more", got=samples)
    target = None if correlation is None else correlation_matrix(correlation, columns)
    drawn: Floats = qmc.LatinHypercube(columns, rng=np.random.default_rng(seed)).random(samples)
    if target is None or columns == 1 or samples <= columns:
        return drawn
    scores = np.asarray(stats.norm.ppf(drawn), dtype=float)
    scores = scores @ np.linalg.inv(np.linalg.cholesky(np.corrcoef(scores, rowvar=False))).T
    wanted = np.argsort(np.argsort(scores @ _root(target).T, axis=0, kind="stable"), axis=0, kind="stable")
    return np.take_along_axis(np.sort(drawn, axis=0), wanted, axis=0)


def correlation_matrix(matrix: npt.ArrayLike, size: int) -> Floats:
    """A correlation matrix, checked.

    Raises
    ------
    InputError
        With every fault: shape, values that are no numbers, diagonal, range, symmetry, a negative eigenvalue.
    """
    try:
        given = np.asarray(matrix, dtype=float)
    except (TypeError, ValueError):
        raise InputError.of("correlation: must be a matrix of numbers", path="/correlation") from None
    if given.shape != (size, size):
        message = f"correlation: must have {size} rows and columns, one for each quantity, got shape {given.shape}"
        raise InputError.of(message, path="/correlation", got=list(given.shape))
    if not np.isfinite(given).all():
        raise InputError.of("correlation: holds values that are not numbers", path="/correlation")
    findings = [
        Finding(f"correlation: {k + 1},{k + 1} is {given[k, k]:g}, must be 1", f"/correlation/{k}/{k}", given[k, k])
        for k in np.flatnonzero(np.abs(np.diag(given) - 1.0) > SYMMETRY).tolist()
    ]
    for i, j in np.argwhere(np.triu(np.ones((size, size), dtype=bool), 1)).tolist():
        path, pair = f"/correlation/{i}/{j}", f"{i + 1},{j + 1}"
        if abs(given[i, j] - given[j, i]) > SYMMETRY:
            message = f"correlation: {pair} is {given[i, j]:g} but {j + 1},{i + 1} is {given[j, i]:g}"
            findings.append(Finding(message, path, given[i, j]))
        if max(abs(given[i, j]), abs(given[j, i])) > 1.0:
            findings.append(Finding(f"correlation: {pair} is {given[i, j]:g}, beyond -1 to 1", path, given[i, j]))
    least = float(np.linalg.eigvalsh((given + given.T) / 2.0).min())
    if not findings and least < LEAST_EIGENVALUE:
        message = f"correlation: no quantities can be correlated like this, its least eigenvalue is {least:.4g}"
        findings.append(Finding(message, "/correlation", least, hint="it must not be negative"))
    if findings:
        raise InputError(findings)
    return given


def _root(matrix: Floats) -> Floats:
    """A square root of a matrix that may be singular: quantities may move as one."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=float)


def _faults(owner: Any, positive: Sequence[str] = (), not_negative: Sequence[str] = ()) -> list[Finding]:
    """Parameters of a model that are out of range."""
    findings = []
    for name in (*positive, *not_negative):
        value, kind = getattr(owner, name), type(owner).__name__
        if not math.isfinite(value) or value < 0.0 or (name in positive and value == 0.0):
            limit = "greater than 0" if name in positive else "at least 0"
            findings.append(Finding(f"{kind}: {name} is {value:g}, must be {limit}", got=value))
    return findings


def _require(owner: Any, positive: Sequence[str] = (), not_negative: Sequence[str] = ()) -> None:
    if findings := _faults(owner, positive, not_negative):
        raise InputError(findings)
