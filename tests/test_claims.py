"""The judges of the claims, on made-up results in which a claim holds or visibly does not."""

import csv
import json

import numpy as np
import pytest
import xarray as xr
import yaml

from evaluate_claims import evaluate_claims
from moirepol.claims import CLAIMS, Results, judge, stacking_matrix
from moirepol.polarization import map_dataset, resample
from moirepol.structures import HIGH_SYMMETRY
from moirepol.topology import charges

N = 48
STAR = np.array([[1, 0], [0, 1], [-1, -1]])
CELL = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def first_harmonics(perp=3e-3, par=3.5e-3, offset=0.0):
    """A field with the symmetry of {E|tau}: P_perp odd and down at (1/3, 1/3), (2, 3, N, N)."""
    phase = 2 * np.pi * np.einsum("ka,aij->kij", STAR, np.indices((N, N)) / N)
    directions = STAR @ np.linalg.inv(CELL).T
    in_plane = np.einsum("kij,ka->aij", np.cos(phase), directions)
    up = np.sin(phase).sum(axis=0)
    P = np.concatenate(
        [par * in_plane / np.hypot(*in_plane).max(), [offset - perp * up / up.max()]]
    )
    opposite = np.array([0, 0, 8e-3])[:, None, None]
    return np.stack([P / 2 - opposite, P / 2 + opposite])


def a_map(layers, system="configuration_AA", matrix=((1, 0), (0, 1))):
    """A map of a cell whose named points stand where tau = matrix (u, v)."""
    inverse = np.linalg.inv(matrix)
    points = {label: (inverse @ tau % 1) @ CELL for label, tau in HIGH_SYMMETRY.items()}
    return map_dataset(layers, CELL, points).assign_attrs(system=system)


def a_charge(ds):
    Q, density, _ = charges(resample(ds["P"].values, 5 * N), 1e-6)
    both = np.column_stack([Q, Q.sum(axis=1)])[None]
    return xr.Dataset(
        {"q": (("i", "j"), density[::5, ::5]), "Q": (("grid", "method", "region"), both)},
        coords={
            "grid": [5 * N],
            "method": ["finite_difference", "berg_luscher", "sign_rule"],
            "region": ["N", "M", "total"],
        },
    ).merge(ds[["cell", "point_x", "point_y"]])


def a_parity(error, split="stackings", family="AA", kind="zero_field"):
    settings = {"family": family, "kind": kind, "split": split}
    dft = np.zeros((4, 3))
    return xr.Dataset(
        {
            "dft": (("sample", "xyz"), dft),
            "model": (("sample", "xyz"), dft + np.array([0, 0, error, error])[:, None]),
            "split": ("sample", ["train", "train", "validation", "validation"]),
        },
        attrs={"settings": json.dumps(settings)},
    )


def verdict(name, maps=(), charge=None, parities=()):
    results = Results(
        maps={ds.attrs["system"]: ds for ds in maps},
        charges={} if charge is None else {"AA_twist-21-22": charge},
        parities=list(parities),
    )
    return judge(name, results)["verdict"]


def test_every_claim_of_the_table_is_known(root, tmp_path):
    """One row for every id, in the table's order; without results all are `not yet`."""
    evaluate_claims(root / "resources" / "claims.yaml", tmp_path / "claims.csv")
    table = yaml.safe_load((root / "resources" / "claims.yaml").read_text())
    with open(tmp_path / "claims.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [e["id"] for part in table.values() for e in part]
    assert list(rows[0]) == ["id", "claim", "paper", "ours", "unit", "verdict", "how"]
    assert {row["verdict"] for row in rows} == {"not yet"}
    assert set(CLAIMS) <= {row["id"] for row in rows}


CONFIGURATION = ["F1-zero-G", "F1-MN", "F1-lines", "F1-ABC", "F1-magnitude"]


@pytest.mark.parametrize("name", CONFIGURATION)
def test_the_ideal_configuration_space_reproduces(name):
    assert verdict(name, [a_map(first_harmonics())]) == "reproduced"


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("F1-zero-G", first_harmonics(offset=1e-4)),
        ("F1-MN", first_harmonics(offset=1e-4)),
        ("F1-MN", first_harmonics(perp=0.0)),
        ("F1-lines", first_harmonics(offset=-1e-4)),
        ("F1-lines", first_harmonics(par=0.0)),
        ("F1-ABC", np.roll(first_harmonics(), 6, axis=3)),
        ("F1-magnitude", first_harmonics(perp=3e-4)),
        ("F1-zero-G", np.full((2, 3, N, N), np.nan)),
    ],
)
def test_a_damaged_configuration_space_does_not(name, damaged):
    assert verdict(name, [a_map(damaged)]) == "not reproduced"


def test_layers_cancel_where_the_paper_says_so():
    AA, none = a_map(first_harmonics()), first_harmonics(perp=0, par=0)
    assert verdict("F1-layers", [AA]) == "not yet"
    assert verdict("F1-layers", [AA, a_map(none, "configuration_AAp")]) == "reproduced"
    wrong = a_map(first_harmonics(), "configuration_AAp")
    assert verdict("F1-layers", [AA, wrong]) == "not reproduced"
    reversed_AA = a_map(first_harmonics(perp=-3e-3))
    assert verdict("F1-layers", [reversed_AA, a_map(none, "configuration_AAp")]) == (
        "not reproduced"
    )


def test_model_error_is_judged_by_the_strict_split():
    assert verdict("F1f-mae", parities=[a_parity(1e-5, "copies")]) == "not yet"
    both = [a_parity(1e-6, "copies"), a_parity(4e-5)]
    assert verdict("F1f-mae", parities=both) == "not reproduced"
    assert verdict("F1f-mae", parities=[a_parity(3e-5)]) == "reproduced"
    assert verdict("F1f-mae", parities=[a_parity(1e-6, kind="response")]) == "not yet"


@pytest.mark.parametrize("matrix", [((1, 0), (0, 1)), ((0, -1), (1, 1)), ((-1, 0), (0, -1))])
def test_stacking_matrix_is_found_from_the_points(matrix):
    assert (stacking_matrix(a_map(first_harmonics(), matrix=matrix)) == matrix).all()


def test_maps_must_approach_the_configuration_space():
    turn = np.array([[0, -1], [1, 1]])  # tau = turn (u, v), as in a twisted cell
    i, j = np.einsum("ab,bij->aij", turn, np.indices((N, N))) % N
    mapped = first_harmonics()[:, :, i, j]
    configuration = a_map(first_harmonics())
    near = a_map(1.01 * mapped, "AA_twist-21-22", turn)
    far = a_map(1.2 * mapped, "AA_twist-5-6", turn)
    assert verdict("F2-map", [configuration, near]) == "not yet"
    assert verdict("F2-map", [configuration, near, far]) == "reproduced"
    swapped = [
        near.assign_attrs(system="AA_twist-5-6"),
        far.assign_attrs(system="AA_twist-21-22"),
    ]
    assert verdict("F2-map", [configuration, *swapped]) == "not reproduced"


def test_half_charges_need_a_zero_on_the_edges():
    assert verdict("F2-Q", charge=a_charge(a_map(first_harmonics()))) == "reproduced"
    shifted = a_charge(a_map(first_harmonics(offset=3e-4)))
    assert verdict("F2-Q", charge=shifted) == "not reproduced"


def test_charge_density_lies_near_M_and_N():
    assert verdict("F2-q-zero", charge=a_charge(a_map(first_harmonics()))) == "reproduced"
    shifted = a_charge(a_map(first_harmonics(offset=3e-4)))
    assert verdict("F2-q-zero", charge=shifted) == "not reproduced"
