/* What postings say of documents, for one query at a time: index/scoring.py does the same in numpy.
 */
#include "_native.h"

enum { MOST_SEGMENTS = 2, LEVELS = 256, AHEAD = 4, AT_ONCE = 4096 };

/* Postings as index/packed.py keeps them; df: NULL where every document lives. */
typedef struct {
    const int64_t *vocabulary;
    const uint32_t *starts; /* two of each term: where it begins, and how many have it again */
    const int32_t *df;
    const char *postings;
    int64_t units, width; /* of a row: two bytes or four */
    Py_ssize_t terms;
    int64_t file, starts_at, postings_at; /* below 0: all is in memory; else postings, maybe starts */
} Segment;

/* A term of a query in a segment: its place, below 0 for none, and what its two starts say. */
typedef struct {
    int64_t place;
    uint32_t start, more, end;
} Found;

typedef struct {
    float *total;
    const float *norms, *once, *levels; /* levels: NULL for BM25 */
    size_t documents;
} Scores;

static const char OUTSIDE[] = "a term lies outside the postings";
static const char LENGTHS[] = "scores and norms, rows and counts must have one length";
static const char LEVELLESS[] = "there must be a level for every count";

/* BM25 of a term: count / (count + norm); cosine: level[count] * norm; what once says is known. */
enum { ONCE, SATURATED, LEVELLED };

/* Rows of a term up to one. One out of range, as of a damaged file, is passed by. Gives where to go on.
 * Inlined for each kind, and each size of a row. */
