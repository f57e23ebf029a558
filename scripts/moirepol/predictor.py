"""`Predictor`: from model files to the dipoles of a bilayer.

The physics is a list of terms with one interface (`Term`). A new term is a new module with a class
of that interface, and one line in `Predictor.from_files`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from moirepol.errors import JobError
from moirepol.model.committee import Member, committee, evaluate, standard_deviation
from moirepol.model.targets import KINDS
from moirepol.physics.expansion import Expansion
from moirepol.physics.gradient import DisplacementGradient
from moirepol.physics.heights import Heights
from moirepol.physics.long_range import LongRange
from moirepol.structure.bilayer import Bilayer


class Term(Protocol):
    """One contribution to the dipoles of a bilayer."""

    def applies(self, bilayer: Bilayer) -> bool:
        """Whether the term contributes to a bilayer."""

    def contribute(self, expansion: Expansion) -> None:
        """Add the term to an expansion."""

    def without(self, name: str) -> "Term | None":
        """Return the term without what was fitted to a frame; None if nothing is left."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the term depends on, for the provenance of a file."""


class NetworkTerm:
    """A committee of networks that predicts the coefficient of one power of the field."""

    def __init__(self, kind: str, members: list[Member]):
        if wrong := [member.kind for member in members if member.kind != kind]:
            raise JobError(f"expected a {kind} model, found a {wrong[0]} model")
        self.kind, self.members = kind, members

    def applies(self, bilayer: Bilayer) -> bool:
        """Whether the term contributes; it does for every bilayer."""
        return True

    def contribute(self, expansion: Expansion) -> None:
        """Add the members' values, per power of the field of their labels."""
        power = KINDS.index(self.kind)
        bilayer = expansion.bilayer
        values = evaluate(self.members, bilayer, local_stackings=True)
        if self.kind == "response":
            values = bilayer.site_signs[:, None] * values
        expansion.add(power, values / self.members[0].field_V_per_A ** power if power else values)

    def without(self, name: str) -> "NetworkTerm | None":
        """Return the members of a zero-field model that were not trained on a frame."""
        if self.kind != "zero_field":
            return self
        members = [member for member in self.members if not member.has_seen(name)]
        return NetworkTerm(self.kind, members) if members else None

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the members' training."""
        return {self.kind: [member.info for member in self.members]}


