/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options: every kind of fault in the YAML with its place and words, and what the getters read. */
#include "support.h"

static arena *memory;

static int begin(void **state)
{
    memory = arena_new(1 << 16);
    return support_begin(state);
}
static int end(void **state)
{
    arena_free(memory);
    return support_end(state);
}

static sinter_status compile(void *ctx, const char *text, void **out, sinter_error *e)
{
    (void)ctx;
    *out = NULL;
    if (!strstr(text, "colour")) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "1:1", "did you mean 'color'?", "unknown field 'colour'");
}
static const plugin_services SERVICES = {.filter_compile = compile};

static sinter_status check(const char *yaml, const sinter_options **out, sinter_error *e)
{
    const plugin_library *l = zoo_load("editor");
    const conf_node *map;
    assert_int_equal(conf_parse_text("shop.yaml", str_of(yaml), memory, &map, e), SINTER_OK);
    sinter_status s =
        plugin_options_check(map, true, l->table->options, l->table->n_options, &SERVICES, memory, out, e);
    plugin_library_release(host, l);
    return s;
}

static void each_fault_has_its_place_and_words(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *where, *what, *fix;
    } CASES[] = {
        {"plugin: editor\nwieghts: {a: 1}", "shop.yaml:2:1", "unknown option 'wieghts'", "did you mean 'weights'?"},
        {"zzz: 1", "shop.yaml:1:1", "unknown option 'zzz'", "valid: entries, weights, wait, file, on, words, bad"},
        {"limit: 5", "shop.yaml:1:1", "unknown option 'limit'", "valid: entries, weights, wait, file, on, words, bad"},
        {"weights: {a: high}", "shop.yaml:1:14", "weights is 'high', not a number", ""},
        {"weights: {a: '1'}", "shop.yaml:1:14", "weights is '1', not a number", ""},
        {"weights: 3", "shop.yaml:1:10", "weights is '3', not a map", ""},
        {"weights: [1]", "shop.yaml:1:10", "weights must be a map, not a list", ""},
        {"weights:", "shop.yaml:1:9", "weights has no value; it must be a map", ""},
        {"wait: 5", "shop.yaml:1:7", "wait is '5', not a duration such as 250us, 2ms or 1.5s", ""},
        {"wait: 11s", "shop.yaml:1:7", "wait is 11s", "valid: 0 to 10"},
        {"on: maybe", "shop.yaml:1:5", "on is 'maybe', not true or false", ""},
        {"bad: positon", "shop.yaml:1:6", "unknown bad 'positon'", "did you mean 'position'?"},
        {"words: [a, [b]]", "shop.yaml:1:12", "words must be a text, not a list", ""},
        {"entries: [{at: 2}]", "shop.yaml:1:11", "the key 'name' is missing", "A name."},
        {"entries: [{name: x, at: 0}]", "shop.yaml:1:25", "at is 0", "valid: 1 to 100"},
        {"entries: [{name: x, at: 1.5}]", "shop.yaml:1:25", "at is '1.5', not a whole number", ""},
        {"entries: [{name: x, nmae: y}]", "shop.yaml:1:21", "unknown key 'nmae'", "did you mean 'name'?"},
        {"entries: [x]", "shop.yaml:1:11", "an entry of entries must be a map, not a single value", ""},
        {"entries: [{name: x, where: colour = red}]", "shop.yaml:1:28", "where: 1:1: unknown field 'colour'",
         "did you mean 'color'?"},
        {"file: /nowhere/at/all", "shop.yaml:1:7",
         "file: cannot read '/nowhere/at/all': cannot open: No such file or directory",
         "paths are relative to the file that names them"},
    };
    for (size_t k = 0; k < ARRAY_LEN(CASES); k++) {
        sinter_error e = SINTER_ERROR_INIT;
        const sinter_options *o;
        assert_int_equal(check(CASES[k].yaml, &o, &e), SINTER_INVALID);
        expect_error(&e, CASES[k].where, CASES[k].what, CASES[k].fix);
    }
}

static const sinter_host *table_of(plugin_instance *i)
{
    return (const sinter_host *)i; /* the table is the instance's first member */
}

