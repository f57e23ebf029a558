"""Draw P_perp of uniaxial cells against the wave vector: DFT and predictions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from moirepol.physics.gradient import DisplacementGradient, gradient_of, size_of
from moirepol.physics.polarization import layer_fields
from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.predictor import Predictor, Term
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

GRID = 60
STYLES = {
    "direct DFT": ("black", "D"),
    "without long range": ("tab:orange", "v"),
    "with long range, slabs": ("tab:green", "s"),
    "with long range, fitted coupling": ("tab:blue", "o"),
}


def plot_uniaxial(
    cells: Sequence[str],
    zero_field: Sequence[str],
    response: Sequence[str],
    polarizability: str,
    gradient: str,
    data: str,
    pdf: str,
    png: str,
) -> None:
    """Draw the first harmonic of P_perp per size of the gradient, for cells without a shift.

    Parameters
    ----------
    cells
        Label sets of uniaxial cells of one family.
    zero_field, response, polarizability, gradient
        As in `predict_dipoles`. Each cell is predicted by the fit that omits it.
    data
        NetCDF to write: ``amplitude`` (cell, case), the first harmonic of the summed layers in
        e.angstrom; ``wave_vector`` (cell) times the layer distance; ``size`` (cell), the size of
        the gradient.
    pdf, png
        The figure to write.
    """
    full = Predictor.from_files(zero_field, response, (), polarizability, gradient)
    frames = [frame for path in cells for frame in read_frames(path) if not frame.system.shift]
    amplitude = []
    for frame in frames:
        predictor = full.without(frame.name) or full
        measured = predictor.dipoles(frame)
        slabs = Predictor([_with_slabs(term) for term in predictor.terms]).dipoles(frame)
        alone = measured.arrays["dipole_short_range"]
        fields = (frame.arrays["dipole"], alone, slabs.arrays["dipole"], measured.arrays["dipole"])
        amplitude.append([_first_harmonic(frame, values) for values in fields])
    period = [np.linalg.norm(frame.cell_2d[0]) * np.sin(np.pi / 3) for frame in frames]
    distance = [frame.layer_distance_A for frame in frames]
    shown = xr.Dataset(
        {
            "amplitude": (
                ("cell", "case"),
                np.array(amplitude),
                {"units": "e.angstrom", "long_name": "first harmonic of P_perp"},
            ),
            "wave_vector": (
                "cell",
                2 * np.pi * np.array(distance) / period,
                {"units": "1", "long_name": "wave vector times layer distance"},
            ),
            "size": (
                "cell",
                [size_of(gradient_of(frame)) for frame in frames],
                {"units": "1", "long_name": "size of the displacement gradient"},
            ),
        },
        {"cell": [frame.name for frame in frames], "case": list(STYLES)},
    )
    write_netcdf(stamp(shown, "Uniaxial cells against the wave vector"), data)

    figure, ax = new_figure(3.0)
    for case, (color, marker) in STYLES.items():
        values = UNIT * shown["amplitude"].sel(case=case) / shown["size"]
        style = {"color": color, "marker": marker, "markersize": 4, "linestyle": "none"}
        ax.plot(shown["wave_vector"], values, label=case, **style)
    ax.set(xlabel=r"wave vector times layer distance, $qd$", xlim=(0, None), ylim=(0, None))
    ax.set_ylabel(rf"first harmonic of $P_\perp$ / $|g|$ ({DIPOLE})")
    figure.legend(loc="outside upper center", ncols=2)
    save(figure, pdf, png)


def _with_slabs(term: Term) -> Term:
    """Return a term with the interlayer coupling of slabs."""
    if not isinstance(term, DisplacementGradient):
        return term
    return replace(term, fits=term.fits.assign(coupling=xr.ones_like(term.fits["coupling"])))


def _first_harmonic(frame: Bilayer, values: np.ndarray) -> float:
    """Return the amplitude of the first harmonic of P_perp along the pattern, in e.angstrom."""
    frame = frame.copy()
    frame.set_array("values", values)
    field = layer_fields(frame, GRID, "values").sum(axis=0)[2]
    waves = np.abs(np.fft.fft2(field)) / GRID**2
    along = max(waves[1, 0], waves[0, 1])
    return float(2 * along)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_uniaxial, globals().get("snakemake"))
