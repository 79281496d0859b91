/* Networks over sparse rows: weighted sums of table rows without copying them, dense layers, and what
 * their outputs say. nlp/gathering.py, nlp/network.py, nlp/ranker.py and nlp/classifier.py do the same in
 * numpy.
 */
#include "_native.h"

enum { AHEAD = 8, LINE = 64, MOST_LINES = 8 };

/* Rows of floats, or of bytes in steps of their own. */
typedef struct {
    const char *values;
    const float *steps; /* NULL for floats */
    Py_ssize_t rows, size, row_bytes;
} Table;

/* 0 where the arrays do not fit each other. */
static int open_table(Table *t, const Py_buffer *values, const Py_buffer *steps, Py_ssize_t size)
{
    t->values = values->buf;
    t->steps = steps->len ? steps->buf : NULL;
    t->size = size;
    t->row_bytes = size * (steps->len ? 1 : (Py_ssize_t)sizeof(float));
    t->rows = steps->len ? COUNT(*steps, float) : size ? values->len / t->row_bytes : 0;
    return values->len == t->rows * t->row_bytes;
}

static int within(const int64_t *places, Py_ssize_t count, Py_ssize_t rows)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (places[i] < 0 || places[i] >= rows)
            return 0;
    return 1;
}

/* The rows lie all over memory: a few are asked for before they are needed. */
static inline void fetch(const Table *t, int64_t place)
{
    const char *row = t->values + place * t->row_bytes;
    for (Py_ssize_t i = 0; i < t->row_bytes && i < MOST_LINES * LINE; i += LINE)
        FETCH(row + i);
}

/* Adds some rows of a table, each times its weight, to out. */
static WIDE void sum_rows(float *restrict out, const Table *t, const int64_t *places,
                          const float *weights, Py_ssize_t count)
{
    const Py_ssize_t size = t->size;
    for (Py_ssize_t i = 0; i < count && i < AHEAD; i++)
        fetch(t, places[i]);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            fetch(t, places[i + AHEAD]);
        if (t->steps == NULL) {
            const float *restrict row = (const float *)t->values + places[i] * size;
            for (Py_ssize_t j = 0; j < size; j++)
                out[j] += weights[i] * row[j];
        } else {
            const int8_t *restrict row = (const int8_t *)t->values + places[i] * size;
            const float weight = weights[i] * t->steps[places[i]];
            for (Py_ssize_t j = 0; j < size; j++)
                out[j] += weight * (float)row[j];
        }
    }
}

/* out = bias + in times weight, of shape (inputs, size) */
static WIDE void apply(float *restrict out, const float *restrict in, Py_ssize_t inputs,
                       const float *weight, const float *bias, Py_ssize_t size)
{
    Py_ssize_t i = 0;
    memcpy(out, bias, (size_t)size * sizeof *out);
    for (; i + 4 <= inputs; i += 4) { /* four rows for each pass over out */
        const float *restrict row = weight + i * size;
        for (Py_ssize_t j = 0; j < size; j++)
            out[j] += in[i] * row[j] + in[i + 1] * row[size + j] + in[i + 2] * row[2 * size + j] +
                      in[i + 3] * row[3 * size + j];
    }
    for (; i < inputs; i++)
        for (Py_ssize_t j = 0; j < size; j++)
            out[j] += in[i] * weight[i * size + j];
}

static WIDE void squash(float *restrict values, Py_ssize_t count)
{
    for (Py_ssize_t j = 0; j < count; j++)
        values[j] /= 1.0f + fabsf(values[j]);
}

static WIDE void add(float *restrict to, const float *restrict from, Py_ssize_t count)
{
    for (Py_ssize_t j = 0; j < count; j++)
        to[j] += from[j];
}

/* Layers between the sum of the rows and out; the bits of residual tell which add what they read. */
static void climb(float *out, float *hidden, float *next, Py_ssize_t size, const Py_buffer *layers,
                  int count, long residual)
{
    squash(hidden, size);
    for (int k = 0; k < count; k++) {
        const Py_ssize_t outputs = COUNT(layers[2 * k + 1], float);
        float *to = k + 1 < count ? next : out;
        apply(to, hidden, size, layers[2 * k].buf, layers[2 * k + 1].buf, outputs);
        if (k + 1 == count)
            break;
        squash(next, outputs);
        if (residual >> k & 1)
            add(next, hidden, outputs);
        next = hidden;
        hidden = to;
        size = outputs;
    }
}

