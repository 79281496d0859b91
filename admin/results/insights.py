"""Runs and figures of the models of customers."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from admin.results.figures import Figure, Reading, Reports, at, value

SAMPLE: Final = "clv-sample"  # of CDNOW; it ships inside a development peer, installed or not
_CHURN: Final = "evaluate churn {data}/"
_SHOPPERS: Final = "conversion_online_shoppers/online_shoppers.csv.gz --target Revenue"

RUNS: Final[Mapping[str, str]] = MappingProxyType({
    "churn-telco": f"{_CHURN}churn_telco/telco_churn.csv.gz --target Churn --splits 20",
    "churn-iranian": f"{_CHURN}churn_iranian/iranian_churn.csv.gz --target churn --splits 20",
    "shoppers": f"{_CHURN}{_SHOPPERS} --splits 20",
    "shoppers-without": f"{_CHURN}{_SHOPPERS} --drop PageValues",
    "clv": "evaluate clv {data}/clv_cdnow/cdnow_master.csv.gz",
    SAMPLE: "evaluate clv {work}/cdnow-sample.csv",
    "insights": "bench insights --customers 1000000 --counters 40",
})  # fmt: skip


def _chosen(key: str, run: str) -> Reading:
    """A figure of the model that was taken."""
    return lambda reports: at(reports[run][str(reports[run]["chosen"])], key)


def _plain(key: str, run: str) -> Reading:
    return value(f"peers/logistic_regression/{key}", run)


def _kept(part: str, *runs: str) -> Reading:
    """The least over runs of what was kept less what was promised."""

    def read(reports: Reports) -> float | None:
        gaps = []
        for run in runs:
            kept = at(reports[run], f"promise/{part}/kept")
            promised = at(reports[run], f"promise/{part}/promised")
            if kept is None or promised is None:
                return None
            gaps.append(kept - promised)
        return min(gaps)

    return read


def _off(path: str, run: str) -> Reading:
    """Distance from 0."""

    def read(reports: Reports) -> float | None:
        found = at(reports[run], path)
        return None if found is None else abs(found)

    return read


_PROMISED: Final = ("churn-telco", "churn-iranian", "shoppers")
_PUBLISHED: Final = (("r", 0.243), ("alpha", 4.414), ("a", 0.793), ("b", 2.426))


def _published(reports: Reports) -> float | None:
    """The largest relative distance of a parameter from the published one."""
    found = [at(reports[SAMPLE], f"bg_nbd/parameters/{name}") for name, _ in _PUBLISHED]
    gaps = [
        abs(own - known) / known
        for own, (_, known) in zip(found, _PUBLISHED, strict=True)
        if own is not None
    ]
    return max(gaps) if len(gaps) == len(_PUBLISHED) else None


FIGURES: Final = (
    *(Figure(f"{name}, AUC of the model taken, 5 folds", (run,), _chosen("auc", run), floor, goal,
             _plain("auc", run))
      for run, name, floor, goal in (
          ("churn-telco", "Telco churn", 0.843, 0.849),
          ("churn-iranian", "Iranian churn", 0.970, 0.988),
          ("shoppers-without", "Online shoppers without PageValues", 0.75, 0.785))),
    *(Figure(f"{name}, calibration error", (run,), _chosen("ece", run), 0.015, None,
             _plain("ece", run), at_most=True)
      for run, name in (("churn-telco", "Telco churn"), ("churn-iranian", "Iranian churn"))),
    *(Figure(f"{name}, answered with 95 % right", (run,),
             _chosen("coverage_at_95_accuracy", run), floor, None,
             _plain("coverage_at_95_accuracy", run))
      for run, name, floor in (("churn-telco", "Telco churn", 0.442),
                               ("churn-iranian", "Iranian churn", 0.861),
                               ("shoppers", "Online shoppers", 0.763))),
    Figure("flags promised to be .80 right, least kept less promised (3 sets, 20 splits)",
           _PROMISED, _kept("flags", *_PROMISED), -0.01),
    Figure("answers promised to be .95 right, likewise", _PROMISED,
           _kept("answers", *_PROMISED), -0.01),
    Figure("CDNOW, spending in 39 weeks, normalised Gini", ("clv",), value("steps/ngini", "clv"),
           0.70, 0.72, value("bg_nbd/ngini", "clv")),
    Figure("the same, error of the total", ("clv",), _off("steps/total_error", "clv"), 0.05, 0.02,
           _off("bg_nbd/total_error", "clv"), at_most=True),
    Figure("the same, RMSE", ("clv",), value("steps/rmse", "clv"), 107, 95,
           value("bg_nbd/rmse", "clv"), "$", at_most=True),
    Figure("BG/NBD on a tenth of CDNOW, furthest from the published parameters", (SAMPLE,),
           _published, 0.005, 0.001, at_most=True),
    Figure("1,000,000 customers x 40 counters, final fit", ("insights",),
           value("fit_cpu_s", "insights"), 60, None, None, "s", at_most=True),
    Figure("the same, scored a second", ("insights",), value("scored_per_s", "insights"),
           100_000, None, None, "customers"),
)  # fmt: skip


def prepare_sample(work: Path) -> None:
    """Write the tenth of CDNOW as purchases where the peer that carries it is installed."""
    peer = importlib.util.find_spec("lifetimes")
    if peer is None or peer.origin is None:
        return
    source = Path(peer.origin).parent / "datasets" / "CDNOW_sample.txt"
    with (work / "cdnow-sample.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "date", "amount"])
        for line in source.read_text("utf-8").splitlines():
            fields = line.split()
            if len(fields) == 5:
                writer.writerow([fields[1], fields[2], fields[4]])
