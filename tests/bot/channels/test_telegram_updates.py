"""Telegram's updates as inbound messages."""

import pytest
from telegram import Update

from bot.catalogue import Catalogue
from bot.channels.telegram_updates import message_number, read_update
from bot.domain import MessageKind

FILE = {"file_id": "f", "file_unique_id": "u", "file_size": 10}
SIZED = FILE | {"width": 1, "height": 1}


def read(content, *, what="message", chat_type="private", is_bot=False):
    message = {
        "message_id": 5,
        "date": 1,
        "chat": {"id": 7, "type": chat_type},
        "from": {
            "id": 7, "is_bot": is_bot, "first_name": "Анна", "last_name": "К",
            "language_code": "ru", "username": "anna",
        },
    } | content  # fmt: skip
    return of({"update_id": 9, what: message})


def of(raw):
    update = Update.de_json(raw, None)
    return read_update(update, received_at=3.0, max_file_bytes=100, catalogue=Catalogue.load())


@pytest.mark.parametrize(
    "inbound",
    [
        read({"text": "x"}, chat_type="group"),
        read({"text": "x"}, chat_type="channel", what="channel_post"),
        read({"text": "x"}, is_bot=True),
        read({"new_chat_title": "x"}),
        of({"update_id": 9}),
    ],
)
def test_what_is_not_for_us_is_passed_over(inbound):
    assert inbound is None


def test_a_text_with_its_writer():
    inbound = read({"text": "Привет"})
    assert (inbound.channel, inbound.external_id, inbound.customer_external_id) == (
        "telegram",
        "7:5",
        "7",
    )
    assert (inbound.customer_name, inbound.language, inbound.text) == ("Анна К", "ru", "Привет")
    assert inbound.kind is MessageKind.TEXT


def test_an_edit_names_the_message_it_changes():
    inbound = read({"text": "new", "edit_date": 2}, what="edited_message")
    assert (inbound.edits_external_id, inbound.external_id) == ("7:5", "7:5:9")


def test_of_a_photo_the_largest_that_is_small_enough_is_taken():
    sizes = [
        SIZED | {"file_id": "s", "width": 10},
        SIZED | {"file_id": "m", "width": 20},
        SIZED | {"file_id": "l", "width": 30, "file_size": 101},
    ]
    inbound = read({"photo": sizes, "caption": "look"})
    assert (inbound.kind, inbound.text) == (MessageKind.PHOTO, "look")
    assert inbound.attachment.reference == "m"


def test_a_document_by_reference_and_one_too_large_by_name():
    document = FILE | {"file_name": "bill.pdf", "mime_type": "application/pdf"}
    inbound = read({"document": document})
    assert inbound.kind is MessageKind.DOCUMENT
    assert (inbound.attachment.name, inbound.attachment.size_bytes) == ("bill.pdf", 10)
    inbound = read({"document": document | {"file_size": 101}, "caption": "why?"})
    assert (inbound.kind, inbound.attachment) == (MessageKind.UNSUPPORTED, None)
    assert inbound.text == "file bill.pdf\nwhy?"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            {"sticker": SIZED | {"emoji": "🙂", "type": "regular", "is_animated": False,
                                 "is_video": False}},
            "sticker 🙂",
        ),
        ({"voice": FILE | {"duration": 3}}, "voice"),
        ({"audio": FILE | {"duration": 3}}, "audio"),
        ({"video": SIZED | {"duration": 3}, "caption": "see"}, "video\nsee"),
        ({"video_note": FILE | {"length": 1, "duration": 3}}, "video_note"),
        ({"animation": SIZED | {"duration": 1}, "document": FILE}, "animation"),
        ({"location": {"latitude": 55.75, "longitude": 37.6}}, "location 55.75000, 37.60000"),
        ({"contact": {"phone_number": "+7", "first_name": "Оля"}}, "contact Оля +7"),
        ({"dice": {"emoji": "🎲", "value": 3}}, "other"),
        ({}, "other"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(content, text):
    inbound = read(content)
    assert (inbound.kind, inbound.text) == (MessageKind.UNSUPPORTED, text)
    if "voice" in content:
        assert inbound.attachment.reference == "f"


def test_each_named_kind_has_its_word():
    catalogue = Catalogue.load()
    for kind in ("sticker", "voice", "audio", "video", "video_note", "animation", "location"):
        assert f"system.kind.{kind}" in catalogue


def test_a_press_of_the_button_asks_for_a_person():
    query = {
        "id": "q1", "chat_instance": "1", "data": "person",
        "from": {"id": 7, "is_bot": False, "first_name": "Анна", "language_code": "ru"},
        "message": {"message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"}},
    }  # fmt: skip
    inbound = of({"update_id": 9, "callback_query": query})
    assert inbound.wants_person
    assert (inbound.external_id, inbound.text) == ("callback:q1", "Позвать человека")
    assert of({"update_id": 9, "callback_query": query | {"data": "else"}}) is None


@pytest.mark.parametrize(
    ("name", "number"),
    [("7:5", 5), ("7:5:9", 5), ("-100:5", 5), ("callback:q", None), (None, None), ("", None)],
)
def test_numbers_of_messages(name, number):
    assert message_number(name) == number
