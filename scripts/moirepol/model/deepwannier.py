"""Deep-Wannier models: what they learn, from which frames, how they are trained and asked.

A model of either kind maps the surroundings of an N atom onto a polar vector, in e.A:

``zero_field``  p0, the dipole without a field
``response``    s [p(+E) - p(-E)] / 2, with s = +1 in the upper and -1 in the lower layer
``curvature``   [p(+E) + p(-E)] / 2 - p(0)

at the field E of its labels. The mirror that swaps the layers turns E round, so the sign s makes
the response an ordinary polar vector: two types, B and N, then keep every symmetry of the bilayer
exactly. Any field follows from the three, p(E) = p0 + (E / E_labels) s response
+ (E / E_labels)^2 curvature.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms

from moirepol.console import progress
from moirepol.errors import JobError, full_disk
from moirepol.model import network as nn
from moirepol.model.domain import environment_distance, layer_distance, surroundings
from moirepol.physics.heterostrain import LocalSlides, added
from moirepol.physics.long_range import LongRange, read_polarizability
from moirepol.structure.building import SPECIES, UPPER, layer_symmetries, transform_slide
from moirepol.structure.names import System
from moirepol.structure.symmetry import symmetry_copies

KINDS = ("zero_field", "response", "curvature")
CENTRE = SPECIES.index("N")
#: deepmd-kit's loss: the mean square error of the dipole of every N atom, Eq. (2).
LOSS = {"type": "tensor", "pref": 0.0, "pref_atomic": 1.0}
FLATNESS_A = 1e-3
#: Room for neighbours, over the most that any training frame has: strained and twisted cells.
NEIGHBOUR_ROOM = 1.5
BLOCK = 256  # atoms evaluated at a time


@dataclass
class Member:
    """One trained model of a committee."""

    network: nn.Network
    info: dict  #: family, kind, field_V_per_A, scale and the settings of its training
    known: dict[str, np.ndarray]  #: what it was trained on: names, and `environments.surroundings`


def nitrogens(atoms: Atoms) -> np.ndarray:
    """Indices of the N atoms."""
    return np.flatnonzero(atoms.numbers == 7)


def check(atoms: Atoms, member: Member) -> None:
    """JobError, one line, for a structure that the model cannot speak of."""
    name = atoms.info.get("name", atoms.get_chemical_formula())
    unknown = sorted(set(atoms.get_chemical_symbols()) - set(SPECIES))
    if unknown:
        raise JobError(f"{name}: the model knows {' and '.join(SPECIES)}, not {unknown[0]}")
    if "layer" not in atoms.arrays:
        raise JobError(f"{name}: no array 'layer' tells the layers apart")
    z = atoms.positions[:, 2]
    layers = [z[atoms.arrays["layer"] == layer] for layer in (0, 1)]
    if any(len(heights) == 0 or np.ptp(heights) > FLATNESS_A for heights in layers):
        raise JobError(f"{name}: the model knows two flat layers only")
    vacuum = atoms.cell.array[2, 2] - np.ptp(z)
    if vacuum < member.network.cutoff:
        raise JobError(
            f"{name}: the cell is too thin, {vacuum:.2f} A between periodic images, "
            f"the model's cut-off is {member.network.cutoff:.2f} A"
        )
    if atoms.info.get("family") != member.info["family"]:
        raise JobError(
            f"{name}: of family {atoms.info.get('family')}, "
            f"the model learned {member.info['family']}"
        )


# --- what is learned -----------------------------------------------------------------------------


def targets(frames: Iterable[Atoms], family: str, kind: str, field_V_per_A: float) -> list[Atoms]:
    """The frames of a family with what a model learns as array ``dipole``, (n, 3) in e.A.

    A frame in a field is matched with the other frames of the same structure by its name; each
    structure comes once, under its name without a field.
    """
    found: dict[str, dict[float, Atoms]] = {}
    for frame in frames:
        system = System.parse(frame.info["name"])
        if system.family == family:
            name = system.model_copy(update={"field_V_per_A": 0.0}).name
            found.setdefault(name, {}).setdefault(system.field_V_per_A, frame)
    needed = {
        "zero_field": [0.0],
        "response": [field_V_per_A, -field_V_per_A],
        "curvature": [0.0, field_V_per_A, -field_V_per_A],
    }[kind]
    learned = []
    for name, by_field in sorted(found.items()):
        if not all(field in by_field for field in needed):
            continue
        frame = by_field[needed[0]].copy()
        p = {field: by_field[field].arrays["dipole"] for field in needed}
        if kind == "zero_field":
            dipole = p[0.0]
        elif kind == "response":
            sign = layer_sign(frame)[:, None]
            dipole = sign * (p[field_V_per_A] - p[-field_V_per_A]) / 2
        else:
            dipole = (p[field_V_per_A] + p[-field_V_per_A]) / 2 - p[0.0]
        frame.set_array("dipole", dipole)
        frame.info.update(name=name, field_V_per_A=0.0)
        learned.append(frame)
    if not learned:
        raise JobError(f"no labels to learn the {kind} of {family} from")
    return learned


def layer_sign(atoms: Atoms) -> np.ndarray:
    """+1 for atoms of the upper layer, -1 for those of the lower."""
    return np.where(atoms.arrays["layer"] == UPPER, 1.0, -1.0)


def split_frames(
    frames: list[Atoms], split: str, folds: int, member: int, seed: int = 0
) -> tuple[list[Atoms], list[Atoms]]:
    """Frames to train on and frames to judge by.

    ``stackings``: every distinct stacking (a slide with all its strains and distances, or a moire
    cell) lies on one side; the stackings are dealt into `folds` and member i leaves out fold i.
    ``cells``: all slides are trained on; the moire cells are dealt into `folds`.
    ``copies``: the symmetry copies of all slides, one in `folds` of them drawn at random for
    judging, as in the paper: copies of the same calculation lie on both sides.
    """
    if split == "copies":
        slides = [copy for frame in frames if is_slide(frame) for copy in symmetry_copies(frame)]
        frames = slides + [frame for frame in frames if not is_slide(frame)]
        drawn = np.random.default_rng([seed, member]).permutation(len(frames))
        out = set(drawn[: max(1, len(frames) // folds)].tolist())
        left_out = [index in out for index in range(len(frames))]
    else:
        dealt = [frame for frame in frames if split == "stackings" or not is_slide(frame)]
        stackings = sorted({stacking(frame) for frame in dealt})
        drawn = np.random.default_rng(seed).permutation(len(stackings))
        fold = {stackings[index]: place % folds for place, index in enumerate(drawn)}
        left_out = [fold.get(stacking(frame)) == member % folds for frame in frames]
    train = [frame for frame, out in zip(frames, left_out, strict=True) if not out]
    return train, [frame for frame, out in zip(frames, left_out, strict=True) if out]


def is_slide(frame: Atoms) -> bool:
    """Whether a frame is an untwisted, matched bilayer."""
    return System.parse(frame.info["name"]).geometry == "slide"


def stacking(frame: Atoms) -> str:
    """One name for all frames whose layers lie alike: strain, distance and symmetry left aside."""
    system = System.parse(frame.info["name"])
    if system.geometry != "slide":
        shift = None if system.n_periods else system.shift
        return System(
            family=system.family, geometry=system.geometry, indices=system.indices, shift=shift
        ).name
    i, j, n = system.indices
    images = []
    for operation in layer_symmetries(system.family):
        k, m = np.rint(n * transform_slide(np.array([i, j]) / n, operation)).astype(int) % n
        common = gcd(int(k), int(m), n)
        images.append((int(k) // common, int(m) // common, n // common))
    return f"{system.family}_slide-{'-'.join(map(str, min(images)))}"


# --- training ------------------------------------------------------------------------------------


def train(
    frames: list[Atoms], judges: list[Atoms], protocol: dict, seed: int, info: dict
) -> tuple[dict, list[dict]]:
    """Train one member; returns deepmd-kit's serialized model file and the course of the training.

    The course is a list of {step, seconds, rmse_train, rmse_validation} with errors in e.A.
    """
    trainer = {"adam": _train_with_deepmd, "gauss_newton": _train_gauss_newton}
    section = model_section(frames, protocol, seed)
    data, course = trainer[protocol["optimizer"]](frames, judges, protocol, seed, section)
    data["moirepol"] = json.dumps(info | {"scale": protocol["label_scale"]})
    names = np.array([frame.info["name"] for frame in frames], dtype="S")
    known = {"names": names} | surroundings(frames)
    data.setdefault("@variables", {}).update({f"known_{key}": v for key, v in known.items()})
    return data, course


def model_section(frames: list[Atoms], protocol: dict, seed: int) -> dict:
    """The section `model` of deepmd-kit's input."""
    neighbours = _environments(frames, protocol["rcut_A"])
    most = [np.isfinite(v[..., 0]).sum(axis=1).max() for v in neighbours.vectors]
    return {
        "type_map": list(SPECIES),
        "descriptor": {
            "type": "se_e2_a",
            "rcut": protocol["rcut_A"],
            "rcut_smth": protocol["rcut_smooth_A"],
            "sel": [int(np.ceil(NEIGHBOUR_ROOM * number)) for number in most],
            "neuron": list(protocol["descriptor_neurons"]),
            "axis_neuron": protocol["axis_neurons"],
            "type_one_side": True,
            "set_davg_zero": True,
            "precision": "float64",
            "seed": seed,
        },
        "fitting_net": {
            "type": "dipole",
            "neuron": list(protocol["fitting_neurons"]),
            "resnet_dt": False,
            "sel_type": [CENTRE],
            "precision": "float64",
            "seed": seed + 1000,
        },
    }


