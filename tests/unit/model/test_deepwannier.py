"""Dipole models: deepmd-kit's network, what it learns, who predicts what."""

import json

import numpy as np
import pytest
import xarray as xr

from moirepol.errors import JobError
from moirepol.model import committee, splits, targets
from moirepol.model import neighbours as nn
from moirepol.model.calibration import Calibration
from moirepol.model.gauss_newton import distinct
from moirepol.model.local_stacking import LocalStackingNeighbours
from moirepol.model.neighbours import Neighbours
from moirepol.physics.gradient import DisplacementGradient
from moirepol.physics.long_range import LongRange
from moirepol.predictor import NetworkTerm, Predictor
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames
from support import ROOT
from support.networks import SLIDES, SPECIES, A, D, labelled, member


@pytest.fixture(scope="module")
def trained():
    return member([labelled(name) for name in SLIDES])


def test_jacobian_is_the_derivative(trained):
    network = trained[2].network
    near = nn.Neighbours(build("AA_twist-1-2", A, D), SPECIES, 6.0).of(np.arange(4, 10))
    value, jacobian = network.jacobian(near)
    np.testing.assert_allclose(value, network.dipoles(near), atol=1e-13)
    weights = network.weights
    direction = np.random.default_rng(0).normal(size=weights.size)
    step = 1e-6
    sides = []
    for sign in (1, -1):
        network.weights = weights + sign * step * direction
        sides.append(network.dipoles(near))
    network.weights = weights
    np.testing.assert_allclose(jacobian @ direction, (sides[0] - sides[1]) / 2 / step, atol=1e-7)


def test_agrees_with_deepmd_kit(trained, tmp_path):
    from deepmd.infer.deep_dipole import DeepDipole

    path = tmp_path / "model.dp"
    committee.save(trained[0], path)
    (loaded,) = committee.committee([path])
    atoms = build("AA_slide-1-2-5_strain-2.00", A, D)
    scale = loaded.info["scale"]
    theirs = DeepDipole(str(path)).eval(
        atoms.positions.reshape(1, -1),
        atoms.cell.array.reshape(1, 9),
        [SPECIES.index(symbol) for symbol in atoms.get_chemical_symbols()],
        atomic=True,
    )[0]
    (ours,) = committee.evaluate([loaded], atoms)
    np.testing.assert_allclose(ours, theirs[atoms.sites] / scale, atol=1e-10)


def test_learns_to_the_noise_and_interpolates(trained):
    assert trained[1][-1]["rmse_train"] < 3e-5
    unseen = labelled("AA_slide-1-4-10")
    error = np.abs(
        committee.evaluate([trained[2]], unseen)[0] - unseen.arrays["dipole"][unseen.sites]
    )
    assert error.mean() < 1e-4


def test_distinct_environments_are_counted_once(trained):
    atoms = build("AA_twist-1-2", A, D)
    near = nn.Neighbours(atoms, SPECIES, 6.0).of(atoms.sites)
    # D3 with C2 axes that swap the layers: six copies of each general N, of 14.
    assert len(distinct(trained[2].network, near)) < 5


@pytest.mark.parametrize("angle_deg", [1.5, 21.8, 37.0])
def test_the_network_is_blind_to_a_twist(trained, angle_deg):
    """A turn of the other layer turns the dipole alike, at any angle: see docs/methods.md."""
    network = trained[2].network
    atoms = build("AA_slide-1-2-7", A, D)
    near = nn.Neighbours(atoms, SPECIES, 6.0).of(atoms.sites[-1:])
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    turned = nn.Environments(
        [
            np.where(
                np.isfinite(v) & (np.abs(v[..., 2:]) > 1), np.where(np.isfinite(v), v, 0) @ turn, v
            )
            for v in near.vectors
        ]
    )
    np.testing.assert_allclose(network.invariants(turned), network.invariants(near), atol=1e-12)
    np.testing.assert_allclose(
        network.dipoles(turned), network.dipoles(near) @ turn, atol=1e-12, rtol=1e-9
    )


def test_twisted_cells_keep_their_symmetry(trained):
    atoms = build("AA_twist-2-3", A, D)
    (dipole,) = committee.evaluate([trained[2]], atoms)
    np.testing.assert_allclose(dipole.sum(axis=0), 0, atol=1e-12)


