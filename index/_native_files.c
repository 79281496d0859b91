/* Parts of a file, read into one array: index/filed.py does the same in Python. */
#include "_native.h"

#ifndef _WIN32
#include <errno.h>
#include <unistd.h>
#endif

int read_whole(int64_t file, char *out, int64_t bytes, int64_t at)
{
#ifndef _WIN32
    while (bytes > 0) {
        const ssize_t got = pread((int)file, out, (size_t)bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? 0 : -1;
        out += got;
        at += got;
        bytes -= got;
    }
    return 1;
#else
    return 0;
#endif
}

/* read_spans(file, byte where the array begins, bytes of a row, rows, starts, sizes, out) */
PyObject *read_spans(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    enum { NUMBERS = 4, STARTS = 0, SIZES, OUT, VIEWS };
    int64_t numbers[NUMBERS];
    Py_buffer b[VIEWS];
    int done = 1;
    (void)self;
    if (!wanted(given, NUMBERS + VIEWS))
        return NULL;
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = PyLong_AsLongLong(args[i]);
    if (PyErr_Occurred() || !open_arrays(args + NUMBERS, "llB", b))
        return NULL;
    const int64_t step = numbers[2], rows = numbers[3], *starts = b[STARTS].buf, *sizes = b[SIZES].buf;
    const Py_ssize_t count = COUNT(b[STARTS], int64_t);
    int64_t room = step > 0 ? (int64_t)b[OUT].len / step : 0;
    int right = COUNT(b[SIZES], int64_t) == count && numbers[1] >= 0 && step > 0;
    for (Py_ssize_t i = 0; right && i < count; i++) {
        right = starts[i] >= 0 && sizes[i] >= 0 && sizes[i] <= rows && starts[i] <= rows - sizes[i] &&
                sizes[i] <= room;
        room -= sizes[i];
    }
    if (!right)
        return closed(b, VIEWS, "rows lie outside of the array in the file");
    char *out = b[OUT].buf;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; done == 1 && i < count; i++) {
        done = read_whole(numbers[0], out, sizes[i] * step, numbers[1] + starts[i] * step);
        out += sizes[i] * step;
    }
    Py_END_ALLOW_THREADS
    if (done == 1)
        return closed(b, VIEWS, NULL);
    close_arrays(b, VIEWS);
    if (done < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    PyErr_SetString(PyExc_OSError, "the file is shorter than it was");
    return NULL;
}
