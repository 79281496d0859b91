/* A close look at a few documents that are kept term by term: index/forward.py, index/openings.py
 * and index/ragged.py do the same in numpy.
 */
#include "_native.h"

enum { MOST_TERMS = 600, OPENING = 20, HALF_WINDOW = 10, HALVES = MOST_TERMS / HALF_WINDOW + 2,
       CHUNK = 512 };
static const double K1 = 0.6, B = 0.2;

/* Where a term stands among those of a query: an open table of places, 0 for none. */
typedef struct {
    const uint32_t *terms;
    uint16_t *slots;
    uint32_t mask;
} Lookup;

static uint32_t slot_of(const Lookup *l, uint32_t term)
{
    return (term * UINT32_C(2654435769) >> 7) & l->mask;
}

static int open_lookup(Lookup *l, const uint32_t *terms, Py_ssize_t count)
{
    uint32_t size = 4096; /* so sparse that most terms meet nothing */
    if (count >= UINT16_MAX)
        return 0;
    while (size < 8 * (uint32_t)count)
        size *= 2;
    l->terms = terms;
    l->mask = size - 1;
    l->slots = calloc(size, sizeof *l->slots);
    if (l->slots == NULL)
        return 0;
    for (Py_ssize_t t = 0; t < count; t++) {
        uint32_t at = slot_of(l, terms[t]);
        while (l->slots[at])
            at = (at + 1) & l->mask;
        l->slots[at] = (uint16_t)(t + 1);
    }
    return 1;
}

/* Place of a term in the query, -1 for none. */
static inline int32_t place_of(const Lookup *l, uint32_t term)
{
    uint32_t at = slot_of(l, term);
    for (; l->slots[at]; at = (at + 1) & l->mask)
        if (l->terms[l->slots[at] - 1] == term)
            return l->slots[at] - 1;
    return -1;
}

/* Where a text has terms that may be of the query, for no more than CHUNK of its terms: most are not,
 * and are passed by without a branch that would be foretold wrongly. */
static int sieve(const Lookup *l, const uint32_t *terms, int count, int32_t *hits)
{
    const uint16_t *slots = l->slots;
    const uint32_t mask = l->mask;
    int kept = 0;
    for (int i = 0; i < count; i++) {
        hits[kept] = i;
        kept += slots[terms[i] * UINT32_C(2654435769) >> 7 & mask] != 0;
    }
    return kept;
}

typedef struct {
    int32_t in_document; /* the last document that holds the term at all, */
    int32_t counted;     /* that has it among its first, */
    int32_t opened;      /* and in its opening */
    int32_t count;       /* in the document at hand */
    int32_t window;      /* the last window that it counts in there */
} Seen;

typedef struct {
    const int64_t *order; /* places of the query's terms in the order of its text */
    const double *weight;
    const float *mass;
    Seen *seen;
    int32_t *paired; /* by place in the order: the last document that has the pair from there */
    Py_ssize_t asked;
    double mean;
} Question;

/* Mass of a pair of terms that follow each other in the query; once a document. */
static float pair_mass(const Question *q, int32_t first, int32_t second, int32_t document)
{
    for (Py_ssize_t i = 0; i + 1 < q->asked; i++) {
        if (q->order[i] != first || q->order[i + 1] != second)
            continue;
        if (q->paired[i] == document)
            return 0;
        q->paired[i] = document;
        return (float)(q->weight[first] + q->weight[second]);
    }
    return 0;
}

