/* What the parts of the module index._native share. */
#ifndef NEUROBOT_INDEX_NATIVE_H
#define NEUROBOT_INDEX_NATIVE_H

#include "../native/arrays.h"

/* Numbers of different rows end to end, as index/ragged.py keeps them. */
typedef struct {
    const uint32_t *values;
    const int64_t *starts;
    const int64_t *sizes;
    Py_ssize_t used; /* values */
    Py_ssize_t rows;
} Ragged;

/* Whether some rows are there and end within the values; others would be read from anywhere. */
static inline int holds(const Ragged *r, const int64_t *rows, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        const int64_t row = rows[i];
        if (row < 0 || row >= r->rows || r->sizes[row] < 0 || r->starts[row] < 0 ||
            r->sizes[row] > r->used || r->starts[row] > r->used - r->sizes[row])
            return 0;
    }
    return 1;
}

/* 1 where all was read, 0 where the file ended before it, -1 for an error of the system. */
int read_whole(int64_t file, char *out, int64_t bytes, int64_t at);

PyObject *add_scores(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *count_terms(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *count_documents(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *ask(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *best_of_groups(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *vote(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *add_scaled(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *best_rows(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *products(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *search_lists(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *nearest(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *contains(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *gather(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *replaced(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *look(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *read_spans(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *scaled_products(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *look_at_openings(PyObject *, PyObject *const *, Py_ssize_t);

#endif
