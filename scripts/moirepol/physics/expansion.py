"""Dipoles of a bilayer as a polynomial in a field along z.

p(E) = L sum_k E^k c_k. The coefficients c_k come from terms that depend on the surroundings of a
site. L stands for the long-range terms: they are linear in the dipoles and act on every power.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from moirepol.structure.bilayer import Bilayer


@dataclass
class Expansion:
    """Dipoles of the sites of one bilayer in powers of the field, for every committee member.

    Attributes
    ----------
    bilayer
        The bilayer.
    coefficients
        Power k -> c_k (member, m, 3) in e.angstrom (angstrom/V)^k.
    interlayer_coupling
        Factor c of the long-range electrostatics, `moirepol.physics.long_range`.
    coupling_deviations
        Deviation (member,) of this factor for every member without a field; None without any.
    without_field
        Part (m, 3) of the coefficient of power 0 that makes no long-range field, in e.angstrom.
    completions
        Linear maps of dipoles (m, 3) that are applied after the sum over the powers.
    """

    bilayer: Bilayer
    coefficients: dict[int, np.ndarray] = field(default_factory=dict)
    interlayer_coupling: float = 1.0
    coupling_deviations: np.ndarray | None = None
    without_field: np.ndarray | None = None
    completions: list[Callable[[np.ndarray], np.ndarray]] = field(default_factory=list)

    def add(self, power: int, values: np.ndarray) -> None:
        """Add values (member, m, 3) to the coefficient of a power of the field."""
        before = self.coefficients.get(power)
        self.coefficients[power] = values if before is None else before + values

    def deviate(
        self, power: int, deviations: np.ndarray, couplings: np.ndarray | None = None
    ) -> None:
        """Add deviations to a coefficient, with both signs; this doubles the members.

        The mean over the members does not change. Their standard deviation then contains that of
        the deviations.

        Parameters
        ----------
        power
            Power of the field.
        deviations
            Independent deviations (draw, m, 3) of the coefficient.
        couplings
            Deviations (draw,) of the interlayer coupling that belong to them.
        """
        for key, values in self.coefficients.items():
            self.coefficients[key] = np.repeat(values, 2, axis=0)
        if self.coupling_deviations is not None:
            self.coupling_deviations = np.repeat(self.coupling_deviations, 2)
        values = self.coefficients[power]
        draws = np.arange(len(values) // 2) % len(deviations)
        signed = np.stack([deviations[draws], -deviations[draws]], axis=1)
        self.coefficients[power] = values + signed.reshape(values.shape)
        if couplings is not None:
            self.coupling_deviations = np.outer(couplings[draws], [1, -1]).ravel()

    @property
    def response(self) -> np.ndarray:
        """Committee mean (m, 3) of the response to a field, in e.angstrom^2/V."""
        return self.coefficients[1].mean(axis=0)

    @property
    def has_equal_committees(self) -> bool:
        """Whether the committees of all powers have the same number of members."""
        return len({len(values) for values in self.coefficients.values()}) == 1

    def complete(self, dipoles: np.ndarray) -> np.ndarray:
        """Apply the long-range terms to short-range dipoles (m, 3)."""
        for completion in self.completions:
            dipoles = completion(dipoles)
        return dipoles

    def terms_in_field(self, field_V_per_A: float) -> list[np.ndarray]:
        """Return E^k c_k (member, m, 3) in e.angstrom of every power that contributes."""
        return [
            field_V_per_A**power * values
            for power, values in sorted(self.coefficients.items())
            if power == 0 or field_V_per_A
        ]

    def powers(self) -> np.ndarray:
        """Return the completed coefficients of every power.

        Returns
        -------
        ndarray
            (power, member, m, 3) in e.angstrom (angstrom/V)^power. Where the committees differ in
            size, the result has one member, the mean.
        """
        members = [self.coefficients[power] for power in sorted(self.coefficients)]
        if not self.has_equal_committees:
            members = [values.mean(axis=0, keepdims=True) for values in members]
        return np.array([[self.complete(dipoles) for dipoles in values] for values in members])


def polynomial_at(powers: np.ndarray, field_V_per_A: float) -> np.ndarray:
    """Return sum_k E^k powers[k] of coefficients (power, ...)."""
    return sum(field_V_per_A**k * part for k, part in enumerate(powers))


def first_zero(coefficients: np.ndarray) -> float:
    """Return the real zero nearest to 0 of sum_k coefficients[k] E^k; NaN if there is none."""
    roots = np.roots(coefficients[::-1])
    real = roots.real[np.abs(roots.imag) < 1e-12]
    return float(real[np.abs(real).argmin()]) if len(real) else np.nan
