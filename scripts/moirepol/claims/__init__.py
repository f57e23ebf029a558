"""The paper's claims: importing this package registers the evaluators of all figures."""

from moirepol.claims import fig1, fig2, fig3, fig4
from moirepol.claims.framework import CLAIMS, Results, judge, judge_all

__all__ = ["CLAIMS", "Results", "fig1", "fig2", "fig3", "fig4", "judge", "judge_all"]
