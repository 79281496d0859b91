"""What is doubtful in a training set, and what is not."""

import numpy as np

from bot.learning.doubts import Labelled, examine, very_sure_otherwise
from bot.store.training import SourceRow


def verdict(number, text, category="Pay", answer_id=1, agent=1, **fields):
    known = {"channel": "web", "created_at": float(number), "changed": 0.0, "state": ""}
    return SourceRow(
        "v", number, answer_id, text, category, f"agent:{agent}", **{**known, **fields}
    )


def ticket(number, text, category, answer_id=0, state=""):
    return SourceRow("t", number, answer_id, text, category, "import:x", "", 0.0, 0.0, state)


def look(known=(), rows=(), **more):
    given = {"twins": {}, "disputed": {}, "suspicious": frozenset(), "share": 0.5, "least": 3}
    return examine(known, rows, **{**given, **more})


def found(examination):
    return {(f.kind, f.row_id): f.reasons for f in examination.findings}


def test_a_verdict_that_says_other_than_the_knowledge_base_waits():
    known = [Labelled("How do I pay for a second seat?", "Billing", 1)]
    rows = [verdict(1, "how do I pay for a second seat", "Access", 2)]
    examination = look(known, rows)
    assert found(examination) == {("v", 1): ("conflict",)}
    assert examination.findings[0].partner == "How do I pay for a second seat? → Billing"
    assert look(known, [verdict(1, "how do I pay for a second seat", "Billing", 1)]).findings == ()


def test_of_two_agents_who_disagree_both_wait():
    rows = [verdict(1, "Where is my parcel?", "A", 1), verdict(2, "where is my parcel", "B", 2)]
    assert found(look((), rows)) == {("v", 1): ("conflict",), ("v", 2): ("conflict",)}


def test_many_equal_texts_leave_none_without_its_conflict():
    rows = [verdict(i, "Where is my parcel?", "A" if i % 40 else "B", 1) for i in range(200)]
    assert len(look((), rows, least=1_000).findings) == 200


def test_another_answer_of_the_same_category_is_a_conflict_but_a_translation_is_not():
    rows = [verdict(1, "reset my password please", answer_id=2)]
    known = [Labelled("Reset my password, please", "Pay", 1)]
    assert found(look(known, rows)) == {("v", 1): ("conflict",)}
    assert look(known, rows, twins={1: 2, 2: 1}).findings == ()


def test_an_import_waits_only_where_the_very_same_text_is_trusted_elsewhere():
    known = [Labelled("Where is my parcel now?", "A", 0)]
    assert look(known, [ticket(1, "Where is my parcel?", "B")]).findings == ()
    assert found(look(known, [ticket(1, "where is my parcel now", "B")])) == {
        ("t", 1): ("conflict",)
    }


def test_a_refused_row_is_nobodys_partner_and_an_approved_one_is_found_no_more():
    text = "Where is my parcel?"
    refused = verdict(1, text, "A", 1, state="refused")
    assert look((), [refused, verdict(2, text, "B", 2)]).findings == ()
    approved = verdict(1, text, "A", 1, state="approved")
    assert found(look((), [approved, verdict(2, text, "B", 2)])) == {("v", 2): ("conflict",)}


def test_rewritten_disputed_and_suspicious_rows_wait():
    rows = [
        verdict(1, "first question of all", changed=0.7),
        verdict(2, "second thing asked here"),
        verdict(3, "third matter entirely new", agent=9),
        verdict(4, "a fourth that nobody doubts"),
    ]
    examination = look((), rows, disputed={(2, 1): "→ Ship"}, suspicious=frozenset({"agent:9"}))
    assert found(examination) == {
        ("v", 1): ("edited",),
        ("v", 2): ("model",),
        ("v", 3): ("source",),
    }


def many(count, agent, first=0, **fields):
    """Different words in each, so that nothing else is found."""
    words = np.random.default_rng(agent).integers(0, 10**9, (count, 3))
    return [
        verdict(first + i, " ".join(map(str, row)), agent=agent, **fields)
        for i, row in enumerate(words)
    ]


def test_one_agent_gives_at_most_their_share_and_their_newest_rows_wait():
    rows = [*many(10, 1), *many(4, 2, 100)]
    examination = look((), rows)
    [capped] = examination.capped
    assert (capped.source, capped.rows, capped.dropped) == ("agent:1", 10, 6)
    assert sorted(found(examination)) == [("v", number) for number in range(4, 10)]


def test_imports_and_the_knowledge_base_make_room_and_have_no_cap():
    known = [Labelled(f"k{i} {i * 7919}", "Pay", 1) for i in range(30)]
    tickets = [ticket(i, f"t{i} {i * 104729}", "Pay") for i in range(50)]
    assert look(known, [*many(10, 1), *many(2, 2, 100), *tickets]).capped == ()


def test_a_desk_of_one_agent_and_one_channel_has_no_cap():
    assert look((), many(50, 1)).capped == ()


def test_approved_rows_stay_under_a_cap():
    rows = [*many(10, 1, state="approved"), *many(4, 2, 100)]
    assert look((), rows).findings == ()


def test_nearly_equal_texts_of_one_label_are_duplicates():
    known = [Labelled("Where is my parcel today?", "A", 1), Labelled("Pay by card", "B", 2)]
    rows = [verdict(1, "where is my parcel today", "A", 1)]
    assert look(known, rows).duplicates == (
        ("Where is my parcel today?", "where is my parcel today"),
    )


def test_only_a_very_sure_model_disagrees_and_only_of_what_it_knows():
    proba = np.array([[0.95, 0.05], [0.6, 0.4], [0.05, 0.95], [0.99, 0.01]], np.float32)
    assert very_sure_otherwise(("A", "B"), proba, ["B", "B", "B", "new"]) == {0: "A"}
