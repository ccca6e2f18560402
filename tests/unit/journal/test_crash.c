/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nothing acknowledged is lost: a child of this same program writes and is killed at random moments. And what a full or
 * broken disk does: its calls are intercepted here (LMDB finds this program's pwrite, writev and fdatasync before
 * libc's). */
#include "fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- a disk that fails on demand ----------------------------------------------------------------------------- */

static _Atomic int write_fails, sync_fails; /* errno, or 0 */
static _Atomic size_t write_most;           /* longer ones find the disk full; 0: none */

#define VISIBLE __attribute__((visibility("default")))
VISIBLE ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
VISIBLE ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at);
VISIBLE ssize_t writev(int fd, const struct iovec *v, int n);
VISIBLE int fdatasync(int fd);

static bool fails(_Atomic int *code)
{
    int now = atomic_load(code);
    if (now) errno = now;
    return now != 0;
}

static bool too_long(size_t n)
{
    size_t most = atomic_load(&write_most);
    if (most && n > most) errno = ENOSPC;
    return most && n > most;
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    for (int i = 0; i < n; i++) {
        if (too_long(v[i].iov_len)) return -1;
    }
    if (fails(&write_fails)) return -1;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "writev");
    return real(fd, v, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (fails(&write_fails) || too_long(n)) return -1;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    return real(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return pwrite(fd, p, n, at);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (fails(&sync_fails)) return -1;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}

static void a_full_disk_refuses_the_write_and_keeps_the_rest(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    uint64_t last = must_put(j, shop, "a", "1").sequence;
    journal_result r;
    atomic_store(&write_fails, ENOSPC);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_put(j, shop, "b", "1", (put_options){.write_id = "w"}, &r), SINTER_EXHAUSTED);
        assert_int_equal(journal_last_sequence(j), last);
    }
    journal_reader *reader = must_reader(j); /* reads go on */
    assert_int_equal(journal_item(reader, shop, STR("a"), NULL, NULL, NULL), SINTER_OK);
    assert_int_equal(journal_item(reader, shop, STR("b"), NULL, NULL, NULL), SINTER_NOT_FOUND);
    journal_reader_close(reader);
    atomic_store(&write_fails, 0);
    assert_int_equal(try_put(j, shop, "b", "1", (put_options){.write_id = "w"}, &r), SINTER_OK);
    assert_false(r.repeated);
    assert_int_equal(r.sequence, last + 1);
    journal_close(j);
    assert_int_equal(must_verify(dir).records, 3);
    folder_remove(dir);
}

typedef struct group {
    pthread_mutex_t hold;
    _Atomic int status[3];
    _Atomic uint32_t done;
} group;

static void wait_for_group(void *ctx, const journal_result *r)
{
    group *g = ctx;
    (void)r;
    pthread_mutex_lock(&g->hold);
    pthread_mutex_unlock(&g->hold);
}

typedef struct member {
    group *g;
    int i;
} member;

static void keep_status(void *ctx, const journal_result *r)
{
    member *m = ctx;
    atomic_store(&m->g->status[m->i], r->status);
    atomic_fetch_add(&m->g->done, 1);
}

/* Small, huge, small in one commit, on a disk without room for the huge one. */
static void a_write_too_big_for_the_disk_fails_alone_in_its_group(void **state)
{
    (void)state;
    enum { HUGE = 4 << 20 };
    char *dir = folder_make(), *title = xmalloc(HUGE + 1);
    memset(title, 'x', HUGE);
    title[HUGE] = '\0';
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    group g = {.hold = PTHREAD_MUTEX_INITIALIZER};
    str item[3] = {item_pack("a", "x"), item_pack("b", title), item_pack("c", "x")};
    journal_op op[3];
    member m[3];
    pthread_mutex_lock(&g.hold);
    op[0] = (journal_op){.kind = JOURNAL_PUT, .collection = shop, .id = STR("a"), .bytes = item[0]};
    assert_int_equal(
        journal_append(j, &(journal_write){.op = op, .n = 1, .fence = UINT64_MAX}, wait_for_group, &g, NULL), 0);
    while (journal_last_sequence(j) < 2)
        usleep(100);
    for (int i = 0; i < 3; i++) {
        m[i] = (member){&g, i};
        op[i] = (journal_op){.kind = JOURNAL_PUT, .collection = shop, .id = {&"abc"[i], 1}, .bytes = item[i]};
        assert_int_equal(
            journal_append(j, &(journal_write){.op = &op[i], .n = 1, .fence = UINT64_MAX}, keep_status, &m[i], NULL),
            0);
    }
    atomic_store(&write_most, 1 << 20);
    pthread_mutex_unlock(&g.hold);
    while (atomic_load(&g.done) < 3)
        usleep(100);
    atomic_store(&write_most, 0);
    assert_int_equal(g.status[0], SINTER_OK);
    assert_int_equal(g.status[1], SINTER_EXHAUSTED);
    assert_int_equal(g.status[2], SINTER_OK);
    assert_int_equal(journal_last_sequence(j), 4);
    journal_close(j);
    assert_int_equal(must_verify(dir).records, 4);
    for (int i = 0; i < 3; i++)
        free((char *)(uintptr_t)item[i].s);
    free(title);
    folder_remove(dir);
}

