/* From what rankers say of the candidates of a question to probabilities: nlp/correction.py and
 * nlp/translation.py do the same in numpy.
 */
#include "_native.h"

typedef struct {
    const float *background, *probabilities;
    const int64_t *starts;
    const int32_t *sources;
    Py_ssize_t terms, entries;
} Table;

enum { AT_ONCE = 16 }; /* words of the question; memory stays bounded */

static const double BACKGROUND = 0.1;
static const float SELF = 0.5f;

/* What each word of an answer explains of some words of the question: a row of AT_ONCE numbers for
 * every word of the table that explains one, none for the others. */
typedef struct {
    int32_t *row_of; /* by the answer's word, 0 for none */
    float *rows;     /* the first is that of none */
} Explained;

/* 0 where the table is damaged. */
static int fill(const Table *t, const int64_t *question, Py_ssize_t asked, Explained *e)
{
    int32_t used = 0;
    memset(e->row_of, 0, (size_t)t->terms * sizeof *e->row_of);
    for (Py_ssize_t q = 0; q < asked; q++)
        for (int64_t at = t->starts[question[q]]; at <= t->starts[question[q] + 1]; at++) {
            const int own = at == t->starts[question[q] + 1];
            const int64_t source = own ? question[q] : t->sources[at];
            if (source < 0 || source >= t->terms)
                return 0;
            if (e->row_of[source] == 0) {
                e->row_of[source] = ++used;
                memset(e->rows + (Py_ssize_t)used * AT_ONCE, 0, AT_ONCE * sizeof *e->rows);
            }
            float *said = e->rows + (Py_ssize_t)e->row_of[source] * AT_ONCE + q;
            *said = own ? *said + SELF : (1 - SELF) * t->probabilities[at];
        }
    return 1;
}

/* Adds to each answer's total what it explains of some words of the question. */
static WIDE void explain(const Table *t, const int64_t *question, Py_ssize_t asked, const Explained *e,
                    const int32_t *places, const int64_t *sizes, Py_ssize_t n, double *totals)
{
    for (Py_ssize_t a = 0; a < n; a++) {
        float explained[AT_ONCE] = {0};
        for (int64_t i = 0; i < sizes[a]; i++) {
            const float *restrict row = e->rows + (Py_ssize_t)e->row_of[places[i]] * AT_ONCE;
            for (int q = 0; q < AT_ONCE; q++)
                explained[q] += row[q];
        }
        for (Py_ssize_t q = 0; sizes[a] && q < asked; q++) {
            const double chance = t->background[question[q]];
            totals[a] += log1p((1 - BACKGROUND) / BACKGROUND * ((double)explained[q] / (double)sizes[a]) /
                               (chance > 1e-7 ? chance : 1e-7));
        }
        places += sizes[a];
    }
}

/* The most rows that some words of the question need; -1 where they, the table or the answers do not
 * fit. */
