/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starting a thread. Signals belong to the main thread: all others block them, except those that a fault of the
 * thread itself raises, which must reach crash handlers. */
#include "base/base.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct start {
    void (*run)(void *);
    void *arg;
    char name[16]; /* what Linux keeps */
} start;

static void *thread_main(void *p) {
    start s = *(start *)p;
    free(p);
    pthread_setname_np(pthread_self(), s.name);
    s.run(s.arg);
    return NULL;
}

sinter_status thread_start(pthread_t *t, const char *name, void (*run)(void *), void *arg, sinter_error *e) {
    static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    start *s = xmalloc(sizeof *s);
    *s = (start){.run = run, .arg = arg};
    snprintf(s->name, sizeof s->name, "%s", name);
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < ARRAY_LEN(FAULTS); i++)
        sigdelset(&blocked, FAULTS[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before); /* inherited, so that not even the first instruction is open */
    int code = pthread_create(t, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) return SINTER_OK;
    free(s);
    return error_set(e, SINTER_EXHAUSTED, name, "raise the limit of threads (ulimit -u, TasksMax)",
                     "cannot start thread '%s': %s", name, strerror(code));
}
