/* The best of many scores, and sums of the scores of several rankers: index/scoring.py and
 * index/selection.py do the same in numpy.
 */
#include "_native.h"

typedef struct {
    float score;
    int64_t row;
} Found;

/* Of equal scores the lower row is the better one. */
static int worse(const Found *a, const Found *b)
{
    return a->score < b->score || (a->score == b->score && a->row > b->row);
}

/* The worst on top of each pair below. */
static void sink(Found *heap, Py_ssize_t size, Py_ssize_t at)
{
    for (Py_ssize_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && worse(&heap[child + 1], &heap[child]))
            child++;
        if (!worse(&heap[child], &heap[at]))
            return;
        const Found kept = heap[at];
        heap[at] = heap[child];
        heap[child] = kept;
    }
}

/* The k highest positive scores, best first; how many there are. The heap has room for k. */
static Py_ssize_t select_best(const float *scores, Py_ssize_t count, Py_ssize_t k, Found *heap)
{
    Py_ssize_t size = 0;
    float bound = 0;
    for (Py_ssize_t row = 0; row < count; row++) {
        if (!(scores[row] > bound))
            continue;
        if (size < k) {
            heap[size++] = (Found){scores[row], row};
            for (Py_ssize_t at = size / 2; size == k && at-- > 0;)
                sink(heap, size, at);
        } else {
            heap[0] = (Found){scores[row], row};
            sink(heap, size, 0);
        }
        if (size == k)
            bound = heap[0].score;
    }
    for (Py_ssize_t at = size / 2; size < k && at-- > 0;)
        sink(heap, size, at);
    for (Py_ssize_t last = size - 1; last > 0; last--) {
        const Found kept = heap[last];
        heap[last] = heap[0];
        heap[0] = kept;
        sink(heap, last, 0);
    }
    return size;
}

/* best_rows(scores, rows): as many as there is room for; gives how many were found. */
PyObject *best_rows(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SCORES, ROWS, VIEWS };
    Py_buffer b[VIEWS];
    Py_ssize_t found = 0;
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "fL", b))
        return NULL;
    const Py_ssize_t k = COUNT(b[ROWS], int64_t);
    Found *heap = malloc((size_t)(k + 1) * sizeof *heap);
    if (heap != NULL && k) {
        int64_t *rows = b[ROWS].buf;
        found = select_best(b[SCORES].buf, COUNT(b[SCORES], float), k, heap);
        for (Py_ssize_t i = 0; i < found; i++)
            rows[i] = heap[i].row;
    }
    close_arrays(b, VIEWS);
    if (heap == NULL)
        return PyErr_NoMemory();
    free(heap);
    return PyLong_FromSsize_t(found);
}

/* Best of values[starts[g]..starts[g + 1]], at least 0, into best[g]. */
static const char *best_of_each(const Py_buffer *values, const Py_buffer *starts, const Py_buffer *out)
{
    const float *value = values->buf;
    const int64_t *start = starts->buf;
    float *best = out->buf;
    const Py_ssize_t groups = COUNT(*starts, int64_t) - 1, length = COUNT(*values, float);
    if (groups < 0 || COUNT(*out, float) != groups || start[0] < 0)
        return "best, values and starts do not fit each other";
    for (Py_ssize_t g = 0; g < groups; g++) {
        float most = 0;
        if (start[g] > start[g + 1] || start[g + 1] > length)
            return "best, values and starts do not fit each other";
        for (int64_t i = start[g]; i < start[g + 1]; i++)
            most = value[i] > most ? value[i] : most;
        best[g] = most;
    }
    return NULL;
}

/* best_of_groups(best, values, starts) */
PyObject *best_of_groups(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_buffer b[3];
    (void)self;
    if (!wanted(given, 3) || !open_arrays(args, "Ffl", b))
        return NULL;
    return closed(b, 3, best_of_each(&b[1], &b[2], &b[0]));
}

/* Adds up the votes of the nearest questions, each by its squared likeness. They are among those of
 * the passages whose nearest ones are the best. */
