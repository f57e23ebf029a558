"""Training of one member of a committee."""

import json
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from moirepol.console import progress
from moirepol.errors import JobError, full_disk
from moirepol.model.committee import LOSS, deepmd_command, run_deepmd
from moirepol.model.descriptors import DEFAULT, descriptor_module, network_of
from moirepol.model.gauss_newton import distinct, fit
from moirepol.model.neighbours import Neighbours, join
from moirepol.structure.bilayer import Bilayer

#: Room for neighbours, over the most that any training frame has: strained and twisted cells.
NEIGHBOUR_ROOM = 1.5


def train(
    frames: list[Bilayer], validation: list[Bilayer], protocol: dict, seed: int, info: dict
) -> tuple[dict, list[dict]]:
    """Train one member.

    Parameters
    ----------
    frames
        Training frames, with dipoles in e.angstrom.
    validation
        Validation frames, with dipoles in e.angstrom.
    protocol
        Settings of the training, section of the configuration.
    seed
        Seed of the random start.
    info
        Data stored in the model file: family, kind, field and further settings.

    Returns
    -------
    data : dict
        Serialized model file of deepmd-kit, with `info` and the surroundings of the training
        frames.
    course : list of dict
        Course of the training: {step, seconds, rmse_train, rmse_validation}, errors in e.angstrom.

    Raises
    ------
    JobError
        If deepmd-kit's program fails.
    """
    trainer = {"adam": _train_with_deepmd, "gauss_newton": _train_gauss_newton}
    section = model_section(frames, protocol, seed)
    data, course = trainer[protocol["optimizer"]](frames, validation, protocol, seed, section)
    data["moirepol"] = json.dumps(info | {"scale": protocol["label_scale"]})
    names = np.array([frame.name for frame in frames], dtype="S")
    data.setdefault("@variables", {})["known_names"] = names
    return data, course


def model_section(frames: list[Bilayer], protocol: dict, seed: int) -> dict:
    """Make the section `model` of deepmd-kit's input.

    Parameters
    ----------
    frames
        Training frames, which determine the types and the capacity for neighbours.
    protocol
        Settings of the training: cut-offs in angstrom and sizes of the networks.
    seed
        Seed of the random start.

    Returns
    -------
    dict
        The section.
    """
    neighbours = _environments(frames, protocol["rcut_A"])
    most = [np.isfinite(v[..., 0]).sum(axis=1).max() for v in neighbours.vectors]
    sel = [int(np.ceil(NEIGHBOUR_ROOM * number)) for number in most]
    descriptor = descriptor_module(protocol.get("descriptor", DEFAULT))
    return {
        "type_map": list(frames[0].material.species),
        "descriptor": descriptor.descriptor_section(protocol, sel, seed),
        "fitting_net": {
            "type": "dipole",
            "neuron": list(protocol["fitting_neurons"]),
            "resnet_dt": False,
            "sel_type": [frames[0].material.site_type],
            "precision": "float64",
            "seed": seed + 1000,
        },
    }


def _environments(frames, cutoff):
    return join([Neighbours(f, f.material.species, cutoff).of(f.sites) for f in frames])


def _dipoles(frames):
    return np.concatenate([frame.dipoles for frame in frames])


def _train_gauss_newton(frames, validation, protocol, seed, section):
    """Second-order training of deepmd-kit's network, starting from its own random weights."""
    from deepmd.dpmodel.model.model import get_model

    numpy_section = section | {"fitting_net": dict(section["fitting_net"])}
    del numpy_section["fitting_net"]["sel_type"]
    model = get_model(numpy_section).serialize()
    network = network_of(model, frames[0].material.site_type)
    known = _environments(frames, network.cutoff)
    network.set_statistics(known, protocol["row_gain"])
    scale, steps = protocol["label_scale"], protocol["steps"]
    chosen = distinct(network, known)
    held_out, answers = _environments(validation, network.cutoff), _dipoles(validation)
    started = time.monotonic()
    course: list[dict[str, float]] = []
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

        fit(
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


def _train_with_deepmd(frames, validation, protocol, seed, section):
    """`dp --tf train`; the course is read from its growing lcurve.out."""
    from deepmd.dpmodel.utils.serialization import load_dp_model

    scale, steps = protocol["label_scale"], protocol["steps"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        systems = {
            side: _write_deepmd_data(part, folder / side, scale)
            for side, part in (("training", frames), ("validation", validation))
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
                            "numb_btch": len(validation),
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
        run_deepmd(["freeze", "-o", "frozen.pb"], folder)
        run_deepmd(["convert-backend", "frozen.pb", "model.dp"], folder)
        return load_dp_model(str(folder / "model.dp")), course


def _write_deepmd_data(frames, folder, scale):
    """deepmd-kit's data folders, one for all frames with the same sequence of species."""
    species = frames[0].material.species
    groups: dict[tuple, list[Bilayer]] = {}
    for frame in frames:
        groups.setdefault(tuple(frame.get_chemical_symbols()), []).append(frame)
    paths = []
    for number, (symbols, group) in enumerate(groups.items()):
        path = folder / f"{number:03d}"
        (path / "set.000").mkdir(parents=True)
        types = [species.index(symbol) for symbol in symbols]
        (path / "type.raw").write_text("\n".join(map(str, types)) + "\n")
        (path / "type_map.raw").write_text("\n".join(species) + "\n")
        data = {
            "coord": [frame.positions for frame in group],
            "box": [frame.cell.array for frame in group],
            "atomic_dipole": [frame.dipoles * scale for frame in group],
        }
        for name, values in data.items():
            np.save(path / "set.000" / f"{name}.npy", np.array(values).reshape(len(group), -1))
        paths.append(str(path))
    return paths


def _follow(arguments, folder, scale, steps, seed):
    print("+ dp --tf", *arguments, flush=True)
    started = time.monotonic()
    course: list[dict[str, float]] = []
    curve = folder / "lcurve.out"
    with (
        subprocess.Popen(deepmd_command(arguments), cwd=folder) as process,
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
