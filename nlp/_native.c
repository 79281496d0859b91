/* The module nlp._native: stages of reading and ranking, each as one call over arrays.
 *
 * Built by hatch_build.py out of this and the _native_*.c beside it where a C compiler answers;
 * where none did, the Python files that these name do the same in numpy.
 */
#include "_native.h"

#define METHOD(name, arguments) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, #name arguments}

static PyMethodDef METHODS[] = {
    METHOD(hash_trigrams, "(text, idf, columns, weights) -> int"),
    METHOD(weigh_blocks, "(sorted, idf, ends, lengths, columns, weights) -> int"),
    METHOD(classify, "(scales, centre, spread, proba, text, idf, *network) -> float"),
    METHOD(forward, "(places, weights, table, steps, bias, out, residual, *layers)"),
    METHOD(read_trigrams, "(text, idf, table, steps, bias, out, residual, *layers)"),
    METHOD(encode, "(places, idf, table, steps, weight, bias, out)"),
    METHOD(translate, "(background, starts, sources, probabilities, question, answers, sizes, out)"),
    METHOD(contrast, "(scores, floors, out)"),
    METHOD(rate, "(features, mean, scale, linear, hidden, bias, output, sizes, out, slope, *none)"),
    METHOD(judge, "(scales, centre, spread, proba, logits) -> float"),
    METHOD(hash_grams, "(word, hashes) -> int"),
    METHOD(pair_terms, "(stems, window, pairs) -> int"),
    METHOD(near_words, "(word, hashes, owners, letters, starts, places, reach) -> int"),
    METHOD(words, "(text) -> list[str] | None"),
    METHOD(swap, "(text, least, to_russian, to_english) -> str | None | False"),
    METHOD(fold, "(text) -> str | None"),
    METHOD(score_layout, "(folded, log_proba) -> float"),
    METHOD(read_word, "(word, table, chars, filters, bias, projection, out, size, char, alphabet)"),
    METHOD(read_sequence, "(widths, bias, weight, output_bias, out, size, words)"),
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "nlp._native", "Inner loops in C.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&MODULE);
    /* What nlp/native.py asks for: a build of older sources must not serve newer ones. */
    if (module != NULL && PyModule_AddIntConstant(module, "VERSION", 4) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