@pytest.mark.slow
def test_first_order_trainer_is_deepmd_kit_itself(tmp_path):
    frames = [labelled(name) for name in SLIDES[:3]]
    adam = {
        "optimizer": "adam",
        "steps": 20,
        "learning_rate_start": 1e-2,
        "learning_rate_end": 1e-6,
        "batch_size": 1,
    }
    data, course, trained = member(frames, **adam)
    committee.save(data, tmp_path / "model.dp")
    assert course[-1]["step"] == 20
    assert course[-1]["rmse_train"] > 0
    assert np.isfinite(committee.evaluate([trained], frames[0])[0]).all()


@pytest.mark.slow
def test_frozen_and_compressed_models_agree(trained, tmp_path):
    from deepmd.infer.deep_dipole import DeepDipole

    committee.save(trained[0], tmp_path / "model.dp")
    names = tmp_path / "model.pb", tmp_path / "small.pb"
    committee.freeze(tmp_path / "model.dp", *names)
    atoms = build("AA_twist-1-2", A, D)
    (ours,) = committee.evaluate([trained[2]], atoms)
    types = [SPECIES.index(symbol) for symbol in atoms.get_chemical_symbols()]
    for name in names:
        theirs = DeepDipole(str(name)).eval(
            atoms.positions.reshape(1, -1), atoms.cell.array.reshape(1, 9), types, atomic=True
        )[0]
        scaled = theirs[atoms.sites] / trained[2].info["scale"]
        np.testing.assert_allclose(ours, scaled, atol=1e-10)


def test_targets_match_fields_by_name():
    frames = [labelled(f"AA_slide-0-1-5{end}") for end in ("", "_field+0.0200", "_field-0.0200")]
    frames.append(labelled("AA_slide-1-2-5_field+0.0200"))
    p = frames[0].arrays["dipole"]
    (zero,) = targets.targets(frames, "AA", "zero_field", 0.0)
    np.testing.assert_array_equal(zero.arrays["dipole"], p)
    (response,) = targets.targets(frames, "AA", "response", 0.02)
    z = np.where(frames[0].layer == 1, 1.0, -1.0)[:, None] * [0, 0, 0.06]
    np.testing.assert_allclose(response.arrays["dipole"], 0.02 * (6 * p + z), atol=1e-12)
    (curvature,) = targets.targets(frames, "AA", "curvature", 0.02)
    np.testing.assert_allclose(curvature.arrays["dipole"], 0.02**2 * p, atol=1e-12)
    with pytest.raises(JobError, match="no labels"):
        targets.targets(frames, "AAp", "zero_field", 0.0)


def test_the_exchange_of_layers_gives_the_label_in_the_opposite_field():
    frames = read_frames(ROOT / "resources/labels/aa_field.nc")
    upward = [frame for frame in frames if frame.field_V_per_A == 0.02]
    both, one = (
        {frame.name: frame for frame in targets.targets(found, "AA", "response", 0.02)}
        for found in (frames, upward)
    )
    assert set(one) == set(both)
    for name, frame in one.items():
        assert frame.dipoles == pytest.approx(both[name].dipoles, abs=2e-5)
        assert np.abs(frame.dipoles).max() > 1e-4


def test_a_predictor_says_what_it_lacks():
    term = NetworkTerm("zero_field", [])
    assert Predictor([term]).lacks == (
        "the long-range electrostatics, the displacement gradient, "
        "a calibration of the error on moiré cells"
    )
    calibrated = DisplacementGradient(xr.Dataset(), "", Calibration((1.0, 1.0), 1.0))
    full = [term, LongRange(0.4), calibrated]
    assert Predictor(full).lacks == ""


def test_any_field_from_three_models():
    names = [f"{name}{end}" for name in SLIDES for end in ("", "_field+0.0200", "_field-0.0200")]
    frames = [labelled(name) for name in names]
    models = {}
    for kind, field in (("zero_field", 0.0), ("response", 0.02), ("curvature", 0.02)):
        learned = targets.targets(frames, "AA", kind, field)
        models[kind] = [member(learned, seed, kind, field)[2] for seed in (0, 1)]
    wanted = labelled("AA_slide-1-2-5_field+0.0300")
    predictor = Predictor([NetworkTerm(kind, members) for kind, members in models.items()])
    got = predictor.dipoles(build("AA_slide-1-2-5_field+0.0300", A, D))
    assert np.nanmax(np.abs(got.arrays["dipole"] - wanted.arrays["dipole"])) < 2e-4
    assert np.nanmax(got.arrays["dipole_error"]) < 2e-4
    assert np.isnan(got.arrays["dipole"][got.numbers == 5]).all()
    with pytest.raises(JobError, match="no response model"):
        Predictor(predictor.terms[:1]).dipoles(wanted)


