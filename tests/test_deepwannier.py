"""Dipole models: deepmd-kit's network, what it learns, who predicts what."""

import json

import numpy as np
import pytest

from moirepol.errors import JobError
from moirepol.model import deepwannier as dw
from moirepol.model import network as nn
from moirepol.model.domain import LIMIT_A
from moirepol.physics.heterostrain import TERMS
from moirepol.structure.building import SPECIES, build, distinct_slides

A, D = 2.51, 3.33
PROTOCOL = {
    "optimizer": "gauss_newton",
    "steps": 40,
    "label_noise_eA": 1e-5,
    "label_scale": 100,
    "row_gain": 3,
    "rcut_A": 6.0,
    "rcut_smooth_A": 1.0,
    "descriptor_neurons": [4, 8],
    "axis_neurons": 4,
    "fitting_neurons": [12, 12],
}


def field_of_vectors(atoms):
    """A polar vector for every N that depends on its surroundings alone, e.A."""
    vectors = nn.Neighbours(atoms, SPECIES, 5.0).of(dw.nitrogens(atoms)).vectors
    dipole = np.zeros((len(vectors[0]), 3))
    for vector, weight in zip(vectors, (1.0, -0.7), strict=True):
        r = np.linalg.norm(vector, axis=-1, keepdims=True)
        near = np.isfinite(r)
        decay = np.where(near, np.exp(-np.where(near, r, 0) / 1.2), 0) * (1 - np.minimum(r / 5, 1))
        dipole += 0.02 * weight * (np.where(near, vector, 0) * decay).sum(axis=1)
    return dipole


def labelled(name, response=0.0):
    """A bilayer with dipoles p + E s (6 p + 0.06 z) + E^2 p of `field_of_vectors`."""
    atoms = build(name, A, D)
    field, sign = atoms.info["field_V_per_A"], dw.layer_sign(atoms)[:, None]
    p = np.full((len(atoms), 3), np.nan)
    p[dw.nitrogens(atoms)] = field_of_vectors(atoms)
    atoms.set_array("dipole", p + field * (sign * 6 * p + [0, 0, 0.06]) + field**2 * p)
    return atoms


SLIDES = [f"AA_slide-{i}-{j}-5" for i, j in distinct_slides(5, "AA")]


def member(frames, seed=0, kind="zero_field", field=0.0, **protocol):
    info = {"family": "AA", "kind": kind, "field_V_per_A": field, "seed": seed}
    data, course = dw.train(frames, frames[:1], PROTOCOL | protocol, seed, info)
    return data, course, dw.member_of(data)


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
    dw.save(trained[0], path)
    (loaded,) = dw.committee([path])
    atoms = build("AA_slide-1-2-5_strain-2.00", A, D)
    scale = loaded.info["scale"]
    theirs = DeepDipole(str(path)).eval(
        atoms.positions.reshape(1, -1),
        atoms.cell.array.reshape(1, 9),
        [SPECIES.index(symbol) for symbol in atoms.get_chemical_symbols()],
        atomic=True,
    )[0]
    (ours,) = dw.ask([loaded], atoms)
    np.testing.assert_allclose(ours, theirs[dw.nitrogens(atoms)] / scale, atol=1e-10)


def test_learns_to_the_noise_and_interpolates(trained):
    assert trained[1][-1]["rmse_train"] < 3e-5
    unseen = labelled("AA_slide-1-4-10")
    error = np.abs(dw.ask([trained[2]], unseen)[0] - unseen.arrays["dipole"][dw.nitrogens(unseen)])
    assert error.mean() < 1e-4


def test_distinct_environments_are_counted_once(trained):
    atoms = build("AA_twist-1-2", A, D)
    near = nn.Neighbours(atoms, SPECIES, 6.0).of(dw.nitrogens(atoms))
    # D3 with C2 axes that swap the layers: six copies of each general N, of 14.
    assert len(nn.distinct(trained[2].network, near)) < 5


@pytest.mark.parametrize("angle_deg", [1.5, 21.8, 37.0])
def test_the_network_is_blind_to_a_twist(trained, angle_deg):
    """A turn of the other layer turns the dipole alike, at any angle: see docs/methods.md."""
    network = trained[2].network
    atoms = build("AA_slide-1-2-7", A, D)
    near = nn.Neighbours(atoms, SPECIES, 6.0).of(dw.nitrogens(atoms)[-1:])
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
    (dipole,) = dw.ask([trained[2]], atoms)
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
    dw.save(data, tmp_path / "model.dp")
    assert course[-1]["step"] == 20
    assert course[-1]["rmse_train"] > 0
    assert np.isfinite(dw.ask([trained], frames[0])[0]).all()