static const char *count_votes(const float *likeness, Py_ssize_t questions, const Py_buffer *past,
                               const int64_t *starts, Py_ssize_t voters, float *votes)
{
    enum { MOST = 64 };
    Found passages[MOST], heap[MOST];
    if (voters < 1 || voters > MOST)
        return "there must be 1 to 64 voters";
    const Py_ssize_t some = select_best(past->buf, COUNT(*past, float), voters, passages);
    Py_ssize_t size = 0;
    float whole = 0;
    for (Py_ssize_t p = 0; p < some; p++) {
        const int64_t row = passages[p].row;
        if (starts[row] < 0 || starts[row + 1] > questions)
            return "a passage's questions lie outside of all";
        for (int64_t q = starts[row]; q < starts[row + 1]; q++) {
            const Found one = {likeness[q], q};
            if (!(one.score > 0) || (size == voters && worse(&one, &heap[0])))
                continue;
            heap[size < voters ? size++ : 0] = one;
            for (Py_ssize_t at = size / 2; at-- > 0;)
                sink(heap, size, at);
        }
    }
    for (Py_ssize_t i = 0; i < size; i++)
        whole += heap[i].score * heap[i].score;
    for (Py_ssize_t p = 0; p < some; p++)
        for (Py_ssize_t i = 0; i < size; i++) {
            const int64_t row = passages[p].row;
            if (heap[i].row >= starts[row] && heap[i].row < starts[row + 1])
                votes[row] += heap[i].score * heap[i].score / (whole > 1e-9f ? whole : 1e-9f);
        }
    return NULL;
}

/* vote(likeness of questions, best of each passage, first question of each and the end, votes, voters)
 */
PyObject *vote(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { LIKENESS, PAST, STARTS, VOTES, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = "every passage needs a best, a start and votes";
    (void)self;
    if (!wanted(given, VIEWS + 1))
        return NULL;
    const Py_ssize_t voters = PyLong_AsSsize_t(args[VIEWS]);
    if (PyErr_Occurred() || !open_arrays(args, "fflF", b))
        return NULL;
    if (b[PAST].len == b[VOTES].len && COUNT(b[STARTS], int64_t) == COUNT(b[PAST], float) + 1)
        wrong = count_votes(b[LIKENESS].buf, COUNT(b[LIKENESS], float), &b[PAST], b[STARTS].buf,
                            voters, b[VOTES].buf);
    return closed(b, VIEWS, wrong);
}

/* add_scaled(sum, values, weight, floor): values by their best, at least the floor, times a weight. */
PyObject *add_scaled(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SUM, VALUES, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    (void)self;
    if (!wanted(given, VIEWS + 2))
        return NULL;
    const double weight = PyFloat_AsDouble(args[VIEWS]), floor = PyFloat_AsDouble(args[VIEWS + 1]);
    if (PyErr_Occurred() || !open_arrays(args, "Ff", b))
        return NULL;
    if (b[SUM].len != b[VALUES].len)
        wrong = "sums and scores must have one length";
    else {
        float *restrict sum = b[SUM].buf;
        const float *restrict values = b[VALUES].buf;
        const Py_ssize_t count = COUNT(b[SUM], float);
        float most = 0;
        for (Py_ssize_t i = 0; i < count; i++)
            most = values[i] > most ? values[i] : most;
        const float factor = (float)(weight / (most > floor ? most : floor));
        for (Py_ssize_t i = 0; i < count; i++)
            sum[i] += factor * values[i];
    }
    return closed(b, VIEWS, wrong);
}

enum { LANES = 16 };

/* Inner product in lanes that the compiler may compute together. */
static WIDE float product(const float *restrict a, const float *restrict b, Py_ssize_t size)
{
    float lanes[LANES] = {0}, whole = 0;
    Py_ssize_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += a[i + lane] * b[i + lane];
    for (; i < size; i++)
        whole += a[i] * b[i];
    for (int lane = 0; lane < LANES; lane++)
        whole += lanes[lane];
    return whole;
}

/* products(rows, places, vector, out): of some rows with a vector; 0 for a place below 0. */
PyObject *products(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { ROWS, PLACES, VECTOR, OUT, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "flfF", b))
        return NULL;
    const Py_ssize_t size = COUNT(b[VECTOR], float), count = COUNT(b[PLACES], int64_t);
    const Py_ssize_t rows = size ? COUNT(b[ROWS], float) / size : 0;
    const int64_t *places = b[PLACES].buf;
    float *out = b[OUT].buf;
    int right = COUNT(b[OUT], float) == count && COUNT(b[ROWS], float) == rows * size;
    for (Py_ssize_t i = 0; right && i < count; i++) {
        right = places[i] < rows;
        if (right)
            out[i] = places[i] < 0 ? 0
                                   : product((const float *)b[ROWS].buf + places[i] * size,
                                             b[VECTOR].buf, size);
    }
    return closed(b, VIEWS, right ? NULL : "rows, places and results do not fit each other");
}