/* The largest size between layers that fit each other and out, 0 for others. */
static Py_ssize_t widest(Py_ssize_t size, const Py_buffer *layers, int count, long residual,
                         Py_ssize_t outputs)
{
    Py_ssize_t most = size;
    for (int k = 0; k < count; k++) {
        const Py_ssize_t next = COUNT(layers[2 * k + 1], float);
        if (COUNT(layers[2 * k], float) != size * next || (residual >> k & 1 && size != next))
            return 0;
        size = next;
        most = size > most ? size : most;
    }
    return size == outputs ? most : 0;
}

/* Opens the arguments (table, steps, bias, out, residual, *weight and bias of each layer). 1, or 0 with an
 * error set and nothing open. */
int open_network(Network *n, PyObject *const *args, Py_ssize_t given)
{
    enum { FIRST = NETWORK_VIEWS + 1 };
    static const char kinds[] = "ffffffffffffffff";
    const Py_ssize_t more = given - FIRST;
    if (more < 0 || more % 2 || more > 2 * MOST_LAYERS) {
        PyErr_SetString(PyExc_TypeError, "a network has a few layers of two arrays each");
        return 0;
    }
    n->count = (int)(more / 2);
    n->residual = PyLong_AsLong(args[NETWORK_VIEWS]);
    if (PyErr_Occurred() || !open_arrays(args, "bffF", n->own))
        return 0;
    if (open_arrays(args + FIRST, kinds + sizeof kinds - 1 - more, n->layers))
        return 1;
    close_arrays(n->own, NETWORK_VIEWS);
    return 0;
}

/* Runs it on a row and closes it; what is wrong with the arguments, or NULL. */
const char *run_network(Network *n, const int64_t *places, const float *weights, Py_ssize_t count)
{
    enum { TABLE, STEPS, BIAS, OUT };
    Table table;
    const char *wrong = NULL;
    float *out = n->own[OUT].buf, *hidden = NULL;
    const Py_ssize_t size = COUNT(n->own[BIAS], float);
    const Py_ssize_t most = widest(size, n->layers, n->count, n->residual, COUNT(n->own[OUT], float));
    if (!most || !open_table(&table, &n->own[TABLE], &n->own[STEPS], size) ||
        !within(places, count, table.rows))
        wrong = "places, table and layers do not fit each other";
    else if ((hidden = malloc(2 * (size_t)most * sizeof *hidden)) == NULL)
        wrong = "there is no memory for so wide a network";
    else {
        float *summed = n->count ? hidden : out;
        memcpy(summed, n->own[BIAS].buf, (size_t)size * sizeof *summed);
        sum_rows(summed, &table, places, weights, count);
        if (n->count)
            climb(out, hidden, hidden + most, size, n->layers, n->count, n->residual);
    }
    free(hidden);
    close_arrays(n->own, NETWORK_VIEWS);
    close_arrays(n->layers, 2 * n->count);
    return wrong;
}

/* forward(places, weights, *network): logits of one row as nlp/network.py has them. */
PyObject *forward(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { PLACES, WEIGHTS, VIEWS };
    Py_buffer b[VIEWS];
    Network network;
    const char *wrong = "places and weights do not fit each other";
    (void)self;
    if (!open_network(&network, args + VIEWS, given - VIEWS))
        return NULL;
    if (!open_arrays(args, "lf", b)) {
        run_network(&network, NULL, NULL, 0);
        return NULL;
    }
    const Py_ssize_t count = COUNT(b[PLACES], int64_t);
    const int right = COUNT(b[WEIGHTS], float) == count;
    const char *other = run_network(&network, b[PLACES].buf, b[WEIGHTS].buf, right ? count : 0);
    return closed(b, VIEWS, right ? other : wrong);
}

/* One residual softsign layer and unit length. */
static WIDE void lift(float *restrict out, const float *restrict summed, const float *weight,
                      const float *bias, Py_ssize_t size)
{
    double square = 0;
    apply(out, summed, size, weight, bias, size);
    squash(out, size);
    for (Py_ssize_t j = 0; j < size; j++) {
        out[j] += summed[j];
        square += (double)out[j] * out[j];
    }
    const double length = sqrt(square) > 1e-9 ? sqrt(square) : 1e-9;
    for (Py_ssize_t j = 0; j < size; j++)
        out[j] = (float)(out[j] / length);
}

