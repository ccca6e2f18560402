/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loading: each refusal's words, and that a build is loaded once, from a private copy, and leaves. */
#include "support.h"

#include <dirent.h>
#include <dlfcn.h>

static void refused(const char *name, const char *what, const char *fix)
{
    const plugin_library *l = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_not_equal(plugin_load_file(host, zoo_path(name), NULL, &l, &e), SINTER_OK);
    assert_null(l);
    expect_error(&e, zoo_path(name), what, fix);
}

#define REBUILD "rebuild it against this host's include/sinter/plugin.h"

static void refusals_name_both_values_and_what_to_do(void **state)
{
    (void)state;
    char text[200];
    refused("wrong_major", "it is made for ABI 9.3; this host has 1.0: the major must be equal", REBUILD);
    refused("newer_minor", "it is made for ABI 1.7; this host has 1.0: the minor may not be newer",
            "install a newer Sinter, or rebuild it against this host's include/sinter/plugin.h");
    snprintf(text, sizeof text, "its table has 64 bytes; that of ABI 1.0 has %zu", sizeof(sinter_plugin));
    refused("short_struct", text, REBUILD);
    snprintf(text, sizeof text, "its ranker has 8 bytes; that of ABI 1.0 has %zu", sizeof(sinter_ranker));
    refused("short_ranker", text, "set size = sizeof(the struct), and rebuild it");
    refused("missing_entry", "it exports no symbol 'sinter_plugin_entry'",
            "define it, marked SINTER_EXPORT; plugins/example shows how");
    refused("null_table", "sinter_plugin_entry returned NULL", "return the address of its static const table");
    refused("no_roles", "the plugin 'no_roles' plays no role",
            "set one of ranker, fusion, recall, rewriter, finisher, enricher, trainer in its table");
    refused("no_score", "its ranker has no function 'score'", "write the function");
    refused("bad_name", "its name is 'Bad Name'", "use lower-case letters, digits and _, starting with a letter");
    refused("bad_default", "its option 'share' has a default that does not fit",
            "write a default that it would accept");
    refused("huge_options", "its options table has 1000000 keys at depth 0; at most 128 keys and 16 levels are read",
            "make it smaller");
}

static void refused_bytes(const char *bytes, size_t n, const char *what, const char *fix)
{
    char path[128];
    const plugin_library *l = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(path, sizeof path, "%s/bytes.so", folder);
    assert_int_equal(file_write_atomic(path, bytes, n, &e), SINTER_OK);
    assert_int_not_equal(plugin_load_file(host, path, NULL, &l, &e), SINTER_OK);
    expect_error(&e, path, what, fix);
}

static void what_is_no_shared_object_is_refused(void **state)
{
    (void)state;
    static const char *const GIVE = "give the .so that the linker made", *const AGAIN = "build or copy it again";
    refused_bytes("", 0, "not a shared object: it is empty", GIVE);
    refused_bytes("#!/bin/sh\n", 10, "not a shared object: it begins with 23 21 2f 62", GIVE);
    refused_bytes("\x7f"
                  "ELF\2\1\1",
                  7, "a damaged shared object: its header is cut off", AGAIN);
    buffer b = {0};
    assert_int_equal(file_read(zoo_path("plain"), 1 << 24, &b, NULL), SINTER_OK);
    refused_bytes(b.data, b.len / 4, "a damaged shared object: it is shorter than its segments", AGAIN);
    b.data[16] = 2; /* e_type: an executable */
    refused_bytes(b.data, b.len, "not a shared object: ELF type 2, a shared object has 3", GIVE);
    b.data[18] = 40, b.data[19] = 0; /* e_machine: 32-bit ARM */
    refused_bytes(b.data, b.len,
                  sizeof(void *) == 8 &&
#if defined(__x86_64__)
                          true
                      ? "built for another machine: ELF machine 40, this host is 62"
#else
                          true
                      ? "built for another machine: ELF machine 40, this host is 183"
#endif
                      : "",
                  "rebuild it for this machine");
    buffer_free(&b);
}

/* Every cut and many flips of a good file: refused or loaded, never a crash. */
static void damaged_files_never_crash_the_reader(void **state)
{
    (void)state;
    buffer b = {0};
    assert_int_equal(file_read(zoo_path("plain"), 1 << 24, &b, NULL), SINTER_OK);
    arena *a = arena_new(1 << 16);
    rng r;
    rng_seed(&r, 7);
    plugin_elf elf;
    sinter_error e = SINTER_ERROR_INIT;
    for (size_t n = 0; n < b.len; n += 97) {
        char *cut = xmalloc(n + 1);
        memcpy(cut, b.data, n);
        plugin_elf_read("cut", (str){cut, n}, a, &elf, &e);
        free(cut);
        arena_reset(a);
    }
    for (int i = 0; i < 3000; i++) {
        size_t at = i % 2 ? rng_below(&r, 0x400) : rng_below(&r, b.len);
        char was = b.data[at];
        b.data[at] = (char)rng_next(&r);
        plugin_elf_read("flipped", (str){b.data, b.len}, a, &elf, &e);
        b.data[at] = was;
        arena_reset(a);
    }
    assert_int_equal(plugin_elf_read("plain", (str){b.data, b.len}, a, &elf, &e), SINTER_OK);
    assert_true(elf.has_entry);
    arena_free(a);
    buffer_free(&b);
}