class Predictor:
    """Dipoles of any bilayer of one stacking family.

    Parameters
    ----------
    terms
        The terms in the order in which they contribute, the zero-field networks first.
    """

    def __init__(self, terms: Sequence[Term]):
        self.terms = list(terms)

    @classmethod
    def from_files(
        cls,
        zero_field: Sequence[str | Path],
        response: Sequence[str | Path] = (),
        curvature: Sequence[str | Path] = (),
        polarizability: str | Path | None = None,
        gradient: str | Path | None = None,
        errors: str | Path | None = None,
        heights: str | Path | None = None,
        monolayer: str | Path | None = None,
    ) -> "Predictor":
        """Build a predictor from the workflow's files.

        Parameters
        ----------
        zero_field, response, curvature
            Files of the members of each model.
        polarizability
            File of `compute_polarizability`: adds the long-range field; needs a response.
        gradient
            File of `fit_gradient`: adds the effect of the displacement gradient.
        errors
            File of `calibrate_errors`, which adds the omitted orders to the error, or of
            `calibrate_relaxation`, which adds the relaxation, too.
        heights
            File of `fit_heights`: adds the change of the dipoles with the heights of the atoms.
        monolayer
            File of `compute_monolayer`, for relaxed bilayers.

        Returns
        -------
        Predictor
            The predictor.

        Raises
        ------
        JobError
            If a file is of another kind.
        """
        files = dict(zip(KINDS, (zero_field, response, curvature), strict=True))
        terms: list[Term] = [
            NetworkTerm(kind, committee(paths)) for kind, paths in files.items() if paths
        ]
        if heights:
            terms.append(Heights.from_files(heights, monolayer, errors))
        if gradient:
            terms.append(DisplacementGradient.from_files(gradient, errors))
        if polarizability:
            terms.append(LongRange.from_file(polarizability))
        return cls(terms)

    @property
    def zero_field(self) -> list[Member]:
        """Members of the zero-field model."""
        term = self.terms[0]
        if not isinstance(term, NetworkTerm) or term.kind != "zero_field":
            raise JobError("the first term of a predictor must be the zero-field model")
        return term.members

    @property
    def family(self) -> str:
        """Stacking family."""
        return self.zero_field[0].family

    @property
    def settings(self) -> dict[str, Any]:
        """What the predictor depends on, for the provenance of a file."""
        return {key: value for term in self.terms for key, value in term.settings.items()}

    @property
    def gradient(self) -> DisplacementGradient | None:
        """The term of the displacement gradient, if there is one."""
        found = [term for term in self.terms if isinstance(term, DisplacementGradient)]
        return found[0] if found else None

    @property
    def lacks(self) -> str:
        """State what the predictions lack because labels are missing; empty if nothing."""
        kinds = {type(term) for term in self.terms}
        found = [] if LongRange in kinds else ["the long-range electrostatics"]
        found += [] if self.gradient else ["the displacement gradient"]
        if not (self.gradient and self.gradient.calibration):
            found.append("a calibration of the error on moiré cells")
        return ", ".join(found)

    def beyond(self, bilayer: Bilayer) -> str:
        """Describe in what a bilayer lies beyond the cells that the error was calibrated on.

        Parameters
        ----------
        bilayer
            The bilayer.

        Returns
        -------
        str
            One line, empty if the bilayer lies within.
        """
        checked = [term for term in self.terms if isinstance(term, DisplacementGradient | Heights)]
        return "; ".join(filter(None, (term.beyond(bilayer) for term in checked)))

    def without(self, name: str) -> "Predictor | None":
        """Return the predictor without what was trained on or fitted to a frame.

        Parameters
        ----------
        name
            Name of a labelled frame.

        Returns
        -------
        Predictor or None
            None if a term has nothing left.
        """
        terms = [term.without(name) for term in self.terms]
        left = [term for term in terms if term is not None]
        return Predictor(left) if len(left) == len(terms) else None

    def expand(self, bilayer: Bilayer, known: Mapping[int, np.ndarray] | None = None) -> Expansion:
        """Expand the dipoles of a bilayer in powers of the field.

        Parameters
        ----------
        bilayer
            The bilayer; its field does not matter.
        known
            Coefficients, as of `Expansion`, that the terms are added to; none by default.

        Returns
        -------
        Expansion
            The expansion, `Expansion.powers` gives its coefficients.

        Raises
        ------
        JobError
            If the bilayer is outside the domain of a term.
        """
        active = [term for term in self.terms if term.applies(bilayer)]
        for term in active:
            if isinstance(term, Heights):
                bilayer = bilayer.copy()
                bilayer.info["template_distance_A"] = term.reference_distance_A
        expansion = Expansion(bilayer, dict(known or {}))
        for term in active:
            term.contribute(expansion)
        return expansion

    def dipoles(self, bilayer: Bilayer, field_V_per_A: float | None = None) -> Bilayer:
        """Predict the dipoles of a bilayer in one field.

        Parameters
        ----------
        bilayer
            The bilayer.
        field_V_per_A
            Field along z in V/angstrom; by default that of the bilayer.

        Returns
        -------
        Bilayer
            A copy with the arrays ``dipole``, ``dipole_error`` (standard deviation of the members),
            ``dipole_member`` (where all committees have the same size, above one),
            ``dipole_short_range`` (where there is a long-range term), all in e.angstrom and NaN
            where there is no site.

        Raises
        ------
        JobError
            If the bilayer is outside the domain of a term.
        """
        field = bilayer.field_V_per_A if field_V_per_A is None else field_V_per_A
        expansion = self.expand(bilayer)
        if field and 1 not in expansion.coefficients:
            raise JobError(f"{bilayer.name}: no response model of {bilayer.family}")
        parts = expansion.terms_in_field(field)
        mean = sum(part.mean(axis=0) for part in parts)
        spread = np.sqrt(sum(standard_deviation(part) ** 2 for part in parts))
        sizes = {len(part) for part in parts}
        members = np.sum(parts, axis=0) if len(sizes) == 1 else None

        predicted = bilayer.copy()
        predicted.field_V_per_A = field
        if expansion.completions:
            predicted.set_site_array("dipole_short_range", mean)
            mean = expansion.complete(mean)
        if members is not None and len(members) > 1:
            members = np.array([expansion.complete(dipoles) for dipoles in members])
            predicted.set_site_array("dipole_member", members.swapaxes(0, 1))
            if expansion.completions:
                spread = standard_deviation(members)
        predicted.set_site_array("dipole", mean)
        predicted.set_site_array("dipole_error", spread)
        return predicted
