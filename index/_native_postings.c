/* What postings say of documents, for one query at a time: index/scoring.py does the same in numpy.
 */
#include "_native.h"

enum { MOST_SEGMENTS = 2, LEVELS = 256, AHEAD = 4, AT_ONCE = 4096 };

/* Rows of documents, in two bytes each or in four. */
typedef struct {
    const void *at;
    Py_ssize_t count;
    int narrow;
} Rows;

/* Postings as index/packed.py keeps them; df: NULL where every document lives. */
typedef struct {
    const int64_t *vocabulary;
    const uint32_t *starts; /* two of each term: among once and among more */
    const int32_t *df;
    Rows once, more;
    const uint8_t *counts;
    Py_ssize_t terms;
} Segment;

typedef struct {
    float *total;
    const float *norms, *once, *levels; /* levels: NULL for BM25 */
    size_t documents;
} Scores;

/* BM25 of a term: count / (count + norm); cosine: level[count] * norm; what once says is known. */
enum { ONCE, SATURATED, LEVELLED };

/* One term up to a row. A row out of range, as of a damaged file, is passed by. Gives where to go on.
 * Inlined for each kind, and each size of a row. */
static inline int64_t add_rows(const Scores *s, const Rows *rows, const uint8_t *counts, int64_t at,
                               int64_t end, uint32_t below, float factor, int kind, int narrow)
{
    const uint16_t *two = rows->at;
    const uint32_t *four = rows->at; /* one below 0 is out of range */
    for (; at < end; at++) {
        const uint32_t row = narrow ? two[at] : four[at];
        if (row >= below) {
            if (row < s->documents)
                return at;
            continue;
        }
        if (kind == ONCE)
            s->total[row] += factor * s->once[row];
        else if (kind == SATURATED)
            s->total[row] += factor * ((float)counts[at] / ((float)counts[at] + s->norms[row]));
        else
            s->total[row] += factor * s->levels[counts[at]] * s->norms[row];
    }
    return at;
}

static int64_t add_once(const Scores *s, const Segment *g, int64_t at, int64_t end, uint32_t below,
                        float factor)
{
    return g->once.narrow ? add_rows(s, &g->once, NULL, at, end, below, factor, ONCE, 1)
                          : add_rows(s, &g->once, NULL, at, end, below, factor, ONCE, 0);
}

static int64_t add_more(const Scores *s, const Rows *rows, const uint8_t *counts, int64_t at, int64_t end,
                        uint32_t below, float factor)
{
    if (s->levels == NULL)
        return rows->narrow ? add_rows(s, rows, counts, at, end, below, factor, SATURATED, 1)
                            : add_rows(s, rows, counts, at, end, below, factor, SATURATED, 0);
    return rows->narrow ? add_rows(s, rows, counts, at, end, below, factor, LEVELLED, 1)
                        : add_rows(s, rows, counts, at, end, below, factor, LEVELLED, 0);
}

