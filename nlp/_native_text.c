/* Words as hashes, and the known words near a misspelt one: nlp/terms.py, nlp/spelling.py and
 * nlp/layout.py do the same in Python.
 */
#include "_native.h"

enum { LONGEST = 64, SIZES_FROM = 3, SIZES_TO = 5, SYMBOLS = 29, SPACE = 27 };

/* CRC-32 as zlib has it, over the bytes that UTF-8 makes of a code point. */
static uint32_t crc_of(uint32_t crc, uint32_t point)
{
    static uint32_t table[256]; /* filled more than once, it gets the same numbers */
    uint8_t bytes[4];
    int count = 0;
    if (table[1] == 0)
        for (uint32_t i = 256; i-- > 0;) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++)
                value = value & 1 ? value >> 1 ^ UINT32_C(0xEDB88320) : value >> 1;
            table[i] = value;
        }
    if (point < 0x80)
        bytes[count++] = (uint8_t)point;
    else {
        if (point < 0x800)
            bytes[count++] = (uint8_t)(0xC0 | point >> 6);
        else {
            if (point < 0x10000)
                bytes[count++] = (uint8_t)(0xE0 | point >> 12);
            else {
                bytes[count++] = (uint8_t)(0xF0 | point >> 18);
                bytes[count++] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
            }
            bytes[count++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        }
        bytes[count++] = (uint8_t)(0x80 | (point & 0x3F));
    }
    for (int i = 0; i < count; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xFF];
    return crc;
}

/* hash_grams(padded word in UTF-32, out): hashes of its 3-, 4- and 5-grams, size by size, each named
 * by its size first. Gives how many there are. */
PyObject *hash_grams(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_buffer b[2];
    Py_ssize_t kept = 0;
    (void)self;
    if (!wanted(given, 2) || !open_arrays(args, "uL", b))
        return NULL;
    const uint32_t *points = b[0].buf;
    const Py_ssize_t length = COUNT(b[0], uint32_t), room = COUNT(b[1], int64_t);
    int64_t *out = b[1].buf;
    for (int size = SIZES_FROM; size <= SIZES_TO; size++)
        for (Py_ssize_t i = 0; kept >= 0 && i + size <= length; i++) {
            uint32_t crc = crc_of(UINT32_MAX, (uint32_t)('0' + size));
            for (int place = 0; place < size; place++)
                crc = crc_of(crc, points[i + place]);
            if (kept < room)
                out[kept++] = (int64_t)(crc ^ UINT32_MAX);
            else
                kept = -1;
        }
    return closed_with(b, 2, kept, "there is no room for so many grams");
}

