"""What events teach of people and pages, what is offered for it, what a restart keeps."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import pytest

from bot.bus import Bus
from bot.errors import NotFound
from bot.event import PAGE_VIEW, Event
from bot.recommending import Recommending
from bot.store import ArticleRow
from bot.store.items import StoredItem
from index.interests import MOST_TAGS

DAY_S = 86_400.0
SITE = "https://shop.example"
UMBRELLAS = (
    ("u1", "Зонт складной красный", "зонты/складные/u1"),
    ("u2", "Зонт складной синий", "зонты/складные/u2"),
    ("u3", "Зонт складной чёрный", "зонты/складные/u3"),
    ("u4", "Зонт трость красный", "зонты/трости/u4"),
    ("b1", "Сапоги резиновые жёлтые", "обувь/сапоги/b1"),
    ("b2", "Сапоги зимние", "обувь/сапоги/b2"),
)
_ids = itertools.count()


def product(external_id, title, path="", **fields):
    kind = fields.pop("kind", "product")
    return StoredItem(id=0, external_id=external_id, kind=kind, title=title, path=path, **fields)


def event(name=PAGE_VIEW, **fields):
    return Event(id=f"e{next(_ids)}", name=name, **{"at": 1_800_000_000.0, **fields})


class Names(dict):
    """Customers by visitor, and events as they were stored."""

    def __init__(self):
        super().__init__()
        self.stored = []

    async def after(self, event, limit):
        places = [n for n, one in enumerate(self.stored) if (one.at, one.id) == event]
        first = 0 if event is None else places[0] + 1 if places else len(self.stored)
        return self.stored[first:][:limit]

    def identity(self, visitor):
        return self.get(visitor, ""), ""

    async def names(self, customer):
        return [visitor for visitor, one in self.items() if customer in {one, visitor}]


@pytest.fixture
def names():
    return Names()


@pytest.fixture
def open_recommending(settings, store, clock, names):
    """Opens recommendations over the same rows, as after a restart."""
    site = msgspec.structs.replace(settings.widget, allowed_origins=(SITE,))
    known = msgspec.structs.replace(settings, widget=site)
    bus = Bus()

    async def open_one():
        found = Recommending(known, store, bus, clock, names)
        found.bus = bus
        await found.start()
        await found.ready()
        return found

    return open_one


@pytest.fixture
async def recommending(open_recommending):
    found = await open_recommending()
    await found.put([product(*one, url=f"{SITE}/{one[2]}") for one in UMBRELLAS])
    yield found
    await found.stop()


def offered(recommending, subject, k=5):
    return [one.item.external_id for one in recommending.for_subject(subject, k)]


async def until(true):
    """Wait until it is so."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def tags(recommending, subject):
    return [one.tag for one in recommending.interests(subject)]


async def test_a_viewed_product_leads_to_its_like_with_the_reason(recommending) -> None:
    recommending.observe([event(customer="anna", item="u1")])
    [first, *_] = recommending.for_subject("c:anna", 5)
    assert first.item.external_id in {"u2", "u3", "u4"}
    assert {reason.page for reason in first.reasons} == {"Зонт складной красный"}
    assert {"складной", "красный"} & {reason.tag for reason in first.reasons}
    assert {"складной", "красный"} <= set(tags(recommending, "c:anna"))


async def test_seen_and_bought_are_left_out(recommending) -> None:
    recommending.observe(
        [event(customer="anna", item="u1"), event("bought", customer="anna", item="u2")]
    )
    assert not {"u1", "u2"} & set(offered(recommending, "c:anna"))


async def test_renewable_goods_come_back_after_their_period(recommending, clock) -> None:
    await recommending.put([product("u2", "Зонт складной синий", renewable_s=10 * DAY_S)])
    recommending.observe(
        [event(customer="anna", item="u1"), event("bought", customer="anna", item="u2")]
    )
    assert "u2" not in offered(recommending, "c:anna")
    clock.advance(9.9 * DAY_S)
    assert "u2" not in offered(recommending, "c:anna")
    clock.advance(0.2 * DAY_S)
    assert "u2" in offered(recommending, "c:anna")
    assert "u1" not in offered(recommending, "c:anna")


