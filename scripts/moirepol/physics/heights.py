"""Change of the dipoles with the heights of the atoms: layer distance, rumpling and tilt.

The networks are trained on flat layers at one distance d0. At another distance d, the dipole of a
site of a translated bilayer changes by

    D(tau, d) = sum_k c_k(tau) (d - d0)^k,

where the c_k follow from labels at as many further distances. The layers of a relaxed bilayer are
also rumpled. Labels of relaxed translated bilayers give the change H(tau) by the rumpling, after
D(tau, d) at the distance of the label is subtracted. In a relaxed moire with the local distance
d(r), the change is D(tau, d(r)) + H(tau).

In layers that are not those of translated bilayers, each dipole site may be displaced from the
centre of its bonds by u: by strain, by rumpling or by a vibration. This changes the dipole by
(Z u_x, Z u_y, Z_z u_z), with the Born charges Z and Z_z of the monolayer.

Where a layer is tilted, its dipole turns with it: p_par changes by -p_z grad h, with the height h
of the layer. Where it is curved, it is polarized: p_z changes by mu laplace h, with the
flexoelectric coefficient mu of the monolayer. The layers of a bilayer are curved in opposite
directions, so these parts cancel in their sum. Their fields nearly cancel, too. This part therefore
makes no long-range field. The dipoles of a rippled monolayer also make a field in this layer, and
this field changes the dipoles. mu does not contain this change.

All changes have a part without a field and a part that is linear in it. Plane waves of the stacking
interpolate them (`moirepol.physics.configuration`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.physics.configuration import at_stackings, slide_waves
from moirepol.physics.expansion import Expansion
from moirepol.physics.long_range import slab_field
from moirepol.physics.monolayer import RIPPLED_CELLS, Monolayer
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import PRIMITIVE, UPPER
from moirepol.structure.symmetry import layer_symmetries, symmetry_copies, transform_slide
from moirepol.workflow.provenance import read_netcdf

#: Parts of a change, in the order of the power of the field.
PARTS = ("zero_field", "response")
#: Smallest change of a height in angstrom that counts.
SMALLEST_A = 1e-6


def flattened(frame: Bilayer, layer_distance_A: float) -> Bilayer:
    """Return a relaxed translated bilayer as flat layers at one distance, with its dipoles."""
    flat = frame.copy()
    flat.positions[:, 2] = frame.cell.array[2, 2] / 2 + np.where(
        frame.layer == UPPER, layer_distance_A / 2, -layer_distance_A / 2
    )
    return flat


def on_grid(frames: Iterable[Bilayer], n: int, layer_distance_A: float) -> np.ndarray:
    """Collect the dipoles of translated bilayers on the n x n grid of stackings.

    Parameters
    ----------
    frames
        Labels of one field and one layer distance, or relaxed.
    n
        Stackings along each primitive vector.
    layer_distance_A
        Layer distance of flattened relaxed bilayers.

    Returns
    -------
    ndarray
        Dipoles (n, n, 2, layer, 3) in e.angstrom: in the field of the labels, and in the opposite
        one.

    Raises
    ------
    JobError
        If a stacking has no label.
    """
    found = np.full((n, n, 2, 2, 3), np.nan)
    for frame in frames:
        field = frame.system.field_V_per_A
        flat = flattened(frame, layer_distance_A) if frame.system.relaxed else frame
        if n % frame.system.indices[2]:
            continue
        for copy in symmetry_copies(flat, reverse_field=True):
            i, j, steps = copy.system.indices
            opposite = int(field != 0 and copy.system.field_V_per_A != field)
            by_layer = copy.dipoles[np.argsort(copy.site_layers)]
            found[i * n // steps, j * n // steps, opposite] = by_layer
            if not field:
                found[i * n // steps, j * n // steps, 1] = by_layer
    if np.isnan(found).any():
        missing = np.argwhere(np.isnan(found).any(axis=(2, 3, 4)))[0]
        raise JobError(f"no label of the stacking {tuple(map(int, missing))} / {n}")
    return found


def symmetrized(values: np.ndarray, family: str, part: str) -> np.ndarray:
    """Average values on the grid over the symmetry of the family; labels keep it but for noise.

    Parameters
    ----------
    values
        Values (n, n, layer, 3) of one of `PARTS`.
    family
        Stacking family.
    part
        The part. An exchange of the layers reverses the field, and so the response.

    Returns
    -------
    ndarray
        Values (n, n, layer, 3) that have the symmetry exactly.
    """
    n = len(values)
    tau = np.indices((n, n)).reshape(2, -1).T / n
    flat = values.reshape(n * n, 2, 3)
    operations = layer_symmetries(family)
    found = np.zeros_like(flat)
    for matrix, swap in operations:
        i, j = np.rint(n * transform_slide(tau, (matrix, swap))).astype(int).T % n
        turned = flat @ matrix.T
        if swap:
            turned = turned[:, ::-1] * (-1 if part == "response" else 1)
        found[i * n + j] += turned / len(operations)
    return found.reshape(values.shape)


def polynomial(steps_A: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Return the coefficients (power, ...) of powers 1, 2, ... through changes (step, ...)."""
    matrix = np.asarray(steps_A)[:, None] ** np.arange(1, len(steps_A) + 1)
    return np.linalg.solve(matrix, changes.reshape(len(steps_A), -1)).reshape(changes.shape)


