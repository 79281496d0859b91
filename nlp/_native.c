/* Inner loop of the networks over sparse rows: a weighted sum of table rows, without copying them.
 *
 * Built by hatch_build.py where a C compiler answers; nlp/gathering.py does the same in numpy where
 * none did. Plain C and Python's stable interface, so one build serves every later Python.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
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

static PyMethodDef METHODS[] = {
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
