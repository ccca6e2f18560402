/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The x-family, slices and the arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static void copies_end_where_they_are_told(void **state) {
    (void)state;
    char *a = xstrdup("abc"), *b = xstrndup("abcdef", 2), *c = xstrndup("ab", 9), *d = xasprintf("%d-%s", 7, "x");
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "ab");
    assert_string_equal(d, "7-x");
    free(a), free(b), free(c), free(d);
    void *p = xaligned(64, 100), *z = xmalloc(0), *cz = xcalloc(0, 8);
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_non_null(z);
    assert_non_null(cz);
    free(p), free(z), free(cz);
}

#ifndef SINTER_SANITIZED /* their allocators report such a request themselves */
static void running_out_of_memory_ends_the_process_with_a_message(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        volatile size_t n = SIZE_MAX / 2;
        free(xmalloc(n));
        _exit(0);
    }
    close(ends[1]);
    char text[200] = "";
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(text,
                        "sinter: out of memory: 9223372036854775807 bytes refused; give the process more memory or "
                        "lower the limits\n");
}
#endif

static void slices_compare_by_bytes(void **state) {
    (void)state;
    assert_true(str_eq(STR("ab"), str_of("ab")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_false(str_eq(STR("ab"), STR("ax")));
    assert_true(str_eq((str){NULL, 0}, STR("")));
    assert_true(str_is((str){"abc", 2}, "ab"));
    assert_int_equal(str_of(NULL).n, 0);
}

static void arena_memory_is_aligned_separate_and_writable(void **state) {
    (void)state;
    enum { N = 4000 };
    static unsigned char *at[N];
    static size_t size[N];
    arena *a = arena_new(64);
    rng r;
    rng_seed(&r, 1);
    for (int round = 0; round < 4; round++) {
        size_t sum = 0;
        for (int i = 0; i < N; i++) {
            size[i] = i % 500 == 7 ? 1500000 : i % 97 == 5 ? 70000 : rng_below(&r, 300);
            size_t align = (size_t)16 << rng_below(&r, 4);
            at[i] = align == 16 ? arena_alloc(a, size[i]) : arena_aligned(a, align, size[i]);
            assert_int_equal((uintptr_t)at[i] % align, 0);
            memset(at[i], i & 255, size[i]);
            sum += size[i];
        }
        assert_true(arena_used(a) >= sum);
        for (int i = 0; i < N; i++) {
            for (size_t k = 0; k < size[i]; k++) {
                if (at[i][k] != (i & 255)) fail_msg("allocation %d overwritten at %zu", i, k);
            }
        }
        arena_reset(a);
        assert_int_equal(arena_used(a), 0);
    }
    arena_free(a);
    arena_free(NULL);
}

static void zeroed_memory_is_zero_after_reuse(void **state) {
    (void)state;
    arena *a = arena_new(4096);
    memset(arena_alloc(a, 3000), 0xEE, 3000);
    arena_reset(a);
    uint64_t *v = ARENA_ARRAY(a, uint64_t, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(v[i], 0);
    struct pair {
        int x, y;
    } *p = ARENA_NEW(a, struct pair);
    assert_true(p->x == 0 && p->y == 0);
    arena_free(a);
}

static void arena_texts(void **state) {
    (void)state;
    arena *a = arena_new(1024);
    assert_string_equal(arena_strdup(a, "abc"), "abc");
    assert_string_equal(arena_strndup(a, "abc", 2), "ab");
    assert_string_equal(arena_printf(a, "%s=%d", "k", 5), "k=5");
    assert_string_equal(arena_printf(a, "%s", ""), "");
    char *wide = arena_printf(a, "%5000d", 1);
    assert_int_equal(strlen(wide), 5000);
    arena_free(a);
}

#ifndef SINTER_SANITIZED /* mallinfo2 counts nothing there */
static void request_like_use(arena *a) {
    for (int i = 0; i < 40; i++)
        memset(arena_alloc(a, 50000), i, 50000);
}

static void a_warmed_up_arena_allocates_nothing(void **state) {
    (void)state;
    arena *a = arena_new(1 << 14);
    request_like_use(a);
    void *first = NULL;
    size_t before = 0;
    for (int i = 0; i < 100; i++) {
        arena_reset(a);
        void *p = arena_alloc(a, 16);
        if (i == 0) first = p, before = mallinfo2().uordblks + mallinfo2().hblkhd;
        assert_ptr_equal(p, first);
        request_like_use(a);
    }
    assert_int_equal(mallinfo2().uordblks + mallinfo2().hblkhd, before);
    arena_free(a);
}

static void a_huge_request_is_given_back(void **state) {
    (void)state;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    arena *a = arena_new(1 << 14);
    for (int i = 0; i < 30; i++)
        arena_alloc(a, 900000);
    arena_alloc(a, 50 << 20);
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd > before + (70u << 20));
    arena_reset(a);
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < before + (5u << 20));
    arena_free(a);
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < before + 4096);
}
#endif

#ifdef SINTER_SANITIZE_address
/* Runs `wrong` in a child; AddressSanitizer must end it. */
static void must_be_caught(void (*wrong)(arena *a)) {
    pid_t child = fork();
    if (child == 0) {
        close(2);
        wrong(arena_new(4096));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void overrun(arena *a) {
    volatile char *p = arena_alloc(a, 24);
    arena_alloc(a, 24);
    p[24] = 1;
}

static void use_after_reset(arena *a) {
    volatile char *p = arena_alloc(a, 24);
    arena_reset(a);
    p[0] = 1;
}

static void address_sanitizer_sees_into_the_arena(void **state) {
    (void)state;
    must_be_caught(overrun);
    must_be_caught(use_after_reset);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_end_where_they_are_told),
        cmocka_unit_test(slices_compare_by_bytes),
        cmocka_unit_test(arena_memory_is_aligned_separate_and_writable),
        cmocka_unit_test(zeroed_memory_is_zero_after_reuse),
        cmocka_unit_test(arena_texts),
#ifdef SINTER_SANITIZE_address
        cmocka_unit_test(address_sanitizer_sees_into_the_arena),
#endif
#ifndef SINTER_SANITIZED
        cmocka_unit_test(running_out_of_memory_ends_the_process_with_a_message),
        cmocka_unit_test(a_warmed_up_arena_allocates_nothing),
        cmocka_unit_test(a_huge_request_is_given_back),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
