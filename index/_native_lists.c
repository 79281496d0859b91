/* Nearest vectors among those of a few lists: index/probed.py does the same in numpy. */
#include "_native.h"

enum { AT_ONCE = 256, LANES = 16, MOST_SIZE = 65536, LINE = 64, AHEAD = 4096 };

/* Vectors list after list: whole, and in bytes in steps of their own. */
typedef struct {
    const float *centroids, *rows, *steps;
    const int64_t *starts, *ids;
    const int8_t *bytes;
    Py_ssize_t lists, count, size, probes;
    double error, length; /* of a row in bytes: most that it is off by, and most that it is long */
} Lists;

/* What is found for one query so far. */
typedef struct {
    float *near;    /* inner products with the centroids, then room to sort them */
    Py_ssize_t *lists; /* to look into */
    int16_t *query; /* in steps */
    float step;
    float *best;    /* a heap of the k best coarse products, the least on top */
    Py_ssize_t k, held;
    int64_t *places; /* of rows that may be among the best, */
    float *coarse;   /* and their coarse products */
    Py_ssize_t kept, room;
    float margin; /* that coarse products may lie below the best ones */
} Search;

static WIDE void multiply(const float *restrict rows, Py_ssize_t count, const float *restrict query,
                          Py_ssize_t size, float *restrict out)
{
    for (Py_ssize_t i = 0; i < count; i++, rows += size) {
        float lanes[LANES] = {0}, whole = 0;
        Py_ssize_t j = 0;
        for (; j + LANES <= size; j += LANES)
            for (int lane = 0; lane < LANES; lane++)
                lanes[lane] += rows[j + lane] * query[j + lane];
        for (; j < size; j++)
            whole += rows[j] * query[j];
        for (int lane = 0; lane < LANES; lane++)
            whole += lanes[lane];
        out[i] = whole;
    }
}

/* The same of bytes with a query in steps: whole numbers, a quarter of the memory. */
static WIDE void multiply_bytes(const int8_t *restrict rows, const float *restrict steps, Py_ssize_t count,
                                const int16_t *restrict query, float step, Py_ssize_t size,
                                float *restrict out)
{
    for (Py_ssize_t i = 0; i < count; i++, rows += size) {
        int32_t whole = 0;
        for (Py_ssize_t j = 0; j < size; j++)
            whole += (int32_t)(int16_t)rows[j] * (int32_t)query[j];
        out[i] = (float)whole * steps[i] * step;
    }
}

/* The k-th largest of some values, which change places. Source: Hoare, Algorithm 65: Find, 1961. */
static float select_value(float *values, Py_ssize_t count, Py_ssize_t k)
{
    Py_ssize_t low = 0, high = count - 1;
    while (low < high) {
        const float pivot = values[k - 1];
        Py_ssize_t i = low, j = high;
        while (i <= j) {
            while (values[i] > pivot)
                i++;
            while (pivot > values[j])
                j--;
            if (i <= j) {
                const float kept = values[i];
                values[i++] = values[j];
                values[j--] = kept;
            }
        }
        if (j < k - 1)
            low = i;
        if (k - 1 < i)
            high = j;
    }
    return values[k - 1];
}

/* A value among the k best: it takes the place of the least. */
static void hold(Search *s, float value)
{
    Py_ssize_t at = s->held < s->k ? s->held++ : 0;
    float *heap = s->best;
    heap[at] = value;
    for (Py_ssize_t above; at && heap[above = (at - 1) / 2] > heap[at]; at = above) {
        heap[at] = heap[above];
        heap[above] = value;
    }
    for (Py_ssize_t below; (below = 2 * at + 1) < s->held; at = below) {
        below += below + 1 < s->held && heap[below + 1] < heap[below];
        if (heap[below] >= value)
            break;
        heap[at] = heap[below];
        heap[below] = value;
    }
}

static int keep(Search *s, int64_t place, float value)
{
    if (s->kept == s->room) {
        const size_t room = 2 * (size_t)s->room + AT_ONCE;
        int64_t *places = realloc(s->places, room * sizeof *places);
        s->places = places ? places : s->places;
        float *coarse = places ? realloc(s->coarse, room * sizeof *coarse) : NULL;
        s->coarse = coarse ? coarse : s->coarse;
        if (coarse == NULL)
            return 0;
        s->room = (Py_ssize_t)room;
    }
    s->places[s->kept] = place;
    s->coarse[s->kept++] = value;
    return 1;
}

