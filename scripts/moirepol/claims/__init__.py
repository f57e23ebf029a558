"""The paper's claims: importing this package registers the evaluators of all figures."""

from moirepol.claims import fig1, fig2, fig3, fig4
from moirepol.claims.framework import CLAIMS, Results, evaluate, evaluate_all

__all__ = ["CLAIMS", "Results", "evaluate", "evaluate_all", "fig1", "fig2", "fig3", "fig4"]
