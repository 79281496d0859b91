/* Inner loops of the networks over sparse rows: hashing a text's trigrams into one, and a weighted
 * sum of table rows without copying them.
 *
 * Built by hatch_build.py where a C compiler answers; nlp/gathering.py does the same in numpy
 * where none did. Plain C and Python's stable interface, so one build serves every later Python.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif

enum { OUT, TABLE, PLACES, WEIGHTS, BUFFERS };
enum { AHEAD = 8, LINE_FLOATS = 16, MOST_LINES = 8 };

static const Py_ssize_t ITEM_BYTES[BUFFERS] = {4, 4, 8, 4};

/* The rows lie all over memory: a few are asked for before they are needed. */
static void fetch(const float *row, Py_ssize_t size)
{
    for (Py_ssize_t i = 0; i < size && i < LINE_FLOATS * MOST_LINES; i += LINE_FLOATS)
        FETCH(row + i);
}

static void sum_rows(const Py_buffer *b)
{
    float *restrict out = b[OUT].buf;
    const float *table = b[TABLE].buf, *weights = b[WEIGHTS].buf;
    const int64_t *places = b[PLACES].buf;
    const Py_ssize_t size = b[OUT].len / 4, count = b[PLACES].len / 8;
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

static int fits(const Py_buffer *b)
{
    const int64_t *places = b[PLACES].buf;
    const Py_ssize_t size = b[OUT].len / 4, count = b[PLACES].len / 8;
    const Py_ssize_t rows = size ? b[TABLE].len / 4 / size : 0;
    if (b[WEIGHTS].len / 4 != count || (size && b[TABLE].len / 4 != rows * size))
        return 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (places[i] < 0 || places[i] >= rows)
            return 0;
    return 1;
}

static PyObject *add_rows(PyObject *self, PyObject *args)
{
    PyObject *given[BUFFERS];
    Py_buffer b[BUFFERS];
    int held = 0, right = 1;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOO", &given[0], &given[1], &given[2], &given[3]))
        return NULL;
    for (; held < BUFFERS; held++)
        if (PyObject_GetBuffer(given[held], &b[held], held ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0)
            break;
    for (int i = 0; i < held; i++)
        right = right && b[i].len % ITEM_BYTES[i] == 0;
    if (held == BUFFERS && right && fits(b))
        sum_rows(b);
    else if (held == BUFFERS)
        PyErr_SetString(PyExc_ValueError, "out, table, places and weights do not fit each other");
    for (int i = 0; i < held; i++)
        PyBuffer_Release(&b[i]);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
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

static PyObject *hash_trigrams(PyObject *self, PyObject *args)
{
    enum { TEXT, IDF, COLUMNS, VALUES, GIVEN };
    PyObject *given[GIVEN];
    Py_buffer b[GIVEN];
    int held = 0;
    Py_ssize_t kept = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOO", &given[0], &given[1], &given[2], &given[3]))
        return NULL;
    for (; held < GIVEN; held++)
        if (PyObject_GetBuffer(given[held], &b[held],
                               held < COLUMNS ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0)
            break;
    if (held == GIVEN) {
        const Py_ssize_t count = b[TEXT].len / 4 - 2;
        if (b[IDF].len < 4 || count < 0 || b[COLUMNS].len / 8 < count || b[VALUES].len / 4 < count)
            PyErr_SetString(PyExc_ValueError, "text, idf, columns and weights do not fit");
        else
            kept = weigh_trigrams(&b[TEXT], &b[IDF], b[COLUMNS].buf, b[VALUES].buf, count);
    }
    for (int i = 0; i < held; i++)
        PyBuffer_Release(&b[i]);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(kept);
}

static PyMethodDef METHODS[] = {
    {"hash_trigrams", hash_trigrams, METH_VARARGS,
     "hash_trigrams(text, idf, columns, weights) -> int"},
    {"add_rows", add_rows, METH_VARARGS, "add_rows(out, table, places, weights) -> None"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "nlp._native", "Inner loops in C.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModule_Create(&MODULE);
}