/* encode(places with repeats, idf, table, steps, weight, bias, out): a text as nlp/ranker.py encodes it;
 * zeros for one without a place. */
PyObject *encode(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { PLACES, IDF, TABLE, STEPS, WEIGHT, BIAS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    Table table;
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "lfbfffF", b))
        return NULL;
    const Py_ssize_t size = COUNT(b[OUT], float), count = COUNT(b[PLACES], int64_t);
    int64_t *places = malloc((size_t)(count + 1) * sizeof *places);
    float *weights = malloc((size_t)(count + size + 1) * sizeof *weights);
    if (!open_table(&table, &b[TABLE], &b[STEPS], size) || COUNT(b[IDF], float) != table.rows ||
        COUNT(b[BIAS], float) != size || COUNT(b[WEIGHT], float) != size * size ||
        !within(b[PLACES].buf, count, table.rows))
        wrong = "places, the table and the layer do not fit each other";
    else if (places == NULL || weights == NULL)
        wrong = "there is no memory for so long a text";
    else {
        float *summed = weights + count;
        int told = 0;
        memcpy(places, b[PLACES].buf, (size_t)b[PLACES].len);
        const Py_ssize_t kept = weigh_columns(places, count, b[IDF].buf, weights);
        memset(summed, 0, (size_t)size * sizeof *summed);
        memset(b[OUT].buf, 0, (size_t)b[OUT].len);
        sum_rows(summed, &table, places, weights, kept);
        for (Py_ssize_t j = 0; j < size && !told; j++)
            told = summed[j] != 0;
        if (told)
            lift(b[OUT].buf, summed, b[WEIGHT].buf, b[BIAS].buf, size);
    }
    free(places);
    free(weights);
    return closed(b, VIEWS, wrong);
}

/* Reads a text's logits, of each of several members end to end, by (scales, centre, spread, proba) into
 * proba and its foreign score, as nlp/classifier.py does; the last logit of a member is that of "foreign".
 * What is wrong with them, or NULL. */
const char *judge_logits(const float *logits, Py_ssize_t count, const Py_buffer *rule, double *score)
{
    enum { SCALES, CENTRE, SPREAD, PROBA };
    const Py_ssize_t members = COUNT(rule[SCALES], double), labels = COUNT(rule[PROBA], float);
    const double *scales = rule[SCALES].buf;
    const float *centre = rule[CENTRE].buf, *spread = rule[SPREAD].buf;
    float *proba = rule[PROBA].buf;
    if (members < 1 || labels < 1 || count != members * (labels + 1) ||
        COUNT(rule[CENTRE], float) != members + 1 || COUNT(rule[SPREAD], float) != members + 1)
        return "logits, scales and the rule do not fit each other";
    double *parts = malloc((size_t)labels * sizeof *parts);
    if (parts == NULL)
        return "there is no memory for so many labels";
    *score = 0;
    memset(proba, 0, (size_t)rule[PROBA].len);
    for (Py_ssize_t m = 0; m < members; m++, logits += labels + 1) {
        float best = logits[0];
        double whole = 0;
        for (Py_ssize_t j = 1; j < labels; j++)
            best = logits[j] > best ? logits[j] : best;
        if (m == 0)
            *score -= (best - centre[0]) / spread[0];
        *score -= (best - logits[labels] - centre[m + 1]) / spread[m + 1];
        for (Py_ssize_t j = 0; j < labels; j++)
            whole += parts[j] = exp(scales[m] * (logits[j] - best));
        for (Py_ssize_t j = 0; j < labels; j++)
            proba[j] += (float)(parts[j] / whole / (double)members);
    }
    free(parts);
    return NULL;
}

/* judge(scales, centre, spread, proba, logits) -> foreign score */
PyObject *judge(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { LOGITS = RULE_VIEWS, VIEWS };
    Py_buffer b[VIEWS];
    double score = 0;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "dffFf", b))
        return NULL;
    const char *wrong = judge_logits(b[LOGITS].buf, COUNT(b[LOGITS], float), b, &score);
    if (wrong != NULL)
        return closed(b, VIEWS, wrong);
    close_arrays(b, VIEWS);
    return PyFloat_FromDouble(score);
}
