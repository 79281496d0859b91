/* Inner loops of lexical search: what postings say of documents, and the best of each group.
 *
 * Built by hatch_build.py where a C compiler answers; index/scoring.py does the same in numpy where
 * none did. Plain C and Python's stable interface, so one build serves every later Python.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum { TOTAL, ROWS, COUNTS, NORMS, STARTS, ENDS, FACTORS, LEVELS, BUFFERS };

static const Py_ssize_t ITEM_BYTES[BUFFERS] = {4, 4, 1, 4, 8, 8, 4, 4};

typedef struct {
    float *total;
    const int32_t *rows;
    const uint8_t *counts;
    const float *norms;
    size_t documents;
} Postings;

/* BM25 of one term: count / (count + norm). A row out of range, as of a damaged file, is passed by. */
static void add_saturated(const Postings *p, int64_t start, int64_t end, float factor)
{
    for (int64_t i = start; i < end; i++) {
        const uint32_t row = (uint32_t)p->rows[i];
        if (row < p->documents) {
            const float count = p->counts[i];
            p->total[row] += factor * (count / (count + p->norms[row]));
        }
    }
}

/* Cosine of one term: level[count] * norm. */
static void add_levels(const Postings *p, int64_t start, int64_t end, const float *scaled)
{
    for (int64_t i = start; i < end; i++) {
        const uint32_t row = (uint32_t)p->rows[i];
        if (row < p->documents)
            p->total[row] += scaled[p->counts[i]] * p->norms[row];
    }
}

static void add_terms(const Py_buffer *b, const float *levels)
{
    const int64_t *starts = b[STARTS].buf, *ends = b[ENDS].buf;
    const float *factors = b[FACTORS].buf;
    const Py_ssize_t terms = b[FACTORS].len / 4;
    const Postings p = {b[TOTAL].buf, b[ROWS].buf, b[COUNTS].buf, b[NORMS].buf,
                        (size_t)b[TOTAL].len / 4};
    float scaled[256];
    for (Py_ssize_t t = 0; t < terms; t++) {
        if (levels == NULL) {
            add_saturated(&p, starts[t], ends[t], factors[t]);
            continue;
        }
        for (int c = 0; c < 256; c++)
            scaled[c] = factors[t] * levels[c];
        add_levels(&p, starts[t], ends[t], scaled);
    }
}

/* What is wrong with arrays that do not fit each other; NULL where they do. */
static const char *misfit(const Py_buffer *b, int levelled)
{
    const int64_t *starts = b[STARTS].buf, *ends = b[ENDS].buf;
    const Py_ssize_t terms = b[FACTORS].len / 4, postings = b[COUNTS].len;
    if (b[NORMS].len != b[TOTAL].len || b[ROWS].len / 4 != postings)
        return "scores and norms, rows and counts must have one length";
    if (b[STARTS].len / 8 != terms || b[ENDS].len / 8 != terms)
        return "every term needs a start, an end and a factor";
    if (levelled && b[LEVELS].len / 4 != 256)
        return "there must be a level for every count";
    for (Py_ssize_t t = 0; t < terms; t++)
        if (starts[t] < 0 || ends[t] > postings)
            return "a term lies outside the postings";
    return NULL;
}

static PyObject *add_scores(PyObject *self, PyObject *args)
{
    PyObject *given[BUFFERS];
    Py_buffer b[BUFFERS];
    int held = 0, wanted = BUFFERS;
    const char *wrong = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOOOOO", &given[0], &given[1], &given[2], &given[3], &given[4],
                          &given[5], &given[6], &given[7]))
        return NULL;
    if (given[LEVELS] == Py_None)
        wanted = LEVELS;
    for (; held < wanted; held++) {
        const int flags = held == TOTAL ? PyBUF_WRITABLE : PyBUF_SIMPLE;
        if (PyObject_GetBuffer(given[held], &b[held], flags) < 0)
            break;
        if (b[held].len % ITEM_BYTES[held]) {
            wrong = "an array has numbers of another size";
            held++;
            break;
        }
    }
    if (held == wanted && wrong == NULL)
        wrong = misfit(b, wanted == BUFFERS);
    if (wrong != NULL)
        PyErr_SetString(PyExc_ValueError, wrong);
    if (held == wanted && wrong == NULL) {
        const float *levels = wanted == BUFFERS ? b[LEVELS].buf : NULL;
        Py_BEGIN_ALLOW_THREADS
        add_terms(b, levels);
        Py_END_ALLOW_THREADS
    }
    for (int i = 0; i < held; i++)
        PyBuffer_Release(&b[i]);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* Best of values[starts[i]..starts[i + 1]], at least 0, into best[i]. */
static PyObject *best_of_groups(PyObject *self, PyObject *args)
{
    static const Py_ssize_t bytes[3] = {4, 4, 8};
    PyObject *given[3];
    Py_buffer b[3];
    int held = 0, fits;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO", &given[0], &given[1], &given[2]))
        return NULL;
    for (; held < 3; held++)
        if (PyObject_GetBuffer(given[held], &b[held], held ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0)
            break;
    fits = held == 3;
    for (int i = 0; i < held; i++)
        fits = fits && b[i].len % bytes[i] == 0;
    if (fits) {
        float *best = b[0].buf;
        const float *values = b[1].buf;
        const int64_t *starts = b[2].buf;
        const Py_ssize_t groups = b[2].len / 8 - 1, length = b[1].len / 4;
        fits = groups >= 0 && b[0].len / 4 == groups && starts[0] >= 0;
        for (Py_ssize_t g = 0; fits && g < groups; g++) {
            float most = 0;
            fits = starts[g] <= starts[g + 1] && starts[g + 1] <= length;
            for (int64_t i = starts[g]; fits && i < starts[g + 1]; i++)
                most = values[i] > most ? values[i] : most;
            best[g] = most;
        }
    }
    if (held == 3 && !fits)
        PyErr_SetString(PyExc_ValueError, "best, values and starts do not fit each other");
    for (int i = 0; i < held; i++)
        PyBuffer_Release(&b[i]);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"add_scores", add_scores, METH_VARARGS,
     "add_scores(total, rows, counts, norms, starts, ends, factors, levels) -> None"},
    {"best_of_groups", best_of_groups, METH_VARARGS,
     "best_of_groups(best, values, starts) -> None"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "index._native", "Inner loops in C.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModule_Create(&MODULE);
}
