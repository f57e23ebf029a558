"""Write the conda environments in envs/ with the versions of requirements.lock."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Packages that every job needs: names on PyPI.
COMMON = (
    *("numpy", "scipy", "spglib", "ase", "xarray", "netcdf4", "pandas"),
    *("pydantic", "pyyaml", "tqdm"),
)
#: Environment -> its purpose, its packages on PyPI beside COMMON, and further conda packages.
ENVIRONMENTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "analyze": (
        "maps, relaxation, charges, figures and claims",
        ("matplotlib", "pillow", "pypdf", "bokeh", "dftd3", "moire-metrology"),
        (),
    ),
    "label": (
        "labels by DFT. ESPRESSO_PSEUDO is the folder of the pseudopotentials",
        (),
        ("qe >=6.7", "wannier90 >=3.1"),
    ),
    "train": ("training and prediction", ("deepmd-kit", "h5py", "matplotlib"), ()),
    "workflow": ("the benchmark of planning, which starts Snakemake itself", ("snakemake",), ()),
}
#: Names on conda-forge and bioconda that differ from those on PyPI.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
    "dftd3": "dftd3-python",
}
#: Packages that conda has not: pip installs them.
BY_PIP = {"moire-metrology"}
PAGE = """# Conda environment for {purpose}.
# For `--sdm conda` only. Without it, every job uses the environment that ./run makes.
# Written by `python scripts/pin_conda.py` from requirements.lock.
channels:
{channels}
dependencies:
{packages}
"""


def pin_conda(
    lock: str = str(ROOT / "requirements.lock"), folder: str = str(ROOT / "envs")
) -> None:
    """Write the conda environments of the rules.

    Parameters
    ----------
    lock
        Locked requirements: lines ``name==version``.
    folder
        Folder of ``<environment>.yaml``.

    Raises
    ------
    KeyError
        If a package is not locked.
    """
    text = Path(lock).read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M))
    python = re.search(r"--python-version (\S+)", text)
    if python is None:
        raise KeyError(f"{lock} states no Python version")
    for name, (purpose, packages, others) in ENVIRONMENTS.items():
        by_conda = [package for package in (*COMMON, *packages) if package not in BY_PIP]
        pinned = [pin(package, versions[package]) for package in by_conda]
        by_pip = [f"{package}=={versions[package]}" for package in packages if package in BY_PIP]
        channels = ["conda-forge", *(["bioconda"] if "snakemake" in packages else []), "nodefaults"]
        page = PAGE.format(
            purpose=purpose,
            channels="\n".join(f"  - {channel}" for channel in channels),
            packages="\n".join(
                f"  - {line}" for line in (f"python ={python[1]}", *pinned, "git", *others)
            ),
        )
        if by_pip:
            page += "  - pip\n  - pip:\n" + "".join(f"      - {line}\n" for line in by_pip)
        Path(folder, f"{name}.yaml").write_text(page, encoding="utf-8")


def pin(package: str, version: str) -> str:
    """Return the conda requirement of a package.

    Parameters
    ----------
    package
        Name on PyPI.
    version
        Version on PyPI. Three of its parts are pinned, because conda has no post-releases.

    Returns
    -------
    str
        For example ``matplotlib-base =3.11.2``.
    """
    return f"{CONDA_NAMES.get(package, package)} ={'.'.join(version.split('.')[:3])}"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(pin_conda, globals().get("snakemake"))