static Py_ssize_t rows_of(const Table *t, const int64_t *question, Py_ssize_t asked,
                          const int32_t *places, Py_ssize_t count, const int64_t *sizes, Py_ssize_t n)
{
    Py_ssize_t rows = asked, whole = 0;
    for (Py_ssize_t q = 0; q < asked; q++) {
        if (question[q] < 0 || question[q] >= t->terms)
            return -1;
        const int64_t start = t->starts[question[q]], end = t->starts[question[q] + 1];
        if (start < 0 || end < start || end > t->entries)
            return -1;
        rows += end - start;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (places[i] < 0 || places[i] >= t->terms)
            return -1;
    for (Py_ssize_t a = 0; a < n; a++) {
        if (sizes[a] < 0 || sizes[a] > count - whole)
            return -1;
        whole += sizes[a];
    }
    if (whole != count || t->terms >= INT32_MAX)
        return -1;
    return rows < t->terms ? rows : t->terms;
}

static const char MISFIT[] = "the table, the question and the answers do not fit each other";

static const char *translate_all(const Table *t, const int64_t *question, Py_ssize_t asked,
                                 const int32_t *places, const int64_t *sizes, Py_ssize_t n,
                                 Py_ssize_t rows, float *out)
{
    const char *wrong = NULL;
    double *totals = calloc((size_t)n + 1, sizeof *totals);
    Explained e = {malloc((size_t)(t->terms + 1) * sizeof *e.row_of),
                   calloc((size_t)(rows + 1) * AT_ONCE, sizeof *e.rows)};
    if (!totals || !e.row_of || !e.rows)
        wrong = "there is no memory for so large a table";
    for (Py_ssize_t first = 0; wrong == NULL && first < asked; first += AT_ONCE) {
        const Py_ssize_t some = asked - first < AT_ONCE ? asked - first : AT_ONCE;
        if (fill(t, question + first, some, &e))
            explain(t, question + first, some, &e, places, sizes, n, totals);
        else
            wrong = MISFIT;
    }
    for (Py_ssize_t a = 0; wrong == NULL && a < n; a++)
        out[a] = asked ? (float)(totals[a] / (double)asked) : 0;
    free(totals);
    free(e.row_of);
    free(e.rows);
    return wrong;
}

/* translate(background, starts, sources, probabilities, question, answers, sizes, out) */
PyObject *translate(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { RARITY, STARTS, SOURCES, PROBABILITIES, QUESTION, ANSWERS, SIZES, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = MISFIT;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "fliflilF", b))
        return NULL;
    const Table t = {b[RARITY].buf, b[PROBABILITIES].buf, b[STARTS].buf, b[SOURCES].buf,
                     COUNT(b[RARITY], float), COUNT(b[SOURCES], int32_t)};
    const Py_ssize_t asked = COUNT(b[QUESTION], int64_t), n = COUNT(b[SIZES], int64_t);
    Py_ssize_t rows = -1;
    if (COUNT(b[STARTS], int64_t) == t.terms + 1 && COUNT(b[PROBABILITIES], float) == t.entries &&
        COUNT(b[OUT], float) == n)
        rows = rows_of(&t, b[QUESTION].buf, asked, b[ANSWERS].buf, COUNT(b[ANSWERS], int32_t),
                       b[SIZES].buf, n);
    if (rows >= 0)
        wrong = translate_all(&t, b[QUESTION].buf, asked, b[ANSWERS].buf, b[SIZES].buf, n, rows,
                              b[OUT].buf);
    return closed(b, VIEWS, wrong);
}

/* One ranker's scores of n candidates: divided by its best, and the lead of each. */
static void contrast_one(const float *scores, Py_ssize_t n, float floor, float *out, Py_ssize_t stride)
{
    float most = floor > 1e-9f ? floor : 1e-9f, best = 0, second = 0;
    Py_ssize_t first = 0;
    for (Py_ssize_t i = 0; i < n; i++)
        most = scores[i] > most ? scores[i] : most;
    for (Py_ssize_t i = 0; i < n; i++) {
        const float scaled = (scores[i] > 0 ? scores[i] : 0) / most;
        out[i * stride] = scaled;
        if (i == 0 || scaled > best) {
            second = best;
            best = scaled;
            first = i;
        } else if (scaled > second)
            second = scaled;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        out[i * stride + 1] = out[i * stride] - best;
    if (n)
        out[first * stride + 1] = best - second;
}

/* contrast(scores by ranker, floors, out): pairs of columns for each ranker, the rest left alone. */
PyObject *contrast(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SCORES, FLOORS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "ffF", b))
        return NULL;
    const Py_ssize_t rankers = COUNT(b[FLOORS], float);
    const Py_ssize_t n = rankers ? COUNT(b[SCORES], float) / rankers : 0;
    const Py_ssize_t stride = n ? COUNT(b[OUT], float) / n : 0;
    const float *scores = b[SCORES].buf, *floors = b[FLOORS].buf;
    if (COUNT(b[SCORES], float) != n * rankers || COUNT(b[OUT], float) != n * stride ||
        (n && stride < 2 * rankers))
        wrong = "scores, floors and features do not fit each other";
    for (Py_ssize_t r = 0; wrong == NULL && r < rankers; r++)
        contrast_one(scores + r * n, n, floors[r], (float *)b[OUT].buf + 2 * r, stride);
    return closed(b, VIEWS, wrong);
}

