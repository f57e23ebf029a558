"""The evaluation of the claims, on made-up results in which a claim holds or visibly does not."""

import csv
import json
import re

import numpy as np
import pytest
import xarray as xr
import yaml

from evaluate_claims import evaluate_claims
from moirepol.claims import CLAIMS, Results, evaluate
from moirepol.claims.measures import stacking_matrix
from moirepol.errors import JobError
from moirepol.physics.polarization import resample
from moirepol.physics.topology import charges
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.workflow.provenance import stamp, write_netcdf
from relax_claims import relax_claims
from support import ROOT
from support.maps import N, a_map, first_harmonics

TABLE = ROOT / "resources" / "claims.yaml"


def a_twist(layers, system="AA_twist-21-22"):
    return a_map(layers, system, turn_deg=90)


def a_charge(ds):
    Q, density, _ = charges(resample(ds["P"].values, 5 * N), 1e-6)
    both = np.column_stack([Q, Q.sum(axis=1)])[None]
    return (
        xr.Dataset(
            {
                "charge_density": (("i", "j"), density[::5, ::5]),
                "Q": (("grid", "scheme", "region"), both),
            },
            coords={
                "grid": [5 * N],
                "scheme": ["finite_difference", "berg_luscher", "sign_rule"],
                "region": ["N", "M", "total"],
            },
        )
        .merge(ds[["cell", "point_x", "point_y"]])
        .assign_attrs(ds.attrs)
    )


def a_parity(error, split="stackings", family="AA", kind="zero_field"):
    settings = {"family": family, "kind": kind, "split": split}
    dft = np.zeros((4, 3))
    return xr.Dataset(
        {
            "dft": (("sample", "component"), dft),
            "model": (("sample", "component"), dft + np.array([0, 0, error, error])[:, None]),
            "split": ("sample", ["train", "train", "validation", "validation"]),
        },
        attrs={"settings": json.dumps(settings)},
    )


def paper_of(name):
    """The paper's own value of a claim."""
    table = yaml.safe_load(TABLE.read_text())
    return next(e.get("paper") for part in table.values() for e in part if e["id"] == name)


def row_of(name, maps=(), charged=(), frames=(), labels=(), parities=(), **more):
    results = Results(
        maps={ds.attrs["system"]: ds for ds in (*maps, *charged)},
        charges={ds.attrs["system"]: a_charge(ds) for ds in charged},
        dipoles={frame.name: frame for frame in frames},
        labels={frame.name: frame for frame in labels},
        parities=list(parities),
        studies=more.get("studies", {}),
    )
    return evaluate(name, results, more.get("paper", paper_of(name)))


def verdict(name, *results, **more):
    return row_of(name, *results, **more)["verdict"]


