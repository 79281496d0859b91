/* One text through a network over its words: nlp/sequence.py does the same in numpy. */
#include "_native.h"

enum { MOST_WIDTHS = 16 };

typedef struct {
    const float *const *words; /* vector of each word, and what the parts of filters take of it */
    Py_ssize_t count, size, units, widths;
    const int64_t *width;
    const float *bias;
} Text;

/* The sum of the words by the root of their number, then the highest value of each filter. */
static WIDE void pool(const Text *t, float *restrict pooled, float *restrict seen)
{
    const float root = 1.0f / sqrtf((float)t->count);
    const Py_ssize_t units = t->units;
    Py_ssize_t part = t->size;
    memset(pooled, 0, (size_t)(t->size + t->widths * units) * sizeof *pooled);
    for (Py_ssize_t w = 0; w < t->count; w++)
        for (Py_ssize_t j = 0; j < t->size; j++)
            pooled[j] += t->words[w][j];
    for (Py_ssize_t j = 0; j < t->size; j++)
        pooled[j] *= root;
    for (Py_ssize_t k = 0; k < t->widths; k++) {
        float *restrict best = pooled + t->size + k * units; /* from 0 on, as it is rectified */
        const Py_ssize_t width = (Py_ssize_t)t->width[k], behind = (width - 1) / 2;
        for (Py_ssize_t w = 0; w < t->count; w++) {
            memcpy(seen, t->bias + k * units, (size_t)units * sizeof *seen);
            for (Py_ssize_t step = 0; step < width; step++) {
                const Py_ssize_t at = w + step - behind;
                if (at < 0 || at >= t->count)
                    continue;
                const float *restrict row = t->words[at] + part + step * units;
                for (Py_ssize_t j = 0; j < units; j++)
                    seen[j] += row[j];
            }
            for (Py_ssize_t j = 0; j < units; j++)
                best[j] = seen[j] > best[j] ? seen[j] : best[j];
        }
        part += width * units;
    }
}

static WIDE void give(const float *pooled, Py_ssize_t size, const float *weight, float *restrict out,
                 Py_ssize_t outputs)
{
    for (Py_ssize_t i = 0; i < size; i++) {
        const float *restrict row = weight + i * outputs;
        for (Py_ssize_t j = 0; pooled[i] != 0 && j < outputs; j++)
            out[j] += pooled[i] * row[j];
    }
}

static const char *read_words(Text *t, Py_buffer *b, float *out, Py_ssize_t outputs, Py_ssize_t length)
{
    enum { WIDTHS, BIAS, WEIGHT, OUTPUT_BIAS };
    const Py_ssize_t pooled_size = t->size + t->widths * t->units;
    Py_ssize_t parts = 0;
    for (Py_ssize_t k = 0; k < t->widths; k++) {
        if (t->width[k] < 1 || t->width[k] > MOST_WIDTHS)
            return "a filter is too wide";
        parts += (Py_ssize_t)t->width[k];
    }
    if (t->size < 0 || length != t->size + parts * t->units ||
        COUNT(b[WEIGHT], float) != pooled_size * outputs || COUNT(b[OUTPUT_BIAS], float) != outputs)
        return "words, filters and outputs do not fit each other";
    float *pooled = malloc((size_t)(pooled_size + t->units + 1) * sizeof *pooled);
    if (pooled == NULL)
        return "there is no memory for so large a network";
    pool(t, pooled, pooled + pooled_size);
    memcpy(out, b[OUTPUT_BIAS].buf, (size_t)outputs * sizeof *out);
    give(pooled, pooled_size, b[WEIGHT].buf, out, outputs);
    free(pooled);
    return NULL;
}

/* read_sequence(widths, biases of the filters, weight, bias, out, size of a word, words): words is a
 * list of as many vectors of one length. */
