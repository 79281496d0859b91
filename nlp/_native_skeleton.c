/* The skeleton of a text in Russian or English letters: nlp/skeleton.py does the same for any text. */
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

static int is_mark(uint32_t point)
{
    return point == 0xAB || point == 0xBB || point == 0x2013 || point == 0x2014 || point == 0x2018 ||
           (point >= 0x201C && point <= 0x201E);
}

/* Spells normalised words, one space between them; the length, or -1 where a text is not plain. */
static Py_ssize_t spell(const uint8_t *at, const uint8_t *end, char *out)
{
    char *to = out;
    uint32_t point = 0;
    int begun = 0, apart = 0;
    for (int size; at < end; at += size) {
        size = decode(at, end, &point);
        if (point == ' ' || point == '\t' || point == '\n' || point == '\r') {
            apart = 1;
            continue;
        }
        if (begun && apart)
            *to++ = ' ';
        begun = 1;
        apart = 0;
        if (point == 0x401 || point == 0x451) /* ё is е */
            point = 0x435;
        if (size == 0 || point < ' ' || point == 0x7F)
            return -1;
        if (point == '\'' || point == '`' || point == 0x2019)
            continue;
        if (point < 0x80)
            *to++ = (char)(point >= 'A' && point <= 'Z' ? point + 32 : point);
        else if (point >= 0x410 && point <= 0x44F)
            for (const char *spelled = SPELLINGS[(point - 0x410) % 32]; *spelled; spelled++)
                *to++ = *spelled;
        else if (is_mark(point))
            for (int i = 0; i < size; i++)
                *to++ = (char)at[i];
        else
            return -1;
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

/* fold(text) -> skeleton, or None where the text holds more than nlp/skeleton.py calls plain. */
PyObject *fold(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t bytes = 0;
    (void)self;
    if (!wanted(given, 1))
        return NULL;
    const uint8_t *text = (const uint8_t *)PyUnicode_AsUTF8AndSize(args[0], &bytes);
    if (text == NULL && !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return NULL;
    PyErr_Clear(); /* a lone surrogate */
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