static inline int64_t add_rows(const Scores *s, const void *rows, const uint8_t *counts, int64_t at,
                               int64_t end, uint32_t below, float factor, int kind, int narrow)
{
    const uint16_t *two = rows;
    const uint32_t *four = rows; /* one below 0 is out of range */
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

static int64_t add_once(const Scores *s, const void *rows, int64_t at, int64_t end, uint32_t below,
                        float factor, int narrow)
{
    return narrow ? add_rows(s, rows, NULL, at, end, below, factor, ONCE, 1)
                  : add_rows(s, rows, NULL, at, end, below, factor, ONCE, 0);
}

static int64_t add_more(const Scores *s, const void *rows, const uint8_t *counts, int64_t at, int64_t end,
                        uint32_t below, float factor, int narrow)
{
    if (s->levels == NULL)
        return narrow ? add_rows(s, rows, counts, at, end, below, factor, SATURATED, 1)
                      : add_rows(s, rows, counts, at, end, below, factor, SATURATED, 0);
    return narrow ? add_rows(s, rows, counts, at, end, below, factor, LEVELLED, 1)
                  : add_rows(s, rows, counts, at, end, below, factor, LEVELLED, 0);
}

/* Units of rows that the counts of so many take. */
static int64_t filled(const Segment *g, int64_t counts)
{
    return (counts + g->width - 1) / g->width;
}

static const char UNREAD[] = "the file of the index is shorter than it was, or cannot be read";

static const char *look_up(const Segment *g, Found *f)
{
    uint32_t read[4];
    const uint32_t *start = read;
    if (g->starts != NULL)
        start = g->starts + 2 * f->place;
    else if (read_whole(g->file, (char *)read, sizeof read - sizeof *read,
                        g->starts_at + 8 * f->place) != 1)
        return UNREAD;
    f->start = start[0];
    f->more = start[1];
    f->end = start[2];
    return NULL;
}

/* Where the terms of a query are in a segment; adds up in how many documents they are. All are sought
 * together, a halving at a time, so that they wait for memory together. */
static const char *locate(const Segment *g, const int64_t *terms, Py_ssize_t count, Found *found,
                          double *df)
{
    memset(found, 0, (size_t)count * sizeof *found);
    for (Py_ssize_t length = g->terms, half; length > 1; length -= half) {
        half = length / 2;
        for (Py_ssize_t t = 0; t < count; t++)
            found[t].place += g->vocabulary[found[t].place + half - 1] < terms[t] ? half : 0;
    }
    for (Py_ssize_t t = 0; t < count; t++) {
        Found *f = &found[t];
        if (!g->terms || g->vocabulary[f->place] != terms[t]) {
            f->place = -1;
            continue;
        }
        const char *wrong = look_up(g, f);
        if (wrong != NULL)
            return wrong;
        df[t] += g->df ? g->df[f->place] : (double)((int64_t)f->end - f->start - filled(g, f->more));
    }
    return NULL;
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

enum { SOURCE = 5 };
enum { TOTAL, NORMS, SINGLE, LEVEL, TERMS, REPEATS, IDF, DF, FIXED, PER_SEGMENT = 5 };

/* Where a term goes on. */
typedef struct {
    const char *rows, *again;
    const uint8_t *counts;
    int64_t once, once_end, more, more_end;
    float factor;
} Reader;

/* Opens the postings of a term that lie somewhere; 0 where they are none. */
static int open_reader(const Segment *g, const Found *f, const char *postings, float factor, Reader *r)
{
    const int64_t once = (int64_t)f->end - f->start - f->more - filled(g, f->more);
    if (f->end > g->units || once < 0)
        return 0;
    *r = (Reader){.rows = postings, .once_end = once, .more_end = f->more, .factor = factor};
    r->again = r->rows + once * g->width;
    r->counts = (const uint8_t *)r->again + f->more * g->width;
    return 1;
}

/* Readers of the known terms of a query; what lies in a file is read into memory that the caller frees. */
static const char *open_readers(const Segment *g, const Found *found, const float *factors,
                                Py_ssize_t count, Reader *readers, Py_ssize_t *known, char **read)
{
    int64_t room = 0;
    for (Py_ssize_t t = 0; g->file >= 0 && t < count; t++)
        if (found[t].place >= 0 && found[t].start <= found[t].end && found[t].end <= g->units)
            room += (found[t].end - found[t].start) * g->width;
    char *next = *read = g->file < 0 ? NULL : malloc((size_t)room + 1);
    if (g->file >= 0 && next == NULL)
        return "there is no memory for so long a query";
    for (Py_ssize_t t = 0; t < count; t++) {
        const Found *f = &found[t];
        if (f->place < 0)
            continue;
        const char *postings = g->file < 0 ? g->postings + f->start * g->width : next;
        if (!open_reader(g, f, postings, factors[t], &readers[(*known)++]))
            return OUTSIDE;
        if (g->file < 0)
            continue;
        const int64_t bytes = (f->end - f->start) * g->width;
        if (read_whole(g->file, next, bytes, g->postings_at + f->start * g->width) != 1)
            return UNREAD;
        next += bytes;
    }
    return NULL;
}

/* What some terms say of all documents. As many documents at a time as a quick cache holds: each term
 * goes on where it stopped. The postings of a term lie all over memory: those of a few are asked for
 * before they are needed. */
static const char *add_terms(const Scores *s, const Segment *g, const Found *found,
                             const float *factors, Py_ssize_t count)
{
    Reader *readers = malloc((size_t)(count + 1) * sizeof *readers);
    char *read = NULL;
    Py_ssize_t known = 0;
    const char *wrong = readers == NULL ? "there is no memory for so long a query"
                                        : open_readers(g, found, factors, count, readers, &known, &read);
    const int narrow = g->width == 2;
    for (size_t first = 0; wrong == NULL && first < s->documents; first += AT_ONCE) {
        const size_t left = s->documents - first;
        const uint32_t below = (uint32_t)(first + (left < AT_ONCE ? left : AT_ONCE));
        for (Py_ssize_t t = 0; t < known; t++) {
            Reader *r = &readers[t];
            if (t + AHEAD < known) {
                const Reader *next = r + AHEAD;
                FETCH(next->rows + next->once * g->width);
                FETCH(next->rows + next->once * g->width + 64);
                FETCH(next->again + next->more * g->width);
            }
            r->once = add_once(s, r->rows, r->once, r->once_end, below, r->factor, narrow);
            r->more = add_more(s, r->again, r->counts, r->more, r->more_end, below, r->factor, narrow);
        }
    }
    free(readers);
    free(read);
    return wrong;
}

static const char *answer(const Scores *s, Py_buffer *b, const Segment *segments, int count,
                          const double *numbers)
{
    const Py_ssize_t terms = COUNT(b[TERMS], int64_t);
    Found *found = malloc((size_t)(count * terms + 1) * sizeof *found);
    float *factors = malloc((size_t)(terms + 1) * sizeof *factors);
    double *df = b[DF].buf;
    const char *wrong = found && factors ? NULL : "there is no memory for so long a query";
    if (wrong == NULL) {
        memset(df, 0, (size_t)terms * sizeof *df);
        for (int g = 0; g < count && wrong == NULL; g++)
            wrong = locate(&segments[g], b[TERMS].buf, terms, found + g * terms, df);
    }
    if (wrong == NULL) {
        weigh(s, b[REPEATS].buf, terms, df, numbers[0], numbers[1], numbers[2], b[IDF].buf, factors);
        for (int g = 0; g < count && wrong == NULL; g++)
            wrong = add_terms(s, &segments[g], found + g * terms, factors, terms);
    }
    free(found);
    free(factors);
    return wrong;
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
        const int64_t *source = own[4].buf;
        if (COUNT(own[4], int64_t) != SOURCE)
            return LENGTHS;
        *s = (Segment){.vocabulary = own[0].buf, .starts = own[1].len ? own[1].buf : NULL,
                       .postings = own[2].buf, .df = own[3].len ? own[3].buf : NULL,
                       .terms = COUNT(own[0], int64_t), .file = source[0], .starts_at = source[1],
                       .postings_at = source[2], .units = source[3], .width = source[4]};
        if (s->df && COUNT(own[3], int32_t) != s->terms)
            return "every term of a vocabulary needs a start and a document count";
        if ((s->file < 0 || s->starts) && COUNT(own[1], uint32_t) != 2 * s->terms + 2)
            return "every term of a vocabulary needs a start and a document count";
        if ((s->width != 2 && s->width != 4) || s->units < 0 ||
            (s->file < 0 && own[2].len != s->width * s->units))
            return LENGTHS;
    }
    return NULL;
}

/* ask(total, norms, once, levels, terms, repeats, idf, df, k1, scale, living, vocabulary, starts,
 * postings, document counts, source, and a second segment's): levels of no length for BM25. A source is
 * a file, or -1, where in it starts and postings begin, units of these, bytes of a unit. */
PyObject *ask(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { NUMBERS = 3, VIEWS = FIXED + MOST_SEGMENTS * PER_SEGMENT };
    static const char KINDS[] = "FfffllDDlubillubil";
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
    const Py_ssize_t postings = COUNT(b[COUNTS], uint8_t);
    const int64_t *where = b[WHERE].buf, *starts = b[STARTS].buf;
    const float *factors = b[FACTORS].buf;
    const Py_ssize_t terms = COUNT(b[WHERE], int64_t), known = COUNT(b[STARTS], int64_t) - 1;
    if (b[NORM].len != b[SUMS].len || COUNT(b[ROWS], int32_t) != postings)
        wrong = LENGTHS;
    else if (COUNT(b[FACTORS], float) != terms)
        wrong = "every term needs a place and a factor";
    else if (s.levels != NULL && COUNT(b[LEVEL_OF], float) != LEVELS)
        wrong = LEVELLESS;
    for (Py_ssize_t t = 0; wrong == NULL && t < terms; t++) {
        if (where[t] < 0 || where[t] >= known || starts[where[t]] < 0 ||
            starts[where[t] + 1] > postings)
            wrong = OUTSIDE;
        else
            add_more(&s, b[ROWS].buf, b[COUNTS].buf, starts[where[t]], starts[where[t] + 1],
                     (uint32_t)s.documents, factors[t], 0);
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

/* count_documents(terms, vocabulary, starts, document counts, out, bytes of a row): adds up in how many
 * documents terms are. */
PyObject *count_documents(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SOUGHT, VOCABULARY, STARTS, COUNTS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS + 1))
        return NULL;
    const int64_t width = PyLong_AsLongLong(args[VIEWS]);
    if (PyErr_Occurred() || !open_arrays(args, "lluiD", b))
        return NULL;
    const Py_ssize_t count = COUNT(b[SOUGHT], int64_t);
    const Segment g = {.vocabulary = b[VOCABULARY].buf, .starts = b[STARTS].buf,
                       .df = b[COUNTS].len ? b[COUNTS].buf : NULL,
                       .width = width > 0 ? width : 1, .terms = COUNT(b[VOCABULARY], int64_t)};
    Found *found = malloc((size_t)(count + 1) * sizeof *found);
    if (COUNT(b[STARTS], uint32_t) != 2 * g.terms + 2 ||
        (g.df && COUNT(b[COUNTS], int32_t) != g.terms) || COUNT(b[OUT], double) != count)
        wrong = "every term needs a document count";
    else if (found == NULL)
        wrong = "there is no memory for so many terms";
    else
        wrong = locate(&g, b[SOUGHT].buf, count, found, b[OUT].buf);
    free(found);
    return closed(b, VIEWS, wrong);
}
