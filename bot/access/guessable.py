"""Which long passwords are guessed first all the same: common words, rows of keys, dates.

A password is cut into what a guesser tries as one piece (a common word, a row of keys or letters,
a year) and single characters; each different piece counts once. No rule asks for kinds of
characters. Source of the idea: D. L. Wheeler, zxcvbn, USENIX Security 2016.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Fewer different pieces than this are tried within the first thousands of guesses.
MIN_PIECES = 5
_SHORTEST_ROW = 3
# What people write in place of letters, and Russian words typed with the Latin layout on.
_PLAIN = str.maketrans("@4310$5", "aaeioss")
_LAYOUT = str.maketrans("qwertyuiop[]asdfghjkl;'zxcvbnm,.", "йцукенгшщзхъфывапролджэячсмитьбю")

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю",
    "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm", "147258369", "159753", "1029384756", "йфяцычувс",
)  # fmt: skip

_COMMON = """
password passwort parola contrasena pass word login admin administrator root user guest test
testing default changeme change secret letmein welcome hello access master system support server
computer internet windows google facebook samsung apple iphone android microsoft linux oracle
service desk help helpdesk neurobot company office manager money business love lover iloveyou
loveyou iloveu ilove loveme forever always family friend friends baby babygirl babyboy angel
princess prince queen king sweet sweetheart honey darling sunshine sunflower flower butterfly
rainbow summer winter spring autumn january february march april june july august september
october november december monday friday sunday happy lucky crazy killer hunter ranger shadow
dragon monkey tiger panther eagle falcon phoenix wolf horse mustang kitty kitten puppy chicken
turtle dolphin penguin banana orange cherry chocolate cookie pepper ginger coffee cheese football
baseball basketball soccer hockey tennis golf volleyball cricket softball gymnastics swimming
skateboard snowboard arsenal chelsea liverpool manchester united barcelona madrid juventus milan
cowboys steelers yankees lakers spartak zenit london paris berlin moscow moskva russia england
america american australia california florida texas chicago boston dallas brooklyn canada mexico
brazil germany france italia india michael jordan thomas daniel david robert james john joseph
william richard charles george anthony christopher alexander alexandra alexandr andrew matthew
joshua jonathan benjamin nicholas patrick brandon jessica jennifer michelle elizabeth stephanie
samantha amanda ashley nicole melissa victoria natasha natalia svetlana tatiana ekaterina
anastasia marina maria sergey vladimir dmitry maxim nikita ivan artem charlie maggie buster cooper
oliver jackson superman batman spiderman starwars startrek pokemon naruto matrix hacker gandalf
hellokitty metallica nirvana slipknot blink guitar music rockstar marlboro corvette ferrari
porsche mercedes yamaha honda toyota trustno playboy undertaker jesus christ heaven blessed church
trinity freedom peace power magic mystery destiny infinity super star girl boy man men life live
the and you are one two not for who with your mine big black white blue green red pink purple
yellow silver golden gold diamond пароль мойпароль админ администратор привет любовь люблю солнце
зайка котик наташа марина сергей максим никита александр россия москва спартак зенит семья счастье
работа компания поддержка
"""
_WORDS = frozenset(_COMMON.split())
_LONGEST = max(map(len, _WORDS))
_DATE = re.compile(r"(19|20)\d\d|\d{2}[./-]\d{2}[./-](?:19|20)?\d{2}")


def is_guessable(password: str, own: Iterable[str] = ()) -> bool:
    """True where ``password`` is a common one or is made of few common pieces.

    Args:
        password: as it was typed.
        own: words that a guesser knows of this person: login, name, company.
    """
    text = password.casefold()
    words = _WORDS | {word for one in own for word in re.split(r"\W+", one.casefold()) if word}
    woven = (text[::2], text[1::2])  # a1b2c3d4e5
    if all(_row(one, 0) == len(one) or len(set(one)) < 3 for one in woven):
        return True
    spellings = {text, text.translate(_PLAIN), text.translate(_LAYOUT)}
    return any(len(set(_pieces(one, words))) < MIN_PIECES for one in spellings)


def _pieces(text: str, words: frozenset[str] | set[str]) -> Iterator[str]:
    """``text`` from left to right, the longest known piece first."""
    longest = max(_LONGEST, *map(len, words))
    at = 0
    while at < len(text):
        size = max(_row(text, at), _word(text, at, words, longest))
        if date := _DATE.match(text, at):
            size = max(size, date.end() - at)
        piece = text[at : at + max(size, 1)]
        yield "row" if size and piece not in words else piece
        at += max(size, 1)


def _word(text: str, at: int, words: frozenset[str] | set[str], longest: int) -> int:
    sizes = range(min(longest, len(text) - at), 2, -1)
    return next((size for size in sizes if text[at : at + size] in words), 0)


def _row(text: str, at: int) -> int:
    """Length of the row of keys, letters or one repeated character that begins here."""
    most = len(text) - at
    same = next((n for n in range(1, most) if text[at + n] != text[at]), most)
    found = same if same >= _SHORTEST_ROW else 0
    for row in _ROWS:
        for way in (row, row[::-1]):
            size = _SHORTEST_ROW
            while size <= most and text[at : at + size] in way:
                found = max(found, size)
                size += 1
    return found
