/* The module index._native: stages of a search, each as one call over arrays.
 *
 * Built by hatch_build.py out of this and the _native_*.c beside it where a C compiler answers;
 * where none did, the Python files that these name do the same in numpy.
 */
#include "_native.h"

#define METHOD(name, arguments) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name arguments}

static PyMethodDef METHODS[] = {
    METHOD(count_terms, "(sorted, distinct, repeats) -> int"),
    METHOD(count_documents, "(terms, vocabulary, starts, df, out, width)"),
    METHOD(ask, "(total, norms, once, levels, terms, repeats, idf, df, k1, scale, living, *segments)"),
    METHOD(add_scores, "(total, norms, levels, starts, rows, counts, where, factors)"),
    METHOD(best_of_groups, "(best, values, starts)"),
    METHOD(vote, "(likeness, best, starts, votes, voters)"),
    METHOD(add_scaled, "(sum, values, weight, floor)"),
    METHOD(best_rows, "(scores, rows) -> int"),
    METHOD(products, "(rows, places, vector, out)"),
    METHOD(search_lists, "(queries, centroids, starts, bytes, steps, rows, ids, scores, found, k, probes, "
                         "error, length)"),
    METHOD(scaled_products, "(rows, scales, places, vector, out)"),
    METHOD(nearest, "(likeness, starts, passages, out)"),
    METHOD(contains, "(sorted, wanted, out)"),
    METHOD(gather, "(values, starts, sizes, rows, out)"),
    METHOD(replaced, "(values, starts, sizes, rows, terms, at, places, others, mass, out, whole)"),
    METHOD(look, "(values, starts, sizes, rows, terms, order, weight, out, mean)"),
    METHOD(look_at_openings, "(values, starts, sizes, cuts, rows, terms, idf, out)"),
    METHOD(read_spans, "(file, start, step, rows, starts, sizes, out)"),
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "index._native", "Inner loops in C.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&MODULE);
    /* What index/native.py asks for: a build of older sources must not serve newer ones. */
    if (module != NULL && PyModule_AddIntConstant(module, "VERSION", 8) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
