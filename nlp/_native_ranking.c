/* From what rankers say of the candidates of a question to probabilities: nlp/correction.py and
 * nlp/translation.py do the same in numpy.
 */
#include "_native.h"

/* What one word of the question gets from a word of an answer, and where the next one stands. */
typedef struct {
    int32_t next;
    int32_t asked;
    float said;
} Link;

typedef struct {
    const float *background, *probabilities;
    const int64_t *starts;
    const int32_t *sources;
    Py_ssize_t terms, entries;
} Table;

static const double BACKGROUND = 0.1;
static const float SELF = 0.5f;

/* Chains of links by the answer's word; how many links, -1 where the table is damaged. */
static Py_ssize_t chain(const Table *t, const int64_t *question, Py_ssize_t asked, int32_t *heads,
                        Link *links)
{
    Py_ssize_t used = 1; /* 0 ends a chain */
    for (Py_ssize_t q = 0; q < asked; q++) {
        for (int64_t e = t->starts[question[q]]; e < t->starts[question[q] + 1]; e++) {
            const int32_t source = t->sources[e];
            if (source < 0 || source >= t->terms)
                return -1;
            links[used] = (Link){heads[source], (int32_t)q, (1 - SELF) * t->probabilities[e]};
            heads[source] = (int32_t)used++;
        }
        links[used] = (Link){heads[question[q]], (int32_t)q, SELF};
        heads[question[q]] = (int32_t)used++;
    }
    return used;
}

static void explain(const Table *t, const int64_t *question, Py_ssize_t asked, const int32_t *heads,
                    const Link *links, const int32_t *places, const int64_t *sizes, Py_ssize_t n,
                    double *explained, float *out)
{
    for (Py_ssize_t a = 0; a < n; a++) {
        double total = 0;
        memset(explained, 0, (size_t)asked * sizeof *explained);
        for (int64_t i = 0; i < sizes[a]; i++)
            for (int32_t at = heads[places[i]]; at; at = links[at].next)
                explained[links[at].asked] += links[at].said;
        for (Py_ssize_t q = 0; sizes[a] && q < asked; q++) {
            const double chance = t->background[question[q]];
            total += log1p((1 - BACKGROUND) / BACKGROUND * (explained[q] / (double)sizes[a]) /
                           (chance > 1e-7 ? chance : 1e-7));
        }
        out[a] = asked ? (float)(total / (double)asked) : 0;
        places += sizes[a];
    }
}

/* Number of links that a question needs; -1 where it, the table or the answers do not fit. */
static Py_ssize_t links_of(const Table *t, const int64_t *question, Py_ssize_t asked,
                           const int32_t *places, Py_ssize_t count, const int64_t *sizes, Py_ssize_t n)
{
    Py_ssize_t links = 1, whole = 0;
    for (Py_ssize_t q = 0; q < asked; q++) {
        if (question[q] < 0 || question[q] >= t->terms)
            return -1;
        const int64_t start = t->starts[question[q]], end = t->starts[question[q] + 1];
        if (start < 0 || end < start || end > t->entries)
            return -1;
        links += end - start + 1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (places[i] < 0 || places[i] >= t->terms)
            return -1;
    for (Py_ssize_t a = 0; a < n; a++) {
        if (sizes[a] < 0 || sizes[a] > count - whole)
            return -1;
        whole += sizes[a];
    }
    return whole == count && links < INT32_MAX ? links : -1;
}

/* translate(background, starts, sources, probabilities, question, answers, sizes, out) */
PyObject *translate(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { RARITY, STARTS, SOURCES, PROBABILITIES, QUESTION, ANSWERS, SIZES, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = "the table, the question and the answers do not fit each other";
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "fliflilF", b))
        return NULL;
    const Table t = {b[RARITY].buf, b[PROBABILITIES].buf, b[STARTS].buf, b[SOURCES].buf,
                     COUNT(b[RARITY], float), COUNT(b[SOURCES], int32_t)};
    const Py_ssize_t asked = COUNT(b[QUESTION], int64_t), n = COUNT(b[SIZES], int64_t);
    Py_ssize_t room = -1;
    if (COUNT(b[STARTS], int64_t) == t.terms + 1 && COUNT(b[PROBABILITIES], float) == t.entries &&
        COUNT(b[OUT], float) == n)
        room = links_of(&t, b[QUESTION].buf, asked, b[ANSWERS].buf, COUNT(b[ANSWERS], int32_t),
                        b[SIZES].buf, n);
    if (room >= 0) {
        int32_t *heads = calloc((size_t)t.terms + 1, sizeof *heads);
        Link *links = malloc((size_t)(room + 1) * sizeof *links);
        double *explained = malloc((size_t)(asked + 1) * sizeof *explained);
        if (!heads || !links || !explained)
            wrong = "there is no memory for so large a table";
        else if (chain(&t, b[QUESTION].buf, asked, heads, links) > 0) {
            explain(&t, b[QUESTION].buf, asked, heads, links, b[ANSWERS].buf, b[SIZES].buf, n,
                    explained, b[OUT].buf);
            wrong = NULL;
        }
        free(heads);
        free(links);
        free(explained);
    }
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

static double logit(const Correction *c, const float *features, float *restrict layer)
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