async def test_at_most_two_of_a_section_while_others_fit(recommending) -> None:
    recommending.observe(
        [event(customer="anna", title="Зонт складной"), event(customer="anna", title="Зонт трость")]
    )
    found = offered(recommending, "c:anna", 3)
    assert "u4" in found
    assert len({"u1", "u2", "u3"} & set(found)) == 2


async def test_who_is_not_known_gets_what_many_look_at(recommending) -> None:
    recommending.observe([event(visitor=f"v{n}", item="b2") for n in range(3)])
    recommending.observe([event(visitor="v9", item="b1")])
    found = recommending.for_subject("c:nobody", 5)
    assert [one.item.external_id for one in found] == ["b2", "b1"]
    assert not any(one.reasons for one in found)


async def test_a_visitor_becomes_a_customer_and_keeps_what_they_saw(recommending, names) -> None:
    recommending.observe([event(visitor="v1", item="u1")])
    recommending.observe([event("login", visitor="v1", customer="anna", item="b1")])
    assert {"красный", "жёлтый", "жёлтые"} & set(tags(recommending, "c:anna"))
    assert tags(recommending, "v:v1") == []
    names["v1"] = "anna"
    recommending.observe([event(visitor="v1", item="b2")])
    assert tags(recommending, "v:v1") == []
    assert await recommending.subject("anna") == "c:anna"


async def test_pages_are_learnt_from_views_of_our_sites_alone(recommending) -> None:
    seen = {"visitor": "v1", "title": "Как ухаживать за зонтом"}
    recommending.observe([event(url=f"{SITE}/help/care?utm=1#top", **seen)])
    recommending.observe([event(url="https://elsewhere.example/help/care", **seen)])
    recommending.observe([event(url="http://[broken", **seen)])
    pages = [one.item for one in recommending.shelf.items() if one.item.source == "views"]
    assert [(page.title, page.path) for page in pages] == [("Как ухаживать за зонтом", "help/care")]
    found = recommending.beside(f"{SITE}/help/care", 3)
    assert found[0].item.external_id.startswith("u")


@pytest.mark.parametrize(
    "title", ["", "   ", "🎉🎉🎉", "&amp;&lt;&gt;", "?!", "x" * 2000 + " " + "зонт " * 200_000]
)
async def test_any_title_is_taken(recommending, title) -> None:
    recommending.observe([event(visitor="v1", title=title, h1="", url=f"{SITE}/odd")])
    recommending.observe([event(visitor="v1", item="u1")])
    assert offered(recommending, "v:v1")
    await recommending.flush()


async def test_a_page_without_a_title_goes_by_its_heading_or_is_not_learnt(recommending) -> None:
    recommending.observe([event(visitor="v1", url=f"{SITE}/a", h1="Возврат зонта")])
    recommending.observe([event(visitor="v1", url=f"{SITE}/b")])
    titles = [one.item.title for one in recommending.shelf.items() if one.item.source == "views"]
    assert titles == ["Возврат зонта"]


async def test_a_page_gets_its_new_name_once_a_day(recommending) -> None:
    for hour, title in enumerate(("Первая цена", "Вторая цена", "Третья цена")):
        at = 1_800_000_000.0 + hour * 15 * 3600
        recommending.observe([event(visitor="v1", url=f"{SITE}/price", title=title, at=at)])
    key = recommending.shelf.find(f"{SITE}/price")
    assert recommending.shelf.get(key).item.title == "Третья цена"
    assert recommending.shelf.find("Первая цена") is None


async def test_items_with_identical_titles_are_told_by_what_else_they_say(recommending) -> None:
    about = [f"тема{n % 6}" for n in range(42)]
    await recommending.put(
        [product(f"s{n}", "О сервисе", f"s{n}/about", description=about[n]) for n in range(42)]
    )
    recommending.observe([event(customer="anna", item="s1")])
    assert set(offered(recommending, "c:anna", 5)) <= {f"s{n}" for n in range(7, 42, 6)}
    assert len(offered(recommending, "c:anna", 5)) == 5
    assert "сервисе" not in tags(recommending, "c:anna")