/* Inner product of steps with a vector. */
#define STEPS(name, type)                                                                            \
    static WIDE float name(const type *restrict a, const float *restrict b, Py_ssize_t size)         \
    {                                                                                                \
        float lanes[LANES] = {0}, whole = 0;                                                         \
        Py_ssize_t i = 0;                                                                            \
        for (; i + LANES <= size; i += LANES)                                                        \
            for (int lane = 0; lane < LANES; lane++)                                                 \
                lanes[lane] += (float)a[i + lane] * b[i + lane];                                     \
        for (; i < size; i++)                                                                        \
            whole += (float)a[i] * b[i];                                                             \
        for (int lane = 0; lane < LANES; lane++)                                                     \
            whole += lanes[lane];                                                                    \
        return whole;                                                                                \
    }
STEPS(product_of_bytes, int8_t)
STEPS(product_of_words, int16_t)

/* scaled_products(rows of steps in one byte or two, size of a step by row, places, vector, out) */
PyObject *scaled_products(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { ROWS, SCALES, PLACES, VECTOR, OUT, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "bflfF", b))
        return NULL;
    const Py_ssize_t size = COUNT(b[VECTOR], float), rows = COUNT(b[SCALES], float);
    const Py_ssize_t count = COUNT(b[PLACES], int64_t);
    const int narrow = b[ROWS].len == rows * size;
    const float *scales = b[SCALES].buf, *vector = b[VECTOR].buf;
    const int64_t *places = b[PLACES].buf;
    float *out = b[OUT].buf;
    int right = COUNT(b[OUT], float) == count && (narrow || b[ROWS].len == 2 * rows * size);
    for (Py_ssize_t i = 0; right && i < count; i++) {
        const int64_t row = places[i];
        right = row >= 0 && row < rows;
        if (right)
            out[i] = scales[row] *
                     (narrow ? product_of_bytes((const int8_t *)b[ROWS].buf + row * size, vector, size)
                             : product_of_words((const int16_t *)b[ROWS].buf + row * size, vector, size));
    }
    return closed(b, VIEWS, right ? NULL : "rows, scales, places and results do not fit each other");
}

/* nearest(likeness of questions, first question of each passage and the end, passages, out): the most
 * alike question of each passage, the first of equal ones; -1 where none is alike. */
PyObject *nearest(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { LIKENESS, STARTS, PASSAGES, OUT, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "fllL", b))
        return NULL;
    const float *likeness = b[LIKENESS].buf;
    const int64_t *starts = b[STARTS].buf, *passages = b[PASSAGES].buf;
    const Py_ssize_t count = COUNT(b[PASSAGES], int64_t), rows = COUNT(b[STARTS], int64_t) - 1;
    int64_t *out = b[OUT].buf;
    int right = COUNT(b[OUT], int64_t) == count;
    for (Py_ssize_t i = 0; right && i < count; i++) {
        const int64_t row = passages[i];
        float best = 0;
        right = row >= 0 && row < rows && starts[row] >= 0 && starts[row] <= starts[row + 1] &&
                starts[row + 1] <= COUNT(b[LIKENESS], float);
        out[i] = -1;
        for (int64_t q = starts[right ? row : 0]; right && q < starts[row + 1]; q++)
            if (likeness[q] > best) {
                best = likeness[q];
                out[i] = q;
            }
    }
    return closed(b, VIEWS, right ? NULL : "questions and passages do not fit each other");
}

/* contains(sorted numbers, wanted numbers, out): 1 for each wanted one that is there, else 0. */
PyObject *contains(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { SORTED, WANTED, OUT, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS) || !open_arrays(args, "uuB", b))
        return NULL;
    const uint32_t *sorted = b[SORTED].buf, *sought = b[WANTED].buf;
    const Py_ssize_t size = COUNT(b[SORTED], uint32_t), count = COUNT(b[WANTED], uint32_t);
    uint8_t *out = b[OUT].buf;
    for (Py_ssize_t i = 0; i < count && i < COUNT(b[OUT], uint8_t); i++) {
        Py_ssize_t low = 0, high = size;
        while (low < high) {
            const Py_ssize_t middle = low + (high - low) / 2;
            if (sorted[middle] < sought[i])
                low = middle + 1;
            else
                high = middle;
        }
        out[i] = low < size && sorted[low] == sought[i];
    }
    return closed(b, VIEWS, COUNT(b[OUT], uint8_t) == count ? NULL : "every number needs a result");
}