static void a_pin_is_compared_and_both_values_are_named(void **state)
{
    (void)state;
    const plugin_library *l = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    char pin[65], what[400];
    memset(pin, 'a', 64);
    pin[64] = 0;
    const plugin_library *good = zoo_load("plain");
    assert_int_not_equal(plugin_load_file(host, zoo_path("plain"), pin, &l, &e), SINTER_OK);
    snprintf(what, sizeof what, "its sha256 is %s, and the configuration pins %s", good->sha256, pin);
    expect_error(&e, zoo_path("plain"), what, "put the pinned build back, or change the pin");
    assert_int_equal(plugin_load_file(host, zoo_path("plain"), good->sha256, &l, &e), SINTER_OK);
    assert_ptr_equal(l, good);
    plugin_library_release(host, l);
    plugin_library_release(host, good);
}

static void sha256_is_that_of_the_standard(void **state)
{
    (void)state;
    char out[65], big[1000];
    sha256_hex("", 0, out);
    assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, out);
    assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(big, 'a', sizeof big);
    sha256_hex(big, sizeof big, out);
    assert_string_equal(out, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

static unsigned private_files(void)
{
    char path[128];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/private", folder);
    DIR *d = opendir(path);
    for (struct dirent *entry; (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    closedir(d);
    return n;
}

static void the_same_build_is_loaded_once_and_leaves(void **state)
{
    (void)state;
    const plugin_library *a = zoo_load("plain"), *b = zoo_load("plain"), *c = zoo_load("sleeps");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(private_files(), 2);
    plugin_library_release(host, a);
    assert_int_equal(private_files(), 2);
    plugin_library_release(host, b);
    plugin_library_release(host, c);
    assert_int_equal(private_files(), 0);
    assert_int_equal(plugin_host_resident(host), 0);
}

/* The path is replaced while its first build runs: the new bytes are new code. */
static void a_replaced_file_is_another_build(void **state)
{
    (void)state;
    char path[128];
    const plugin_library *was, *is;
    sinter_error e = SINTER_ERROR_INIT;
    buffer b = {0};
    snprintf(path, sizeof path, "%s/swapped.so", folder);
    file_read(zoo_path("plain"), 1 << 24, &b, NULL);
    file_write_atomic(path, b.data, b.len, NULL);
    assert_int_equal(plugin_load_file(host, path, NULL, &was, &e), SINTER_OK);
    file_read(zoo_path("sleeps"), 1 << 24, &b, NULL);
    file_write_atomic(path, b.data, b.len, NULL);
    assert_int_equal(plugin_load_file(host, path, NULL, &is, &e), SINTER_OK);
    assert_string_equal(was->name, "plain");
    assert_string_equal(is->name, "sleeps");
    plugin_library_release(host, was);
    plugin_library_release(host, is);
    buffer_free(&b);
}

static void names_are_searched_in_plugin_dirs(void **state)
{
    (void)state;
    char zoo[1024];
    snprintf(zoo, sizeof zoo, "%s", zoo_path("x"));
    *strrchr(zoo, '/') = 0;
    const char *dirs[] = {"/nowhere", zoo};
    config_server server = {.plugin_dirs = dirs, .n_plugin_dirs = 2};
    conf_node at = {.kind = CONF_MAP, .file = "pipelines/shop.yaml", .line = 7, .column = 9, .text = ""};
    config_use use = {.name = "x", .plugin = "sleps", .at = &at};
    const plugin_library *l = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    char what[1200];
    assert_int_equal(plugin_load(host, &server, &use, NULL, 0, &l, &e), SINTER_NOT_FOUND);
    snprintf(what, sizeof what, "no plugin 'sleps' in /nowhere, %s", zoo);
    expect_error(&e, "pipelines/shop.yaml:7:9", what, "did you mean 'sleeps'?");
    use.plugin = "wrong_major";
    assert_int_not_equal(plugin_load(host, &server, &use, NULL, 0, &l, &e), SINTER_OK);
    snprintf(what, sizeof what, "%s/wrong_major.so: it is made for ABI 9.3; this host has 1.0: the major must be equal",
             zoo);
    expect_error(&e, "pipelines/shop.yaml:7:9", what, REBUILD);
    use.plugin = "sleeps";
    assert_int_equal(plugin_load(host, &server, &use, NULL, 0, &l, &e), SINTER_OK);
    assert_true(plugin_has_role(l, PLUGIN_RANKER) && !plugin_has_role(l, PLUGIN_FUSION));
    plugin_library_release(host, l);
}

static void the_reader_lists_what_a_plugin_exports(void **state)
{
    (void)state;
    buffer b = {0};
    arena *a = arena_new(1 << 12);
    plugin_elf elf;
    file_read(zoo_path("extra_symbol"), 1 << 24, &b, NULL);
    assert_int_equal(plugin_elf_read("x", (str){b.data, b.len}, a, &elf, NULL), SINTER_OK);
    bool found = false;
    for (uint32_t i = 0; i < elf.n_extra; i++)
        found |= strcmp(elf.extra[i], "zoo_leaked_helper") == 0;
    assert_true(found && elf.has_entry);
    file_read(zoo_path("plain"), 1 << 24, &b, NULL);
    assert_int_equal(plugin_elf_read("x", (str){b.data, b.len}, a, &elf, NULL), SINTER_OK);
    assert_int_equal(elf.n_extra, 0);
    arena_free(a);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_name_both_values_and_what_to_do),
        cmocka_unit_test(what_is_no_shared_object_is_refused),
        cmocka_unit_test(damaged_files_never_crash_the_reader),
        cmocka_unit_test(a_pin_is_compared_and_both_values_are_named),
        cmocka_unit_test(sha256_is_that_of_the_standard),
        cmocka_unit_test(the_same_build_is_loaded_once_and_leaves),
        cmocka_unit_test(a_replaced_file_is_another_build),
        cmocka_unit_test(names_are_searched_in_plugin_dirs),
        cmocka_unit_test(the_reader_lists_what_a_plugin_exports),
    };
    return cmocka_run_group_tests(tests, support_begin, support_end);
}
