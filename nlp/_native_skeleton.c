/* Words, skeleton and other layout of a text in Russian or English letters: nlp/text.py, nlp/skeleton.py and
 * nlp/layout.py do the same for any text.
 */
#include "_native.h"

/* Latin spelling of а-я. */
static const char *const SPELLINGS[] = {
    "a", "b", "v", "g", "d", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p",
    "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "i", "", "e", "yu", "ya",
};

/* What Latin digraphs and freed letters are read as, in the order that they are tried in. */
static const struct {
    const char *spelled, *read;
} READINGS[] = {
    {"shch", "w"}, {"sch", "w"}, {"shh", "w"}, {"sh", "x"}, {"zh", "j"}, {"kh", "h"}, {"ch", "c"},
    {"ph", "f"},   {"ck", "k"},  {"ya", "q"},  {"ja", "q"}, {"ia", "q"}, {"yu", "y"}, {"ju", "y"},
    {"iu", "y"},   {"w", "v"},   {"q", "k"},   {"c", "k"},  {"x", "ks"}, {"y", "i"},  {"j", "i"},
};

/* Bytes of the code point that begins here, of one to four; 0 for a broken one. */
static int decode(const uint8_t *at, const uint8_t *end, uint32_t *point)
{
    const int size = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (end - at < size)
        return 0;
    *point = size == 1 ? at[0] : at[0] & (0xFF >> (size + 1));
    for (int i = 1; i < size; i++)
        *point = *point << 6 | (at[i] & 0x3F);
    return size;
}

enum { WHITE = 1, SILENT, LETTER, MARK };

/* What a code point is in a plain text: white space, an apostrophe, a letter or digit, or any other mark;
 * 0 where nlp/skeleton.py has more to do. Letters become small ones, and \u0451 is \u0435. */
static int kind_of(uint32_t *point)
{
    const uint32_t p = *point;
    if (p == ' ' || p == '\t' || p == '\n' || p == '\r')
        return WHITE;
    if (p == '\'' || p == '`' || p == 0x2019)
        return SILENT;
    if (p >= ' ' && p < 0x7F) {
        *point = p >= 'A' && p <= 'Z' ? p + 32 : p;
        return (*point >= 'a' && *point <= 'z') || (p >= '0' && p <= '9') ? LETTER : MARK;
    }
    if (p == 0x401 || p == 0x451)
        *point = 0x435;
    else if (p >= 0x410 && p < 0x430)
        *point = p + 32;
    if (*point >= 0x430 && *point <= 0x44F)
        return LETTER;
    return p == 0xAB || p == 0xBB || p == 0x2013 || p == 0x2014 || p == 0x2018 ||
                   (p >= 0x201C && p <= 0x201E)
               ? MARK
               : 0;
}

/* Spells normalised words, one space between them; the length, or -1 where a text is not plain. */
static Py_ssize_t spell(const uint8_t *at, const uint8_t *end, char *out)
{
    char *to = out;
    uint32_t point = 0;
    int begun = 0, apart = 0;
    for (int size; at < end; at += size) {
        size = decode(at, end, &point);
        const int kind = size ? kind_of(&point) : 0;
        if (kind == 0)
            return -1;
        if (kind == WHITE) {
            apart = 1;
            continue;
        }
        if (begun && apart)
            *to++ = ' ';
        begun = 1;
        apart = 0;
        if (kind == SILENT)
            continue;
        if (point < 0x80)
            *to++ = (char)point;
        else if (kind == LETTER)
            for (const char *spelled = SPELLINGS[point - 0x430]; *spelled; spelled++)
                *to++ = *spelled;
        else
            for (int i = 0; i < size; i++)
                *to++ = (char)at[i];
    }
    return to - out;
}

/* Reads digraphs and merges repeated letters. spelled ends in four zeros; gives the length. */
static Py_ssize_t reread(const char *spelled, Py_ssize_t length, char *out)
{
    static uint8_t first[256]; /* letters that a reading begins with; filled twice, it gets the same */
    Py_ssize_t kept = 0;
    const int count = (int)(sizeof READINGS / sizeof *READINGS);
    for (int r = 0; r < count; r++)
        first[(uint8_t)READINGS[r].spelled[0]] = 1;
    for (Py_ssize_t i = 0; i < length;) {
        char own[2] = {spelled[i], 0};
        const char *read = own;
        Py_ssize_t size = 1;
        for (int r = 0; r < count && first[(uint8_t)spelled[i]]; r++) {
            if (READINGS[r].spelled[0] != spelled[i])
                continue;
            const Py_ssize_t wide = (Py_ssize_t)strlen(READINGS[r].spelled);
            if (memcmp(spelled + i, READINGS[r].spelled, (size_t)wide) == 0) {
                read = READINGS[r].read;
                size = wide;
                break;
            }
        }
        for (i += size; *read; read++)
            if (!kept || out[kept - 1] != *read || *read < 'a' || *read > 'z')
                out[kept++] = *read;
    }
    return kept;
}

/* The UTF-8 of a str, or NULL: without an error where it holds a lone surrogate. */
static const uint8_t *open_text(PyObject *text, Py_ssize_t *bytes)
{
    const char *found = PyUnicode_AsUTF8AndSize(text, bytes);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        PyErr_Clear();
    return (const uint8_t *)found;
}

