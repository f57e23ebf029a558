"""The dictionary of data, docs/data.md, as a table."""

import re

import xarray as xr

from support import ROOT

LEADING = {"seed"}  # dimensions that only some files of a kind have


def dictionary():
    """Patterns of files -> {variable: (all dimensions that it may have, units)}."""
    found, patterns = {}, ()
    for line in (ROOT / "docs" / "data.md").read_text().splitlines():
        if re.fullmatch(r"(`re\S+`(, |$))+", line):
            patterns = tuple(re.findall(r"`(.+?)`", line))
            found[patterns] = {}
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            names = re.findall(r"`(.+?)`", cells[0])
            dimensions = cells[1].split(";")
            for number, name in enumerate(names):
                ways = dimensions[number % len(dimensions)].split(" or ")
                own = {tuple(re.findall(r"\w+", way)) for way in ways}
                assert name not in found[patterns], f"{name} twice under {patterns[0]}"
                found[patterns][name] = own, cells[2]
    return found


def faults(path, place):
    """What docs/data.md lacks or says otherwise about a file that lies at `place`."""
    known = [entry for patterns, entry in dictionary().items() if any(map(place.match, patterns))]
    if not known:
        return [f"{place}: no such file is described"]
    with xr.open_dataset(path) as ds:
        return [
            f"{place}: {name} has {variable.dims}, {units!r}; described is {described}"
            for name, variable in ds.variables.items()
            if not agree(
                variable.dims,
                units := variable.attrs.get("units", ""),
                described := known[0].get(name),
            )
        ]


def agree(dims, units, described):
    if described is None or units != described[1]:
        return False
    short = {tuple(d for d in way if d not in LEADING) for way in described[0]}
    return dims in described[0] | short
