/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kill -9 while views follow a stream of writes: the next start uses the index that is there, catches up, and finds
 * every acknowledged write. The killed process is a child of this same program. */
#include "house.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/* The child: writes without end, says each number once it is acknowledged. */
static _Noreturn void child_main(char *dir, uint32_t from)
{
    house h = {.dir = dir};
    log_set(LOG_ERROR, false);
    house_open(&h);
    until_ready(&h);
    for (uint32_t i = from;; i++) {
        char id[16], title[64];
        snprintf(id, sizeof id, "id-%u", i);
        snprintf(title, sizeof title, "chair number%u", i);
        put(&h, id, title, i);
        if (i % 5 == 4) {
            snprintf(id, sizeof id, "id-%u", i - 2);
            drop(&h, id);
        }
        if (write(STDOUT_FILENO, &i, sizeof i) != sizeof i) _exit(3);
    }
}

/* The number after the last one that was said. */
static uint32_t live_and_die(char *dir, uint32_t from, uint64_t life_ns)
{
    char number[16], exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    snprintf(number, sizeof number, "%u", from);
    char *argv[] = {exe, (char *)(uintptr_t) "child", dir, number, NULL};
    int fds[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, exe, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    uint64_t until = 0;
    bool killed = false;
    uint32_t i, next = from;
    while (read(fds[0], &i, sizeof i) == sizeof i) {
        if (!until) until = clock_mono_ns() + life_ns;
        next = i + 1;
        if (!killed && clock_mono_ns() > until) killed = kill(pid, SIGKILL) == 0;
    }
    close(fds[0]);
    assert_true(killed);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return next;
}

static void every_acknowledged_write_is_found_after_kill_9(void **state)
{
    (void)state;
    house h = house_new("");
    until_ready(&h);
    house_close(&h);
    uint32_t n = 0, rebuilds = 0;
    rng r;
    rng_seed(&r, 5);
    for (int round = 0; round < 4; round++) {
        n = live_and_die(h.dir, n, 300000000u + rng_below(&r, 500000000u));
        house_open(&h);
        until_ready(&h);
        /* Ready means that the index can be used; what came after its last commit is applied right behind. */
        views_state s;
        for (int i = 0; i < 2000; i++) {
            views_status(h.views, &s);
            if (s.sequence >= journal_last_sequence(h.journal)) break;
            usleep(5000);
        }
        assert_true(s.sequence >= journal_last_sequence(h.journal));
        rebuilds += (uint32_t)s.rebuilds;
        for (uint32_t i = 0; i < n; i++) {
            char words[32];
            snprintf(words, sizeof words, "number%u", i);
            bool dropped = i % 5 == 2 && i + 2 < n;
            if (i % 5 != 2 || dropped) assert_int_equal(count(&h, words), dropped ? 0 : 1);
        }
        house_close(&h);
    }
    printf("%u writes in 4 lives, %u rebuilds\n", n, rebuilds);
    assert_true(n > 20);
    assert_true(rebuilds < 4); /* the page cache outlives the process: as a rule the index can be used */
    assert_int_equal(dir_remove(h.dir, NULL), SINTER_OK);
    free(h.dir);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "child") == 0) child_main(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_acknowledged_write_is_found_after_kill_9)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
