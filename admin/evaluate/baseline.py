"""The plain way to compare with: TF-IDF and cosine over the knowledge base and past questions."""

from __future__ import annotations

from collections.abc import Sequence


def rank_answers(
    documents: Sequence[tuple[str, str]], texts: Sequence[str], top_k: int
) -> list[list[str]]:
    """For each text the best answers by the cosine of their best document.

    Args:
        documents: (text, answer it stands for): questions of the knowledge base and past tickets.
        texts: what is asked.
        top_k: answers wanted.

    Source: Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988; terms
    are characters 3-5 within words, the strongest plain choice on inflected texts.
    """
    # scikit-learn takes a second to load and has no place in a serving process
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    matrix = vectorizer.fit_transform([text for text, _ in documents])
    scores = (vectorizer.transform(texts) @ matrix.T).toarray()
    ranked: list[list[str]] = []
    for row in scores:
        best: dict[str, None] = {}
        for place in row.argsort(kind="stable")[::-1]:
            best.setdefault(documents[place][1])
            if len(best) == top_k:
                break
        ranked.append(list(best))
    return ranked