/* fold(text) -> skeleton, or None where the text holds more than nlp/skeleton.py calls plain. */
PyObject *fold(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t bytes = 0;
    (void)self;
    if (!wanted(given, 1))
        return NULL;
    const uint8_t *text = open_text(args[0], &bytes);
    if (PyErr_Occurred())
        return NULL;
    /* A letter of two bytes is spelled with four at most, and one of these is read as two at most. */
    char *spelled = text == NULL ? NULL : malloc(6 * (size_t)bytes + 8);
    const Py_ssize_t length = spelled == NULL ? -1 : spell(text, text + bytes, spelled);
    if (length < 0) {
        free(spelled);
        Py_RETURN_NONE;
    }
    char *out = spelled + 2 * bytes + 4;
    memset(spelled + length, 0, 4);
    PyObject *folded = PyUnicode_FromStringAndSize(out, reread(spelled, length, out));
    free(spelled);
    return folded;
}

/* Adds a word to a list. 0 with an error set. */
static int append(PyObject *list, const char *word, Py_ssize_t size)
{
    PyObject *text = PyUnicode_FromStringAndSize(word, size);
    const int right = text != NULL && PyList_Append(list, text) == 0;
    Py_XDECREF(text);
    return right;
}

/* Lists the words of a text; 1, 0 where it is not plain, -1 with an error set. */
static int list_words(const uint8_t *at, const uint8_t *end, char *own, PyObject *list)
{
    char *to = own;
    uint32_t point = 0;
    for (int size; at < end; at += size) {
        size = decode(at, end, &point);
        const int kind = size ? kind_of(&point) : 0;
        if (kind == 0)
            return 0;
        if (kind != LETTER) {
            if (to > own && !append(list, own, to - own))
                return -1;
            to = own;
        } else if (point < 0x80)
            *to++ = (char)point;
        else { /* as long as the letter it was */
            *to++ = (char)(0xC0 | point >> 6);
            *to++ = (char)(0x80 | (point & 0x3F));
        }
    }
    return to == own || append(list, own, to - own) ? 1 : -1;
}

/* words(text) -> list, or None where the text is not plain. */
PyObject *words(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t bytes = 0;
    (void)self;
    if (!wanted(given, 1))
        return NULL;
    const uint8_t *text = open_text(args[0], &bytes);
    if (PyErr_Occurred())
        return NULL;
    PyObject *list = text == NULL ? NULL : PyList_New(0);
    char *own = list == NULL ? NULL : malloc((size_t)bytes + 1);
    const int plain = own == NULL ? 0 : list_words(text, text + bytes, own, list);
    free(own);
    if (plain > 0)
        return list;
    Py_XDECREF(list);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* Letters of both scripts in the words of a normal text that hold no digit; 0 where it is not plain. */
static int count_letters(const uint8_t *at, const uint8_t *end, Py_ssize_t *latin, Py_ssize_t *cyrillic)
{
    Py_ssize_t own[2] = {0, 0};
    uint32_t point = 0;
    int digits = 0;
    *latin = *cyrillic = 0;
    for (int size; at <= end; at += size) {
        size = at < end ? decode(at, end, &point) : 1;
        const int kind = at == end ? WHITE : size ? kind_of(&point) : 0;
        if (kind == 0)
            return 0;
        if (kind == WHITE) {
            *latin += digits ? 0 : own[0];
            *cyrillic += digits ? 0 : own[1];
            own[0] = own[1] = digits = 0;
        } else if (point >= '0' && point <= '9')
            digits = 1;
        else if (kind == LETTER)
            own[point >= 0x80]++;
    }
    return 1;
}

/* swap(normal text, least letters, to Russian, to English) -> the same keys in the other layout, None where
 * the letters are of both scripts or too few, False where the text is not plain. The tables hold what a
 * code point becomes, 0 for itself. */
PyObject *swap(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_buffer b[2];
    Py_ssize_t bytes = 0, latin = 0, cyrillic = 0;
    (void)self;
    if (!wanted(given, 4))
        return NULL;
    const Py_ssize_t least = PyLong_AsSsize_t(args[1]);
    const uint8_t *at = PyErr_Occurred() ? NULL : open_text(args[0], &bytes), *end = at + bytes;
    if (PyErr_Occurred())
        return NULL;
    if (at == NULL || !count_letters(at, end, &latin, &cyrillic))
        Py_RETURN_FALSE;
    if ((latin && cyrillic) || latin + cyrillic < least)
        Py_RETURN_NONE;
    char *out = malloc(2 * (size_t)bytes + 1), *to = out;
    if (out == NULL)
        return PyErr_NoMemory();
    if (!open_arrays(args + 2, "uu", b)) {
        free(out);
        return NULL;
    }
    const uint32_t *table = b[latin ? 0 : 1].buf;
    const Py_ssize_t known = COUNT(b[latin ? 0 : 1], uint32_t);
    for (uint32_t point = 0; at < end;) {
        const int size = decode(at, end, &point);
        const uint32_t other = (Py_ssize_t)point < known ? table[point] : 0;
        if (other == 0 || other >= 0x800)
            for (int i = 0; i < size; i++)
                *to++ = (char)at[i];
        else if (other < 0x80)
            *to++ = (char)other;
        else {
            *to++ = (char)(0xC0 | other >> 6);
            *to++ = (char)(0x80 | (other & 0x3F));
        }
        at += size;
    }
    close_arrays(b, 2);
    PyObject *swapped = PyUnicode_FromStringAndSize(out, to - out);
    free(out);
    return swapped;
}
