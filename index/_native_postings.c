/* What postings say of documents, for one query at a time: index/scoring.py does the same in numpy.
 */
#include "_native.h"

enum { MOST_SEGMENTS = 2, LEVELS = 256, AHEAD = 4, AT_ONCE = 4096 };

typedef struct {
    const int64_t *vocabulary, *starts;
    const int32_t *df, *rows;
    const uint8_t *counts;
    Py_ssize_t terms, postings;
} Segment;

typedef struct {
    float *total;
    const float *norms, *levels; /* levels: NULL for BM25 */
    size_t documents;
} Scores;

/* BM25 of one term up to a row: count / (count + norm). A row out of range, as of a damaged file, is
 * passed by. Gives where to go on. */
static int64_t add_saturated(const Scores *s, const Segment *g, int64_t at, int64_t end, int32_t below,
                             float factor)
{
    for (; at < end && g->rows[at] < below; at++) {
        const uint32_t row = (uint32_t)g->rows[at];
        if (row < s->documents) {
            const float count = g->counts[at];
            s->total[row] += factor * (count / (count + s->norms[row]));
        }
    }
    return at;
}

/* Cosine of one term: level[count] * norm. */
static int64_t add_levels(const Scores *s, const Segment *g, int64_t at, int64_t end, int32_t below,
                          float factor)
{
    for (; at < end && g->rows[at] < below; at++) {
        const uint32_t row = (uint32_t)g->rows[at];
        if (row < s->documents)
            s->total[row] += factor * s->levels[g->counts[at]] * s->norms[row];
    }
    return at;
}

/* Places of terms in a segment, -1 for unknown ones; adds up in how many documents they are. All are
 * sought together, a halving at a time, so that they wait for memory together. */
static void locate(const Segment *g, const int64_t *terms, Py_ssize_t count, int64_t *where, double *df)
{
    memset(where, 0, (size_t)count * sizeof *where);
    for (Py_ssize_t length = g->terms, half; length > 1; length -= half) {
        half = length / 2;
        for (Py_ssize_t t = 0; t < count; t++)
            where[t] += g->vocabulary[where[t] + half - 1] < terms[t] ? half : 0;
    }
    for (Py_ssize_t t = 0; t < count; t++) {
        if (g->terms && g->vocabulary[where[t]] == terms[t])
            df[t] += g->df[where[t]];
        else
            where[t] = -1;
    }
}

/* Idf of terms by their document counts, and what the query makes of a term's weight in a document.
 */
static void weigh(const Scores *s, const int64_t *repeats, Py_ssize_t count, const double *df,
                  double k1, double scale, double living, double *idf, float *factors)
{
    double square = 0;
    for (Py_ssize_t t = 0; t < count; t++) {
        if (s->levels == NULL) {
            idf[t] = log(1.0 + (living - df[t] + 0.5) / (df[t] + 0.5));
            factors[t] = (float)(scale * (k1 + 1.0) * (double)repeats[t] * idf[t]);
        } else {
            idf[t] = 1.0 + log((1.0 + living) / (1.0 + df[t]));
            const double said = (1.0 + log((double)repeats[t])) * idf[t];
            square += said * said;
        }
    }
    const double length = sqrt(square) > 1e-9 ? sqrt(square) : 1e-9;
    for (Py_ssize_t t = 0; s->levels != NULL && t < count; t++)
        factors[t] = (float)(scale / length * (1.0 + log((double)repeats[t])) * idf[t] * idf[t]);
}

static const char OUTSIDE[] = "a term lies outside the postings";
static const char LENGTHS[] = "scores and norms, rows and counts must have one length";
static const char LEVELLESS[] = "there must be a level for every count";

enum { TOTAL, NORMS, LEVEL, TERMS, REPEATS, IDF, DF, FIXED, PER_SEGMENT = 5 };

/* The postings of a term lie all over memory: those of a few are asked for before they are needed. */
static inline void fetch(const Segment *g, int64_t start)
{
    FETCH(g->rows + start);
    FETCH((const char *)(g->rows + start) + 64);
    FETCH(g->counts + start);
}

/* What some terms say of all documents. As many documents at a time as a quick cache holds: each term
 * goes on where it stopped. */