static void after_a_failed_sync_nothing_is_taken_until_reopened(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    must_put(j, shop, "a", "1");
    journal_result r;
    atomic_store(&sync_fails, EIO);
    assert_int_equal(try_put(j, shop, "b", "1", (put_options){.write_id = "w"}, &r), SINTER_UNKNOWN);
    atomic_store(&sync_fails, 0);
    assert_int_equal(try_put(j, shop, "c", "1", (put_options){0}, &r), SINTER_PRECONDITION);
    journal_close(j);
    must_verify(dir);
    j = must_open(dir);
    assert_int_equal(try_put(j, shop, "b", "1", (put_options){.write_id = "w"}, &r),
                     SINTER_OK); /* stored or not: once */
    journal_reader *reader = must_reader(j);
    uint32_t ordinals;
    assert_int_equal(journal_count(reader, shop, &ordinals, NULL, NULL), SINTER_OK);
    assert_int_equal(ordinals, 2);
    journal_reader_close(reader);
    journal_close(j);
    folder_remove(dir);
}

/* ---- kill -9 ------------------------------------------------------------------------------------------------- */

typedef struct said {
    uint64_t sequence;
    uint32_t number;
} said;

static void say(void *ctx, const journal_result *r)
{
    said s = {r->sequence, (uint32_t)(uintptr_t)ctx};
    if (r->status || write(STDOUT_FILENO, &s, sizeof s) != sizeof s) _exit(3);
}

/* The child: appends an event and its item without end, and says each acknowledgement on its standard output. */
static _Noreturn void child_main(const char *dir, uint32_t from)
{
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    for (uint32_t i = from;; i++) {
        char id[32];
        snprintf(id, sizeof id, "item-%u", i);
        str item = item_pack(id, "x");
        str event = event_pack(shop, id, id);
        journal_op op[] = {{.kind = JOURNAL_EVENT, .collection = shop, .id = str_of(id), .bytes = event},
                           {.kind = JOURNAL_PUT, .collection = shop, .id = str_of(id), .bytes = item}};
        journal_write w = {.write_id = str_of(id), .op = op, .n = 2, .fence = UINT64_MAX};
        while (journal_append(j, &w, say, (void *)(uintptr_t)i, NULL) == SINTER_EXHAUSTED)
            usleep(100);
        free((char *)(uintptr_t)item.s);
        free((char *)(uintptr_t)event.s);
        if (i % 16 == 0) usleep(300);
    }
}

static pid_t start_child(const char *dir, uint32_t from, int *out)
{
    char number[16], exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    snprintf(number, sizeof number, "%u", from);
    char *argv[] = {exe, (char *)(uintptr_t) "child", (char *)(uintptr_t)dir, number, NULL};
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, exe, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    *out = pipe_fds[0];
    return pid;
}

/* Reads acknowledgements for a while, kills, reads the rest. Returns the next number to write. */
static uint32_t run_and_kill(const char *dir, uint32_t from, uint64_t life_ns, said **all, size_t *n_all)
{
    int out, status;
    pid_t pid = start_child(dir, from, &out);
    uint64_t until = 0;
    bool killed = false;
    said s;
    ssize_t n;
    while ((n = read(out, &s, sizeof s)) == sizeof s) {
        if (!until) until = clock_mono_ns() + life_ns;
        *all = xrealloc(*all, (*n_all + 1) * sizeof **all);
        (*all)[(*n_all)++] = s;
        if (s.number >= from) from = s.number + 1;
        if (!killed && clock_mono_ns() > until) killed = kill(pid, SIGKILL) == 0;
    }
    close(out);
    assert_true(killed);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return from;
}

static void nothing_acknowledged_is_lost_by_kill_9(void **state)
{
    (void)state;
    char *dir = folder_make(), id[32];
    said *all = NULL;
    size_t n = 0;
    uint32_t next = 0;
    rng r;
    rng_seed(&r, 11);
    for (int round = 0; round < 8; round++) {
        next = run_and_kill(dir, next, 5000000 + rng_below(&r, 60000000), &all, &n);
        journal_verdict v = must_verify(dir);
        assert_true(v.last >= all[n - 1].sequence);
    }
    journal *j = must_open(dir);
    journal_reader *reader = must_reader(j);
    uint32_t shop = must_collection(j, "shop");
    for (size_t i = 0; i < n; i++) {
        uint64_t sequence;
        snprintf(id, sizeof id, "item-%u", all[i].number);
        assert_int_equal(journal_item(reader, shop, str_of(id), NULL, &sequence, NULL), SINTER_OK);
        assert_int_equal(sequence, all[i].sequence);
        str event = event_pack(shop, id, id);
        journal_op op = {.kind = JOURNAL_EVENT, .collection = shop, .id = str_of(id), .bytes = event};
        journal_result again;
        assert_int_equal(journal_append_wait(j, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, &again, NULL),
                         SINTER_OK);
        assert_true(again.repeated_events == 1 && again.applied == 0); /* it is there */
        free((char *)(uintptr_t)event.s);
    }
    printf("%zu acknowledged writes in 8 lives\n", n);
    free(all);
    journal_reader_close(reader);
    journal_close(j);
    folder_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "child") == 0) child_main(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_refuses_the_write_and_keeps_the_rest),
        cmocka_unit_test(a_write_too_big_for_the_disk_fails_alone_in_its_group),
        cmocka_unit_test(after_a_failed_sync_nothing_is_taken_until_reopened),
        cmocka_unit_test(nothing_acknowledged_is_lost_by_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
