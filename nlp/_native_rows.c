/* Networks over sparse rows: hashing a text's trigrams into one, weighing its terms, and weighted sums
 * of table rows without copying them. nlp/gathering.py does the same in numpy.
 */
#include "_native.h"

enum { AHEAD = 8, LINE_FLOATS = 16, MOST_LINES = 8 };

/* The rows lie all over memory: a few are asked for before they are needed. */
static void fetch(const float *row, Py_ssize_t size)
{
    for (Py_ssize_t i = 0; i < size && i < LINE_FLOATS * MOST_LINES; i += LINE_FLOATS)
        FETCH(row + i);
}

/* Adds some rows of a table, each times its weight, to out. */
static WIDE void sum_rows(float *restrict out, Py_ssize_t size, const float *table, const int64_t *places,
                     const float *weights, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count && i < AHEAD; i++)
        fetch(table + places[i] * size, size);
    for (Py_ssize_t i = 0; i < count; i++) {
        const float *restrict row = table + places[i] * size;
        const float weight = weights[i];
        if (i + AHEAD < count)
            fetch(table + places[i + AHEAD] * size, size);
        for (Py_ssize_t j = 0; j < size; j++)
            out[j] += weight * row[j];
    }
}

/* add_rows(out, table, places, weights) */
PyObject *add_rows(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { OUT, TABLE, PLACES, WEIGHTS, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "Fflf", b))
        return NULL;
    const int64_t *places = b[PLACES].buf;
    const Py_ssize_t size = COUNT(b[OUT], float), count = COUNT(b[PLACES], int64_t);
    const Py_ssize_t rows = size ? COUNT(b[TABLE], float) / size : 0;
    int right = COUNT(b[WEIGHTS], float) == count && COUNT(b[TABLE], float) == rows * size;
    for (Py_ssize_t i = 0; right && i < count; i++)
        right = places[i] >= 0 && places[i] < rows;
    if (right)
        sum_rows(b[OUT].buf, size, b[TABLE].buf, places, b[WEIGHTS].buf, count);
    return closed(b, VIEWS, right ? NULL : "out, table, places and weights do not fit each other");
}

/* Column of a trigram of code points; the same mixing as trigram_columns in nlp/gathering.py. */
static int64_t column_of(const uint32_t *points, uint64_t width)
{
    uint64_t key = (uint64_t)points[0] << 42 | (uint64_t)points[1] << 21 | points[2];
    key = (key ^ (key >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (int64_t)((key ^ (key >> 31)) % width);
}

/* Shell sort: a text has tens of trigrams, seldom a thousand. Gaps: Ciura, FCT 2001. */
static void sort(int64_t *values, Py_ssize_t count)
{
    static const Py_ssize_t GAPS[] = {701, 301, 132, 57, 23, 10, 4, 1};
    for (int g = 0; g < 8; g++)
        for (Py_ssize_t gap = GAPS[g], i = gap; i < count; i++) {
            const int64_t value = values[i];
            Py_ssize_t j = i;
            for (; j >= gap && values[j - gap] > value; j -= gap)
                values[j] = values[j - gap];
            values[j] = value;
        }
}

/* Distinct columns, rising, with weights of unit length; how many there are. */
static Py_ssize_t weigh_trigrams(const Py_buffer *text, const Py_buffer *idf, int64_t *columns,
                                 float *weights, Py_ssize_t count)
{
    const uint32_t *points = text->buf;
    const float *rarity = idf->buf;
    Py_ssize_t kept = 0;
    double square = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        columns[i] = column_of(points + i, (uint64_t)(idf->len / 4));
    sort(columns, count);
    for (Py_ssize_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && columns[next] == columns[i];)
            next++;
        const double value = (1 + log((double)(next - i))) * rarity[columns[i]];
        columns[kept] = columns[i];
        weights[kept++] = (float)value;
        square += value * value;
    }
    for (Py_ssize_t i = 0; square > 0 && i < kept; i++)
        weights[i] = (float)(weights[i] / sqrt(square));
    return kept;
}

/* hash_trigrams(text in UTF-32, idf, columns, weights); gives how many columns there are. */
PyObject *hash_trigrams(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { TEXT, IDF, COLUMNS, VALUES, VIEWS };
    Py_buffer b[VIEWS];
    Py_ssize_t kept = -1;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "ufLF", b))
        return NULL;
    const Py_ssize_t count = COUNT(b[TEXT], uint32_t) - 2;
    if (b[IDF].len && count >= 0 && COUNT(b[COLUMNS], int64_t) >= count &&
        COUNT(b[VALUES], float) >= count)
        kept = weigh_trigrams(&b[TEXT], &b[IDF], b[COLUMNS].buf, b[VALUES].buf, count);
    return closed_with(b, VIEWS, kept, "text, idf, columns and weights do not fit");
}