async def test_an_item_without_a_name_is_known_and_never_offered(recommending) -> None:
    await recommending.put([product("n1", "", "зонты/складные/n1", description="Зонт складной")])
    recommending.observe([event(customer="anna", item="u1")])
    assert "n1" not in offered(recommending, "c:anna", 20)
    assert recommending.beside("n1", 3)


async def test_edits_and_removals_count_at_once(recommending) -> None:
    recommending.observe([event(customer="anna", item="u1")])
    await recommending.put([product("u5", "Зонт складной зелёный")])
    assert "u5" in offered(recommending, "c:anna", 9)
    await recommending.remove("u5")
    assert "u5" not in offered(recommending, "c:anna", 9)
    with pytest.raises(NotFound, match="u5"):
        await recommending.remove("u5")


async def test_a_removed_page_is_not_learnt_from_views_again(recommending) -> None:
    view = {"visitor": "v1", "url": f"{SITE}/old", "title": "Старая страница"}
    recommending.observe([event(**view)])
    await recommending.flush()
    await recommending.remove(f"//{SITE.partition('//')[2]}/old")
    recommending.observe([event(**view)])
    assert recommending.shelf.find(f"{SITE}/old") is None


async def test_articles_are_items_and_follow_the_knowledge_base(recommending, store) -> None:
    article = await store.knowledge.save(
        text="Сушите зонт раскрытым.", title="Уход за зонтом", category="Зонты", questions=[]
    )
    news = {"revision": 1, "articles": [article.id]}
    recommending.bus.publish("desk", "knowledge.changed", news)
    recommending.observe([event(customer="anna", item="u1")])
    await until(lambda: f"article:{article.id}" in offered(recommending, "c:anna", 9))
    await store.knowledge.remove(article.id)
    recommending.bus.publish("desk", "knowledge.changed", {"revision": 2})
    await until(lambda: recommending.shelf.find(f"article:{article.id}") is None)


async def test_many_articles_are_read_by_the_first_need(settings, store, clock, names):
    await store.knowledge.import_articles([ArticleRow(f"Полка {n} в зале.") for n in range(500)])
    found = Recommending(settings, store, Bus(), clock, names)
    await found.start()
    await asyncio.sleep(0.2)
    assert (found.is_ready, len(found.shelf)) == (False, 0)
    found.observe([event(visitor="v1", url=f"{SITE}/u1")])
    await found.ready()
    assert len(found.shelf) == 500
    await found.stop()


async def test_a_restart_loses_nothing(recommending, open_recommending) -> None:
    recommending.observe(
        [
            event(customer="anna", item="u1"),
            event("bought", customer="anna", item="b2"),
            event(customer="anna", url=f"{SITE}/help/care", title="Уход за зонтом"),
        ]
    )
    before = recommending.interests("c:anna"), offered(recommending, "c:anna", 9)
    await recommending.stop()
    again = await open_recommending()
    assert [one.tag for one in again.interests("c:anna")] == [one.tag for one in before[0]]
    assert [one.page for one in again.interests("c:anna")] == [one.page for one in before[0]]
    assert [one.share for one in again.interests("c:anna")] == pytest.approx(
        [one.share for one in before[0]], abs=1e-3
    )
    assert offered(again, "c:anna", 9) == before[1]
    fresh = product("new", "Зонт новый")
    await again.put([fresh])
    assert again.shelf.get(again.shelf.find("new")).item.id > 6
    await again.stop()