@pytest.mark.slow
def test_frozen_and_compressed_models_agree(trained, tmp_path):
    from deepmd.infer.deep_dipole import DeepDipole

    dw.save(trained[0], tmp_path / "model.dp")
    names = tmp_path / "model.pb", tmp_path / "small.pb"
    dw.freeze(tmp_path / "model.dp", *names)
    atoms = build("AA_twist-1-2", A, D)
    (ours,) = dw.ask([trained[2]], atoms)
    types = [SPECIES.index(symbol) for symbol in atoms.get_chemical_symbols()]
    for name in names:
        theirs = DeepDipole(str(name)).eval(
            atoms.positions.reshape(1, -1), atoms.cell.array.reshape(1, 9), types, atomic=True
        )[0]
        scaled = theirs[dw.nitrogens(atoms)] / trained[2].info["scale"]
        np.testing.assert_allclose(ours, scaled, atol=1e-10)


def test_targets_match_fields_by_name():
    frames = [labelled(f"AA_slide-0-1-5{end}") for end in ("", "_field+0.0200", "_field-0.0200")]
    frames.append(labelled("AA_slide-1-2-5_field+0.0200"))
    p = frames[0].arrays["dipole"]
    (zero,) = dw.targets(frames, "AA", "zero_field", 0.0)
    np.testing.assert_array_equal(zero.arrays["dipole"], p)
    (response,) = dw.targets(frames, "AA", "response", 0.02)
    z = dw.layer_sign(frames[0])[:, None] * [0, 0, 0.06]
    np.testing.assert_allclose(response.arrays["dipole"], 0.02 * (6 * p + z), atol=1e-12)
    (curvature,) = dw.targets(frames, "AA", "curvature", 0.02)
    np.testing.assert_allclose(curvature.arrays["dipole"], 0.02**2 * p, atol=1e-12)
    with pytest.raises(JobError, match="no labels"):
        dw.targets(frames, "AAp", "zero_field", 0.0)


def test_any_field_from_three_models():
    names = [f"{name}{end}" for name in SLIDES for end in ("", "_field+0.0200", "_field-0.0200")]
    frames = [labelled(name) for name in names]
    models = {}
    for kind, field in (("zero_field", 0.0), ("response", 0.02), ("curvature", 0.02)):
        learned = dw.targets(frames, "AA", kind, field)
        models[kind] = [member(learned, seed, kind, field)[2] for seed in (0, 1)]
    wanted = labelled("AA_slide-1-2-5_field+0.0300")
    got = dw.predict(build("AA_slide-1-2-5_field+0.0300", A, D), models)
    assert np.nanmax(np.abs(got.arrays["dipole"] - wanted.arrays["dipole"])) < 2e-4
    assert np.nanmax(got.arrays["dipole_spread"]) < 2e-4
    assert np.isnan(got.arrays["dipole"][got.numbers == 5]).all()
    with pytest.raises(JobError, match="no response model"):
        dw.predict(wanted, {"zero_field": models["zero_field"]})


def test_no_stacking_on_both_sides():
    names = [name + end for name in SLIDES for end in ("", "_strain+1.00", "_d3.400")]
    frames = [labelled(name) for name in [*names, "AA_twist-1-2"]]
    held_out = []
    for fold in range(3):
        known, judges = dw.split_frames(frames, "stackings", 3, fold)
        assert len(known) + len(judges) == len(frames)
        assert not {dw.stacking(f) for f in known} & {dw.stacking(f) for f in judges}
        held_out += [frame.info["name"] for frame in judges]
    assert sorted(held_out) == sorted(frame.info["name"] for frame in frames)


def test_moire_cells_are_left_out_one_by_one():
    cells = ["AA_twist-1-2", "AA_twist-2-3", "AA_mismatch-4-5"]
    frames = [labelled(name) for name in [*SLIDES, *cells]]
    left_out = []
    for member in range(3):
        known, judges = dw.split_frames(frames, "cells", 3, member)
        assert sum(dw.is_slide(frame) for frame in known) == len(SLIDES)
        left_out += [frame.info["name"] for frame in judges]
    assert sorted(left_out) == sorted(cells)


def test_copies_lie_on_both_sides():
    known, judges = dw.split_frames([labelled(name) for name in SLIDES], "copies", 5, 0)
    assert len(known) + len(judges) == 25
    assert {dw.stacking(f) for f in known} & {dw.stacking(f) for f in judges}


def test_equivalent_slides_have_one_name():
    names = ("AA_slide-0-1-5", "AA_slide-4-1-5", "AA_slide-8-0-10", "AA_slide-0-2-10_strain+1.00")
    assert len({dw.stacking(build(name, A, D)) for name in names}) == 1
    assert dw.stacking(build("AA_slide-1-2-5", A, D)) != dw.stacking(build("AA_slide-0-1-5", A, D))


