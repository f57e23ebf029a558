"""Fit the Gaussian smearing widths to twisted cells, with each cell held out once."""

import csv
from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from moirepol.model.committee import committee, evaluate
from moirepol.physics.expansion import Expansion
from moirepol.physics.long_range import LongRange, read_polarizability
from moirepol.predictor import NetworkTerm
from moirepol.structure.frames import read_frames

START_A = (1.0, 0.5)
LARGEST_A = 3.0


def fit_reach(
    labels: Sequence[str], zero_field: Sequence[str], response: Sequence[str], polarizability, reach
) -> None:
    """Write a table: left_out, common_A, opposite_A, cell, mae_in_plane_eA, mae_z_eA.

    Parameters
    ----------
    labels
        Label sets with moire cells. Only the twisted cells are used.
    zero_field, response, polarizability
        As in `predict_dipoles`. No member is trained on any of the cells.
    reach
        CSV to write: the two widths by least squares. A fit without the cell `left_out` is
        validated on it. The fit to all cells is validated on each of them.
    """
    members, answering = committee(zero_field), NetworkTerm("response", committee(response))
    polarizability_eA2_per_V = read_polarizability(polarizability)
    cells = []
    for frame in (frame for path in labels for frame in read_frames(path)):
        if frame.system.geometry == "twist" and frame.family == members[0].family:
            expansion = Expansion(frame)
            answering.contribute(expansion)
            cells.append((frame, evaluate(members, frame).mean(axis=0), expansion.response))

    def errors(cell, widths):
        frame, short, response = cell
        long_range = LongRange(polarizability_eA2_per_V, tuple(widths))
        return long_range.solver(frame, response).add(short) - frame.dipoles

    def weighed(widths, fitted):
        parts = [errors(cell, widths) for cell in fitted]
        return 1e3 * np.concatenate([(part / np.sqrt(len(part))).ravel() for part in parts])

    rows = []
    for left_out in (None, *range(len(cells))):
        fitted = [cell for index, cell in enumerate(cells) if index != left_out]
        best = least_squares(weighed, START_A, bounds=(0.0, LARGEST_A), args=(fitted,), xtol=1e-4)
        common, opposite = best.x
        for cell in cells if left_out is None else [cells[left_out]]:
            wrong, name = np.abs(errors(cell, best.x)), cell[0].name
            rows.append(
                {
                    "left_out": "" if left_out is None else name,
                    "common_A": f"{common:.3f}",
                    "opposite_A": f"{opposite:.3f}",
                    "cell": name,
                    "mae_in_plane_eA": f"{wrong[:, :2].mean():.3g}",
                    "mae_z_eA": f"{wrong[:, 2].mean():.3g}",
                }
            )
    with open(reach, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(fit_reach, globals().get("snakemake"))
