/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules plugin as the server opens it: every example of its README is read from there, as YAML, and opened for each role that
 * it can play; what is wrong in a rules file is told with its file, line and column. */
#include "plugin/plugin.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static arena *memory;
static plugin_host *host;
static const plugin_library *library;

/* Filters are another room's: here any text is one but those that say "broken". */
static sinter_status fake_compile(void *ctx, const char *text, void **out, sinter_error *e)
{
    if (strstr(text, "broken") != NULL) return error_set(e, SINTER_INVALID, "filter:3", "write brand = acme", "no such field");
    *out = ctx;
    return SINTER_OK;
}

static void fake_free(void *ctx, void *filter)
{
    (void)ctx, (void)filter;
}

static int set_up(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    char path[512];
    snprintf(folder, sizeof folder, "/tmp/sinter-rules-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    memory = arena_new(1 << 16);
    snprintf(path, sizeof path, "%s/private", folder);
    if (plugin_host_new(path, 1, &host, &e) != SINTER_OK) return -1;
    snprintf(path, sizeof path, "%s/plugins/rules.so", getenv("SINTER_BUILD"));
    if (plugin_load_file(host, path, NULL, &library, &e) != SINTER_OK) {
        print_error("%s\n", e.what);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    plugin_library_release(host, library);
    plugin_host_free(host);
    arena_free(memory);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Opens `yaml` as the rules file of a use, and closes it again. */
static sinter_status open_rules(const char *yaml, size_t n, plugin_role role, sinter_error *e)
{
    static int service;
    const plugin_services services = {.ctx = &service, .filter_compile = fake_compile, .filter_free = fake_free};
    const sinter_collection collection = {.size = sizeof collection, .name = "shop", .uuid = "u"};
    char path[128], text[256];
    const conf_node *node;
    plugin_instance *instance;
    snprintf(path, sizeof path, "%s/rules.yaml", folder);
    *e = (sinter_error)SINTER_ERROR_INIT;
    if (file_write_atomic(path, yaml, n, e) != SINTER_OK) return e->status;
    snprintf(text, sizeof text, "{plugin: rules, file: %s}", path);
    if (conf_parse_text("pipeline.yaml", str_of(text), memory, &node, e) != SINTER_OK) return e->status;
    const config_use use = {.name = "rules", .plugin = "rules", .options = node, .at = node};
    const plugin_open_args args = {.role = role, .use = "shop.rules", .config = &use, .collection = &collection, .services = &services};
    sinter_status s = plugin_open(host, library, &args, &instance, e);
    if (s == SINTER_OK) plugin_instance_release(host, instance);
    return s;
}

static void every_example_of_the_readme_opens_where_it_can_act(void **state)
{
    (void)state;
    char path[512];
    buffer readme = {0};
    sinter_error e;
    snprintf(path, sizeof path, "%s/plugins/rules/README.md", getenv("SINTER_SOURCE"));
    assert_int_equal(file_read(path, 1 << 20, &readme, &e), SINTER_OK);
    uint32_t examples = 0, opened[PLUGIN_ROLES] = {0};
    for (const char *at = readme.data; (at = strstr(at, "```yaml\n")) != NULL;) {
        const char *yaml = at + 8, *end = strstr(yaml, "\n```");
        assert_non_null(end);
        at = end + 4;
        if (strncmp(yaml, "rules:", 6) != 0) continue;
        uint32_t roles = 0;
        const plugin_role all[] = {PLUGIN_RANKER, PLUGIN_FINISHER, PLUGIN_REWRITER};
        for (size_t r = 0; r < ARRAY_LEN(all); r++) {
            sinter_status s = open_rules(yaml, (size_t)(end + 1 - yaml), all[r], &e);
            bool other_role = s != SINTER_OK && strstr(e.what, "can act in a") != NULL;
            if (s != SINTER_OK && !other_role) fail_msg("%s: %s (%s)", e.where, e.what, e.fix);
            roles += s == SINTER_OK;
            opened[all[r]] += s == SINTER_OK;
        }
        assert_true(roles > 0);
        examples++;
    }
    assert_true(examples >= 3);
    assert_true(opened[PLUGIN_RANKER] >= 2 && opened[PLUGIN_FINISHER] >= 2 && opened[PLUGIN_REWRITER] >= 1);
    buffer_free(&readme);
}

static void lone_values_and_lists_mean_the_same(void **state)
{
    (void)state;
    static const char *const same[] = {
        "rules: {id: a, when: {query: {words: sofa}, user: {tier: gold}}, then: {boost: {add: 1}}}",
        "rules: [{id: a, when: {query: {words: [sofa]}, user: {tier: [gold]}}, then: [{boost: {add: 1}}]}]",
        "rules: []",
    };
    sinter_error e;
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (open_rules(same[i], strlen(same[i]), PLUGIN_RANKER, &e) != SINTER_OK) fail_msg("%s: %s", e.where, e.what);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *where, *what;
    } cases[] = {
        {"rules:\n  - id: a\n    wen: {}\n    then: {boost: {add: 1}}\n", ":3:5", "unknown key 'wen'"},
        {"rules:\n  - id: a\n    when:\n      from: 2026-13-01\n    then: {boost: {add: 1}}\n", ":4:13",
         "rule 'a': from: '2026-13-01' is not a time"},
        {"rules:\n  - id: a\n    then: {boost: {add: 1}}\n  - id: a\n    then: {boost: {add: 1}}\n", ":4:9", "rule id 'a' is used twice"},
        {"rules:\n  - id: a\n    when: {filter: broken = 1}\n    then: {boost: {add: 1}}\n", ":3:20", "no such field"},
        {"rules:\n  - id: a\n    when: {user: {age: \"> old\"}}\n    then: {boost: {add: 1}}\n", ":3:24",
         "rule 'a': '> old' compares with something that is not a number"},
        {"rules:\n  - id: a\n    then:\n      - boost: {factor: 2}\n      - pin: {position: 0, items: x}\n", ":5:25", "position is 0"},
        {"rules:\n  - id: a\n    then:\n      - boost: {items: x}\n", ":4:16", "rule 'a': boost needs one of factor and add"},
    };
    sinter_error e;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(open_rules(cases[i].yaml, strlen(cases[i].yaml), PLUGIN_RANKER, &e), SINTER_INVALID);
        if (strstr(e.where, cases[i].where) == NULL || strstr(e.where, "rules.yaml") == NULL || strstr(e.what, cases[i].what) == NULL)
            fail_msg("case %zu: %s: %s", i, e.where, e.what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_of_the_readme_opens_where_it_can_act),
        cmocka_unit_test(lone_values_and_lists_mean_the_same),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