def test_images_across_the_cell_are_found():
    slide = build("AA_slide-1-2-5", A, D)
    big = slide.repeat((3, 3, 1))
    one = nn.Neighbours(slide, SPECIES, 6.0).of(dw.nitrogens(slide))
    many = nn.Neighbours(big, SPECIES, 6.0).of(dw.nitrogens(big)[:2])
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
    return atoms[atoms.arrays["layer"] == 1]


def nameless_layers(atoms):
    del atoms.arrays["layer"]
    return atoms


def strange(atoms):
    atoms.symbols[0] = "C"
    return atoms


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (raised, "two flat layers"),
        (thin, "too thin"),
        (strange, "not C"),
        (lambda atoms: change(atoms, family="AAp"), "of family AAp"),
        (single_layer, "two flat layers"),
        (nameless_layers, "no array 'layer'"),
    ],
)
def test_structures_outside_the_model_are_refused(trained, spoil, message):
    atoms = spoil(build("AA_slide-1-2-5", A, D))
    with pytest.raises(JobError, match=message):
        dw.ask([trained[2]], atoms)


def test_a_model_of_another_kind_is_refused(trained):
    atoms = build("AA_slide-1-2-5_field+0.0200", A, D)
    with pytest.raises(JobError, match="wanted is a response model, this is one of zero_field"):
        dw.predict(atoms, {"zero_field": [trained[2]], "response": [trained[2]]})


def test_members_of_different_fields_are_refused(trained, tmp_path):
    for name, field in (("0.dp", 0.02), ("1.dp", 0.01)):
        info = json.loads(trained[0]["moirepol"]) | {"kind": "response", "field_V_per_A": field}
        dw.save(trained[0] | {"moirepol": json.dumps(info)}, tmp_path / name)
    with pytest.raises(JobError, match="differ in field_V_per_A"):
        dw.committee([tmp_path / "0.dp", tmp_path / "1.dp"])


def test_a_model_remembers_what_it_was_trained_on(trained, tmp_path):
    dw.save(trained[0], tmp_path / "model.dp")
    known = dw.load(tmp_path / "model.dp").known
    assert [name.decode() for name in known["names"]] == [
        build(n, A, D).info["name"] for n in SLIDES
    ]
    far, near = (
        dw.predict(build(name, A, D), {"zero_field": [trained[2]]})
        for name in ("AA_twist-1-2", SLIDES[1])
    )
    assert far.info["deformation_A"] > LIMIT_A > near.info["deformation_A"]
    assert np.nanmax(near.arrays["environment_distance"]) < 1e-6


def test_a_committee_is_of_one_kind(trained, tmp_path):
    dw.save(trained[0], tmp_path / "0.dp")
    other = json.loads(trained[0]["moirepol"]) | {"kind": "response"}
    dw.save(trained[0] | {"moirepol": json.dumps(other)}, tmp_path / "1.dp")
    with pytest.raises(JobError, match="differ in kind"):
        dw.committee([tmp_path / "0.dp", tmp_path / "1.dp"])
    (tmp_path / "2.dp").write_text("nothing")
    with pytest.raises(JobError, match="no dipole model"):
        dw.load(tmp_path / "2.dp")


def test_a_twisted_cell_is_its_slides_to_the_network(trained):
    """Blind to the twist, the network says of slides of the local stacking what it says anyway."""
    cell = build("AA_twist-2-3", A, D)
    own, slides = (dw.ask([trained[2]], cell, as_slides) for as_slides in (False, True))
    np.testing.assert_allclose(own, slides, atol=1e-12)
    assert np.ptp(own, axis=1).max() > 1e-4


def test_strain_between_the_layers_is_added_to_slides(trained):
    cell = build("AA_mismatch-4-5", A, D)
    order = np.zeros((2, len(TERMS), 3))
    order[:, 0, 2] = 1e-3, 3e-3
    slides = dw.ask([trained[2]], cell, as_slides=True)
    strained = dw.ask_zero_field([trained[2]] * 2, cell, [order, 2 * order])
    layer = cell.arrays["layer"][dw.nitrogens(cell)]
    once = -0.2 * 2 * np.where(layer == 1, 3e-3, 1e-3)  # e, both directions, t
    for part, times in zip(strained, (1, 2), strict=True):
        np.testing.assert_allclose((part - slides[0])[:, 2], times * once, atol=1e-12)
        np.testing.assert_allclose(part[:, :2], slides[0][:, :2], atol=1e-12)
    predicted = dw.predict(cell, {"zero_field": [trained[2]] * 2}, strain_orders=[order, 2 * order])
    found = predicted.arrays["dipole"][dw.nitrogens(cell)]
    np.testing.assert_allclose(found, strained.mean(axis=0), atol=1e-12)