static double living(const Segment *g, int64_t term)
{
    const uint32_t *start = g->starts + 2 * term;
    return g->df ? g->df[term] : (double)(start[2] - start[0]) + (double)(start[3] - start[1]);
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
            df[t] += living(g, where[t]);
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

enum { TOTAL, NORMS, SINGLE, LEVEL, TERMS, REPEATS, IDF, DF, FIXED, PER_SEGMENT = 6 };

/* Where a term goes on. */
typedef struct {
    int64_t once, once_end, more, more_end;
    float factor;
} Reader;

/* The postings of a term lie all over memory: those of a few are asked for before they are needed. */
static inline void fetch(const Segment *g, const Reader *r)
{
    FETCH((const char *)g->once.at + (r->once << (g->once.narrow ? 1 : 2)));
    FETCH((const char *)g->more.at + (r->more << (g->more.narrow ? 1 : 2)));
}

/* What some terms say of all documents. As many documents at a time as a quick cache holds: each term
 * goes on where it stopped. */
static const char *add_terms(const Scores *s, const Segment *g, const int64_t *where,
                             const float *factors, Py_ssize_t count)
{
    Reader *readers = malloc((size_t)(count + 1) * sizeof *readers);
    const char *wrong = readers == NULL ? "there is no memory for so long a query" : NULL;
    Py_ssize_t known = 0;
    for (Py_ssize_t t = 0; wrong == NULL && t < count; t++) {
        if (where[t] < 0)
            continue;
        const uint32_t *start = g->starts + 2 * where[t];
        readers[known++] = (Reader){start[0], start[2], start[1], start[3], factors[t]};
        if (start[2] > g->once.count || start[3] > g->more.count)
            wrong = OUTSIDE;
    }
    for (size_t first = 0; wrong == NULL && first < s->documents; first += AT_ONCE) {
        const size_t left = s->documents - first;
        const uint32_t below = (uint32_t)(first + (left < AT_ONCE ? left : AT_ONCE));
        for (Py_ssize_t t = 0; t < known; t++) {
            Reader *r = &readers[t];
            if (t + AHEAD < known)
                fetch(g, r + AHEAD);
            r->once = add_once(s, g, r->once, r->once_end, below, r->factor);
            r->more = add_more(s, &g->more, g->counts, r->more, r->more_end, below, r->factor);
        }
    }
    free(readers);
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

/* Rows of so many postings. 1, or 0 where they are of no known size. */
static int rows_of(const Py_buffer *view, Rows *rows, Py_ssize_t count)
{
    *rows = (Rows){view->buf, count, view->len == 2 * count};
    return view->len == 2 * count || view->len == 4 * count;
}

static const char *misfit(const Py_buffer *b, Segment *segments, int count)
{
    const Py_ssize_t terms = COUNT(b[TERMS], int64_t);
    if (b[NORMS].len != b[TOTAL].len || b[SINGLE].len != b[TOTAL].len)
        return LENGTHS;
    if (COUNT(b[REPEATS], int64_t) != terms || COUNT(b[IDF], double) != terms ||
        COUNT(b[DF], double) != terms)
        return "every term needs its repeats and results";
    if (b[LEVEL].len && COUNT(b[LEVEL], float) != LEVELS)
        return LEVELLESS;
    for (int g = 0; g < count; g++) {
        const Py_buffer *own = b + FIXED + g * PER_SEGMENT;
        Segment *s = &segments[g];
        *s = (Segment){.vocabulary = own[0].buf, .starts = own[1].buf, .counts = own[4].buf,
                       .df = own[5].len ? own[5].buf : NULL, .terms = COUNT(own[0], int64_t)};
        if (COUNT(own[1], uint32_t) != 2 * s->terms + 2 ||
            (s->df && COUNT(own[5], int32_t) != s->terms))
            return "every term of a vocabulary needs a start and a document count";
        const uint32_t *end = s->starts + 2 * s->terms;
        if (!rows_of(&own[2], &s->once, end[0]) || !rows_of(&own[3], &s->more, end[1]) ||
            own[4].len != end[1])
            return LENGTHS;
    }
    return NULL;
}

/* ask(total, norms, once, levels, terms, repeats, idf, df, k1, scale, living, vocabulary, starts, once,
 * rows, counts, document counts, and a second segment's): levels of no length for BM25. */
PyObject *ask(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { NUMBERS = 3, VIEWS = FIXED + MOST_SEGMENTS * PER_SEGMENT };
    static const char KINDS[] = "FfffllDDlubbbilubbbi";
    PyObject *arrays[VIEWS];
    Py_buffer b[VIEWS];
    Segment segments[MOST_SEGMENTS];
    double numbers[NUMBERS];
    const int count = given == FIXED + NUMBERS + PER_SEGMENT ? 1 : MOST_SEGMENTS;
    const Py_ssize_t views = FIXED + count * PER_SEGMENT;
    char kinds[sizeof KINDS];
    (void)self;
    if (!wanted(given, views + NUMBERS))
        return NULL;
    for (Py_ssize_t i = 0; i < views; i++)
        arrays[i] = args[i < FIXED ? i : i + NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = PyFloat_AsDouble(args[FIXED + i]);
    memcpy(kinds, KINDS, sizeof kinds);
    kinds[views] = 0;
    if (PyErr_Occurred() || !open_arrays(arrays, kinds, b))
        return NULL;
    const char *wrong = misfit(b, segments, count);
    if (wrong == NULL) {
        const Scores s = {b[TOTAL].buf, b[NORMS].buf, b[SINGLE].buf,
                          b[LEVEL].len ? b[LEVEL].buf : NULL, (size_t)b[TOTAL].len / sizeof(float)};
        Py_BEGIN_ALLOW_THREADS
        wrong = answer(&s, b, segments, count, numbers);
        Py_END_ALLOW_THREADS
    }
    return closed(b, views, wrong);
}

/* add_scores(total, norms, levels, starts, rows, counts, where, factors): of postings that all have a
 * count, as index/profiles.py keeps them. */
PyObject *add_scores(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SUMS, NORM, LEVEL_OF, STARTS, ROWS, COUNTS, WHERE, FACTORS, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "Fffliblf", b))
        return NULL;
    const Scores s = {b[SUMS].buf, b[NORM].buf, NULL, b[LEVEL_OF].len ? b[LEVEL_OF].buf : NULL,
                      (size_t)b[SUMS].len / sizeof(float)};
    const Rows rows = {b[ROWS].buf, COUNT(b[COUNTS], uint8_t), 0};
    const int64_t *where = b[WHERE].buf, *starts = b[STARTS].buf;
    const float *factors = b[FACTORS].buf;
    const Py_ssize_t terms = COUNT(b[WHERE], int64_t), known = COUNT(b[STARTS], int64_t) - 1;
    if (b[NORM].len != b[SUMS].len || COUNT(b[ROWS], int32_t) != rows.count)
        wrong = LENGTHS;
    else if (COUNT(b[FACTORS], float) != terms)
        wrong = "every term needs a place and a factor";
    else if (s.levels != NULL && COUNT(b[LEVEL_OF], float) != LEVELS)
        wrong = LEVELLESS;
    for (Py_ssize_t t = 0; wrong == NULL && t < terms; t++) {
        if (where[t] < 0 || where[t] >= known || starts[where[t]] < 0 ||
            starts[where[t] + 1] > rows.count)
            wrong = OUTSIDE;
        else
            add_more(&s, &rows, b[COUNTS].buf, starts[where[t]], starts[where[t] + 1],
                     (uint32_t)s.documents, factors[t]);
    }
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

/* count_documents(terms, vocabulary, starts, document counts, out): adds up in how many documents terms
 * are. */
PyObject *count_documents(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SOUGHT, VOCABULARY, STARTS, COUNTS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "lluiD", b))
        return NULL;
    const Py_ssize_t count = COUNT(b[SOUGHT], int64_t);
    const Segment g = {.vocabulary = b[VOCABULARY].buf, .starts = b[STARTS].buf,
                       .df = b[COUNTS].len ? b[COUNTS].buf : NULL,
                       .terms = COUNT(b[VOCABULARY], int64_t)};
    int64_t *where = malloc((size_t)(count + 1) * sizeof *where);
    if (COUNT(b[STARTS], uint32_t) != 2 * g.terms + 2 ||
        (g.df && COUNT(b[COUNTS], int32_t) != g.terms) || COUNT(b[OUT], double) != count)
        wrong = "every term needs a document count";
    else if (where == NULL)
        wrong = "there is no memory for so many terms";
    else
        locate(&g, b[SOUGHT].buf, count, where, b[OUT].buf);
    free(where);
    return closed(b, VIEWS, wrong);
}
