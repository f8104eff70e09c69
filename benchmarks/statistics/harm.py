"""Drift is not harm: twelve planted kinds of change on a model with known truth, what pages, and what the model really lost.

The model knows the law of its world exactly, and the reference (20,000 rows) names the importances that follow from it. Each
change comes in two sizes, on 2,000 rows without labels, and on 2,000 rows of which all have one. The model really got worse
where, on 200,000 rows under the same change, ROC AUC is lower by .02 or more or the log loss higher by 5 % or more: the floors
of these metrics. Beside what pages: the worst verdict being critical, with importances and without, and any alarm of any
column, which is what tools do that take drift for harm.

That definition was made after a first look at the first world, so there is a second one (:mod:`.harm_worlds`), of another form,
with other parameters and seeds, for which it was written here beforehand; that one was run once, as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from benchmarks.statistics.harm_worlds import FIRST, IRRELEVANT, SECOND, Change, Numbers, Setting, World
from watchkeeper.detection.comparison import Comparison, compare_profiles
from watchkeeper.monitor import infer_schema, profile
from watchkeeper.schema import Schema

REFERENCE, CURRENT, TRUTH, RUNS = 20_000, 2_000, 200_000, 8
LOSS, WORSE = 0.02, 0.05
SIZES = (0.5, 1.0)


def _auc(label: Numbers, score: Numbers) -> float:
    ranks, n = rankdata(score)[label == 1], int(label.sum())
    return float((ranks.sum() - n * (n + 1) / 2) / (n * (len(label) - n)))


def _performance(setting: Setting, world: World) -> tuple[float, float]:
    """Return ROC AUC and log loss."""
    score = setting.score(world.fed)
    return _auc(world.label, score), -float(np.log(np.where(world.label == 1, score, 1 - score)).mean())


def _table(setting: Setting, world: World, labels: bool) -> pa.Table:
    columns = {f"x{k}": pa.array(world.fed[:, k]) for k in range(10)}
    score = setting.score(world.fed)
    label = pa.array(world.label) if labels else pa.nulls(len(score), pa.int64())
    return pa.table(columns | {"score": pa.array(score), "y": label})


def _make(setting: Setting, change: Change, seed: int, n: int, size: float) -> World:
    rng = np.random.default_rng(setting.seed + seed)
    return change(rng, setting.inputs(rng, n), size)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change of one size in one run: what really happened, by both metrics and by AUC alone, and what each rule says."""

    change: str
    harmed: bool
    pages: dict[str, bool]
    by_auc: bool = False


def _pages(weighed: Comparison, plain: Comparison) -> dict[str, bool]:
    columns = [v.name for _, v in plain.columns if v is not None]
    return {
        "pages": weighed.pages,
        "critical, with importances": weighed.verdict == "critical",
        "critical, without importances": plain.verdict == "critical",
        "any column alarms": any(name in {"warning", "critical"} for name in columns),
    }


def outcomes(setting: Setting, labels: bool, runs: int = RUNS) -> list[Outcome]:
    """Return what came of every change, size and run."""
    importances = {f"x{k}": share for k, share in enumerate(setting.importances())}
    nothing = setting.changes["nothing"]
    first = _table(setting, _make(setting, nothing, 2, REFERENCE, 0.0), labels=True)
    roles = Schema(target="y", score="score", task="binary", positive="1")
    plain = infer_schema(first, roles).freeze()
    weighed = plain.replace(importances=importances).freeze()
    before = {"plain": profile(first, plain), "weighed": profile(first, weighed)}
    usual = _performance(setting, _make(setting, nothing, 3, TRUTH, 0.0))
    found = []
    for name, change in setting.changes.items():
        for size in SIZES:
            auc, loss = _performance(setting, _make(setting, change, 4, TRUTH, size))
            harmed = usual[0] - auc >= LOSS or loss / usual[1] - 1 >= WORSE
            for run in range(runs):
                table = _table(setting, _make(setting, change, 100 + run, CURRENT, size), labels)
                pair = (
                    compare_profiles(before[k], profile(table, s)) for k, s in (("weighed", weighed), ("plain", plain))
                )
                found.append(Outcome(name, harmed, _pages(*pair), usual[0] - auc >= LOSS))
    return found


def matthews(found: list[Outcome], rule: str) -> float:
    """Return the Matthews correlation of a rule's pages with real harm."""
    pages, harmed = (np.array(v, dtype=float) for v in ([o.pages[rule] for o in found], [o.harmed for o in found]))
    return float(np.corrcoef(pages, harmed)[0, 1]) if pages.std() and harmed.std() else 0.0


def main(runs: int = RUNS) -> dict[str, float]:
    """Print, and return, the correlations in both worlds; and the pages of what is irrelevant."""
    told: dict[str, float] = {}
    for setting in (FIRST, SECOND):
        for labels in (False, True):
            side = f"{setting.name}, {'all rows labelled' if labels else 'no labels'}"
            told |= {f"{side}: {rule}": v for rule, v in _told(side, outcomes(setting, labels, runs)).items()}
    print("peers, as published: the correlation of six drift detectors with real loss of accuracy was -.01 to .19.")
    return told


def _told(side: str, found: list[Outcome]) -> dict[str, float]:
    """Print what came of one world, with labels or without; return the correlation of each rule."""
    print(f"{side}: {len(found)} cases, {sum(o.harmed for o in found)} in which the model really got worse")
    values = {rule: matthews(found, rule) for rule in found[0].pages}
    for rule, value in values.items():
        again = np.random.default_rng(0).integers(0, len(found), (500, len(found)))
        error = float(np.std([matthews([found[i] for i in some], rule) for some in again]))
        idle = [o.pages[rule] for o in found if o.change in IRRELEVANT]
        said = f"Matthews correlation {value:5.2f} +- {error:.2f}; on what is irrelevant {sum(idle)} of {len(idle)}"
        print(f"  {rule:<30} {said}")
    alone = [Outcome(o.change, o.by_auc, o.pages) for o in found]
    count, value = sum(o.harmed for o in alone), matthews(alone, "pages")
    print(f"  pages, worse by ROC AUC alone ({count} cases): {value:.2f}")
    for name in dict.fromkeys(o.change for o in found):
        mine = [o for o in found if o.change == name]
        counts = sum(o.harmed for o in mine), sum(o.pages["pages"] for o in mine)
        print(f"    {name:<40} worse in {counts[0]:>3} of {len(mine)}, pages in {counts[1]:>3}", flush=True)
    return values


if __name__ == "__main__":
    main()
