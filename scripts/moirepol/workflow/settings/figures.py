"""Settings of figures."""

from typing import Annotated, Literal

from pydantic import Field

from moirepol.workflow.settings.base import ABSENT, Distinct, Name, Section, setting

Shown = Annotated[
    str,
    Field(
        json_schema_extra={
            "x-allowed": "the name of a system, configuration_AA or configuration_AAp"
        }
    ),
]
Caption = Annotated[str, Field(min_length=1)]


class Panel(Section):
    """A panel. A name such as fig2d makes it a panel of the figure fig2."""

    plot: Name = setting(
        "Kind of plot, a key of PLOTS in scripts/moirepol/workflow/figure_plan.py."
    )
    systems: Distinct[Shown] = setting(
        "Bilayers or configuration maps that the panel shows. Their number depends on the kind of "
        "plot.",
        default=ABSENT,
        otherwise="none",
    )
    sweep: Name = setting(
        "The sweep that the panel shows. It replaces `systems` for some kinds of plot.",
        default=ABSENT,
        otherwise="none",
    )
    quantity: Literal["P_perp", "P_par"] = setting(
        "Quantity of the plot `paths`: out-of-plane (P_perp) or in-plane (P_par) polarization.",
        default=ABSENT,
        otherwise="none",
    )
    largest_eA: float = setting(
        "|P⊥| at the ends of the colour scale of the plot `out_of_plane`. Panels with the same "
        "value have the same scale.",
        "e·Å",
        default=ABSENT,
        otherwise="the maximum of the map",
        gt=0,
        le=1,
    )
    caption: Caption = setting("Caption in the report, as reStructuredText.")


class Page(Section):
    """Page of a whole figure, results/figures/fig<n>.pdf."""

    width_cm: float = setting(
        "Width. The default is that of the page of a journal.", "cm", default=17.8, ge=5, le=100
    )
    height_cm: float = setting(
        "Largest height of a page. A higher figure continues on the next page.",
        "cm",
        default=24.0,
        ge=5,
        le=200,
    )