/* Everything of index/forward.py of one document; out has a row of n numbers for each measure. */
static void look_at(const Question *q, const Lookup *l, const uint32_t *terms, int64_t size,
                    int32_t document, float *out, Py_ssize_t n)
{
    enum { COVERAGE, FLAT, FIRST, WINDOW, ADJACENT, LENGTH };
    const int64_t looked = size < MOST_TERMS ? size : MOST_TERMS;
    const double norm = K1 * (1.0 - B + B * (double)looked / (q->mean > 1e-9 ? q->mean : 1e-9));
    float windows[HALVES] = {0}, coverage = 0, opening = 0, adjacent = 0, densest = 0;
    double flat = 0;
    int32_t hits[CHUNK], before = -1; /* the query's term that was met last, */
    int64_t last = -2;                /* and where */
    int kept = 0, next = 0;
    for (int64_t first = 0; next < kept || first < size;) {
        if (next == kept) {
            const int64_t left = size - first;
            kept = sieve(l, terms + first, left < CHUNK ? (int)left : CHUNK, hits);
            next = 0;
            first += CHUNK;
            continue;
        }
        const int64_t at = first - CHUNK + hits[next++];
        const int32_t term = place_of(l, terms[at]);
        if (term < 0)
            continue;
        Seen *seen = &q->seen[term];
        if (seen->in_document != document) {
            seen->in_document = document;
            coverage += q->mass[term];
        }
        if (at >= MOST_TERMS)
            continue;
        if (seen->counted != document) {
            seen->counted = document;
            seen->count = 0;
            seen->window = -1;
        }
        /* BM25 grows from what so many of the term give to what one more gives. */
        const double count = seen->count++;
        flat += ((count + 1) / (count + 1 + norm + 1e-9) - count / (count + norm + 1e-9)) *
                q->weight[term];
        if (at < OPENING && seen->opened != document) {
            seen->opened = document;
            opening += q->mass[term];
        }
        /* It counts in the window that its half begins and in the one that this ends. */
        const int32_t half = (int32_t)(at / HALF_WINDOW);
        for (int32_t w = half > seen->window ? half : seen->window + 1; w <= half + 1; w++)
            windows[w] += q->mass[term];
        seen->window = half + 1;
        if (last == at - 1)
            adjacent += pair_mass(q, before, term, document);
        before = term;
        last = at;
    }
    for (int w = 0; w < HALVES; w++)
        densest = windows[w] > densest ? windows[w] : densest;
    out[COVERAGE * n] = coverage;
    out[FLAT * n] = (float)((K1 + 1.0) * flat);
    out[FIRST * n] = opening;
    out[WINDOW * n] = densest;
    out[ADJACENT * n] = adjacent;
    out[LENGTH * n] = (float)log1p((double)looked);
}

static float *shares_of(const double *weight, Py_ssize_t count)
{
    double whole = 0;
    float *mass = malloc((size_t)(count ? count : 1) * sizeof *mass);
    for (Py_ssize_t t = 0; t < count; t++)
        whole += weight[t];
    for (Py_ssize_t t = 0; mass != NULL && t < count; t++)
        mass[t] = (float)(weight[t] / (whole > 1e-9 ? whole : 1e-9));
    return mass;
}

static const char *look_at_all(const Ragged *r, const Py_buffer *rows, const Py_buffer *terms,
                               Question *q, float *out)
{
    const Py_ssize_t n = COUNT(*rows, int64_t), width = COUNT(*terms, uint32_t);
    const int64_t *wanted_rows = rows->buf;
    const char *wrong = "there is no memory for so long a query";
    Lookup lookup = {0};
    float *mass = shares_of(q->weight, width);
    q->mass = mass;
    q->seen = malloc((size_t)(width + 1) * sizeof *q->seen);
    q->paired = malloc((size_t)(q->asked + 1) * sizeof *q->paired);
    if (mass && q->seen && q->paired && open_lookup(&lookup, terms->buf, width)) {
        memset(q->seen, 0xFF, (size_t)(width + 1) * sizeof *q->seen);
        memset(q->paired, 0xFF, (size_t)(q->asked + 1) * sizeof *q->paired);
        for (Py_ssize_t i = 0; i < n; i++) {
            const int64_t row = wanted_rows[i];
            look_at(q, &lookup, r->values + r->starts[row], r->sizes[row], (int32_t)i, out + i, n);
        }
        wrong = NULL;
    }
    free(lookup.slots);
    free(mass);
    free(q->seen);
    free(q->paired);
    return wrong;
}