/* Keeps of a list what may be among the best. 0 without memory. */
static int scan(const Lists *l, Search *s, Py_ssize_t list)
{
    float values[AT_ONCE];
    for (int64_t at = l->starts[list]; at < l->starts[list + 1]; at += AT_ONCE) {
        const int64_t left = l->starts[list + 1] - at;
        const int count = left < AT_ONCE ? (int)left : AT_ONCE;
        multiply_bytes(l->bytes + at * l->size, l->steps + at, count, s->query, s->step, l->size, values);
        for (int i = 0; i < count; i++) {
            const int full = s->held == s->k;
            if (full && values[i] < s->best[0] - s->margin)
                continue;
            if (!keep(s, at + i, values[i]))
                return 0;
            if (!full || values[i] > s->best[0])
                hold(s, values[i]);
        }
    }
    return 1;
}

/* The lists to look into, the nearest first, so that most of the others is passed by. */
static void choose_lists(const Lists *l, Search *s, const float *query)
{
    float bound = -INFINITY;
    Py_ssize_t first = 0, chosen = 1;
    multiply(l->centroids, l->lists, query, l->size, s->near);
    if (l->probes < l->lists) {
        memcpy(s->near + l->lists, s->near, (size_t)l->lists * sizeof *s->near);
        bound = select_value(s->near + l->lists, l->lists, l->probes);
    }
    for (Py_ssize_t i = 1; i < l->lists; i++)
        first = s->near[i] > s->near[first] ? i : first;
    s->lists[0] = first;
    for (int equal = 0; equal < 2; equal++) /* of those as near as the last only so many */
        for (Py_ssize_t i = 0; i < l->lists && chosen < l->probes; i++)
            if (i != first && (equal ? s->near[i] == bound : s->near[i] > bound))
                s->lists[chosen++] = i;
}

static int scan_nearest(const Lists *l, Search *s, const float *query)
{
    choose_lists(l, s, query);
    for (Py_ssize_t i = 0; i < l->probes; i++) {
        if (i + 1 < l->probes) { /* the beginning of the next one, which nothing foretells */
            const int8_t *next = l->bytes + l->starts[s->lists[i + 1]] * l->size;
            const int64_t bytes = (l->starts[s->lists[i + 1] + 1] - l->starts[s->lists[i + 1]]) * l->size;
            for (int64_t at = 0; at < bytes && at < AHEAD; at += LINE)
                FETCH(next + at);
        }
        if (!scan(l, s, s->lists[i]))
            return 0;
    }
    return 1;
}

/* The query in steps, and what a coarse product may be off by. 0 where it is no query. */
static int open_search(const Lists *l, Search *s, const float *query)
{
    const int32_t finest = INT32_MAX / 127 / (int32_t)l->size;
    const int32_t steps = finest < INT16_MAX ? finest : INT16_MAX; /* no sum of products overflows */
    double square = 0, most = 0;
    for (Py_ssize_t j = 0; j < l->size; j++) {
        square += (double)query[j] * query[j];
        most = fabs(query[j]) > most ? fabs(query[j]) : most;
    }
    s->held = s->kept = 0;
    s->step = (float)(most / steps);
    if (!(square < (double)INFINITY) || !(s->step > 0))
        return square == 0;
    for (Py_ssize_t j = 0; j < l->size; j++)
        s->query[j] = (int16_t)lrintf(query[j] / s->step);
    s->margin = (float)(2 * (sqrt(square) * l->error + s->step * sqrt((double)l->size) * l->length) + 1e-6);
    return 1;
}

/* Compares what was kept by the whole rows; fills what the best leave free. */
static void settle(const Lists *l, const Search *s, const float *query, float *scores, int64_t *ids)
{
    const float bound = s->held == s->k ? s->best[0] - s->margin : -INFINITY;
    Py_ssize_t found = 0;
    for (Py_ssize_t c = 0; c < s->kept; c++) {
        float score;
        if (s->coarse[c] < bound)
            continue;
        const int64_t id = l->ids[s->places[c]];
        multiply(l->rows + s->places[c] * l->size, 1, query, l->size, &score);
        Py_ssize_t at = found < s->k ? found++ : s->k;
        for (; at && (scores[at - 1] < score || (scores[at - 1] == score && ids[at - 1] > id)); at--)
            if (at < s->k) {
                scores[at] = scores[at - 1];
                ids[at] = ids[at - 1];
            }
        if (at < s->k) {
            scores[at] = score;
            ids[at] = id;
        }
    }
    for (; found < s->k; found++) {
        scores[found] = -INFINITY;
        ids[found] = -1;
    }
}

