"""Draw the dipoles of uniaxial cells against the wave vector: DFT and predictions."""

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
    "prediction without long range": ("tab:orange", "v"),
    "prediction with c = 1": ("tab:green", "s"),
    "prediction with fitted c": ("tab:blue", "o"),
}
#: Components of P relative to the wave vector, and their names in the figure.
COMPONENTS = {
    "out-of-plane": r"$P_\perp$ / $|g|$",
    "longitudinal": r"$P_\parallel$ along $q$",
    "transverse": r"$P_\parallel$ across $q$",
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
    """Draw the first harmonics of P, for cells without a shift.

    Parameters
    ----------
    cells
        Label sets of uniaxial cells of one family.
    zero_field, response, polarizability, gradient
        As in `predict_dipoles`. Each cell is predicted by the fit that omits it.
    data
        NetCDF to write: ``amplitude`` (cell, case, component), the first harmonics of the summed
        layers in e.angstrom; ``wave_vector`` (cell) times the layer distance; ``size`` (cell), the
        size of the gradient.
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
        amplitude.append([_first_harmonics(frame, values) for values in fields])
    period = [np.linalg.norm(frame.cell_2d[0]) * np.sin(np.pi / 3) for frame in frames]
    distance = [frame.layer_distance_A for frame in frames]
    shown = xr.Dataset(
        {
            "amplitude": (
                ("cell", "case", "component"),
                np.array(amplitude),
                {"units": "e.angstrom", "long_name": "first harmonic of P"},
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
        {
            "cell": [frame.name for frame in frames],
            "case": list(STYLES),
            "component": list(COMPONENTS),
        },
    )
    write_netcdf(stamp(shown, "Uniaxial cells against the wave vector"), data)

    figure, axes = new_figure(5.4, nrows=len(COMPONENTS), sharex=True)
    for ax, (component, symbol) in zip(axes, COMPONENTS.items(), strict=True):
        for case, (color, marker) in STYLES.items():
            values = UNIT * shown["amplitude"].sel(case=case, component=component)
            if component == "out-of-plane":  # it vanishes without a gradient
                values = values / shown["size"]
            style = {"color": color, "marker": marker, "markersize": 4, "linestyle": "none"}
            ax.plot(shown["wave_vector"], values, label=case, **style)
        ax.set(xlim=(0, None), ylim=(0, None), ylabel=symbol)
    axes[-1].set_xlabel(r"wave vector times layer distance, $qd$")
    figure.supylabel(rf"first harmonic ({DIPOLE})", fontsize="medium")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    save(figure, pdf, png)


def _with_slabs(term: Term) -> Term:
    """Return a term with the interlayer coupling of slabs."""
    if not isinstance(term, DisplacementGradient):
        return term
    return replace(term, fits=term.fits.assign(coupling=xr.ones_like(term.fits["coupling"])))


def _first_harmonics(frame: Bilayer, values: np.ndarray) -> list[float]:
    """Return the amplitudes (3,) of the first harmonic along the pattern, in e.angstrom.

    The order is that of `COMPONENTS`.
    """
    frame = frame.copy()
    frame.set_array("values", values)
    field = layer_fields(frame, GRID, "values").sum(axis=0)
    x, y, z = 2 * np.fft.fft2(field)[:, 1, 0] / GRID**2  # the pattern varies along the first vector
    along = np.linalg.inv(frame.cell_2d)[:, 0]
    along /= np.linalg.norm(along)
    return [abs(z), abs(along @ [x, y]), abs(along @ [y, -x])]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_uniaxial, globals().get("snakemake"))
