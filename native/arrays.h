/* Arrays of numbers as arguments of a C function: opened and checked together, closed together.
 *
 * Plain C and Python's stable interface, so that one build serves every later Python.
 */
#ifndef NEUROBOT_ARRAYS_H
#define NEUROBOT_ARRAYS_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif

/* A loop over floats, compiled for wide registers as well; which is run is decided when it is loaded. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#define COUNT(view, type) ((Py_ssize_t)((size_t)(view).len / sizeof(type)))

/* Bytes of a number by its letter: b bytes, i int32, u uint32, f float, l int64, d double. */
static inline Py_ssize_t item_bytes(char kind)
{
    switch (kind | 0x20) {
    case 'b':
        return 1;
    case 'l':
    case 'd':
        return 8;
    default:
        return 4;
    }
}

static inline void close_arrays(Py_buffer *views, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++)
        PyBuffer_Release(&views[i]);
}

/* Opens an array for each letter, to be written where that is a capital one. 1, or 0 with an error
 * set and nothing open. */
static inline int open_arrays(PyObject *const *given, const char *kinds, Py_buffer *views)
{
    Py_ssize_t held = 0;
    for (; kinds[held]; held++) {
        const int flags = kinds[held] & 0x20 ? PyBUF_SIMPLE : PyBUF_WRITABLE;
        if (PyObject_GetBuffer(given[held], &views[held], flags) < 0)
            break;
        if (views[held].len % item_bytes(kinds[held])) {
            PyErr_SetString(PyExc_ValueError, "an array has numbers of another size");
            held++;
            break;
        }
    }
    if (PyErr_Occurred() == NULL)
        return 1;
    close_arrays(views, held);
    return 0;
}

/* 1 where a function got so many arguments, else 0 with an error set. */
static inline int wanted(Py_ssize_t given, Py_ssize_t count)
{
    if (given != count)
        PyErr_Format(PyExc_TypeError, "%zd arguments in place of %zd", given, count);
    return given == count;
}

/* What a function gives after its arrays are closed: None, or NULL and the reason. */
static inline PyObject *closed(Py_buffer *views, Py_ssize_t count, const char *wrong)
{
    close_arrays(views, count);
    if (wrong != NULL) {
        PyErr_SetString(PyExc_ValueError, wrong);
        return NULL;
    }
    Py_RETURN_NONE;
}

/* The same for a function that gives a number, of which a negative one tells that it failed. */
static inline PyObject *closed_with(Py_buffer *views, Py_ssize_t count, Py_ssize_t number,
                                    const char *wrong)
{
    close_arrays(views, count);
    if (number < 0) {
        PyErr_SetString(PyExc_ValueError, wrong);
        return NULL;
    }
    return PyLong_FromSsize_t(number);
}

#endif