typedef struct {
    const float *mean, *scale, *linear, *hidden, *bias, *output;
    Py_ssize_t features, units;
} Correction;

static WIDE double logit(const Correction *c, const float *features, float *restrict layer)
{
    double total = 0;
    memcpy(layer, c->bias, (size_t)c->units * sizeof *layer);
    for (Py_ssize_t f = 0; f < c->features; f++) {
        const float x = (features[f] - c->mean[f]) * c->scale[f];
        const float *restrict row = c->hidden + f * c->units;
        total += x * c->linear[f];
        for (Py_ssize_t h = 0; h < c->units; h++)
            layer[h] += x * row[h];
    }
    for (Py_ssize_t h = 0; h < c->units; h++)
        total += layer[h] / (1.0f + fabsf(layer[h])) * c->output[h];
    return (double)(float)total;
}

/* Softmax of one question's logits and of "none of them"; each is replaced by its probability. */
static void share(float *out, Py_ssize_t n, double slope, double bias, double none_slope)
{
    double best = -HUGE_VAL, whole = 0;
    for (Py_ssize_t i = 0; i < n; i++)
        best = slope * out[i] > best ? slope * out[i] : best;
    const double none = bias + none_slope * best, top = none > best ? none : best;
    for (Py_ssize_t i = 0; i < n; i++)
        whole += exp(slope * out[i] - top);
    whole += exp(none - top);
    for (Py_ssize_t i = 0; i < n; i++)
        out[i] = (float)(exp(slope * out[i] - top) / whole);
}

/* rate(features, mean, scale, linear, hidden, bias, output, sizes, out, slope, none bias, none slope)
 */
PyObject *rate(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { FEATURES, MEAN, SCALE, LINEAR, HIDDEN, BIAS, OUTPUT, SIZES, OUT, VIEWS, NUMBERS = 3 };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    double numbers[NUMBERS];
    (void)self;
    if (!wanted(given, VIEWS + NUMBERS))
        return NULL;
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = PyFloat_AsDouble(args[VIEWS + i]);
    if (PyErr_Occurred() || !open_arrays(args, "ffffffflF", b))
        return NULL;
    const Correction c = {b[MEAN].buf,   b[SCALE].buf,  b[LINEAR].buf,           b[HIDDEN].buf,
                          b[BIAS].buf,   b[OUTPUT].buf, COUNT(b[LINEAR], float), COUNT(b[BIAS], float)};
    const Py_ssize_t n = COUNT(b[OUT], float), questions = COUNT(b[SIZES], int64_t);
    const int64_t *sizes = b[SIZES].buf;
    float *out = b[OUT].buf, *layer = malloc((size_t)(c.units + 1) * sizeof *layer);
    int64_t left = n;
    if (COUNT(b[FEATURES], float) != n * c.features || b[MEAN].len != b[LINEAR].len ||
        b[SCALE].len != b[LINEAR].len || COUNT(b[HIDDEN], float) != c.features * c.units ||
        b[OUTPUT].len != b[BIAS].len)
        wrong = "features and weights do not fit each other";
    else if (layer == NULL)
        wrong = "there is no memory for so many units";
    for (Py_ssize_t i = 0; wrong == NULL && i < n; i++)
        out[i] = (float)logit(&c, (const float *)b[FEATURES].buf + i * c.features, layer);
    for (Py_ssize_t q = 0; wrong == NULL && q < questions; q++) {
        if (sizes[q] < 0 || sizes[q] > left)
            wrong = "there are not so many candidates";
        else
            share(out + (n - left), sizes[q], numbers[0], numbers[1], numbers[2]);
        left -= sizes[q];
    }
    free(layer);
    return closed(b, VIEWS, wrong);
}