PyObject *read_sequence(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { WIDTHS, BIAS, WEIGHT, OUTPUT_BIAS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    const char *wrong = NULL;
    Py_ssize_t held = 0;
    (void)self;
    if (!wanted(given, VIEWS + 2))
        return NULL;
    const Py_ssize_t size = PyLong_AsSsize_t(args[VIEWS]), count = PyList_Size(args[VIEWS + 1]);
    if (PyErr_Occurred() || !open_arrays(args, "lfffF", b))
        return NULL;
    Py_buffer *words = malloc((size_t)(count + 1) * sizeof *words);
    const float **vectors = malloc((size_t)(count + 1) * sizeof *vectors);
    for (; words != NULL && vectors != NULL && held < count; held++) {
        PyObject *one = PyList_GetItem(args[VIEWS + 1], held);
        if (one == NULL || !open_arrays(&one, "f", &words[held]))
            break;
        vectors[held] = words[held].buf;
        if (words[held].len != words[0].len)
            wrong = "the words have vectors of different length";
    }
    const Py_ssize_t widths = COUNT(b[WIDTHS], int64_t);
    if (held < count || count < 1 || widths < 1 || COUNT(b[BIAS], float) % widths)
        wrong = "a text needs words and a network filters";
    if (wrong == NULL) {
        Text t = {vectors, count, size, COUNT(b[BIAS], float) / widths, widths, b[WIDTHS].buf, b[BIAS].buf};
        wrong = read_words(&t, b, b[OUT].buf, COUNT(b[OUT], float), COUNT(words[0], float));
    }
    close_arrays(words, held);
    free(words);
    free(vectors);
    if (PyErr_Occurred()) {
        close_arrays(b, VIEWS);
        return NULL;
    }
    return closed(b, VIEWS, wrong);
}

static uint64_t mixed(uint64_t key)
{
    key = (key ^ (key >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94D049BB133111EB);
    return key ^ (key >> 31);
}

static void add_piece(float *restrict out, const float *table, Py_ssize_t size, Py_ssize_t buckets,
                      uint64_t key)
{
    const float *restrict row = table + (Py_ssize_t)(mixed(key) % (uint64_t)buckets) * size;
    for (Py_ssize_t j = 0; j < size; j++)
        out[j] += row[j];
}

/* Sum of the table rows of a word and of its n-grams, by the root of their number. */
static void add_pieces(const uint32_t *points, Py_ssize_t length, const float *table, Py_ssize_t size,
                       Py_ssize_t buckets, float *out)
{
    enum { FROM = 3, TO = 5 };
    const uint64_t prime = UINT64_C(0x100000001B3);
    uint64_t whole = 0, power = prime;
    Py_ssize_t pieces = 1;
    for (Py_ssize_t i = length; i-- > 0;) {
        power *= prime;
        whole += points[i] * power;
    }
    memset(out, 0, (size_t)size * sizeof *out);
    add_piece(out, table, size, buckets, whole * 8);
    for (Py_ssize_t grams = FROM; grams <= TO; grams++)
        for (Py_ssize_t i = 0; i + grams <= length; i++, pieces++) {
            uint64_t key = points[i] + 1;
            for (Py_ssize_t place = 1; place < grams; place++)
                key = key * prime ^ points[i + place];
            add_piece(out, table, size, buckets, key * 8 + (uint64_t)grams);
        }
    for (Py_ssize_t j = 0; j < size; j++)
        out[j] = (float)(out[j] / sqrt((double)pieces));
}

static Py_ssize_t code_of(uint32_t point, Py_ssize_t alphabet)
{
    if (point == ' ')
        return 0;
    if (point >= 'a' && point <= 'z')
        return point - 'a' + 1;
    if (point >= '0' && point <= '9')
        return point - '0' + 27;
    return 37 + (Py_ssize_t)(point % (uint32_t)(alphabet - 37));
}

/* Highest value of each filter over the characters of a word, at least 0. */
static WIDE void convolve(const uint32_t *points, Py_ssize_t length, const float *chars, Py_ssize_t size,
                     Py_ssize_t alphabet, const float *weight, Py_ssize_t width, const float *bias,
                     Py_ssize_t filters, float *restrict out, float *restrict seen)
{
    memset(out, 0, (size_t)filters * sizeof *out);
    for (Py_ssize_t at = 0; at < length; at++) {
        memcpy(seen, bias, (size_t)filters * sizeof *seen);
        for (Py_ssize_t step = 0; step < width; step++) {
            const Py_ssize_t place = at + step - (width - 1) / 2;
            if (place < 0 || place >= length)
                continue;
            const float *vector = chars + code_of(points[place], alphabet) * size;
            for (Py_ssize_t k = 0; k < size; k++) {
                const float *restrict row = weight + (step * size + k) * filters;
                for (Py_ssize_t j = 0; j < filters; j++)
                    seen[j] += vector[k] * row[j];
            }
        }
        for (Py_ssize_t j = 0; j < filters; j++)
            out[j] = seen[j] > out[j] ? seen[j] : out[j];
    }
}

/* read_word(word between spaces in UTF-32, table, characters, filters, their bias, projection, out, size
 * of a row of the table, size of a character, alphabet): vector of a word, then its projection. */
PyObject *read_word(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { WORD, TABLE, CHARS, FILTERS, BIAS, PROJECTION, OUT, VIEWS, NUMBERS = 3 };
    Py_buffer b[VIEWS];
    Py_ssize_t n[NUMBERS];
    (void)self;
    if (!wanted(given, VIEWS + NUMBERS))
        return NULL;
    for (int i = 0; i < NUMBERS; i++)
        n[i] = PyLong_AsSsize_t(args[VIEWS + i]);
    if (PyErr_Occurred() || !open_arrays(args, "ufffffF", b))
        return NULL;
    const Py_ssize_t size = n[0], character = n[1], alphabet = n[2], filters = COUNT(b[BIAS], float);
    const Py_ssize_t buckets = size > 0 ? COUNT(b[TABLE], float) / size : 0;
    const Py_ssize_t step = character > 0 && filters ? COUNT(b[FILTERS], float) / (character * filters) : 0;
    const Py_ssize_t word = size + filters, parts = COUNT(b[OUT], float) - word;
    const char *wrong = "the word's arrays do not fit each other";
    float *out = b[OUT].buf, *seen = malloc((size_t)(filters + 1) * sizeof *seen);
    if (seen != NULL && buckets > 0 && step > 0 && alphabet > 37 && parts >= 0 &&
        COUNT(b[CHARS], float) == alphabet * character && COUNT(b[PROJECTION], float) == word * parts &&
        COUNT(b[FILTERS], float) == step * character * filters) {
        const Py_ssize_t length = COUNT(b[WORD], uint32_t);
        add_pieces(b[WORD].buf, length, b[TABLE].buf, size, buckets, out);
        convolve(b[WORD].buf, length, b[CHARS].buf, character, alphabet, b[FILTERS].buf, step,
                 b[BIAS].buf, filters, out + size, seen);
        memset(out + word, 0, (size_t)parts * sizeof *out);
        give(out, word, b[PROJECTION].buf, out + word, parts);
        wrong = NULL;
    }
    free(seen);
    return closed(b, VIEWS, wrong);
}