async def test_after_a_kill_what_was_stored_is_learnt_anew_and_once(
    recommending, open_recommending, names
) -> None:
    first = event(customer="anna", item="u1")
    later = [event(customer=f"c{n}", item="b1") for n in range(120)]
    names.stored = [first, *later]
    recommending.observe([first])
    await recommending.flush()
    killed = await open_recommending()  # as if the first had never stopped in order
    await killed.settled()
    assert len(killed.audience) == 121
    assert tags(killed, "c:c119")
    await killed.stop()
    again = await open_recommending()
    assert len(again.audience) == 121
    assert again.shelf.views(again.shelf.find("b1"), first.at) == pytest.approx(120)
    await again.stop()


async def test_a_click_is_counted_once_and_within_a_week(recommending, store, clock) -> None:
    items = [recommending.shelf.get(recommending.shelf.find(name)).item for name in ("u1", "b1")]
    await recommending.shown("c:anna", items, "api")
    await recommending.shown("c:anna", items, "api")
    for _ in range(2):
        recommending.observe([event(customer="anna", item="u1", at=clock.now + 60)])
    recommending.observe([event(customer="other", item="b1", at=clock.now + 60)])
    recommending.observe([event(customer="anna", item="b1", at=clock.now + 8 * DAY_S)])
    await recommending.flush()
    [found] = await recommending.click_through(0.0)
    assert (found.place, found.shown, found.clicked) == ("api", 2, 1)


async def test_what_is_too_old_to_matter_is_forgotten(recommending, store, clock) -> None:
    old = {"at": clock.now - 200 * DAY_S, "item": "u1"}
    recommending.observe([event(visitor="v1", **old), event(customer="anna", **old)])
    recommending.observe([event(visitor="v2", item="u1")])
    await recommending.shown("c:anna", [recommending.shelf.get(1).item], "api")
    await recommending.flush()
    clock.advance(91 * DAY_S)
    await store.profiles.prune()
    assert {one.subject for one in await store.profiles.load(9)} == {"c:anna", "v:v2"}
    assert await recommending.click_through(0.0) == []


async def test_an_erased_person_is_gone_from_memory_and_rows(recommending, store) -> None:
    recommending.observe([event(customer="anna", item="u1"), event(visitor="anna", item="u2")])
    item = recommending.shelf.get(recommending.shelf.find("u3")).item
    await recommending.shown("c:anna", [item], "chat")
    subjects = await recommending.subjects("anna")
    assert sum((await recommending.count(subjects)).values()) >= 2
    await recommending.forget(subjects)
    assert tags(recommending, "c:anna") == []
    await recommending.flush()
    assert await recommending.count(subjects) == {}
    assert await store.profiles.load(10) == []


async def test_a_profile_holds_at_most_its_tags(recommending) -> None:
    for number in range(40):
        await recommending.put([product(f"w{number}", f"товар{number} слово{number}")])
        recommending.observe([event(customer="anna", item=f"w{number}")])
    assert len(tags(recommending, "c:anna")) == MOST_TAGS


async def test_a_great_batch_is_learnt_in_turns_and_wholly(recommending, clock) -> None:
    recommending.observe([event(visitor=f"v{n}", item="u1") for n in range(1_000)])
    await until(lambda: recommending.audience.unsettled == 1_000)
    taken = asyncio.create_task(recommending.settled())
    await asyncio.sleep(0)
    assert 0 < len(recommending.audience) < 1_000
    await taken
    assert len(recommending.audience) == 1_000
    assert recommending.shelf.views(recommending.shelf.find("u1"), clock.now) == pytest.approx(1e3)


async def test_old_views_count_less(recommending, clock) -> None:
    old = clock.now - 90 * DAY_S
    recommending.observe([event(visitor=f"a{n}", item="b2", at=old) for n in range(4)])
    recommending.observe([event(visitor="b", item="b1")])
    assert offered(recommending, "c:nobody", 2) == ["b1", "b2"]
    assert recommending.shelf.views(recommending.shelf.find("b2"), clock.now) == pytest.approx(0.5)


async def test_events_of_nobody_and_of_nothing_teach_nothing(recommending) -> None:
    recommending.observe([event(item="u1"), event("login", customer="anna")])
    await recommending.settled()
    assert len(recommending.audience) == 0