static void getters_follow_paths_and_defaults(void **state)
{
    (void)state;
    plugin_instance *i = zoo_open("editor", PLUGIN_FINISHER, "{}", NULL, memory);
    const sinter_host *h = table_of(i);
    const sinter_options *o;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(
        check(
            "{name: n, plugin: editor, budget: 2ms, entries: [{name: a}, {name: b, at: 7}], weights: {x.y: 0.5, z: 2},"
            " wait: 250us, words: lone}",
            &o, &e),
        SINTER_OK);
    const char *text = NULL;
    double number = 0;
    int64_t integer = 0;
    bool boolean = false;
    assert_int_equal(h->option_count(o, "entries"), 2);
    assert_true(h->option_string(o, "entries.1.name", &text));
    assert_string_equal(text, "b");
    assert_true(h->option_integer(o, "entries.1.at", &integer) && integer == 7);
    assert_true(h->option_integer(o, "entries.0.at", &integer) && integer == 1); /* default */
    assert_true(h->option_number(o, "weights.x.y", &number) && number == 0.5);
    assert_false(h->option_number(o, "weights.none", &number));
    assert_int_equal(h->option_count(o, "weights"), 2);
    assert_string_equal(h->option_key(o, "weights", 1), "z");
    assert_null(h->option_key(o, "weights", 2));
    assert_true(h->option_number(o, "wait", &number) && fabs(number - 250e-6) < 1e-12);
    assert_true(h->option_boolean(o, "on", &boolean) && boolean);
    assert_int_equal(h->option_count(o, "words"), 1);
    assert_true(h->option_string(o, "words.0", &text));
    assert_string_equal(text, "lone");
    assert_false(h->option_string(o, "words.1", &text));
    assert_false(h->option_string(o, "file", &text));
    assert_false(h->option_string(o, "no.such.path", &text));
    assert_int_equal(h->option_count(o, "nothing"), 0);
    sinter_mark m = h->option_mark(o, "entries.1.at");
    assert_string_equal(m.file, "shop.yaml");
    assert_int_equal(m.column, 75);
    plugin_instance_release(host, i);
}

static void a_named_file_is_read_relative_and_checked(void **state)
{
    (void)state;
    char path[128], yaml[400];
    const sinter_options *o;
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(path, sizeof path, "%s/rules.yaml", folder);
    static const char TEXT[] = "entries:\n  - name: first\n    at: 900\n";
    file_write_atomic(path, TEXT, sizeof TEXT - 1, NULL);
    snprintf(yaml, sizeof yaml, "file: %s", path);
    assert_int_equal(check(yaml, &o, &e), SINTER_OK);
    plugin_instance *i = zoo_open("editor", PLUGIN_FINISHER, "{}", NULL, memory);
    const sinter_host *h = table_of(i);
    const sinter_plugin *t = plugin_instance_library(i)->table;
    const char *file = NULL;
    char where[200];
    assert_true(h->option_string(o, "file", &file));
    assert_string_equal(file, path);
    assert_int_equal(h->options_read(h, file, t->options, t->n_options, &o, &e), SINTER_INVALID);
    snprintf(where, sizeof where, "%s:3:9", path);
    expect_error(&e, where, "at is 900", "valid: 1 to 100");
    plugin_instance_release(host, i);
}

static void an_open_that_refuses_says_where(void **state)
{
    (void)state;
    const plugin_library *l = zoo_load("open_fails");
    const conf_node *map;
    sinter_error e = SINTER_ERROR_INIT;
    plugin_instance *i = NULL;
    conf_parse_text("shop.yaml", STR("plugin: open_fails\nformula: x"), memory, &map, &e);
    config_use use = {.name = "f", .options = map, .at = map};
    plugin_open_args args = {.role = PLUGIN_RANKER, .use = "shop.f", .config = &use};
    assert_int_equal(plugin_open(host, l, &args, &i, &e), SINTER_INVALID);
    expect_error(&e, "shop.yaml:2:10", "I do not like it", "write another");
    args.role = PLUGIN_FUSION;
    assert_int_equal(plugin_open(host, l, &args, &i, &e), SINTER_INVALID);
    expect_error(&e, "shop.yaml:1:1", "the plugin 'open_fails' plays no role fusion", "name a plugin that does");
    assert_null(i);
    plugin_library_release(host, l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_place_and_words),
        cmocka_unit_test(getters_follow_paths_and_defaults),
        cmocka_unit_test(a_named_file_is_read_relative_and_checked),
        cmocka_unit_test(an_open_that_refuses_says_where),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