static const char *add_terms(const Scores *s, const Segment *g, const int64_t *where,
                             const float *factors, Py_ssize_t count)
{
    int64_t *ats = malloc((size_t)(count + 1) * sizeof *ats);
    const char *wrong = ats == NULL ? "there is no memory for so long a query" : NULL;
    for (Py_ssize_t t = 0; wrong == NULL && t < count; t++) {
        if (where[t] < 0)
            continue;
        ats[t] = g->starts[where[t]];
        if (ats[t] < 0 || g->starts[where[t] + 1] > g->postings)
            wrong = OUTSIDE;
    }
    for (size_t first = 0; wrong == NULL && first < s->documents; first += AT_ONCE) {
        const int32_t below = first + AT_ONCE < s->documents ? (int32_t)(first + AT_ONCE) : INT32_MAX;
        for (Py_ssize_t t = 0; t < count; t++) {
            if (t + AHEAD < count && where[t + AHEAD] >= 0 && ats[t + AHEAD] < g->postings)
                fetch(g, ats[t + AHEAD]);
            if (where[t] < 0)
                continue;
            const int64_t end = g->starts[where[t] + 1];
            ats[t] = s->levels == NULL ? add_saturated(s, g, ats[t], end, below, factors[t])
                                       : add_levels(s, g, ats[t], end, below, factors[t]);
        }
    }
    free(ats);
    return wrong;
}

static const char *answer(const Scores *s, Py_buffer *b, const Segment *segments, int count,
                          const double *numbers)
{
    const Py_ssize_t terms = COUNT(b[TERMS], int64_t);
    int64_t *where = malloc((size_t)(count * terms + 1) * sizeof *where);
    float *factors = malloc((size_t)(terms + 1) * sizeof *factors);
    double *df = b[DF].buf;
    const char *wrong = where && factors ? NULL : "there is no memory for so long a query";
    if (wrong == NULL) {
        memset(df, 0, (size_t)terms * sizeof *df);
        for (int g = 0; g < count; g++)
            locate(&segments[g], b[TERMS].buf, terms, where + g * terms, df);
        weigh(s, b[REPEATS].buf, terms, df, numbers[0], numbers[1], numbers[2], b[IDF].buf, factors);
        for (int g = 0; g < count && wrong == NULL; g++)
            wrong = add_terms(s, &segments[g], where + g * terms, factors, terms);
    }
    free(where);
    free(factors);
    return wrong;
}

static const char *misfit(const Py_buffer *b, Segment *segments, int count)
{
    const Py_ssize_t terms = COUNT(b[TERMS], int64_t);
    if (b[NORMS].len != b[TOTAL].len)
        return LENGTHS;
    if (COUNT(b[REPEATS], int64_t) != terms || COUNT(b[IDF], double) != terms ||
        COUNT(b[DF], double) != terms)
        return "every term needs its repeats and results";
    if (b[LEVEL].len && COUNT(b[LEVEL], float) != LEVELS)
        return LEVELLESS;
    for (int g = 0; g < count; g++) {
        const Py_buffer *own = b + FIXED + g * PER_SEGMENT;
        Segment *s = &segments[g];
        *s = (Segment){own[0].buf, own[1].buf, own[2].buf, own[3].buf, own[4].buf,
                       COUNT(own[0], int64_t), COUNT(own[4], uint8_t)};
        if (COUNT(own[1], int64_t) != s->terms + 1 || COUNT(own[2], int32_t) != s->terms)
            return "every term of a vocabulary needs a start and a document count";
        if (COUNT(own[3], int32_t) != s->postings)
            return LENGTHS;
    }
    return NULL;
}

/* ask(total, norms, levels, terms, repeats, idf, df, k1, scale, living, vocabulary, starts,
 * document counts, rows, counts, and a second segment's): levels of no length for BM25. */