def test_no_stacking_on_both_sides():
    names = [name + end for name in SLIDES for end in ("", "_strain+1.00", "_d3.400")]
    frames = [labelled(name) for name in [*names, "AA_twist-1-2"]]
    held_out = []
    for fold in range(3):
        known, validation = splits.split_frames(frames, "stackings", 3, fold)
        assert len(known) + len(validation) == len(frames)
        assert not {splits.stacking(f) for f in known} & {splits.stacking(f) for f in validation}
        held_out += [frame.name for frame in validation]
    assert sorted(held_out) == sorted(frame.name for frame in frames)


def test_moire_cells_are_left_out_one_by_one():
    cells = ["AA_twist-1-2", "AA_twist-2-3", "AA_mismatch-4-5"]
    frames = [labelled(name) for name in [*SLIDES, *cells]]
    left_out = []
    for fold in range(3):
        known, validation = splits.split_frames(frames, "cells", 3, fold)
        assert sum(splits.is_slide(frame) for frame in known) == len(SLIDES)
        left_out += [frame.name for frame in validation]
    assert sorted(left_out) == sorted(cells)


def test_copies_lie_on_both_sides():
    known, validation = splits.split_frames([labelled(name) for name in SLIDES], "copies", 5, 0)
    assert len(known) + len(validation) == 25
    assert {splits.stacking(f) for f in known} & {splits.stacking(f) for f in validation}


def test_equivalent_slides_have_one_name():
    names = ("AA_slide-0-1-5", "AA_slide-4-1-5", "AA_slide-8-0-10", "AA_slide-0-2-10_strain+1.00")
    assert len({splits.stacking(build(name, A, D)) for name in names}) == 1
    assert splits.stacking(build("AA_slide-1-2-5", A, D)) != splits.stacking(
        build("AA_slide-0-1-5", A, D)
    )


def test_images_across_the_cell_are_found():
    slide = build("AA_slide-1-2-5", A, D)
    big = slide.repeat((3, 3, 1))
    one = nn.Neighbours(slide, SPECIES, 6.0).of(slide.sites)
    many = nn.Neighbours(big, SPECIES, 6.0).of(big.sites[:2])
    for a, b in zip(one.vectors, many.vectors, strict=True):
        lengths = [np.sort(np.linalg.norm(v, axis=-1), axis=1) for v in (a, b)]
        np.testing.assert_allclose(*lengths, atol=1e-9)


def change(atoms, **info):
    atoms.info.update(info)
    return atoms


def raised(atoms):
    atoms.positions[0, 2] += 0.1
    return atoms


def thin(atoms):
    atoms.cell[2, 2] = 9.0
    return atoms


def single_layer(atoms):
    return atoms[atoms.layer == 1]


def strange(atoms):
    atoms.symbols[0] = "C"
    return atoms


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (raised, "two flat layers"),
        (thin, "too thin"),
        (strange, "found is C"),
        (lambda atoms: change(atoms, family="AAp"), "of family AAp"),
        (single_layer, "two flat layers"),
    ],
)
def test_structures_outside_the_model_are_rejected(trained, spoil, message):
    atoms = spoil(build("AA_slide-1-2-5", A, D))
    with pytest.raises(JobError, match=message):
        committee.evaluate([trained[2]], atoms)


def test_a_model_of_another_kind_is_rejected(trained):
    with pytest.raises(JobError, match="expected a response model, found a zero_field model"):
        NetworkTerm("response", [trained[2]])


def test_members_of_different_fields_are_rejected(trained, tmp_path):
    for name, field in (("0.dp", 0.02), ("1.dp", 0.01)):
        info = json.loads(trained[0]["moirepol"]) | {"kind": "response", "field_V_per_A": field}
        committee.save(trained[0] | {"moirepol": json.dumps(info)}, tmp_path / name)
    with pytest.raises(JobError, match="differ in field_V_per_A"):
        committee.committee([tmp_path / "0.dp", tmp_path / "1.dp"])


