"""What all sections of the settings share: strict types, names, lists, and `setting`.

A setting is one field of one section. Types, limits, unit, default and description are given there
and nowhere else. The check of a configuration, ``schemas/config.schema.json`` and
``docs/settings.md`` are made from it.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from moirepol.structure.names import FAMILIES

Entry = TypeVar("Entry")

#: The default of a setting that may be left out and has no value then.
ABSENT = None


def setting(
    description: str,
    unit: str | None = None,
    *,
    default: Any = ...,
    otherwise: str | None = None,
    **limits: Any,
) -> Any:
    """Define a setting as a field of a section.

    Parameters
    ----------
    description
        What the setting means, in whole sentences.
    unit
        Its unit; None for a number without a unit, and for anything but numbers.
    default
        Its value where a configuration does not name it. Without a default it is required.
        `ABSENT` allows to leave it out, but not to give null. `with_defaults` fills in defaults,
        except in named entries; code that reads those uses the same constant.
    otherwise
        With `ABSENT`: what applies then, for the page of settings.
    **limits
        Limits of `pydantic.Field`, such as ``ge`` and ``le``.

    Returns
    -------
    Any
        A field of pydantic.
    """
    extra = {"x-unit": unit, "x-otherwise": otherwise}
    return Field(
        default,
        description=description,
        json_schema_extra={key: value for key, value in extra.items() if value is not None},
        **limits,
    )


class Section(BaseModel):
    """A section of the settings. Other keys, other types and null are rejected."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    #: Whether `with_defaults` completes the section.
    filled: ClassVar[bool] = True
    #: (setting, value): the settings that this value requires.
    needs: ClassVar[dict[tuple[str, str], tuple[str, ...]]] = {}

    @model_validator(mode="after")
    def _needed_settings(self) -> "Section":
        for (key, value), needed in self.needs.items():
            for name in needed:
                if getattr(self, key) == value and name not in self.model_fields_set:
                    given = {"name": name, "reason": f"{key} = {value}"}
                    raise PydanticCustomError("needed", "{reason} needs {name}", given)
        return self


def _no_entry_twice(entries: list[Entry]) -> list[Entry]:
    if any(entry in entries[:number] for number, entry in enumerate(entries)):
        raise ValueError("allowed is no entry twice")
    return entries


Name = Annotated[
    str,
    Field(
        pattern="^[a-z][a-z0-9_]{0,39}$",
        json_schema_extra={
            "x-allowed": "a name of at most 40 lower-case letters, digits and _, a letter first"
        },
    ),
]
SystemName = Annotated[
    str,
    Field(json_schema_extra={"x-allowed": "a system's name such as AA_twist-21-22"}),
]


def _known_family(family: str) -> str:
    if family not in FAMILIES:
        raise ValueError(f"allowed is one of {', '.join(FAMILIES)}")
    return family


Family = Annotated[
    str,
    AfterValidator(_known_family),
    Field(
        description="AA = parallel layers {E|tau}; AAp = antiparallel layers {I|tau}. Families of "
        "another material than the default one begin with its name: <material>-AA.",
        json_schema_extra={"x-allowed": "AA, AAp, <material>-AA or <material>-AAp"},
    ),
]
#: A list of at least one entry.
Some = Annotated[list[Entry], Field(min_length=1)]
#: A list without repetitions, perhaps empty.
Distinct = Annotated[
    list[Entry], AfterValidator(_no_entry_twice), Field(json_schema_extra={"uniqueItems": True})
]
#: A list of at least one entry without repetitions.
SomeDistinct = Annotated[
    list[Entry],
    AfterValidator(_no_entry_twice),
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
]


def _number(unit: str, low: float, high: float) -> Any:
    return Field(ge=low, le=high, json_schema_extra={"x-unit": unit})


Strain = Annotated[float, _number("%", -20, 20)]
ElectricField = Annotated[float, _number("V/Å", -1, 1)]
LayerDistance = Annotated[float, _number("Å", 2, 10)]


class Inheriting(Section):
    """A named entry that may take settings from another entry of its section."""

    based_on: Name = setting(
        "Another entry of this section. It gives all settings that this entry does not name.",
        default=ABSENT,
        otherwise="none",
    )


def with_defaults(section: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of a section and of the sections in it, but not of named entries.

    Parameters
    ----------
    section
        Definition of the section.
    values
        Its settings. Parts of a wrong type are left as they are, for the check of types.

    Returns
    -------
    dict
        The settings in their order, then those that were left out.
    """
    values = dict(values)
    for name, field in section.model_fields.items():
        below, value = field.annotation, values.get(name)
        if isinstance(below, type) and issubclass(below, Section):
            if isinstance(value, Mapping) and below.filled:
                values[name] = with_defaults(below, value)
        elif name not in values and not field.is_required() and field.default is not ABSENT:
            values[name] = deepcopy(field.default)
    return values
