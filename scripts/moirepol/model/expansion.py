"""Dipoles of a bilayer as a polynomial in the vertical field: one prediction for every field.

p(E) = sum_k E^k p_k, with p_0 from the zero-field model, p_1 from the response and p_2 from the
curvature. The long-range field is linear in the dipoles, so that it is solved once for every power.
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from moirepol.errors import JobError
from moirepol.model.deepwannier import KINDS, Member, ask, ask_zero_field, layer_sign, nitrogens
from moirepol.physics.long_range import LongRange


def expand(
    atoms: Atoms,
    models: dict[str, list[Member]],
    long_range: dict[str, float] | None = None,
    strain_orders: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Dipoles (n, power, member, 3) in e.A (A/V)^power, NaN on B.

    models: kind -> committee; long_range, strain_orders: as for `deepwannier.predict`,
    which says the same in any one field. Every member speaks for itself; where the committees
    differ in size, their means stand for one member.
    """
    centres = nitrogens(atoms)
    powers = [ask_zero_field(models["zero_field"], atoms, strain_orders)]
    for power, kind in enumerate(KINDS[1:], start=1):
        if models.get(kind):
            sign = layer_sign(atoms)[centres, None] if kind == "response" else 1.0
            unit = models[kind][0].info["field_V_per_A"] ** power
            powers.append(sign * ask(models[kind], atoms, len(strain_orders) > 0) / unit)
    if long_range and len(powers) == 1:
        raise JobError(f"{atoms.info['name']}: no response model of {atoms.info['family']}")
    if long_range:
        response = np.zeros((len(atoms), 3))
        response[centres] = powers[1].mean(axis=0)
        beyond = LongRange(atoms, response, **long_range)

    def complete(dipoles):
        everywhere = np.full((len(atoms), 3), np.nan)
        everywhere[centres] = dipoles
        return beyond.add(everywhere) if long_range else everywhere

    members = powers
    if len({len(part) for part in powers}) > 1:
        members = [part.mean(axis=0, keepdims=True) for part in powers]
    solved = [[complete(dipoles) for dipoles in part] for part in members]
    return np.moveaxis(np.array(solved), 2, 0)


def at(powers, field):
    """What a polynomial in the field, powers (power, ...), is in a field: (...)."""
    return sum(field**k * part for k, part in enumerate(powers))


def first_zero(coefficients):
    """Real zero nearest to 0 of the polynomial sum_k coefficients[k] E^k, NaN without one."""
    roots = np.roots(coefficients[::-1])
    real = roots.real[np.abs(roots.imag) < 1e-12]
    return real[np.abs(real).argmin()] if len(real) else np.nan
