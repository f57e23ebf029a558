"""Draw the amplitude of the pattern against the twist angle: models and direct DFT (Fig. 2g)."""

import json

import numpy as np
import xarray as xr

from moirepol.physics.polarization import first_harmonics, harmonics, layer_fields
from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

GRID = 48
KINDS = ("dipole", "dipole_short_range")
SHORT, LONG, DIRECT = "without long range", "prediction", "direct DFT"


def plot_amplitudes(
    dipoles: list[str],
    configuration_map: str,
    labels: list[str],
    data: str,
    pdf: str,
    png: str,
):
    """Draw the first harmonics of P_perp and P_par of twisted bilayers, in e.angstrom per N pair.

    Parameters
    ----------
    dipoles
        Predictions for bilayers of one family.
    configuration_map
        Configuration map of this family. In effective models, every angle has its harmonics.
    labels
        Label sets with twisted cells of direct DFT among their frames.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    slides = read_netcdf(configuration_map, "P", "cell")
    mapped = first_harmonics(slides["P"].values, slides["cell"].values)
    family = System.parse(read_frames(dipoles[0])[0].name).family
    predicted = [(frame, kind) for path in dipoles for frame in read_frames(path) for kind in KINDS]
    direct = [
        (f"{DIRECT}, {cut_off(path)} Ry", frame, "dipole")
        for path in labels
        for frame in read_frames(path)
        if frame.family == family and frame.system.is_plain_twist
    ]
    rows = [
        (name_of(frame, kind), frame, kind) for frame, kind in predicted if kind in frame.arrays
    ] + direct
    shown = xr.Dataset(
        {
            "amplitude": (
                ("case", "part"),
                np.array([harmonics(frame, kind) for _, frame, kind in rows]),
                {"units": "e.angstrom", "long_name": "first harmonic of the summed layers"},
            ),
            "mapped": ("part", np.array(mapped), {"units": "e.angstrom"}),
            "angle": (
                "case",
                [frame.system.twist_angle_deg for _, frame, _ in rows],
                {"units": "degree", "long_name": "twist angle"},
            ),
            "source": ("case", [source for source, _, _ in rows]),
            "system": ("case", [frame.name for _, frame, _ in rows]),
            "mesh": (
                "case",
                [float(frame.info.get("mesh_1", np.nan)) for _, frame, _ in rows],
                {"long_name": "k points of the label along a cell vector", "units": "1"},
            ),
        },
        coords={"part": ["P_perp", "P_par"]},
    )
    errors = np.array([errors_of(frame, kind) for _, frame, kind in rows])
    if np.isfinite(errors).any():
        shown["amplitude_error"] = ("case", "part"), errors, {"units": "e.angstrom"}
        shown["amplitude_error"].attrs["long_name"] = "standard deviation over the members"
    write_netcdf(stamp(shown, "Amplitude of twisted bilayers by twist angle"), data)

    figure, axes = new_figure(3.6, nrows=2, sharex=True)
    styles = {
        LONG: {"marker": "o", "markersize": 3, "color": "tab:red"},
        SHORT: {"marker": "s", "markersize": 2.5, "color": "tab:blue"},
    }
    point = {"marker": "D", "markersize": 4.5, "color": "black", "linestyle": "none"}
    for face, source in zip(
        ("black", "none"), sorted({source for source, *_ in direct}), strict=False
    ):
        styles[source] = {**point, "markerfacecolor": face}
    for ax, part, label in zip(
        axes, shown["part"].values, (r"P_\perp", r"P_\parallel"), strict=True
    ):
        ax.axhline(
            UNIT * float(shown["mapped"].sel(part=part)),
            color="0.5",
            linestyle="--",
            label="configuration map",
        )
        for source, style in styles.items():
            chosen = shown.isel(case=np.flatnonzero(shown["source"] == source)).sortby("angle")
            if chosen.sizes["case"]:
                values = UNIT * chosen["amplitude"].sel(part=part)
                ax.plot(chosen["angle"], values, label=source, **style)
                if "amplitude_error" in chosen:
                    error = UNIT * chosen["amplitude_error"].sel(part=part).fillna(0)
                    band = values - error, values + error
                    ax.fill_between(chosen["angle"], *band, color=style["color"], alpha=0.2, lw=0)
        ax.set_ylabel(rf"first harmonic of ${label}$" + f"\n({DIPOLE})")
        ax.set_ylim(bottom=0)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2)
    axes[1].set_xlabel("twist angle (degrees)")
    save(figure, pdf, png)


def cut_off(path):
    """Return the cut-off energy in Ry of the wavefunctions of a label set."""
    settings = json.loads(read_netcdf(path, "dipole").attrs["settings"])
    return f"{settings['recipe']['ecutwfc_Ry']:g}"


def name_of(frame, kind):
    """Return the name of a prediction's dipoles in the figure."""
    return LONG if kind == KINDS[0] and KINDS[1] in frame.arrays else SHORT


def errors_of(frame, kind):
    """Return the errors of the first harmonics of P_perp and P_par; NaN without members."""
    if kind != KINDS[0] or "dipole_member" not in frame.arrays:
        return np.nan, np.nan
    members = layer_fields(frame, GRID, "dipole_member").sum(axis=0)
    return np.std([first_harmonics(P, frame.cell_2d) for P in members], axis=0, ddof=1)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_amplitudes, globals().get("snakemake"))
