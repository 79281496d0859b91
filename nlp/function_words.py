"""Words that hold a sentence together and tell nothing of its subject, Russian and English.

For what people are shown. Ranking has its own measure of telling words, learnt from the articles.
"""

from __future__ import annotations

from typing import Final

FUNCTION_WORDS: Final = frozenset(
    """
    и а но или же ли бы не ни да нет то это этот эта эти тот та те так как какой какая какие что
    чтобы кто где куда когда почему зачем сколько в во на с со к ко по за из от до для при о об у
    я мы вы он она они меня мне мной нас нам вас вам его ее их мой моя мое мои моего моей моему наш
    ваш свой есть был была было были быть будет могу может можно нужно надо если уже еще только
    очень там тут здесь
    a an the and or but not no nor if then than that this these those there here i me my mine we us
    our you your he him his she her it its they them their who what which when where why how is am
    are was were be been being do does did don t s m ve re ll have has had can could will would
    should may might must get got to of in on at by for from with as so too just also any some
    please
    """.split()  # noqa: SIM905 - a column of quotes would hide the words
)