/* look(values, starts, sizes, rows, terms, order, weight, mean, out) */
PyObject *look(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { VALUES, STARTS, SIZES, ROWS, TERMS, ORDER, WEIGHT, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS + 1))
        return NULL;
    const double mean = PyFloat_AsDouble(args[VIEWS]);
    if (PyErr_Occurred() || !open_arrays(args, "ullluldF", b))
        return NULL;
    const Ragged r = {b[VALUES].buf, b[STARTS].buf, b[SIZES].buf, COUNT(b[VALUES], uint32_t),
                      COUNT(b[SIZES], int64_t)};
    const Py_ssize_t n = COUNT(b[ROWS], int64_t), width = COUNT(b[TERMS], uint32_t);
    Question q = {b[ORDER].buf, b[WEIGHT].buf, NULL, NULL, NULL, COUNT(b[ORDER], int64_t), mean};
    if (COUNT(b[STARTS], int64_t) != r.rows || COUNT(b[OUT], float) != 6 * n || n > INT32_MAX ||
        COUNT(b[WEIGHT], double) != width)
        wrong = "documents, terms and results do not fit each other";
    else if (!holds(&r, b[ROWS].buf, n))
        wrong = "a document lies outside of what is kept";
    else
        wrong = look_at_all(&r, &b[ROWS], &b[TERMS], &q, b[OUT].buf);
    return closed(b, VIEWS, wrong);
}

static const char *share_openings(const Ragged *r, const int64_t *rows, Py_ssize_t n,
                                  const int32_t *cuts, const Py_buffer *terms,
                                  const double *idf, float *out)
{
    const Py_ssize_t width = COUNT(*terms, uint32_t);
    Lookup lookup;
    double whole = 0;
    if (!open_lookup(&lookup, terms->buf, width))
        return "there is no memory for so long a query";
    for (Py_ssize_t t = 0; t < width; t++)
        whole += idf[t];
    for (Py_ssize_t i = 0; i < n; i++) {
        const int32_t head = cuts[2 * rows[i]], opening = cuts[2 * rows[i] + 1];
        const uint32_t *document = r->values + r->starts[rows[i]];
        const int64_t size = r->sizes[rows[i]];
        double held[3] = {0};
        for (int64_t first = 0; first < size; first += CHUNK) {
            int32_t hits[CHUNK];
            const int64_t left = size - first;
            const int kept =
                sieve(&lookup, document + first, left < CHUNK ? (int)left : CHUNK, hits);
            for (int k = 0; k < kept; k++) {
                const int64_t at = first + hits[k];
                const int32_t term = place_of(&lookup, document[at]);
                if (term >= 0)
                    held[(at >= head) + (at >= opening)] += idf[term];
            }
        }
        for (int part = 0; part < 3; part++) {
            if (part)
                held[part] += held[part - 1];
            out[part * n + i] = (float)(held[part] / (whole > 1e-9 ? whole : 1e-9));
        }
        out[i] /= sqrtf((float)(head > 1 ? head : 1));
    }
    free(lookup.slots);
    return NULL;
}

/* look_at_openings(values, starts, sizes, cuts, rows, terms, idf, out) */
PyObject *look_at_openings(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { VALUES, STARTS, SIZES, CUTS, ROWS, TERMS, IDF, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "ulliludF", b))
        return NULL;
    const Ragged r = {b[VALUES].buf, b[STARTS].buf, b[SIZES].buf, COUNT(b[VALUES], uint32_t),
                      COUNT(b[SIZES], int64_t)};
    const Py_ssize_t n = COUNT(b[ROWS], int64_t), width = COUNT(b[TERMS], uint32_t);
    if (COUNT(b[STARTS], int64_t) != r.rows || COUNT(b[CUTS], int32_t) != 2 * r.rows ||
        COUNT(b[OUT], float) != 3 * n || COUNT(b[IDF], double) != width)
        wrong = "documents, terms and results do not fit each other";
    else if (!holds(&r, b[ROWS].buf, n))
        wrong = "a document lies outside of what is kept";
    else
        wrong = share_openings(&r, b[ROWS].buf, n, b[CUTS].buf, &b[TERMS], b[IDF].buf, b[OUT].buf);
    return closed(b, VIEWS, wrong);
}

/* What one document says by other terms alone; held marks the terms that are in it by its number. */
static double replace(const int64_t *at, const int64_t *places, const int64_t *others,
                      const double *mass, Py_ssize_t count, const int32_t *held, int32_t document)
{
    double whole = 0;
    for (Py_ssize_t i = 0; i < count;) {
        const int64_t place = places[i];
        double best = 0;
        for (; i < count && places[i] == place; i++)
            if (held[others[i]] == document && mass[i] > best)
                best = mass[i];
        whole += held[at[place]] == document ? 0 : best;
    }
    return whole;
}

