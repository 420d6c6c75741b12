/* Sends and reads the packets of many connected UDP sockets, each lying in a row of a table.
 *
 * What `direct.py` does with it is done in Python where this was not built. Nothing is decided
 * here: a packet that cannot be sent is left out, a socket without a packet gives the size 0.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <sys/socket.h>

enum { FDS, ROWS, TABLE, SIZES, N_BUFFERS };

struct table {
    Py_buffer buffers[N_BUFFERS];
    int n_held;
};

static void release(struct table *t)
{
    while (t->n_held > 0)
        PyBuffer_Release(&t->buffers[--t->n_held]);
}

/* Takes the memory of the arguments; says what is wrong and returns 0 if they do not fit. */
static int hold(struct table *t, PyObject *const *objects, int n, Py_ssize_t width, Py_ssize_t used)
{
    for (t->n_held = 0; t->n_held < n; t->n_held++)
        if (PyObject_GetBuffer(objects[t->n_held], &t->buffers[t->n_held],
                               t->n_held < TABLE ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0)
            return 0;
    Py_ssize_t n_rows = t->buffers[ROWS].len / (Py_ssize_t)sizeof(int64_t);
    Py_ssize_t in_table = width > 0 ? t->buffers[TABLE].len / width : 0;
    int fits = t->buffers[FDS].len / (Py_ssize_t)sizeof(int32_t) == n_rows && used <= width;
    const int64_t *rows = t->buffers[ROWS].buf;
    for (Py_ssize_t i = 0; fits && i < n_rows; i++)
        fits = rows[i] >= 0 && rows[i] < in_table
            && (n <= SIZES || rows[i] < t->buffers[SIZES].len / (Py_ssize_t)sizeof(int64_t));
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "a row is outside the table");
    return fits;
}

static PyObject *send_rows(PyObject *self, PyObject *args)
{
    PyObject *objects[3];
    Py_ssize_t width, start, length;
    struct table t = {.n_held = 0};
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOnnn", &objects[FDS], &objects[ROWS], &objects[TABLE], &width,
                          &start, &length))
        return NULL;
    if (start < 0 || length < 0) {
        PyErr_SetString(PyExc_ValueError, "a length is negative");
        return NULL;
    }
    if (!hold(&t, objects, 3, width, start + length)) {
        release(&t);
        return NULL;
    }
    const int32_t *fds = t.buffers[FDS].buf;
    const int64_t *rows = t.buffers[ROWS].buf;
    const char *table = t.buffers[TABLE].buf;
    Py_ssize_t n = t.buffers[ROWS].len / (Py_ssize_t)sizeof(int64_t);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++)
        send(fds[i], table + rows[i] * width + start, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    Py_END_ALLOW_THREADS
    release(&t);
    Py_RETURN_NONE;
}

static PyObject *read_rows(PyObject *self, PyObject *args)
{
    PyObject *objects[N_BUFFERS];
    Py_ssize_t width;
    struct table t = {.n_held = 0};
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOn", &objects[FDS], &objects[ROWS], &objects[TABLE],
                          &objects[SIZES], &width))
        return NULL;
    if (!hold(&t, objects, N_BUFFERS, width, 0)) {
        release(&t);
        return NULL;
    }
    const int32_t *fds = t.buffers[FDS].buf;
    const int64_t *rows = t.buffers[ROWS].buf;
    char *table = t.buffers[TABLE].buf;
    int64_t *sizes = t.buffers[SIZES].buf;
    Py_ssize_t n = t.buffers[ROWS].len / (Py_ssize_t)sizeof(int64_t);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        ssize_t size = recv(fds[i], table + rows[i] * width, (size_t)width, MSG_DONTWAIT);
        sizes[rows[i]] = size > 0 ? size : 0;
    }
    Py_END_ALLOW_THREADS
    release(&t);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send_rows", send_rows, METH_VARARGS,
     "send_rows(fds, rows, table, width, start, length): send a part of each row by its socket."},
    {"read_rows", read_rows, METH_VARARGS,
     "read_rows(fds, rows, table, sizes, width): read a packet of each socket into its row."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_fastio", "Many sockets at once, see direct.py.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__fastio(void)
{
    return PyModule_Create(&module);
}
