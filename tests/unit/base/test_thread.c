/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads: name, argument, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "base/base.h"

struct seen {
    char name[16];
    bool term_blocked, usr1_blocked, fault_blocked;
};

static void look(void *arg) {
    struct seen *s = arg;
    sigset_t set;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    s->term_blocked = sigismember(&set, SIGTERM);
    s->usr1_blocked = sigismember(&set, SIGUSR1);
    s->fault_blocked = sigismember(&set, SIGSEGV);
}

static void a_thread_has_its_name_and_no_signals(void **state) {
    (void)state;
    struct seen s = {0};
    pthread_t t;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(thread_start(&t, "a-very-long-thread-name", look, &s, &e), SINTER_OK);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_string_equal(s.name, "a-very-long-thr");
    assert_true(s.term_blocked && s.usr1_blocked);
    assert_false(s.fault_blocked);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM)); /* the starter's own are as they were */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thread_has_its_name_and_no_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