static int within(const Py_buffer *places, Py_ssize_t end)
{
    const int64_t *place = places->buf;
    for (Py_ssize_t i = 0; i < COUNT(*places, int64_t); i++)
        if (place[i] < 0 || place[i] >= end)
            return 0;
    return 1;
}

/* replaced(values, starts, sizes, rows, terms, where the query's are among them, which of the query's the
 * others stand for, where the others are among the terms, mass of these, out, mass of the query) */
PyObject *replaced(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { VALUES, STARTS, SIZES, ROWS, TERMS, AT, PLACES, OTHERS, MASS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    Lookup lookup = {0};
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS + 1))
        return NULL;
    const double whole = PyFloat_AsDouble(args[VIEWS]);
    if (PyErr_Occurred() || !open_arrays(args, "ulllullldF", b))
        return NULL;
    const Ragged r = {b[VALUES].buf, b[STARTS].buf, b[SIZES].buf, COUNT(b[VALUES], uint32_t),
                      COUNT(b[SIZES], int64_t)};
    const Py_ssize_t n = COUNT(b[ROWS], int64_t), width = COUNT(b[TERMS], uint32_t);
    const Py_ssize_t count = COUNT(b[PLACES], int64_t);
    const int64_t *rows = b[ROWS].buf;
    int32_t *held = calloc((size_t)width + 1, sizeof *held), hits[CHUNK];
    if (COUNT(b[STARTS], int64_t) != r.rows || COUNT(b[OUT], float) != n || n >= INT32_MAX ||
        COUNT(b[OTHERS], int64_t) != count || COUNT(b[MASS], double) != count ||
        !within(&b[AT], width) || !within(&b[PLACES], COUNT(b[AT], int64_t)) ||
        !within(&b[OTHERS], width))
        wrong = "documents, terms and results do not fit each other";
    else if (!holds(&r, rows, n))
        wrong = "a document lies outside of what is kept";
    else if (held == NULL || !open_lookup(&lookup, b[TERMS].buf, width))
        wrong = "there is no memory for so long a query";
    for (int32_t i = 0; wrong == NULL && i < n; i++) {
        const uint32_t *document = r.values + r.starts[rows[i]];
        for (int64_t left = r.sizes[rows[i]]; left > 0; left -= CHUNK, document += CHUNK) {
            const int kept = sieve(&lookup, document, left < CHUNK ? (int)left : CHUNK, hits);
            for (int k = 0; k < kept; k++) {
                const int32_t term = place_of(&lookup, document[hits[k]]);
                if (term >= 0)
                    held[term] = i + 1;
            }
        }
        ((float *)b[OUT].buf)[i] = (float)(replace(b[AT].buf, b[PLACES].buf, b[OTHERS].buf, b[MASS].buf,
                                                   count, held, i + 1) /
                                           (whole > 1e-9 ? whole : 1e-9));
    }
    free(lookup.slots);
    free(held);
    return closed(b, VIEWS, wrong);
}

/* gather(values, starts, sizes, rows, out): rows of four-byte numbers end to end. */
PyObject *gather(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { VALUES, STARTS, SIZES, ROWS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "ulllU", b))
        return NULL;
    const Ragged r = {b[VALUES].buf, b[STARTS].buf, b[SIZES].buf, COUNT(b[VALUES], uint32_t),
                      COUNT(b[SIZES], int64_t)};
    const int64_t *rows = b[ROWS].buf;
    const Py_ssize_t n = COUNT(b[ROWS], int64_t);
    uint32_t *out = b[OUT].buf;
    int64_t room = COUNT(b[OUT], uint32_t);
    if (COUNT(b[STARTS], int64_t) != r.rows || !holds(&r, rows, n))
        wrong = "a row lies outside of what is kept";
    for (Py_ssize_t i = 0; wrong == NULL && i < n; i++) {
        const int64_t size = r.sizes[rows[i]];
        if ((room -= size) < 0) {
            wrong = "the rows have more numbers than there is room for";
            break;
        }
        memcpy(out, r.values + r.starts[rows[i]], (size_t)size * sizeof *out);
        out += size;
    }
    return closed(b, VIEWS, wrong);
}