def _environments(frames, cutoff):
    return nn.join([nn.Neighbours(f, SPECIES, cutoff).of(nitrogens(f)) for f in frames])


def _dipoles(frames):
    return np.concatenate([frame.arrays["dipole"][nitrogens(frame)] for frame in frames])


def _train_gauss_newton(frames, judges, protocol, seed, section):
    """Second-order training of deepmd-kit's network, starting from its own random weights."""
    from deepmd.dpmodel.model.model import get_model

    numpy_section = section | {"fitting_net": dict(section["fitting_net"])}
    del numpy_section["fitting_net"]["sel_type"]
    model = get_model(numpy_section).serialize()
    network = nn.Network(model, CENTRE)
    known = _environments(frames, network.cutoff)
    network.set_statistics(known, protocol["row_gain"])
    scale, steps = protocol["label_scale"], protocol["steps"]
    chosen = nn.distinct(network, known)
    held_out, answers = _environments(judges, network.cutoff), _dipoles(judges)
    started, course = time.monotonic(), []
    with progress(total=steps, desc=f"training, seed {seed}", unit="step") as bar:

        def report(step, rmse):
            wrong = network.dipoles(held_out) / scale - answers
            course.append(
                {
                    "step": step,
                    "seconds": time.monotonic() - started,
                    "rmse_train": rmse / scale,
                    "rmse_validation": np.sqrt(np.mean(wrong**2)),
                }
            )
            bar.set_postfix_str(f"RMSE {rmse / scale:.1e} e.A", refresh=False)
            bar.update(step - bar.n)

        nn.fit(
            network,
            known[chosen],
            _dipoles(frames)[chosen] * scale,
            protocol["label_noise_eA"] * scale,
            steps,
            report,
        )
    distances = [np.linalg.norm(v, axis=-1).min() for v in known.vectors]
    data = {
        "model": model,
        "model_def_script": section,
        "backend": "numpy",
        "@variables": {"min_nbor_dist": np.array(min(distances))},
    }
    return data, course