/* Letters dropped, added, replaced or swapped with the next; above most any larger number. */
static int distance(const uint32_t *a, Py_ssize_t m, const uint32_t *b, Py_ssize_t n, int most)
{
    int rows[3][LONGEST + 1];
    while (m && n && *a == *b)
        a++, b++, m--, n--;
    while (m && n && a[m - 1] == b[n - 1])
        m--, n--;
    if (m - n > most || n - m > most || (most == 1 && m > 2 && n > 2) || n > LONGEST)
        return most + 1;
    for (Py_ssize_t j = 0; j <= n; j++)
        rows[0][j] = (int)j;
    for (Py_ssize_t i = 1; i <= m; i++) {
        const int *older = rows[(i + 1) % 3], *old = rows[(i - 1) % 3];
        int *row = rows[i % 3];
        row[0] = (int)i;
        for (Py_ssize_t j = 1; j <= n; j++) {
            int best = old[j - 1] + (a[i - 1] != b[j - 1]);
            best = old[j] + 1 < best ? old[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[m % 3][n];
}

typedef struct {
    const int64_t *hashes, *owners, *starts;
    const uint32_t *letters, *word;
    Py_ssize_t parts, words, length;
    uint8_t *seen; /* by word: compared already */
    int64_t *out;
    Py_ssize_t kept, room;
    int reach;
} Search;

/* Compares the word with those that share a hash with it. 0 where the arrays are damaged. */
static int meet(Search *s, uint32_t hash)
{
    Py_ssize_t low = 0, high = s->parts;
    while (low < high) {
        const Py_ssize_t middle = low + (high - low) / 2;
        if (s->hashes[middle] < (int64_t)hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->parts && s->hashes[low] == (int64_t)hash; low++) {
        const int64_t owner = s->owners[low];
        if (owner < 0 || owner >= s->words)
            return 0;
        if (s->seen[owner])
            continue;
        s->seen[owner] = 1;
        const int64_t start = s->starts[owner], end = s->starts[owner + 1];
        const int far = distance(s->word, s->length, s->letters + start, end - start, s->reach);
        if (far < s->reach) {
            s->reach = far;
            s->kept = 0;
        }
        if (far == s->reach && s->kept < s->room)
            s->out[s->kept++] = owner;
    }
    return 1;
}

/* The word's hash without the letters at two places; a place beyond it drops none. */
static uint32_t hash_without(const Search *s, Py_ssize_t first, Py_ssize_t second)
{
    uint32_t crc = UINT32_MAX;
    for (Py_ssize_t i = 0; i < s->length; i++)
        if (i != first && i != second)
            crc = crc_of(crc, s->word[i]);
    return crc ^ UINT32_MAX;
}

static int search(Search *s, int two_slips)
{
    int right = meet(s, hash_without(s, -1, -1));
    for (Py_ssize_t i = 0; right && i < s->length; i++) {
        right = meet(s, hash_without(s, i, -1));
        for (Py_ssize_t j = i + 1; right && two_slips && j < s->length; j++)
            right = meet(s, hash_without(s, i, j));
    }
    return right;
}

/* near(word, hashes, owners, letters of all words, starts of the words and the end, out, reach): places
 * of the words at the least distance within reach, of 1 or 2. Gives how many there are. */
PyObject *near_words(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { WORD, HASHES, OWNERS, LETTERS, STARTS, OUT, VIEWS };
    Py_buffer b[VIEWS];
    (void)self;
    if (!wanted(given, VIEWS + 1))
        return NULL;
    const long reach = PyLong_AsLong(args[VIEWS]);
    if (PyErr_Occurred() || !open_arrays(args, "ullulL", b))
        return NULL;
    const int64_t *starts = b[STARTS].buf;
    Search s = {b[HASHES].buf, b[OWNERS].buf, starts, b[LETTERS].buf, b[WORD].buf,
                COUNT(b[HASHES], int64_t), COUNT(b[STARTS], int64_t) - 1, COUNT(b[WORD], uint32_t),
                NULL, b[OUT].buf, 0, COUNT(b[OUT], int64_t), (int)reach};
    int right = COUNT(b[OWNERS], int64_t) == s.parts && s.words >= 0 && s.length <= LONGEST &&
                reach >= 1 && reach <= 2;
    for (Py_ssize_t w = 0; right && w < s.words; w++)
        right = starts[w] >= 0 && starts[w] <= starts[w + 1] &&
                starts[w + 1] <= COUNT(b[LETTERS], uint32_t);
    if (right) {
        s.seen = calloc((size_t)s.words + 1, 1);
        right = s.seen != NULL && search(&s, reach == 2);
        free(s.seen);
    }
    return closed_with(b, VIEWS, right ? s.kept : -1, "the word and the known words do not fit");
}

/* score_layout(folded text in ASCII, log likelihoods of 29^3 trigrams) -> mean of the text's, nats. */
PyObject *score_layout(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_buffer b[2];
    double total = 0;
    (void)self;
    if (!wanted(given, 2) || !open_arrays(args, "bf", b))
        return NULL;
    const uint8_t *text = b[0].buf;
    const float *said = b[1].buf;
    const Py_ssize_t length = COUNT(b[0], uint8_t);
    const int right = COUNT(b[1], float) == SYMBOLS * SYMBOLS * SYMBOLS;
    for (Py_ssize_t i = 0, before = SPACE, last = SPACE; right && i <= length; i++) {
        const uint8_t byte = i < length ? text[i] : ' ';
        const Py_ssize_t code = byte >= 'a' && byte <= 'z'   ? byte - 'a'
                                : byte >= '0' && byte <= '9' ? 26
                                : byte == ' '                ? SPACE
                                                             : 28;
        total += said[(before * SYMBOLS + last) * SYMBOLS + code];
        before = last;
        last = code;
    }
    close_arrays(b, 2);
    if (!right) {
        PyErr_SetString(PyExc_ValueError, "there must be a likelihood for every trigram");
        return NULL;
    }
    return PyFloat_FromDouble(total / (double)(length + 1));
}

/* pair_terms(stems, window, out): a hash of each unordered pair of stems less than a window apart, the
 * near ones first. Gives how many there are. */
PyObject *pair_terms(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_buffer b[2];
    Py_ssize_t kept = 0;
    PyObject *arrays[2] = {given == 3 ? args[0] : NULL, given == 3 ? args[2] : NULL};
    (void)self;
    if (!wanted(given, 3))
        return NULL;
    const Py_ssize_t window = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred() || !open_arrays(arrays, "lL", b))
        return NULL;
    const int64_t *stems = b[0].buf;
    const Py_ssize_t count = COUNT(b[0], int64_t), room = COUNT(b[1], int64_t);
    int64_t *out = b[1].buf;
    for (Py_ssize_t step = 1; step < window && step < count; step++)
        for (Py_ssize_t i = 0; kept >= 0 && i + step < count; i++) {
            const int64_t one = stems[i], other = stems[i + step];
            const uint64_t low = (uint64_t)(one < other ? one : other);
            const uint64_t high = (uint64_t)(one < other ? other : one);
            const uint64_t key = (low * UINT64_C(0x9E3779B97F4A7C15)) ^ (high + (low << 7));
            if (kept < room)
                out[kept++] = (int64_t)((key ^ (key >> 29)) & INT64_MAX);
            else
                kept = -1;
        }
    return closed_with(b, 2, kept, "there is no room for so many pairs");
}