/* weigh_blocks(sorted columns with repeats, idf, ends of blocks, weight of each, distinct columns,
 * their weights): 1 + log of the count, times idf, each block of its weight's length. Gives how many
 * columns there are. */
PyObject *weigh_blocks(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SORTED, IDF, ENDS, LENGTHS, COLUMNS, VALUES, VIEWS };
    Py_buffer b[VIEWS];
    Py_ssize_t kept = 0, first = 0, block = 0;
    double square = 0;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "lfldLF", b))
        return NULL;
    const int64_t *sorted = b[SORTED].buf, *ends = b[ENDS].buf;
    const double *lengths = b[LENGTHS].buf;
    const float *idf = b[IDF].buf;
    const Py_ssize_t count = COUNT(b[SORTED], int64_t), blocks = COUNT(b[ENDS], int64_t);
    int64_t *columns = b[COLUMNS].buf;
    float *values = b[VALUES].buf;
    int right = COUNT(b[LENGTHS], double) == blocks && COUNT(b[COLUMNS], int64_t) >= count &&
                COUNT(b[VALUES], float) >= count &&
                (!count || (sorted[0] >= 0 && sorted[count - 1] < COUNT(b[IDF], float)));
    for (Py_ssize_t i = 0, next; right && i <= count; i = next) {
        while (block < blocks && (i == count || sorted[i] >= ends[block])) {
            const double factor = square > 0 ? lengths[block] / sqrt(square) : 1;
            for (; first < kept; first++)
                values[first] = (float)(values[first] * factor);
            square = 0;
            block++;
        }
        if (i == count)
            break;
        for (next = i + 1; next < count && sorted[next] == sorted[i];)
            next++;
        right = next == count || sorted[next] > sorted[i];
        const double value = (1 + log((double)(next - i))) * idf[sorted[i]];
        columns[kept] = sorted[i];
        values[kept++] = (float)value;
        square += value * value;
    }
    return closed_with(b, VIEWS, right ? kept : -1, "columns, idf and blocks do not fit");
}

/* Distinct known terms of a text among a sorted vocabulary, weighed by TF-IDF of unit length. */
static Py_ssize_t weigh_terms(const int64_t *sorted, Py_ssize_t count, const int64_t *vocabulary,
                              const float *idf, Py_ssize_t known, int64_t *places, float *weights)
{
    Py_ssize_t kept = 0, low = 0;
    double square = 0;
    for (Py_ssize_t i = 0, next; i < count; i = next) {
        Py_ssize_t high = known;
        for (next = i + 1; next < count && sorted[next] == sorted[i];)
            next++;
        while (low < high) {
            const Py_ssize_t middle = low + (high - low) / 2;
            if (vocabulary[middle] < sorted[i])
                low = middle + 1;
            else
                high = middle;
        }
        if (low == known || vocabulary[low] != sorted[i])
            continue;
        const double value = (1 + log((double)(next - i))) * idf[low];
        places[kept] = low;
        weights[kept++] = (float)value;
        square += value * value;
    }
    const double length = sqrt(square) > 1e-9 ? sqrt(square) : 1e-9;
    for (Py_ssize_t i = 0; i < kept; i++)
        weights[i] = (float)(weights[i] / length);
    return kept;
}

