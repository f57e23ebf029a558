"""Settings of figures."""

from typing import Annotated

from pydantic import Field

from moirepol.workflow.settings.base import Distinct, Section, setting

Panel = Annotated[
    str,
    Field(
        pattern="^(fig1[a-f]|fig2[a-h]|fig3[a-i]|fig4[a-j])$",
        json_schema_extra={"x-allowed": "a panel, fig1a-f, fig2a-h, fig3a-i or fig4a-j"},
    ),
]
Shown = Annotated[str, Field(json_schema_extra={"x-allowed": "the name of a system or a sweep"})]
Figure = dict[Panel, Distinct[Shown]]


class Figures(Section):
    """Panels of each figure, with the systems or the sweep (fig3g, fig3h, fig4j) that they show."""

    fig1: Figure = setting("Configuration space and accuracy of the models.")
    fig2: Figure = setting("Twisted bilayers.")
    fig3: Figure = setting("Bilayers with a lattice mismatch.")
    fig4: Figure = setting("Vertical field and antiparallel stacking.")
