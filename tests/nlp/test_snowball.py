"""Two stemmers without the others; whoever asks for the whole package still gets it."""

import subprocess
import sys

_WHOLE = """
import sys
from nlp.snowball import EnglishStemmer, RussianStemmer
assert "snowballstemmer.turkish_stemmer" not in sys.modules
import snowballstemmer
assert snowballstemmer.stemmer("turkish").stemWord("evler") == "ev"
assert isinstance(snowballstemmer.stemmer("english"), EnglishStemmer)
assert RussianStemmer().stemWord("возвраты") == "возврат"
"""


def test_two_languages_alone():
    subprocess.run([sys.executable, "-c", _WHOLE], check=True, timeout=60)