PyObject *ask(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { NUMBERS = 3, VIEWS = FIXED + MOST_SEGMENTS * PER_SEGMENT };
    PyObject *arrays[VIEWS];
    Py_buffer b[VIEWS];
    Segment segments[MOST_SEGMENTS];
    double numbers[NUMBERS];
    const int count = given == FIXED + NUMBERS + PER_SEGMENT ? 1 : MOST_SEGMENTS;
    const Py_ssize_t views = FIXED + count * PER_SEGMENT;
    (void)self;
    if (!wanted(given, views + NUMBERS))
        return NULL;
    for (Py_ssize_t i = 0; i < views; i++)
        arrays[i] = args[i < FIXED ? i : i + NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = PyFloat_AsDouble(args[FIXED + i]);
    if (PyErr_Occurred() || !open_arrays(arrays, count == 1 ? "FffllDDlliib" : "FffllDDlliiblliib", b))
        return NULL;
    const char *wrong = misfit(b, segments, count);
    if (wrong == NULL) {
        const Scores s = {b[TOTAL].buf, b[NORMS].buf, b[LEVEL].len ? b[LEVEL].buf : NULL,
                          (size_t)b[TOTAL].len / sizeof(float)};
        Py_BEGIN_ALLOW_THREADS
        wrong = answer(&s, b, segments, count, numbers);
        Py_END_ALLOW_THREADS
    }
    return closed(b, views, wrong);
}

/* add_scores(total, norms, levels, starts, rows, counts, where, factors) */
PyObject *add_scores(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SUMS, NORM, LEVEL_OF, STARTS, ROWS, COUNTS, WHERE, FACTORS, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "Fffliblf", b))
        return NULL;
    const Scores s = {b[SUMS].buf, b[NORM].buf, b[LEVEL_OF].len ? b[LEVEL_OF].buf : NULL,
                      (size_t)b[SUMS].len / sizeof(float)};
    const Segment g = {NULL, b[STARTS].buf, NULL, b[ROWS].buf, b[COUNTS].buf,
                       COUNT(b[STARTS], int64_t) - 1, COUNT(b[COUNTS], uint8_t)};
    const int64_t *where = b[WHERE].buf;
    const Py_ssize_t terms = COUNT(b[WHERE], int64_t);
    if (b[NORM].len != b[SUMS].len || COUNT(b[ROWS], int32_t) != g.postings)
        wrong = LENGTHS;
    else if (COUNT(b[FACTORS], float) != terms)
        wrong = "every term needs a place and a factor";
    else if (s.levels != NULL && COUNT(b[LEVEL_OF], float) != LEVELS)
        wrong = LEVELLESS;
    for (Py_ssize_t t = 0; wrong == NULL && t < terms; t++)
        if (where[t] < 0 || where[t] >= g.terms)
            wrong = OUTSIDE;
    if (wrong == NULL)
        wrong = add_terms(&s, &g, where, b[FACTORS].buf, terms);
    return closed(b, VIEWS, wrong);
}

/* count_terms(sorted terms, distinct terms, repeats); gives how many are distinct. */
PyObject *count_terms(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_buffer b[3];
    Py_ssize_t kept = 0;
    (void)self;
    if (!wanted(given, 3) || !open_arrays(args, "lLL", b))
        return NULL;
    const Py_ssize_t count = COUNT(b[0], int64_t);
    const int64_t *terms = b[0].buf;
    int64_t *distinct = b[1].buf, *repeats = b[2].buf;
    if (COUNT(b[1], int64_t) < count || COUNT(b[2], int64_t) < count)
        kept = -1;
    for (Py_ssize_t i = 0, next; kept >= 0 && i < count; i = next) {
        for (next = i + 1; next < count && terms[next] == terms[i];)
            next++;
        distinct[kept] = terms[i];
        repeats[kept++] = next - i;
    }
    return closed_with(b, 3, kept, "there is no room for so many terms");
}

/* count_documents(terms, vocabulary, document counts, out): adds up in how many documents terms are. */
PyObject *count_documents(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SOUGHT, VOCABULARY, COUNTS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "lliD", b))
        return NULL;
    const Py_ssize_t count = COUNT(b[SOUGHT], int64_t);
    const Segment g = {.vocabulary = b[VOCABULARY].buf, .df = b[COUNTS].buf,
                       .terms = COUNT(b[VOCABULARY], int64_t)};
    int64_t *where = malloc((size_t)(count + 1) * sizeof *where);
    if (COUNT(b[COUNTS], int32_t) != g.terms || COUNT(b[OUT], double) != count)
        wrong = "every term needs a document count";
    else if (where == NULL)
        wrong = "there is no memory for so many terms";
    else
        locate(&g, b[SOUGHT].buf, count, where, b[OUT].buf);
    free(where);
    return closed(b, VIEWS, wrong);
}
