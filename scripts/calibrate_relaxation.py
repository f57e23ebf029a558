"""Calibrate the error of relaxed bilayers on direct DFT of predicted relaxed cells."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from moirepol.errors import JobError
from moirepol.model.calibration import (
    DIRECTIONS,
    Calibration,
    ValidatedCell,
    calibrate_widths,
    coverages,
)
from moirepol.physics.heights import Heights
from moirepol.physics.monolayer import Monolayer
from moirepol.physics.relaxation import Relaxation, relaxed
from moirepol.physics.stackings import Stackings
from moirepol.predictor import Predictor
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

#: Largest difference in angstrom between the atoms of a label and those of the prediction today.
SAME_ATOMS_A = 0.02


def calibrate_relaxation(
    labels: str,
    zero_field: Sequence[str],
    relaxations: Sequence[str],
    stackings: str,
    monolayer: str,
    heights: str,
    errors: str,
    relaxed_errors: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    response: Sequence[str] = (),
    curvature: Sequence[str] = (),
    polarizability: str | Sequence[str] = (),
    gradient: str | Sequence[str] = (),
) -> None:
    """Add the error of relaxation to the calibrated error of rigid bilayers.

    The error is a fixed fraction of the change of each dipole by heights and relaxed ions. The
    fraction is such that 68 % and 95 % of the components lie within one and two errors, as in
    `calibrate_errors`.

    Parameters
    ----------
    labels
        Label set of predicted relaxed cells, held out of every fit.
    zero_field, response, curvature, polarizability, gradient, stackings, monolayer, heights
        As in `predict_dipoles`.
    relaxations
        Files of `relax_bilayer` for the cells, named by them.
    errors
        File of `calibrate_errors`.
    relaxed_errors
        NetCDF to write: the data of `errors`, with ``relative_error`` (direction) and, for every
        relaxed cell, the fraction of components within one and two errors, calibrated with and
        without this cell.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.

    Raises
    ------
    JobError
        If the atoms of a label are not those of the predicted cell.
    """
    ds = read_netcdf(errors, "scale")
    frames = read_frames(labels)
    files = zero_field, response, curvature, polarizability, gradient, errors, heights, monolayer
    full = Predictor.from_files(*files)
    scaled = Predictor([_with_unit_error(term) for term in full.terms])
    cells, largest = [], 0.0
    fields = {Path(path).stem: Relaxation.from_file(path) for path in relaxations}
    of_stackings, constants = Stackings.from_file(stackings), Monolayer.from_file(monolayer)
    for frame in frames:
        rigid = build(frame.name, lattice_constant_A, layer_distance_A)
        bilayer = relaxed(rigid, of_stackings, constants, fields[frame.name])
        bilayer.image_distance_A = frame.image_distance_A
        apart = np.abs((bilayer.positions - frame.positions)[:, :2]).max()
        if apart > SAME_ATOMS_A:
            raise JobError(
                f"{frame.name}: the label has other atoms than the prediction, by {apart:.3f} A; "
                f"allowed is {SAME_ATOMS_A} A"
            )
        largest = max(largest, float(np.linalg.norm(bilayer.displacement[:, :2], axis=1).max()))
        cells.append(validated(frame, full.dipoles(bilayer), scaled.dipoles(bilayer)))
    calibration = at_size_zero(cells)
    ds["relative_error"] = "direction", list(calibration.scale)
    ds["relative_error"].attrs.update(
        units="1", long_name="error of the change by relaxation, relative to it"
    )
    within, left_out = coverages(cells, at_size_zero)
    fraction = {
        "units": "1",
        "long_name": "fraction of components of relaxed cells within the error",
    }
    for name, values in (("within_relaxed", within), ("within_relaxed_left_out", left_out)):
        ds[name] = ("relaxed_cell", "times", "direction"), values, fraction
    ds["largest_displacement"] = (), largest
    ds["largest_displacement"].attrs.update(
        units="angstrom", long_name="largest in-plane displacement of the relaxed cells"
    )
    ds = ds.assign_coords(relaxed_cell=[cell.name for cell in cells])
    title = "Calibration of the error of predictions, with relaxation"
    write_netcdf(stamp(ds, title, {"labels": labels}), relaxed_errors)
    for number, direction in enumerate(DIRECTIONS):
        one, two = within[..., number].mean(axis=0)
        print(
            f"{direction}: {calibration.scale[number]:.2f} of the change by relaxation; "
            f"{one:.1%} within one error, {two:.1%} within two"
        )


def at_size_zero(cells: Sequence[ValidatedCell]) -> Calibration:
    """Return the widths of cells of size 0, where a width is the factor itself.

    Parameters
    ----------
    cells
        Relaxed cells.

    Returns
    -------
    Calibration
        The widths.
    """
    return calibrate_widths(cells, saturation=1.0)


def _with_unit_error(term):
    """Return the term with an error of the relaxation of the size of the change."""
    return replace(term, relative_error=(1.0, 1.0)) if isinstance(term, Heights) else term


def validated(label: Bilayer, predicted: Bilayer, scaled: Bilayer) -> ValidatedCell:
    """Return the errors of a relaxed cell.

    Parameters
    ----------
    label
        The cell with dipoles of direct DFT.
    predicted
        The prediction, without an error of relaxation.
    scaled
        The prediction with an error of the size of the change by relaxation.

    Returns
    -------
    ValidatedCell
        The cell, with the change by relaxation in the place of the remainder.
    """
    spread, larger = (cell.arrays["dipole_error"][cell.sites] for cell in (predicted, scaled))
    change = np.sqrt(np.clip(larger**2 - spread**2, 0, None))
    return ValidatedCell(label.name, 0.0, predicted.dipoles - label.dipoles, spread, change)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(calibrate_relaxation, globals().get("snakemake"))