@dataclass(frozen=True)
class Heights:
    """The term of a `Predictor` for heights that differ from those of the networks' labels.

    Attributes
    ----------
    changes
        A file of `fit_heights`.
    path
        The file.
    monolayer
        Constants of a layer, for relaxed bilayers.
    relative_error
        Error of the change of a dipole by relaxation, in-plane and out-of-plane, relative to the
        change; None leaves it out of the error.
    largest_displacement_A
        Largest in-plane displacement of the cells that the error was calibrated on.
    """

    changes: xr.Dataset
    path: str
    monolayer: Monolayer | None = None
    relative_error: tuple[float, float] | None = None
    largest_displacement_A: float = 0.0

    @classmethod
    def from_files(
        cls,
        path: str | Path,
        monolayer: str | Path | None = None,
        errors: str | Path | None = None,
    ) -> "Heights":
        """Read the files of `fit_heights`, `compute_monolayer` and `calibrate_relaxation`.

        A file of `calibrate_errors` in place of the last one has no error of the relaxation.
        """
        needed = [f"{name}_{part}" for name in ("distance", "relaxed") for part in PARTS]
        term = cls(
            read_netcdf(path, *needed, "reference_distance"),
            str(path),
            Monolayer.from_file(monolayer) if monolayer else None,
        )
        calibrated = read_netcdf(errors, "scale") if errors else {}
        if "relative_error" not in calibrated:
            return term
        in_plane, out_of_plane = calibrated["relative_error"].values.tolist()
        largest = float(calibrated["largest_displacement"])
        relative = in_plane, out_of_plane
        return replace(term, relative_error=relative, largest_displacement_A=largest)

    @property
    def reference_distance_A(self) -> float:
        """Layer distance of the networks' labels."""
        return float(self.changes["reference_distance"])

    def applies(self, bilayer: Bilayer) -> bool:
        """Return whether the heights differ from those of the networks' labels."""
        apart = bilayer.local_geometry.distances_A - self.reference_distance_A
        return bilayer.has_relief or bool(np.abs(apart).max() > SMALLEST_A)

    def without(self, name: str) -> "Heights":
        """Return the term itself."""
        return self

    def beyond(self, bilayer: Bilayer) -> str:
        """Describe in what a bilayer lies beyond the relaxed cells of the calibration."""
        if not _is_relaxed_moire(bilayer):
            return ""
        if self.relative_error is None:
            return f"no relaxed cell of {bilayer.family} was validated by direct DFT"
        moved = float(np.linalg.norm(bilayer.displacement[:, :2], axis=1).max())
        if moved <= self.largest_displacement_A + SMALLEST_A:
            return ""
        return (
            f"in-plane displacements of up to {moved:.3f} Å, the error was calibrated on relaxed "
            f"cells of up to {self.largest_displacement_A:.3f} Å"
        )

    def change(self, bilayer: Bilayer, part: str) -> np.ndarray:
        """Return the change (m, 3) of the dipoles of one of `PARTS` by distance and rumpling."""
        geometry = bilayer.local_geometry
        tau, d = geometry.stackings, geometry.distances_A
        change = self._of_distance(part, tau, d)
        if bilayer.is_relaxed:
            change += self._interpolate(self.changes[f"relaxed_{part}"].values, tau)
        own = change[np.arange(len(tau)), bilayer.site_layers]
        return np.einsum("mij,mj->mi", geometry.orientations, own)

    def _of_distance(self, part, tau, d):
        coefficients = self.changes[f"distance_{part}"].values
        step = (d - self.reference_distance_A)[:, None, None]
        return sum(
            step ** (power + 1) * self._interpolate(each, tau)
            for power, each in enumerate(coefficients)
        )

    def _interpolate(self, values, tau):
        """Values (m, layer, 3) at stackings of values (n, n, layer, 3) on the grid."""
        n = len(values)
        return at_stackings(*slide_waves(PRIMITIVE, values.reshape(n * n, 2, 3)), tau)

    def of_displaced_sites(self, bilayer: Bilayer) -> np.ndarray:
        """Return the change (m, 3) of the dipoles by sites that are displaced in their layer."""
        if not bilayer.has_relief or self.monolayer is None:
            return np.zeros((len(bilayer.sites), 3))
        return self.monolayer.born_charges_e * bilayer.relief.separations_A

    def of_curvature(self, bilayer: Bilayer, response: float = 0.0) -> np.ndarray:
        """Return the change (m, 3) of the dipoles by curvature.

        `response` is the mean change of a site's out-of-plane dipole with a field, in e.A^2/V.
        """
        change = np.zeros((len(bilayer.sites), 3))
        if bilayer.has_relief and self.monolayer is not None:
            # The ripple of the monolayer was computed with the field of its own dipoles.
            q = 2 * np.pi / (RIPPLED_CELLS * bilayer.reference_lattice_constant_A)
            wave, dipole = np.array([[q, 0.0]]), np.array([[0.0, 0.0, 1.0]])
            area = float(bilayer.areas.mean())
            own = slab_field(wave, dipole, 0, 0, area, bilayer.layer_distance_A)[0, 2].real
            polarized = self.monolayer.flexoelectricity_eA2 * (1 - response * own)
            change[:, 2] = polarized * bilayer.relief.curvatures_per_A
        return change

    def contribute(self, expansion: Expansion) -> None:
        """Add the changes to the dipoles without a field and to the response."""
        bilayer = expansion.bilayer
        for power, part in enumerate(PARTS):
            if power not in expansion.coefficients:
                continue
            change = self.change(bilayer, part)
            if power == 0:
                responses = expansion.coefficients.get(1)
                mean_response = 0.0 if responses is None else float(responses[..., 2].mean())
                curved = self.of_curvature(bilayer, mean_response)
                expansion.without_field = curved
                change = change + self.of_displaced_sites(bilayer) + curved
            if bilayer.has_relief:
                mean = expansion.coefficients[power].mean(axis=0) + change
                change = change.copy()
                change[:, :2] -= mean[:, 2:] * bilayer.relief.slopes
            expansion.add(power, change[None])
            if power == 0 and self.relative_error and _is_relaxed_moire(bilayer):
                in_plane, out_of_plane = self.relative_error
                expansion.deviate(0, np.array([in_plane, in_plane, out_of_plane]) * change[None])

    @property
    def settings(self) -> dict[str, Any]:
        """What the term depends on, for the provenance of a file."""
        return {"heights": self.path}


def _is_relaxed_moire(bilayer: Bilayer) -> bool:
    """Whether the shape of the layers is known and the layer distance varies."""
    return bilayer.has_relief and bool(np.ptp(bilayer.local_geometry.distances_A) > SMALLEST_A)
