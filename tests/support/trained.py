"""A project folder with small trained models, for the Python interface."""

import yaml

from fit_heights import fit_heights
from fit_stackings import fit_stackings
from moirepol.model import committee
from support import ROOT
from support.networks import SLIDES, labelled, member


def trained_project(folder):
    """Write settings, zero-field and response models of AA into a folder; return it."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for name in ("aa", "aa_response"):
        config["models"][name] |= {"seeds": [0, 1]}
    config |= {"gradient": {}, "long_range": {}, "studies": {}, "figures": {}}
    config["predictors"] = {"AA": config["predictors"]["AA"]}
    config["maps"] |= {"grid_points": 24, "points_per_period": 12, "charge_grids": [24, 48]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    frames = [labelled(name) for name in SLIDES]
    for model, kind in (("aa", "zero_field"), ("aa_response", "response")):
        (folder / f"results/models/{model}").mkdir(parents=True)
        for seed in (0, 1):
            data = member(frames, seed, kind, 0.02, steps=2)[0]
            committee.save(data, folder / f"results/models/{model}/{seed}.dp")
    add_heights(folder)
    return folder


def add_heights(folder):
    """Fit energies and heights of translated bilayers to the shipped labels."""
    (folder / "resources").symlink_to(ROOT / "resources")
    labels = {
        name: str(ROOT / f"resources/labels/{name}.nc")
        for name in ("aa_relaxed", "aa_relaxed_field", "aa_distance", "aa_distance_field")
    }
    for kind in ("stackings", "heights"):
        (folder / "results" / kind).mkdir()
    stackings = str(folder / "results/stackings/AA.nc")
    relaxed, in_field, apart, apart_in_field = labels.values()
    fit_stackings("AA", relaxed, in_field, apart, stackings, 3.33, 6)
    models = [
        [str(folder / f"results/models/{model}/{seed}.dp") for seed in (0, 1)]
        for model in ("aa", "aa_response")
    ]
    fit_heights(
        "AA",
        [apart, apart_in_field],
        [relaxed, in_field],
        stackings,
        *models,
        str(folder / "results/heights/AA.nc"),
        2.51,
        3.33,
        6,
    )
