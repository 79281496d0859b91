/* What the parts of the module nlp._native share. */
#ifndef NEUROBOT_NLP_NATIVE_H
#define NEUROBOT_NLP_NATIVE_H

#include "../native/arrays.h"

PyObject *hash_trigrams(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *weigh_blocks(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *read_trigrams(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *classify(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *forward(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *encode(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *translate(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *contrast(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *rate(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *judge(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *read_word(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *hash_grams(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *pair_terms(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *near_words(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *words(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *swap(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *fold(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *score_layout(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *read_sequence(PyObject *, PyObject *const *, Py_ssize_t);

enum { NETWORK_VIEWS = 4, MOST_LAYERS = 8, RULE_VIEWS = 4 };

/* A network over rows of a table as a function got it. */
typedef struct {
    Py_buffer own[NETWORK_VIEWS], layers[2 * MOST_LAYERS];
    int count;     /* of layers */
    long residual; /* a bit for each */
} Network;

int open_network(Network *, PyObject *const *, Py_ssize_t);
const char *run_network(Network *, const int64_t *, const float *, Py_ssize_t);
const char *judge_logits(const float *, Py_ssize_t, const Py_buffer *, double *);
Py_ssize_t weigh_columns(int64_t *, Py_ssize_t, const float *, float *);

#endif