def test_a_model_remembers_what_it_was_trained_on(trained, tmp_path):
    committee.save(trained[0], tmp_path / "model.dp")
    member = committee.load(tmp_path / "model.dp")
    assert [name.decode() for name in member.names] == [build(n, A, D).name for n in SLIDES]
    assert member.has_seen(member.names[0].decode())
    assert not member.has_seen("AA_twist-1-2")


def test_a_model_file_is_read_as_by_deepmd_kit(trained, tmp_path):
    committee.save(trained[0], tmp_path / "model.dp")
    ours = committee.read(tmp_path / "model.dp")
    from deepmd.dpmodel.utils.serialization import load_dp_model

    np.testing.assert_equal(ours, load_dp_model(str(tmp_path / "model.dp")))


def test_a_committee_is_of_one_kind(trained, tmp_path):
    committee.save(trained[0], tmp_path / "0.dp")
    other = json.loads(trained[0]["moirepol"]) | {"kind": "response"}
    committee.save(trained[0] | {"moirepol": json.dumps(other)}, tmp_path / "1.dp")
    with pytest.raises(JobError, match="differ in kind"):
        committee.committee([tmp_path / "0.dp", tmp_path / "1.dp"])
    (tmp_path / "2.dp").write_text("nothing")
    with pytest.raises(JobError, match="no dipole model"):
        committee.load(tmp_path / "2.dp")


def test_a_twisted_cell_is_its_slides_to_the_network(trained):
    """The network does not depend on the twist. At the atoms' own surroundings it predicts the
    dipoles of the local stackings, in the orientation of the layer that faces the atom."""
    cell = build("AA_twist-2-3", A, D)
    own, slides = (committee.evaluate([trained[2]], cell, local)[0] for local in (False, True))
    half = np.radians(cell.system.twist_angle_deg) / 2 * -cell.site_signs
    c, s = np.cos(half), np.sin(half)
    turned = np.column_stack(
        [c * slides[:, 0] - s * slides[:, 1], s * slides[:, 0] + c * slides[:, 1], slides[:, 2]]
    )
    np.testing.assert_allclose(own, turned, atol=1e-12)
    assert np.ptp(own, axis=0).max() > 1e-4


@pytest.mark.parametrize("name", ["AA_mismatch-4-5", "AAp_mismatch-5-4", "AA_mismatch-3-4_d3.500"])
def test_local_stackings_are_the_slides(name):
    """Every N atom has the surroundings of the slide of its stacking, as `build` makes it."""
    atoms = build(name, A, D)
    found = LocalStackingNeighbours(atoms, SPECIES, 6.0).of(atoms.sites)
    for index, (i, tau) in enumerate(zip(atoms.sites, atoms.site_stackings, strict=True)):
        slide = build(f"{atoms.family}_slide-0-0-1", A, np.ptp(atoms.positions[:, 2]))
        slide.positions[slide.layer == 1, :2] += tau @ slide.cell.array[:2, :2]
        own = np.flatnonzero(slide.is_site & (slide.layer == atoms.layer[i]))
        wanted = Neighbours(slide, SPECIES, 6.0).of(own)
        for here, there in zip(found.vectors, wanted.vectors, strict=True):
            a, b = (by_place(v) for v in (here[index], there[0]))
            np.testing.assert_allclose(a, b, atol=1e-9)


def test_layers_of_three_atoms_have_all_neighbours():
    """A local stacking contains both S atoms of a layer of MoS2."""
    atoms = build("MoS2-AA_slide-1-2-5", 3.16, 6.12)
    species = ("Mo", "S")
    found = LocalStackingNeighbours(atoms, species, 8.0).of(atoms.sites)
    wanted = Neighbours(atoms, species, 8.0).of(atoms.sites)
    for site in range(len(atoms.sites)):
        for here, there in zip(found.vectors, wanted.vectors, strict=True):
            np.testing.assert_allclose(by_place(here[site]), by_place(there[site]), atol=1e-8)


def by_place(vectors):
    vectors = vectors[np.isfinite(vectors[:, 0])].round(9)
    return vectors[np.lexsort(vectors.T)]