/* One residual softsign layer and unit length. */
static WIDE void climb(float *restrict out, const float *restrict summed, const float *weight,
                  const float *bias, Py_ssize_t size)
{
    double square = 0;
    memcpy(out, bias, (size_t)size * sizeof *out);
    for (Py_ssize_t i = 0; i < size; i++) {
        const float *restrict row = weight + i * size;
        for (Py_ssize_t j = 0; j < size; j++)
            out[j] += summed[i] * row[j];
    }
    for (Py_ssize_t j = 0; j < size; j++) {
        out[j] = summed[j] + out[j] / (1.0f + fabsf(out[j]));
        square += (double)out[j] * out[j];
    }
    const double length = sqrt(square) > 1e-9 ? sqrt(square) : 1e-9;
    for (Py_ssize_t j = 0; j < size; j++)
        out[j] = (float)(out[j] / length);
}

/* encode(sorted terms with repeats, vocabulary, idf, table, weight, bias, out): a text as nlp/ranker.py
 * encodes it; zeros for one without a known term. */
PyObject *encode(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { TERMS, VOCABULARY, IDF, TABLE, WEIGHT, BIAS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "llffffF", b))
        return NULL;
    const Py_ssize_t size = COUNT(b[OUT], float), count = COUNT(b[TERMS], int64_t);
    const Py_ssize_t known = COUNT(b[VOCABULARY], int64_t);
    int64_t *places = calloc((size_t)count + 1, sizeof *places);
    float *weights = malloc((size_t)(count + size + 1) * sizeof *weights);
    if (COUNT(b[IDF], float) != known || COUNT(b[TABLE], float) != known * size ||
        COUNT(b[BIAS], float) != size || COUNT(b[WEIGHT], float) != size * size)
        wrong = "the vocabulary, the table and the layer do not fit each other";
    else if (places == NULL || weights == NULL)
        wrong = "there is no memory for so long a text";
    else {
        float *summed = weights + count;
        const Py_ssize_t kept =
            weigh_terms(b[TERMS].buf, count, b[VOCABULARY].buf, b[IDF].buf, known, places, weights);
        memset(summed, 0, (size_t)size * sizeof *summed);
        memset(b[OUT].buf, 0, (size_t)b[OUT].len);
        sum_rows(summed, size, b[TABLE].buf, places, weights, kept);
        for (Py_ssize_t j = 0; kept && j < size; j++)
            if (summed[j] != 0) {
                climb(b[OUT].buf, summed, b[WEIGHT].buf, b[BIAS].buf, size);
                break;
            }
    }
    free(places);
    free(weights);
    return closed(b, VIEWS, wrong);
}

/* judge(logits of each member, scales, centre, spread, proba) -> foreign score: one text as
 * nlp/classifier.py judges it; the last logit of each member is that of "foreign". */
PyObject *judge(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { LOGITS, SCALES, CENTRE, SPREAD, PROBA, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "fdffF", b))
        return NULL;
    const Py_ssize_t members = COUNT(b[SCALES], double), labels = COUNT(b[PROBA], float);
    const double *scales = b[SCALES].buf;
    const float *centre = b[CENTRE].buf, *spread = b[SPREAD].buf;
    float *proba = b[PROBA].buf;
    double score = 0;
    const int right = members > 0 && labels > 0 && COUNT(b[LOGITS], float) == members * (labels + 1) &&
                      COUNT(b[CENTRE], float) == members + 1 && COUNT(b[SPREAD], float) == members + 1;
    memset(proba, 0, (size_t)b[PROBA].len);
    for (Py_ssize_t m = 0; right && m < members; m++) {
        const float *logits = (const float *)b[LOGITS].buf + m * (labels + 1);
        float best = logits[0];
        double whole = 0;
        for (Py_ssize_t j = 1; j < labels; j++)
            best = logits[j] > best ? logits[j] : best;
        if (m == 0)
            score -= (best - centre[0]) / spread[0];
        score -= (best - logits[labels] - centre[m + 1]) / spread[m + 1];
        for (Py_ssize_t j = 0; j < labels; j++)
            whole += exp(scales[m] * (logits[j] - best));
        for (Py_ssize_t j = 0; j < labels; j++)
            proba[j] += (float)(exp(scales[m] * (logits[j] - best)) / whole / (double)members);
    }
    close_arrays(b, VIEWS);
    if (!right) {
        PyErr_SetString(PyExc_ValueError, "logits, scales and the rule do not fit each other");
        return NULL;
    }
    return PyFloat_FromDouble(score);
}