def test_every_claim_of_the_table_is_known(root, tmp_path):
    """One row for every id, in the table's order; without results all are `not yet`."""
    evaluate_claims(root / "resources" / "claims.yaml", tmp_path / "claims.csv")
    table = yaml.safe_load((root / "resources" / "claims.yaml").read_text())
    with open(tmp_path / "claims.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [e["id"] for part in table.values() for e in part]
    assert list(rows[0]) == [
        *("id", "claim", "paper", "ours", "unit", "verdict", "error", "figure", "how")
    ]
    assert {row["verdict"] for row in rows} == {"not yet"}
    assert list(CLAIMS) == [row["id"] for row in rows]


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


def test_model_error_comes_from_the_strict_split():
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
    assert verdict("F2-Q", charged=[a_twist(first_harmonics())]) == "reproduced"
    shifted = a_twist(first_harmonics(offset=3e-4))
    assert verdict("F2-Q", charged=[shifted]) == "not reproduced"
    neel = a_map(first_harmonics(), "AA_twist-21-22")
    assert verdict("F2-Q", charged=[neel]) == "not reproduced"


def test_charge_density_lies_near_M_and_N():
    assert verdict("F2-q-zero", charged=[a_twist(first_harmonics())]) == "reproduced"
    shifted = a_twist(first_harmonics(offset=3e-4))
    assert verdict("F2-q-zero", charged=[shifted]) == "not reproduced"


@pytest.mark.parametrize(("error", "expected"), [(8e-5, "reproduced"), (2e-4, "not reproduced")])
def test_error_at_6_degrees_is_of_an_unseen_label(error, expected):
    label = dipoles_of("AA_twist-5-6")
    frame = dipoles_of("AA_twist-5-6")
    frame.arrays["dipole"] += error
    frame.set_array("dipole_short_range", frame.arrays["dipole"] + 1.0)
    assert verdict("F2-mae", frames=[frame]) == "not yet"
    row = row_of("F2-mae", frames=[frame], labels=[label])
    assert row["verdict"] == expected
    assert f"prediction {error:.2e} e.A; short range 1.00e+00 e.A" in row["ours"]
    parity = a_parity(3e-6).assign_attrs(model="alike", settings="{}")
    parity["frame"] = "sample", ["AA_twist-5-6"] * 4
    parity["split"] = "sample", ["test"] * 4
    files = {"frames": [frame], "labels": [label]}
    assert "; alike " in row_of("F2-mae", parities=[parity], **files)["ours"]
    ours = row_of("F2-mae", studies={"cells_mine": parity}, **files)["ours"]
    assert "; study cells_mine " in ours
    assert "alike" not in ours


def test_a_study_is_quoted_by_its_own_name(root, tmp_path):
    """Not by the folder that all studies share."""
    paths = {kind: [tmp_path / kind / "AA_twist-5-6.nc"] for kind in ("dipoles", "labels")}
    frames = to_dataset([dipoles_of("AA_twist-5-6")])
    for kind in ("dipoles", "labels"):
        write_netcdf(stamp(frames, kind, {}), paths[kind][0])
    study = a_parity(3e-6).drop_attrs()
    study["frame"] = "sample", ["AA_twist-5-6"] * 4
    study["split"] = "sample", ["test"] * 4
    write_netcdf(stamp(study, "study", {}), tmp_path / "studies" / "cells_mine.nc")
    evaluate_claims(
        TABLE,
        tmp_path / "claims.csv",
        dipoles=paths["dipoles"],
        labels=paths["labels"],
        studies=[tmp_path / "studies" / "cells_mine.nc"],
    )
    with open(tmp_path / "claims.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert "study cells_mine" in rows["F2-mae"]["ours"]
    assert "studies" not in rows["F2-mae"]["ours"]


def test_claims_compare_with_the_value_of_the_table():
    """Another value in the table changes the verdict; without a value there is an error."""
    charged = [strained("AA_mismatch-99-100", offset=3e-4)]
    assert verdict("F3-Q-plus", charged=charged) == "reproduced"
    assert verdict("F3-Q-plus", charged=charged, paper={"Q_N": 0, "Q_M": 1}) == "not reproduced"
    parities = [a_parity(1e-5)]
    assert verdict("F1f-mae", parities=parities, paper=1e-6) == "not reproduced"
    files = {"frames": [dipoles_of("AA_twist-5-6", upper=8.1e-3)]}
    files["labels"] = [dipoles_of("AA_twist-5-6")]
    assert verdict("F2-mae", **files) == "reproduced"
    assert verdict("F2-mae", paper=1e-6, **files) == "not reproduced"
    twist = [a_twist(first_harmonics())]
    assert verdict("F2-Q", charged=twist, paper={"Q_N": 1, "Q_M": -1, "total": 0}) == (
        "not reproduced"
    )
    with pytest.raises(JobError, match="key 'paper' is missing"):
        evaluate("F2-mae", Results())


def test_the_table_has_statements_of_the_paper_alone():
    """No unused key, no file that is not there, no instruction to a reader."""
    text = TABLE.read_text()
    entries = [entry for part in yaml.safe_load(text).values() for entry in part]
    assert {key for entry in entries for key in entry} == {"id", "claim", "paper", "unit"}
    assert not re.search(r"paper\.txt|\byour\b|say so", text)
    with_value = {entry["id"] for entry in entries if "paper" in entry}
    assert with_value == {name for name, claim in CLAIMS.items() if claim.needs_value}


def test_a_label_of_another_structure_is_rejected():
    moved = dipoles_of("AA_twist-5-6")
    moved.positions[:, 0] += 0.5
    with pytest.raises(JobError, match="unlike structures"):
        verdict("F2-mae", frames=[dipoles_of("AA_twist-5-6")], labels=[moved])


def with_members(ds, offsets):
    """A map whose members differ by uniform P_perp."""
    members = np.stack([ds["P"].values] * len(offsets))
    members[:, 2] += np.array(offsets)[:, None, None]
    return ds.assign(P_member=(("member", "component", "i", "j"), members))


def test_members_that_disagree_leave_a_claim_undecided():
    ds = a_map(first_harmonics())
    row = row_of("F1-zero-G", [with_members(ds, [2e-6, 0.0])])
    assert row["verdict"] == "reproduced"
    assert "model: 1.4e-06" in row["error"]
    row = row_of("F1-zero-G", [with_members(ds, [1e-4, 0.0])])
    assert row["verdict"] == "undecided"
    assert "1 of 2 members agree" in row["how"]


def test_a_larger_committee_of_another_map_does_not_change_the_share_of_the_members():
    """Only the maps that a claim reads have members that can agree."""
    members = with_members(a_map(first_harmonics()), [1e-4, 0.0])
    larger = with_members(a_map(first_harmonics()), [0.0] * 6)
    alone, both = (
        row_of("F1-zero-G", [members, *others])
        for others in ((), [larger.assign_attrs(system="AA_twist-1-2")])
    )
    assert "1 of 2 members agree" in alone["how"]
    assert both == alone


def test_numbers_on_half_the_grid_are_an_error():
    sharp = first_harmonics()
    sharp[:, 2, 1, 0] += 1e-3
    row = row_of("F1-lines", [a_map(sharp)])
    assert row["error"].startswith("grid: 2.0e-03")
    assert row_of("F1-lines", [a_map(first_harmonics())])["error"] == ""


def test_every_claim_names_panels_that_are_drawn(root):
    drawn = set(yaml.safe_load((root / "config.yaml").read_text())["figures"])
    assert all(set(claim.figure.split(", ")) <= drawn for claim in CLAIMS.values())


def dipoles_of(system, upper=8e-3, lower=-8e-3):
    frame = build(system, 2.51, 3.33)
    p_z = np.where(frame.layer == 1, upper, lower)
    frame.set_array("dipole", np.column_stack([0 * p_z, 0 * p_z, p_z]))
    return frame


def test_layers_of_a_twist_point_apart():
    layers = first_harmonics()
    swirl = layers[0, :2]
    layers[0, :2], layers[1, :2] = 3 * swirl, -2 * swirl
    opposite = a_twist(layers, "AA_twist-5-6")
    alike = a_twist(first_harmonics(), "AA_twist-5-6")
    frame = dipoles_of("AA_twist-5-6")
    assert verdict("F2-layers", [opposite], frames=[frame]) == "reproduced"
    assert verdict("F2-layers", [alike], frames=[frame]) == "not reproduced"
    down = dipoles_of("AA_twist-5-6", upper=-1e-3)
    assert verdict("F2-layers", [opposite], frames=[down]) == "not reproduced"


def test_vortices_need_opposite_phases_and_extremes():
    assert verdict("F2-vortex", [a_twist(first_harmonics(), "AA_twist-5-6")]) == "reproduced"
    flat = first_harmonics()
    flat[:, 2] = np.abs(flat[:, 2])
    assert verdict("F2-vortex", [a_twist(flat, "AA_twist-5-6")]) == "not reproduced"
    uniform = first_harmonics()
    uniform[:, 0] += 2e-2
    assert verdict("F2-vortex", [a_twist(uniform, "AA_twist-5-6")]) == "not reproduced"


def test_unpaired_atoms_lie_between_the_domains():
    """A matter of the structure alone; with the layers exchanged none is left unpaired."""
    assert verdict("F3-unpaired", frames=[dipoles_of("AA_mismatch-9-10")]) == "reproduced"
    other = dipoles_of("AA_mismatch-10-9")
    other.name = "AA_mismatch-9-10"
    assert verdict("F3-unpaired", frames=[other]) == "not reproduced"


def strained(system, **changes):
    return a_map(first_harmonics(**changes), system)


def test_strain_adds_a_uniform_polarization():
    ideal = a_map(first_harmonics())
    five, one = "AA_mismatch-19-20", "AA_mismatch-99-100"
    shifted = strained(five, offset=-5e-4)
    assert verdict("F3-extra", [ideal, shifted]) == "reproduced"
    assert verdict("F3-extra", [ideal, strained(five)]) == "not reproduced"
    assert verdict("F3-extra", [ideal, strained(five, perp=5e-3)]) == "not reproduced"
    assert verdict("F3-par", [ideal, shifted]) == "reproduced"
    assert verdict("F3-par", [ideal, a_twist(first_harmonics(), five)]) == "not reproduced"
    assert verdict("F3-par", [ideal, strained(five, par=-3.5e-3)]) == "not reproduced"
    assert verdict("F3-decay", [ideal, shifted, strained(one, offset=-1e-4)]) == "reproduced"
    assert verdict("F3-decay", [ideal, shifted, strained(one, offset=-6e-4)]) == "not reproduced"


def test_net_polarization_points_to_the_layer_with_more_cells():
    """Of atoms, not of the map: equal and opposite dipoles add up to the larger number of atoms."""
    plus, minus = "AA_mismatch-99-100", "AA_mismatch-101-100"
    right = [dipoles_of(plus), dipoles_of(minus)]
    assert verdict("F3-net", frames=right[:1]) == "not yet"
    assert verdict("F3-net", frames=right) == "reproduced"
    wrong = [dipoles_of(plus, upper=9e-3), dipoles_of(minus)]
    assert verdict("F3-net", frames=wrong) == "not reproduced"
    p = right[0].arrays["dipole"]
    along_z = np.array([0, 0, 1e-3])
    spread = np.stack([p + along_z, p - along_z], axis=1)
    right[0].set_array("dipole_member", spread)
    assert verdict("F3-net", frames=right) == "undecided"
    labelled = row_of("F3-net", frames=right, labels=[dipoles_of("AA_mismatch-4-5")])
    assert "direct DFT +20 %: -" in labelled["ours"]


def test_a_charge_within_its_error_is_undecided():
    charge = a_charge(strained("AA_mismatch-99-100", offset=3e-4)).assign(Q_model_error=0.5)
    results = Results(charges={"AA_mismatch-99-100": charge})
    row = evaluate("F3-Q-plus", results, paper_of("F3-Q-plus"))
    assert row["verdict"] == "undecided"
    assert row["how"].startswith("The error is larger")


@pytest.mark.parametrize(
    ("name", "system", "right", "wrong"),
    [
        ("F3-Q-plus", "AA_mismatch-99-100", 3e-4, -3e-4),
        ("F3-Q-minus", "AA_mismatch-101-100", -3e-4, 3e-4),
        ("F4-0.02-Q", "AA_twist-30-31_field-0.0200", -3e-4, 3e-4),
        ("F4-0.03-Q", "AA_twist-30-31_field-0.0300", -4e-3, -2e-3),
    ],
)
def test_whole_charges_follow_the_offset(name, system, right, wrong):
    assert verdict(name, charged=[strained(system, offset=right)]) == "reproduced"
    assert verdict(name, charged=[strained(system, offset=wrong)]) == "not reproduced"
    assert verdict(name, charged=[strained(system)]) == "not reproduced"


def test_field_shifts_the_map_as_a_whole():
    before = a_twist(first_harmonics(), "AA_twist-30-31")

    def after(**changes):
        return a_twist(first_harmonics(**changes), "AA_twist-30-31_field-0.0200")

    for name in ("F4-response", "F4-0.02-map"):
        assert verdict(name, [before]) == "not yet"
        assert verdict(name, [before, after(offset=-2e-3)]) == "reproduced"
        assert verdict(name, [before, after(par=5e-3)]) == "not reproduced"
    assert verdict("F4-0.02-map", [before, after(offset=2e-3)]) == "not reproduced"


def test_antiparallel_layers():
    none, weak = first_harmonics(perp=0, par=0), first_harmonics(perp=0, par=4e-4)
    ideal = a_map(first_harmonics())
    slide, small, large = "configuration_AAp", "AAp_twist-20-21", "AAp_twist-5-6"
    assert verdict("F4-AAp-slide", [a_map(none, slide)]) == "reproduced"
    assert verdict("F4-AAp-slide", [a_map(weak, slide)]) == "not reproduced"
    assert verdict("F4-AAp-perp", [a_twist(weak, small)]) == "reproduced"
    assert verdict("F4-AAp-perp", [a_twist(first_harmonics(), small)]) == "not reproduced"
    assert verdict("F4-AAp-par", [ideal, a_twist(weak, small)]) == "reproduced"
    assert verdict("F4-AAp-par", [ideal, a_twist(first_harmonics(), small)]) == "not reproduced"
    strong = first_harmonics(perp=0, par=1e-3)
    right = [a_twist(weak, small), a_twist(strong, large)]
    assert verdict("F4-AAp-theta", right) == "reproduced"
    wrong = [a_twist(strong, small), a_twist(weak, large)]
    assert verdict("F4-AAp-theta", wrong) == "not reproduced"


def test_models_of_field_and_of_antiparallel_layers():
    for name, what in (
        ("F1f-field", {"kind": "response"}),
        ("F1f-AAp", {"family": "AAp"}),
    ):
        assert verdict(name, parities=[a_parity(1e-5)]) == "not yet"
        assert verdict(name, parities=[a_parity(1e-5, **what)]) == "reproduced"
        assert verdict(name, parities=[a_parity(1e-4, **what)]) == "not reproduced"


def test_claims_are_evaluated_with_relaxed_bilayers(tmp_path):
    """Maps of relaxed bilayers stand for rigid ones; claims of Fig. 1 are not among them."""
    configuration = a_map(first_harmonics())
    evaluate_claims(TABLE, tmp_path / "claims.csv")
    maps = []
    for system, factor in (("AA_twist-21-22", 1.01), ("AA_twist-5-6", 1.2)):
        ds = a_map(factor * first_harmonics(), system)
        maps.append(str(tmp_path / f"{system}_relaxed.nc"))
        write_netcdf(stamp(ds.assign_attrs(system=f"{system}_relaxed"), "map"), maps[-1])
    write_netcdf(stamp(configuration, "map"), tmp_path / "configuration_AA.nc")
    relax_claims(
        str(TABLE),
        str(tmp_path / "claims.csv"),
        [str(tmp_path / "configuration_AA.nc")],
        maps,
        [],
        [],
        str(tmp_path / "relaxed.csv"),
    )
    with open(tmp_path / "relaxed.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert not [name for name in rows if name.startswith("F1")]
    assert rows["F2-map"]["relaxed_verdict"] == "reproduced"
    assert rows["F2-map"]["change"] == "not yet -> reproduced"
