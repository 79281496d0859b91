"""The runs and figures of docs/results.md, in the order in which they are shown there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from admin.results import insights
from admin.results.figures import (
    Figure,
    best_peer,
    curve_at,
    lead,
    lead_over_singles,
    ours,
    pooled,
    promises_kept,
    row,
    share_of,
    total,
    value,
)

_FOLDS: Final = tuple(f"stackfaq-{fold}" for fold in range(5))
_COLD: Final = tuple(f"stackfaq-cold-{fold}" for fold in range(5))
_SUPPORT: Final = ("vtb", "vkcloud-ru", "vkcloud-en")
_FEW: Final = ("banking77-few", "clinc150-few")
_SINGLY: Final = ("insuranceqa", "insuranceqa-all", "medquad", "wikiqa", *_SUPPORT)

# Name of a run and its command; {data} is the folder of corpora, {work} that of prepared files.
RUNS: Final[Mapping[str, str]] = MappingProxyType({
    "banking77": "evaluate classifier {data}/banking77/train.csv {data}/banking77/test.csv"
    " --typos 0.05 --typos 0.1 --layout --seeds 3",
    "banking77-seed": "evaluate classifier {data}/banking77/train.csv {data}/banking77/test.csv"
    " --preset seed --seeds 3",
    "banking77-cnn": "evaluate classifier {data}/banking77/train.csv {data}/banking77/test.csv"
    " --preset cnn",
    "clinc150": "evaluate classifier {data}/clinc150/train.csv {data}/clinc150/test.csv"
    " --valid {data}/clinc150/val.csv --oos {data}/clinc150/oos_test.csv",
    "banking77-near": "evaluate classifier {data}/banking77_oos/train.csv"
    " {data}/banking77_oos/test.csv --oos {data}/banking77_oos/id_oos_test.csv",
    "rutube": "evaluate classifier {data}/rutube_support_ru/train.csv"
    " --kb {data}/rutube_support_ru/knowledge_base.csv --folds 5 --translit --layout",
    "banking77-few": "evaluate classifier {work}/banking77-few.jsonl {work}/banking77-dev.jsonl"
    " --unlabelled {work}/banking77-rest.txt",
    "clinc150-few": "evaluate classifier {work}/clinc150-few.jsonl {work}/clinc150-dev.jsonl"
    " --unlabelled {work}/clinc150-rest.txt",
    **{f"stackfaq-{fold}": f"evaluate ranker {{data}}/stackfaq --fold {fold}"
       for fold in range(5)},
    "stackfaq-past-1": "evaluate ranker {data}/stackfaq --fold 0 --past 1 --seeds 10",
    "stackfaq-past-3": "evaluate ranker {data}/stackfaq --fold 0 --past 3 --seeds 5",
    **{f"stackfaq-cold-{fold}": f"evaluate ranker {{data}}/stackfaq --fold {fold} --cold"
       for fold in range(5)},
    "insuranceqa": "evaluate ranker {data}/insuranceqa_v1_partial --pool 500",
    "insuranceqa-all": "evaluate ranker {data}/insuranceqa_v1_partial",
    "medquad": "evaluate ranker {data}/medquad",
    "wikiqa": "evaluate ranker {data}/wikiqa --pool 500",
    "vtb": "evaluate ranker {data}/vtb_faq_ru --cold",
    "vkcloud-ru": "evaluate ranker {data}/vkcloud_faq_ru --cold",
    "vkcloud-en": "evaluate ranker {data}/vkcloud_faq_en --cold",
    "replay": "evaluate replay --knowledge {data}/rutube_support_ru/knowledge_base.csv"
    " --train {data}/rutube_support_ru/train.csv --test {data}/rutube_support_ru/test.csv"
    " --repeat 10",
    "query": "bench query --n 10000,100000",
    "index": "bench index --n 10000,100000",
    "loop": "bench loop",
    "events": "bench events --seconds 60",
    "panel": "bench panel",
    **{f"team-{name}-{seed}": f"evaluate team {{data}}/{folder} --retrain 200 --seed {seed}"
       for name, folder in (("stackfaq", "stackfaq"), ("rutube", "rutube_support_ru"))
       for seed in range(5)},
    "promise-banking77": "evaluate promise {data}/banking77/train.csv {data}/banking77/test.csv"
    " --preset fast --splits 20",
    "promise-clinc150": "evaluate promise {data}/clinc150/train.csv {data}/clinc150/val.csv"
    " {data}/clinc150/test.csv --preset fast --splits 20",
    "promise-rutube": "evaluate promise {data}/rutube_support_ru/train.csv"
    " {data}/rutube_support_ru/test.csv --kb {data}/rutube_support_ru/knowledge_base.csv"
    " --splits 20",
    **insights.RUNS,
    "content": "evaluate content {data}/vkcloud_docs_ru_en/pages.jsonl.gz --tags 30",
    "content-speed": "bench content --n 100000",
})  # fmt: skip

_CLASSIFIER: Final = (
    Figure("BANKING77, accuracy, median of 3 seeds", ("banking77",),
           ours("accuracy", "banking77"), 0.920, 0.930, best_peer("accuracy", "banking77")),
    Figure("BANKING77, more than LinearSVC of the same run", ("banking77",),
           lead("accuracy", "linear_svc", "banking77"), 0.0),
    Figure("CLINC150, accuracy in scope", ("clinc150",),
           ours("accuracy", "clinc150"), 0.928, 0.937, best_peer("accuracy", "clinc150")),
    Figure("CLINC150, out of scope, AUROC", ("clinc150",),
           ours("oos_auroc", "clinc150"), 0.96, 0.97, best_peer("oos_auroc", "clinc150")),
    Figure("CLINC150, out of scope found while 5 % of own are lost", ("clinc150",),
           ours("oos_recall_at_5", "clinc150"), 0.82, 0.87,
           best_peer("oos_recall_at_5", "clinc150")),
    Figure("BANKING77-OOS near, AUROC", ("banking77-near",),
           ours("oos_auroc", "banking77-near"), 0.82, 0.86,
           best_peer("oos_auroc", "banking77-near")),
    Figure("BANKING77-OOS near, found while 5 % of own are lost", ("banking77-near",),
           ours("oos_recall_at_5", "banking77-near"), 0.30, 0.40,
           best_peer("oos_recall_at_5", "banking77-near")),
    Figure("RUTUBE, 5 folds, accuracy", ("rutube",),
           ours("accuracy", "rutube"), 0.74, 0.79, best_peer("accuracy", "rutube")),
    Figure("RUTUBE, 5 folds, macro-F1", ("rutube",),
           ours("macro_f1", "rutube"), 0.58, 0.65, best_peer("macro_f1", "rutube")),
    Figure("RUTUBE, 5 folds, right one of three", ("rutube",),
           ours("top3", "rutube"), 0.91, 0.94, best_peer("top3", "rutube")),
    Figure("10 labels a category and unlabelled tickets, BANKING77 dev, over LinearSVC",
           _FEW[:1], lead("accuracy", "linear_svc", *_FEW[:1]), 0.02, 0.04),
    Figure("10 labels a category and unlabelled tickets, CLINC150 dev, over LinearSVC",
           _FEW[1:], lead("accuracy", "linear_svc", *_FEW[1:]), 0.02, 0.04),
    Figure("BANKING77, typos in 5 % of letters", ("banking77",),
           ours("perturbed/accuracy_by_variant/typos-0.05", "banking77"), 0.875, 0.90,
           best_peer("perturbed/accuracy_by_variant/typos-0.05", "banking77")),
    Figure("BANKING77, typos in 10 % of letters", ("banking77",),
           ours("perturbed/accuracy_by_variant/typos-0.1", "banking77"), 0.84, 0.87,
           best_peer("perturbed/accuracy_by_variant/typos-0.1", "banking77")),
    *(Figure(f"RUTUBE in Latin letters, {name}, share of clean", ("rutube",),
             share_of(f"perturbed/accuracy_by_variant/translit-{scheme}", "accuracy", "rutube"),
             floor, goal)
      for scheme, name, floor, goal in (
          ("icao", "ICAO", 0.93, 0.98), ("gost", "GOST", 0.93, 0.98),
          ("informal", "informal", 0.90, 0.95))),
    *(Figure(f"{name} in the other keyboard layout, share of clean", (run,),
             share_of("perturbed/accuracy_by_variant/layout", "accuracy", run), 0.99, 1.0)
      for run, name in (("banking77", "BANKING77"), ("rutube", "RUTUBE"))),
    *(Figure(f"{name}, clean messages read in the other layout", (run,),
             ours("perturbed/clean_misread", run), 0.002, 0.0005, at_most=True)
      for run, name in (("banking77", "BANKING77"), ("rutube", "RUTUBE"))),
    *(Figure(f"{name}, calibration error (lower end of 95 %)", (run,),
             ours("ece_low", run), 0.025, 0.015, at_most=True)
      for run, name in (("banking77", "BANKING77"), ("clinc150", "CLINC150"))),
    Figure("promised precision .90 / .95 / .98 kept (BANKING77, CLINC150, RUTUBE)",
           ("banking77", "clinc150", "rutube"),
           promises_kept("banking77", "clinc150", "rutube"), 0.9, 1.0),
    Figure("preset seed on BANKING77, accuracy", ("banking77-seed",),
           ours("accuracy", "banking77-seed"), 0.895, 0.903),
    Figure("one message, p50", ("banking77",), ours("latency_ms/p50", "banking77"),
           0.35, 0.2, best_peer("latency_ms/p50", "banking77"), "ms", at_most=True),
    Figure("one message, p99", ("banking77",), ours("latency_ms/p99", "banking77"),
           1.0, None, None, "ms", at_most=True),
    Figure("training on 10,000 tickets, CPU", ("banking77",),
           ours("train_cpu_s", "banking77"), 90, 45, None, "s", at_most=True),
    Figure("classifier on disk", ("banking77",),
           lambda reports: reports["banking77"]["ours"]["model_bytes"] / 1e6, 40, 16, None, "MB",
           at_most=True),
)  # fmt: skip

_RANKER: Final = (
    Figure("StackFAQ, 5 folds, right answer first", _FOLDS, ours("acc_at_1", *_FOLDS),
           0.93, 0.946, best_peer("acc_at_1", *_FOLDS)),
    Figure("StackFAQ, 5 folds, MRR", _FOLDS, ours("mrr", *_FOLDS), 0.96, 0.968,
           best_peer("mrr", *_FOLDS)),
    Figure("StackFAQ, fold 0, one past question an answer, median of 10 draws",
           ("stackfaq-past-1",),
           ours("acc_at_1", "stackfaq-past-1"), 0.86, 0.876,
           best_peer("acc_at_1", "stackfaq-past-1")),
    Figure("StackFAQ, fold 0, three past questions an answer, median of 5 draws",
           ("stackfaq-past-3",),
           ours("acc_at_1", "stackfaq-past-3"), 0.88, 0.90,
           best_peer("acc_at_1", "stackfaq-past-3")),
    Figure("StackFAQ without past questions, 5 folds", _COLD, ours("acc_at_1", *_COLD),
           0.73, 0.745, best_peer("acc_at_1", *_COLD)),
    Figure("StackFAQ, 5 folds, past questions and words, no training", _FOLDS,
           ours("rankers/untrained/acc_at_1", *_FOLDS), 0.90, 0.918),
    *(Figure(f"InsuranceQA, pools of 500, {name}", ("insuranceqa",),
             ours(key, "insuranceqa"), floor, goal, best_peer(key, "insuranceqa"))
      for key, name, floor, goal in (
          ("acc_at_1", "right answer first", 0.58, 0.605), ("recall_at_10", "in ten", 0.83, 0.86),
          ("mrr", "MRR", 0.67, 0.69))),
    *(Figure(f"InsuranceQA, all 8,690 answers, {name}", ("insuranceqa-all",),
             ours(key, "insuranceqa-all"), floor, goal, best_peer(key, "insuranceqa-all"))
      for key, name, floor, goal in (
          ("acc_at_1", "right answer first", 0.29, 0.32), ("recall_at_10", "in ten", 0.57, 0.59))),
    Figure("InsuranceQA, pools of 500, towers alone", ("insuranceqa",),
           ours("rankers/dense/acc_at_1", "insuranceqa"), 0.44, 0.467),
    Figure("MedQuAD, right answer first", ("medquad",), ours("acc_at_1", "medquad"), 0.50, 0.54,
           best_peer("acc_at_1", "medquad")),
    Figure("MedQuAD, in ten", ("medquad",), ours("recall_at_10", "medquad"), 0.86, None,
           best_peer("recall_at_10", "medquad")),
    Figure("VTB and VK Cloud, no past questions, all 821 questions", _SUPPORT,
           pooled("acc_at_1", *_SUPPORT), 0.51, 0.54),
    Figure("WikiQA, MRR of the answerable", ("wikiqa",), ours("mrr", "wikiqa"), 0.635, 0.65,
           best_peer("mrr", "wikiqa")),
    Figure("least lead over the best single ranker of ours, of all corpora", (*_SINGLY, *_FOLDS),
           lead_over_singles(*_SINGLY, mean_of=_FOLDS), -0.005, 0.0),
    Figure("correction's calibration error (StackFAQ and InsuranceQA, 2,085 questions)",
           (*_FOLDS, "insuranceqa"), pooled("ece", *_FOLDS, "insuranceqa"), 0.05, 0.04,
           at_most=True),
    Figure("InsuranceQA, pools of 500, answered at a promised precision of .80", ("insuranceqa",),
           ours("coverage_at_80", "insuranceqa"), 0.58, 0.63),
    *(Figure(f"a question among {n:,} answers, p50", ("query",), row("query_ms/p50", "query", n),
             floor, goal, None, "ms", at_most=True)
      for n, floor, goal in ((10_000, 5, 2), (100_000, 12, 5))),
    Figure("training on 10,000 pairs, CPU (MedQuAD, 8,602)", ("medquad",),
           lambda reports: reports["medquad"]["ours"]["train_cpu_s"] * 10_000 / 8_602, 300, 120,
           None, "s", at_most=True),
    Figure("ranker on disk (MedQuAD)", ("medquad",),
           lambda reports: reports["medquad"]["ours"]["model_bytes"] / 1e6, 27, 7, None, "MB",
           at_most=True),
)  # fmt: skip

_SERVER: Final = (
    *(Figure(f"RUTUBE, 160 tickets over Telegram, {name}", ("replay",),
             value(f"server/{key}", "replay"), floor)
      for key, name, floor in (("category_top1", "right category first", 0.76),
                               ("category_top3", "right category in three", 0.92))),
    *(Figure(f"the same, right answer in {top}", ("replay",),
             value(f"server/answer_top{top}", "replay"), floor, None,
             value(f"tfidf/answer_top{top}", "replay"))
      for top, floor in ((1, 0.45), (3, 0.66), (5, 0.77))),
    Figure("update to stored suggestion, p99", ("replay",),
           value("server/update_to_suggestion_ms/p99", "replay"), 50, None, None, "ms",
           at_most=True),
    Figure("lost of 1,600", ("replay",), value("server/lost", "replay"), 0, None, None, "messages",
           at_most=True),
)  # fmt: skip

_INDEX: Final = tuple(
    Figure(
        f"vector index, recall@10 of {n:,}",
        ("index",),
        row("chosen/recall_at_10", "index", n),
        0.97,
    )
    for n in (10_000, 100_000)
)

_STACKFAQ_TEAMS: Final = tuple(f"team-stackfaq-{seed}" for seed in range(5))
_TEAMS: Final = (*_STACKFAQ_TEAMS, *(f"team-rutube-{seed}" for seed in range(5)))

_LOOP: Final = (
    Figure("suggestion p99 while training / without, one run", ("loop",),
           value("training/p99_ratio", "loop"), 2, None, None, "times", at_most=True),
    Figure("failed requests during promote and roll back", ("loop",),
           value("swaps/failed", "loop"), 0, None, None, "requests", at_most=True),
    Figure("roll back, slowest", ("loop",), value("swaps/rollback_ms/max", "loop"),
           1000, None, None, "ms", at_most=True),
    Figure("StackFAQ, five folds, right answer first, 7 past questions an answer, no retraining",
           _STACKFAQ_TEAMS, curve_at(7, "hit_at_1", *_STACKFAQ_TEAMS, retrained=False), 0.90),
    Figure("the same, with retraining", _STACKFAQ_TEAMS,
           curve_at(7, "hit_at_1", *_STACKFAQ_TEAMS, retrained=True), 0.93),
    Figure("promoted retrains worse than their predecessor (paired test, 5 % level, both corpora)",
           _TEAMS, total("summary/worse", *_TEAMS), 0, None, None, "models", at_most=True),
    *(Figure(f"{name}, 20 splits, promised precision of .95, {what}", (f"promise-{run}",),
             value(f"ours/{key}", f"promise-{run}"), floor)
      for run, name, coverage in (("banking77", "BANKING77", 0.85), ("clinc150", "CLINC150", 0.85),
                                  ("rutube", "RUTUBE", 0.40))
      for key, what, floor in (("precision", "kept", 0.94), ("coverage", "accepted", coverage))),
)  # fmt: skip

_EVENTS: Final = (
    *(Figure(f"an acknowledged event, {name}, CPU of the server without learning", ("events",),
             value(f"phases/{phase}/cpu_us", "events"), floor, goal, None, "us", at_most=True)
      for phase, name, floor, goal in (("single", "one a request", 80, 25),
                                       ("beacons", "20 a request", 10, 4))),
    Figure("and what profiles of interests learn of it, 20 a request", ("events",),
           value("phases/beacons/learning_us", "events"), 200, None, None, "us", at_most=True),
    *(Figure(f"events a second at {rate:,} asked for", ("events",),
             value(f"phases/{phase}/per_second", "events"), rate * 0.99, None, None, "a second")
      for phase, rate in (("sustained", 1_000), ("burst", 5_000))),
    Figure("acknowledged events that are not stored", ("events",), value("lost", "events"),
           0, None, None, "events", at_most=True),
)  # fmt: skip

_PANEL: Final = (
    Figure("slowest page about customers, p95, 1,000,000 events, 50,000 customers", ("panel",),
           value("worst_p95", "panel"), 200, None, None, "ms", at_most=True),
)  # fmt: skip

_CONTENT: Final = (
    *(Figure(f"pages that a page links to, 30 tags, {name}, recall@10", ("content",),
             value(f"{language}/ours/recall_at_10", "content"), floor, 0.36,
             value(f"{language}/peers/bm25s/recall_at_10", "content"))
      for language, name, floor in (("ru", "Russian", 0.31), ("en", "English", 0.29))),
    Figure("profile updates a second of one core, pages known by their title",
           ("content-speed",), row("page_updates_per_s", "content-speed", 100_000), 5_000, None,
           None, "/s"),
    Figure("recommendations from 100,000 items, p99", ("content-speed",),
           row("query_ms/p99", "content-speed", 100_000), 5, None, None, "ms", at_most=True),
)  # fmt: skip

SECTIONS: Final[Mapping[str, tuple[Figure, ...]]] = MappingProxyType(
    {
        "Whole server": _SERVER,
        "Classifier": _CLASSIFIER,
        "Ranker": _RANKER,
        "Vector index": _INDEX,
        "Loop": _LOOP,
        "Events": _EVENTS,
        "Panel": _PANEL,
        "Models of customers": insights.FIGURES,
        "Content": _CONTENT,
    }
)