static const char *search_all(const Lists *l, const float *queries, Py_ssize_t count, float *scores,
                              int64_t *ids, Py_ssize_t k)
{
    Search s = {.k = k};
    s.near = malloc(2 * (size_t)l->lists * sizeof *s.near);
    s.lists = malloc((size_t)l->lists * sizeof *s.lists);
    s.query = malloc((size_t)l->size * sizeof *s.query);
    s.best = malloc((size_t)k * sizeof *s.best);
    int right = s.near != NULL && s.lists != NULL && s.query != NULL && s.best != NULL;
    for (Py_ssize_t q = 0; right && q < count; q++) {
        const float *query = queries + q * l->size;
        if (open_search(l, &s, query))
            right = scan_nearest(l, &s, query);
        if (right)
            settle(l, &s, query, scores + q * k, ids + q * k);
    }
    free(s.near);
    free(s.lists);
    free(s.query);
    free(s.best);
    free(s.places);
    free(s.coarse);
    return right ? NULL : "there is no memory for a search";
}

static int fit(const Lists *l, const Py_buffer *starts)
{
    const int64_t *start = starts->buf;
    if (l->lists < 1 || COUNT(*starts, int64_t) != l->lists + 1 || start[0] != 0 ||
        start[l->lists] != l->count || l->probes < 1 || l->probes > l->lists)
        return 0;
    for (Py_ssize_t i = 0; i < l->lists; i++)
        if (start[i] > start[i + 1])
            return 0;
    return 1;
}

/* search_lists(queries, centroids, starts, bytes, steps, rows, ids, scores, found, k, probes, error,
 * length): the k nearest rows of each query in the lists that it probes. */
PyObject *search_lists(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { QUERIES, CENTROIDS, STARTS, BYTES, STEPS, ROWS, IDS, SCORES, FOUND, VIEWS, NUMBERS = 4 };
    Py_buffer b[VIEWS];
    Lists l;
    (void)self;
    if (!wanted(given, VIEWS + NUMBERS))
        return NULL;
    const Py_ssize_t k = PyLong_AsSsize_t(args[VIEWS]);
    l.probes = PyLong_AsSsize_t(args[VIEWS + 1]);
    l.error = PyFloat_AsDouble(args[VIEWS + 2]);
    l.length = PyFloat_AsDouble(args[VIEWS + 3]);
    if (PyErr_Occurred() || !open_arrays(args, "fflbfflFL", b))
        return NULL;
    l.centroids = b[CENTROIDS].buf;
    l.starts = b[STARTS].buf;
    l.bytes = b[BYTES].buf;
    l.steps = b[STEPS].buf;
    l.rows = b[ROWS].buf;
    l.ids = b[IDS].buf;
    l.count = COUNT(b[IDS], int64_t);
    l.size = l.count ? b[BYTES].len / l.count : 0;
    l.lists = l.size ? COUNT(b[CENTROIDS], float) / l.size : 0;
    const Py_ssize_t count = l.size ? COUNT(b[QUERIES], float) / l.size : 0;
    const char *wrong = "vectors, lists, queries and results do not fit each other";
    if (k > 0 && l.size > 0 && l.size <= MOST_SIZE && b[BYTES].len == l.count * l.size &&
        COUNT(b[STEPS], float) == l.count && COUNT(b[ROWS], float) == l.count * l.size &&
        COUNT(b[CENTROIDS], float) == l.lists * l.size && COUNT(b[QUERIES], float) == count * l.size &&
        COUNT(b[SCORES], float) == count * k && COUNT(b[FOUND], int64_t) == count * k &&
        fit(&l, &b[STARTS]))
        wrong = search_all(&l, b[QUERIES].buf, count, b[SCORES].buf, b[FOUND].buf, k);
    return closed(b, VIEWS, wrong);
}
