"""Draw the README's pictures from stored results: ``python notebooks/make_figures.py [OUT]``.

Without an argument the pictures are drawn again from ``notebooks/figures/baseline.json`` and ``curve.csv``. With the
folder that ``make run`` filled (``out``), these two files are first replaced by its results.
"""

import shutil
import sys
from pathlib import Path

import pandas as pd

import igdt_planner as ip
from igdt_planner.report.base import base_state
from igdt_planner.report.figures import curve_figure, feeder_figure, save_png

FIGURES = Path(__file__).parent / "figures"
STORED = ("baseline.json", "curve.csv")
DPI = 90


def main(source: Path | None = None) -> list[Path]:
    """Take results over from ``source`` where it is given, and draw feeder and curve."""
    for name in STORED if source is not None else ():
        shutil.copyfile(source / name, FIGURES / name)
    plan = ip.check(ip.load_plan(FIGURES / "baseline.json"))
    before = base_state(plan.case, periods=plan.model.periods)
    curve = pd.read_csv(FIGURES / "curve.csv")
    subtitle = f"{plan.case.name}, model {plan.model.name}: two DG, three ESS, four hours"
    return [
        save_png(feeder_figure(plan, before), FIGURES / "feeder.png", dpi=DPI),
        save_png(curve_figure(curve, unit=plan.model.unit, subtitle=subtitle), FIGURES / "curve.png", dpi=DPI),
    ]


if __name__ == "__main__":
    for path in main(Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(f"{path}: {path.stat().st_size / 1024:.0f} kB")
