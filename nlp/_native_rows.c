/* Texts as sparse rows: hashing trigrams into columns and weighing terms. nlp/gathering.py does the same
 * in numpy.
 */
#include "_native.h"

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

/* Sorts columns with repeats, and leaves the distinct ones with weights of unit length: 1 + log of how
 * often, times idf. Gives how many there are. */
Py_ssize_t weigh_columns(int64_t *columns, Py_ssize_t count, const float *idf, float *weights)
{
    Py_ssize_t kept = 0;
    double square = 0;
    sort(columns, count);
    for (Py_ssize_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && columns[next] == columns[i];)
            next++;
        const double repeats = next - i == 1 ? 1 : 1 + log((double)(next - i));
        const double value = repeats * idf[columns[i]];
        columns[kept] = columns[i];
        weights[kept++] = (float)value;
        square += value * value;
    }
    const double length = sqrt(square);
    for (Py_ssize_t i = 0; length > 0 && i < kept; i++)
        weights[i] = (float)(weights[i] / length);
    return kept;
}

static void hash_all(const uint32_t *points, Py_ssize_t count, Py_ssize_t width, int64_t *columns)
{
    for (Py_ssize_t i = 0; i < count; i++)
        columns[i] = column_of(points + i, (uint64_t)width);
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
    const Py_ssize_t count = COUNT(b[TEXT], uint32_t) - 2, width = COUNT(b[IDF], float);
    if (width && count >= 0 && COUNT(b[COLUMNS], int64_t) >= count && COUNT(b[VALUES], float) >= count) {
        hash_all(b[TEXT].buf, count, width, b[COLUMNS].buf);
        kept = weigh_columns(b[COLUMNS].buf, count, b[IDF].buf, b[VALUES].buf);
    }
    return closed_with(b, VIEWS, kept, "text, idf, columns and weights do not fit");
}

/* Runs a network on the trigrams of a text in UTF-32 and closes it; what is wrong, or NULL. */
static const char *run_on_trigrams(Network *network, const Py_buffer *text, const Py_buffer *idf)
{
    const Py_ssize_t letters = COUNT(*text, uint32_t), width = COUNT(*idf, float);
    const Py_ssize_t count = width && letters > 2 ? letters - 2 : 0;
    int64_t *columns = malloc((size_t)(count + 1) * sizeof *columns);
    float *weights = malloc((size_t)(count + 1) * sizeof *weights);
    const int room = columns != NULL && weights != NULL;
    Py_ssize_t kept = 0;
    if (room) {
        hash_all(text->buf, count, width, columns);
        kept = weigh_columns(columns, count, idf->buf, weights);
    }
    const char *wrong = run_network(network, columns, weights, kept);
    free(columns);
    free(weights);
    return room ? wrong : "there is no memory for so long a text";
}

/* read_trigrams(text in UTF-32, idf, *network): logits by its trigrams, as nlp/network.py has them. */
PyObject *read_trigrams(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { TEXT, IDF, VIEWS };
    Py_buffer b[VIEWS];
    Network network;
    (void)self;
    if (!open_network(&network, args + VIEWS, given - VIEWS))
        return NULL;
    if (!open_arrays(args, "uf", b)) {
        run_network(&network, NULL, NULL, 0);
        return NULL;
    }
    return closed(b, VIEWS, run_on_trigrams(&network, &b[TEXT], &b[IDF]));
}

/* classify(scales, centre, spread, proba, text in UTF-32, idf, *network) -> foreign score: what judge says
 * of the logits that read_trigrams gives, which stay in the network's out. */
PyObject *classify(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { TEXT = RULE_VIEWS, IDF, VIEWS };
    Py_buffer b[VIEWS];
    Network network;
    double score = 0;
    (void)self;
    if (!open_network(&network, args + VIEWS, given - VIEWS))
        return NULL;
    const float *logits = network.own[NETWORK_VIEWS - 1].buf; /* the caller holds the array */
    const Py_ssize_t count = COUNT(network.own[NETWORK_VIEWS - 1], float);
    if (!open_arrays(args, "dffFuf", b)) {
        run_network(&network, NULL, NULL, 0);
        return NULL;
    }
    const char *wrong = run_on_trigrams(&network, &b[TEXT], &b[IDF]);
    if (wrong == NULL)
        wrong = judge_logits(logits, count, b, &score);
    if (wrong != NULL)
        return closed(b, VIEWS, wrong);
    close_arrays(b, VIEWS);
    return PyFloat_FromDouble(score);
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