def _train_with_deepmd(frames, judges, protocol, seed, section):
    """`dp --tf train` with the course read from its lcurve.out as it grows."""
    from deepmd.dpmodel.utils.serialization import load_dp_model

    scale, steps = protocol["label_scale"], protocol["steps"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        systems = {
            side: _write_deepmd_data(part, folder / side, scale)
            for side, part in (("training", frames), ("validation", judges))
        }
        batch = protocol["batch_size"]
        (folder / "input.json").write_text(
            json.dumps(
                {
                    "model": section,
                    "learning_rate": {
                        "type": "exp",
                        "start_lr": protocol["learning_rate_start"],
                        "stop_lr": protocol["learning_rate_end"],
                        "decay_steps": max(1, steps // 100),
                    },
                    "loss": LOSS,
                    "training": {
                        "training_data": {"systems": systems["training"], "batch_size": batch},
                        "validation_data": {
                            "systems": systems["validation"],
                            "batch_size": 1,
                            "numb_btch": len(judges),
                        },
                        "numb_steps": steps,
                        "seed": seed,
                        "disp_file": "lcurve.out",
                        "disp_freq": max(1, steps // 100),
                        "save_freq": steps,
                    },
                }
            )
        )
        course = _follow(
            ["train", "input.json", "--skip-neighbor-stat"], folder, scale, steps, seed
        )
        _dp(["freeze", "-o", "frozen.pb"], folder)
        _dp(["convert-backend", "frozen.pb", "model.dp"], folder)
        return load_dp_model(str(folder / "model.dp")), course


def _write_deepmd_data(frames, folder, scale):
    """deepmd-kit's data folders, one for all frames with the same sequence of species."""
    groups: dict[tuple, list[Atoms]] = {}
    for frame in frames:
        groups.setdefault(tuple(frame.get_chemical_symbols()), []).append(frame)
    paths = []
    for number, (symbols, group) in enumerate(groups.items()):
        path = folder / f"{number:03d}"
        (path / "set.000").mkdir(parents=True)
        types = [SPECIES.index(symbol) for symbol in symbols]
        (path / "type.raw").write_text("\n".join(map(str, types)) + "\n")
        (path / "type_map.raw").write_text("\n".join(SPECIES) + "\n")
        data = {
            "coord": [frame.positions for frame in group],
            "box": [frame.cell.array for frame in group],
            "atomic_dipole": [frame.arrays["dipole"][nitrogens(frame)] * scale for frame in group],
        }
        for name, values in data.items():
            np.save(path / "set.000" / f"{name}.npy", np.array(values).reshape(len(group), -1))
        paths.append(str(path))
    return paths


def _command(arguments):
    return [sys.executable, "-m", "deepmd", "--tf", *arguments]


def _dp(arguments, folder):
    """Run deepmd-kit's program; its own output goes to the job's log."""
    print("+ dp --tf", *arguments, flush=True)
    if subprocess.run(_command(arguments), cwd=folder, check=False).returncode:
        raise JobError(f"{full_disk(folder)}dp {arguments[0]} failed: the log says why")


def _follow(arguments, folder, scale, steps, seed):
    print("+ dp --tf", *arguments, flush=True)
    started, course = time.monotonic(), []
    curve = folder / "lcurve.out"
    with (
        subprocess.Popen(_command(arguments), cwd=folder) as process,
        progress(total=steps, desc=f"training, seed {seed}", unit="step") as bar,
    ):
        running = True
        while running:
            running = process.poll() is None
            for line in curve.read_text().splitlines() if curve.exists() else []:
                numbers = line.split()
                if line.startswith("#") or len(numbers) < 4:
                    continue
                step = int(numbers[0])
                if course and step <= course[-1]["step"]:
                    continue
                course.append(
                    {
                        "step": step,
                        "seconds": time.monotonic() - started,
                        "rmse_train": float(numbers[2]) / scale,
                        "rmse_validation": float(numbers[1]) / scale,
                    }
                )
                bar.set_postfix_str(f"RMSE {course[-1]['rmse_train']:.1e} e.A", refresh=False)
                bar.update(step - bar.n)
            time.sleep(1.0 if running else 0.0)
    if process.returncode:
        raise JobError(f"{full_disk(folder)}dp train failed: the log says why")
    return course


# --- models on disk ------------------------------------------------------------------------------


def save(data: dict, path: str | Path) -> None:
    """Write a model in deepmd-kit's own format (.dp), which every backend of deepmd-kit reads."""
    from deepmd.dpmodel.utils.serialization import save_dp_model

    save_dp_model(str(path), data)


def load(path: str | Path) -> Member:
    """Read one trained member."""
    from deepmd.dpmodel.utils.serialization import load_dp_model

    try:
        data = load_dp_model(str(path))
        return member_of(data)
    except (OSError, KeyError, ValueError) as error:
        raise JobError(f"{path} is no dipole model of this workflow ({error})") from error


def member_of(data: dict) -> Member:
    """The member in a model file's content."""
    known = {
        key.removeprefix("known_"): value
        for key, value in data["@variables"].items()
        if key.startswith("known_")
    }
    return Member(nn.Network(data["model"], CENTRE), json.loads(data["moirepol"]), known)


def freeze(path: str | Path, frozen: str | Path, compressed: str | Path) -> None:
    """Export a member for deepmd-kit's TensorFlow backend, plain and compressed (.pb)."""
    from deepmd.entrypoints.convert_backend import convert_backend
    from deepmd.tf.env import tf

    convert_backend(INPUT=str(path), OUTPUT=str(frozen))
    # `dp compress` (3.2.0) wants a whole training input in the model, where `convert_backend`
    # leaves the section `model` alone. Nothing is learned.
    graph = tf.GraphDef.FromString(Path(frozen).read_bytes())
    node = next(node for node in graph.node if node.name == "train_attr/training_script")
    text = node.attr["value"].tensor.string_val
    section = {"learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-8}, "loss": LOSS}
    text[0] = json.dumps(json.loads(text[0]) | section).encode()
    Path(frozen).write_bytes(graph.SerializeToString())
    with TemporaryDirectory() as folder:
        files = str(Path(frozen).resolve()), str(Path(compressed).resolve())
        _dp(["compress", "-i", files[0], "-o", files[1]], folder)


# --- committees ----------------------------------------------------------------------------------


def committee(paths: Iterable[str | Path]) -> list[Member]:
    """Load the members of one model; JobError where they are not of one kind and family."""
    members = [load(path) for path in paths]
    for key in ("family", "kind", "field_V_per_A"):
        if len({member.info[key] for member in members}) > 1:
            raise JobError(f"the members of a committee differ in {key}")
    if len({member.network.cutoff for member in members}) > 1:
        raise JobError("the members of a committee differ in their cut-off")
    return members


def ask(members: list[Member], atoms: Atoms, as_slides: bool = False) -> np.ndarray:
    """Every member's answer on the N atoms: (member, n, 3), in e.A.

    as_slides : asked about the slides of the local stackings, `moirepol.physics.heterostrain`
    """
    for member in members:
        check(atoms, member)
    around = LocalSlides if as_slides else nn.Neighbours
    surroundings = around(atoms, SPECIES, members[0].network.cutoff)
    centres = nitrogens(atoms)
    answers = []
    for block in np.split(centres, range(BLOCK, len(centres), BLOCK)):
        environment = surroundings.of(block)
        answers.append([m.network.dipoles(environment) / m.info["scale"] for m in members])
    return np.concatenate(answers, axis=1)


def ask_zero_field(
    members: list[Member], atoms: Atoms, strain_orders: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """`ask`, with what the strain of the layers against each other adds, where that is known.

    strain_orders : fits of `moirepol.physics.heterostrain`, one for each member in turn
    """
    answers = ask(members, atoms, as_slides=len(strain_orders) > 0)
    if len(strain_orders):
        change = np.array([added(atoms, first_order) for first_order in strain_orders])
        answers += change[np.arange(len(answers)) % len(change)]
    return answers


def spread(answers: np.ndarray) -> np.ndarray:
    """Standard deviation of members (member, n, 3); one member alone has none: NaN."""
    return answers.std(axis=0, ddof=1) if len(answers) > 1 else np.full(answers.shape[1:], np.nan)


def predict(
    atoms: Atoms,
    models: dict[str, list[Member]],
    long_range: dict | None = None,
    strain_orders: Sequence[np.ndarray] = (),
) -> Atoms:
    """A bilayer with the committees' ``dipole`` and ``dipole_spread``, (n, 3) in e.A, NaN on B.

    models: kind -> committee; a bilayer in a field (``info['field_V_per_A']``) needs the
    ``response``, and takes the ``curvature`` where there is one. Where the committees are of one
    size, ``dipole_member`` (n, member, 3) is what their first, second, ... members say together.
    ``environment_distance`` (n,) in A says how far each N is from what the zero-field model was
    trained on, ``info['deformation_A']`` how far at least (`moirepol.model.domain`).

    long_range : {polarizability_eA2_per_V, thickness_A, reach_A}, arguments of
    `moirepol.physics.long_range.LongRange`, adds the field of all dipoles to ``dipole`` and
    ``dipole_member``; it needs the ``response``. What it started from is kept as
    ``dipole_short_range``.

    strain_orders : of a bilayer whose layers are strained against each other, as for
    `ask_zero_field`; all models are then asked about slides of the local stackings.
    """
    as_slides = len(strain_orders) > 0
    for kind, members in models.items():
        if wrong := [member for member in members if member.info["kind"] != kind]:
            raise JobError(f"wanted is a {kind} model, this is one of {wrong[0].info['kind']}")
    field = atoms.info["field_V_per_A"]
    if (field or long_range) and not models.get("response"):
        raise JobError(f"{atoms.info['name']}: no response model of {atoms.info['family']}")
    centres = nitrogens(atoms)
    answers = ask_zero_field(models["zero_field"], atoms, strain_orders)
    mean, deviation, together = answers.mean(axis=0), spread(answers), answers
    for kind, power in (("response", 1), ("curvature", 2)) if field else ():
        if not models.get(kind):
            continue
        ratio = (field / models[kind][0].info["field_V_per_A"]) ** power
        sign = layer_sign(atoms)[centres, None] if kind == "response" else 1.0
        answers = ratio * sign * ask(models[kind], atoms, as_slides)
        mean, deviation = mean + answers.mean(axis=0), np.hypot(deviation, spread(answers))
        if together is not None:
            together = together + answers if len(together) == len(answers) else None
    predicted = atoms.copy()
    found = {"dipole": mean, "dipole_spread": deviation}
    if together is not None and len(together) > 1:
        found["dipole_member"] = together.swapaxes(0, 1)
    for name, values in found.items():
        array = np.full((len(atoms), *values.shape[1:]), np.nan)
        array[centres] = values
        predicted.set_array(name, array)
    if long_range:
        predicted.set_array("dipole_short_range", predicted.arrays["dipole"])
        response = field_response(atoms, models["response"], as_slides)
        add = LongRange(atoms, response, **long_range).add
        predicted.arrays["dipole"] = add(predicted.arrays["dipole"])
        if "dipole_member" in found:
            members = predicted.arrays["dipole_member"].swapaxes(0, 1)
            together = np.array([add(p) for p in members])
            predicted.arrays["dipole_member"] = together.swapaxes(0, 1)
            predicted.arrays["dipole_spread"] = spread(together)
    distance, deformation = environment_distance(
        atoms, known_to(models["zero_field"]), models["zero_field"][0].network.cutoff
    )
    predicted.set_array("environment_distance", distance)
    predicted.info["deformation_A"] = deformation
    return predicted


def long_range_of(
    atoms: Atoms, polarizability: str | Path, reach_A: Sequence[float]
) -> dict[str, float | list[float]]:
    """The settings `long_range` of `predict` for a bilayer, with a file of polarizabilities."""
    return {
        "polarizability_eA2_per_V": read_polarizability(polarizability),
        "thickness_A": layer_distance(atoms),
        "reach_A": list(reach_A),
    }


def known_to(members: list[Member]) -> dict[str, np.ndarray]:
    """What the members of a committee were trained on, together."""
    return {key: np.concatenate([m.known[key] for m in members]) for key in members[0].known}


def field_response(atoms: Atoms, response: list[Member], as_slides: bool = False) -> np.ndarray:
    """Change (n, 3) of the dipoles with a field along z in e.A^2/V, zero on B."""
    centres = nitrogens(atoms)
    change = np.zeros((len(atoms), 3))
    answer = ask(response, atoms, as_slides).mean(axis=0)
    change[centres] = layer_sign(atoms)[centres, None] * answer
    return change / response[0].info["field_V_per_A"]
