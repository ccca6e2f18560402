/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_load: good files become what they say, and each bad one gets exactly its words, with file, line and column. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/walk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static void put(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    dir_make(path, NULL);
    *slash = '/';
    unlink(path);
    FILE *f = text ? fopen(path, "we") : NULL;
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

#define SERVER "listen: 127.0.0.1:0\n"
#define SHOP                                                                                                           \
    "fields:\n  title: text\n  brand: keyword\n  price: number\n  released: timestamp\n  tags: keywords\n"
#define PIPE "collection: shop\n"

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sinter-config-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    return dir_remove(folder, NULL) == SINTER_OK ? 0 : 1;
}

static void put_good(void)
{
    char path[100];
    dir_remove(folder, NULL);
    snprintf(path, sizeof path, "%s", folder);
    dir_make(path, NULL);
    put("sinter.yaml", SERVER);
    put("collections/shop.yaml", SHOP);
    put("pipelines/shop.yaml", PIPE);
}

static config *load(sinter_error *e)
{
    char path[100];
    config *c = NULL;
    snprintf(path, sizeof path, "%s/sinter.yaml", folder);
    return config_load(path, &c, e) == SINTER_OK ? c : NULL;
}

static config *must_load(void)
{
    sinter_error e = SINTER_ERROR_INIT;
    char line[2000];
    config *c = load(&e);
    if (!c) fail_msg("%s", error_line(&e, line, sizeof line));
    return c;
}

static void defaults_are_as_documented(void **state)
{
    (void)state;
    put_good();
    config *c = must_load();
    assert_int_equal(c->server.max_message_bytes, 4 << 20);
    assert_int_equal(c->server.commit_after_ns, 250000000);
    assert_true(c->server.impressions && !c->server.log_json && c->server.log_level == LOG_INFO);
    assert_int_equal(c->server.data_dir[0], '/');
    const config_collection *k = config_find_collection(c, "shop");
    assert_non_null(k);
    assert_true(k->k1 == 1.2 && k->group[0].b == 0.5 && k->n_groups == 1 && k->spelling && !k->operator_and);
    assert_string_equal(k->group[0].name, "title");
    assert_string_equal(k->title_field, "title");
    assert_string_equal(k->default_pipeline, "shop");
    const config_field *f = k->field;
    assert_true(f[0].searchable && f[0].stored && !f[0].filterable && !f[0].sortable && !f[0].required);
    assert_true(!f[1].searchable && f[1].stored && f[1].filterable && f[1].sortable);
    assert_true(f[2].filterable && f[2].sortable && f[3].sortable && f[4].filterable && !f[4].sortable);
    assert_string_equal(f[0].language, "en");
    const config_pipeline *p = config_find_pipeline(c, "shop");
    assert_true(p->n_recall == 1 && p->recall[0].text && p->recall[0].limit == 1000 && p->n_stages == 0);
    config_free(c);
}

static void groups_follow_the_rule(void **state)
{
    (void)state;
    put_good();
    put("collections/shop.yaml", "fields:\n  a: {type: text, weight: 3}\n  b: {type: text, weight: 0.5}\n  c: {type: text, weight: 2}\n"
                                 "  d: {type: text, weight: 1}\n  e: {type: text, weight: 4}\n  t.*: {type: text, weight: 0.2}\n");
    config *c = must_load();
    const config_collection *k = &c->collection[0];
    assert_int_equal(k->n_groups, 4);
    assert_string_equal(k->group[0].name, "a");
    assert_string_equal(k->group[1].name, "c");
    assert_string_equal(k->group[2].name, "e");
    assert_string_equal(k->group[3].name, "others");
    assert_true(k->group[0].weight == 3 && k->group[2].weight == 4 && k->group[3].weight == 1);
    assert_true(k->field[0].weight == 1 && k->field[1].weight == 0.5 && k->field[5].weight == 0.2);
    assert_true(k->field[5].group_index == 3 && k->field[3].group_index == 3 && k->field[4].group_index == 2);
    config_free(c);
    put("collections/shop.yaml", "b: 0.7\ngroups: {body: {weight: 5}}\nfields:\n  a: {type: text, group: body}\n"
                                 "  b: {type: text, group: body, weight: 2, language: german}\n  u.x_*: text\n");
    c = must_load();
    k = &c->collection[0];
    assert_int_equal(k->n_groups, 2);
    assert_true(k->group[0].weight == 5 && k->group[0].b == 0.7 && k->field[1].weight == 2);
    assert_string_equal(k->group[1].name, "u_x");
    assert_int_equal(k->n_languages, 2);
    assert_string_equal(k->language[0], "en");
    assert_string_equal(k->language[1], "de");
    config_free(c);
}

static void a_pipeline_is_read_whole(void **state)
{
    (void)state;
    put_good();
    put("pipelines/shop.yaml",
        "collection: shop\nbudget: 20ms\nrecord: 0.5\nrewrite:\n  - {plugin: rules, file: a.yaml}\nrecall:\n  - {source: text, limit: 500}\n"
        "  - {source: cf, model: taste/latest, limit: 200}\nstages:\n  - keep: 100\n    rank:\n      - {name: words, feature: text.bm25}\n"
        "      - {plugin: ./my.so, budget: 2ms, x: 1}\n    fuse: {plugin: fusion, method: network}\n  - {keep: 10, rank: [{plugin: deep}]}\n"
        "finish:\n  - {plugin: rules, file: b.yaml}\n  - {diversity: mmr, field: tags, strength: 0.3}\n"
        "  - {explore: shuffle, share: 0.5}\n");
    config *c = must_load();
    const config_pipeline *p = &c->pipeline[0];
    assert_true(p->budget_ns == 20000000 && p->record == 0.5 && p->n_rewrite == 1 && p->n_recall == 2);
    assert_true(p->recall[0].limit == 500 && !p->recall[1].text);
    assert_string_equal(p->recall[1].use.plugin, "cf");
    assert_string_equal(p->recall[1].use.model, "taste/latest");
    assert_true(p->n_stages == 2 && p->stage[0].n_rank == 2 && p->stage[0].has_fuse && !p->stage[1].has_fuse);
    const config_use *mine = &p->stage[0].rank[1];
    char path[100];
    snprintf(path, sizeof path, "%s/pipelines/my.so", folder);
    assert_string_equal(mine->path, path);
    assert_string_equal(mine->name, "my");
    assert_int_equal(mine->budget_ns, 2000000);
    assert_string_equal(conf_get(mine->options, "x")->text, "1");
    assert_string_equal(p->stage[1].name, "stage2");
    assert_true(p->finish[1].diversity && p->finish[1].strength == 0.3 && p->n_finish == 3);
    assert_true(p->finish[1].shuffle == 0 && p->finish[2].shuffle == 20 && p->finish[2].share == 0.5);
    assert_string_equal(p->finish[2].use.name, "explore");
    config_free(c);
}

static void patterns_match_dotted_names(void **state)
{
    (void)state;
    assert_true(config_name_matches("a.t_*", STR("a.t_x")));
    assert_true(config_name_matches("a.*", STR("a.b.c")));
    assert_true(config_name_matches("*.x", STR("a.b.x")));
    assert_true(config_name_matches("a.*.c*", STR("a.b.cc")));
    assert_true(config_name_matches("a", STR("a")));
    assert_false(config_name_matches("a.t_*", STR("a.t_")));
    assert_false(config_name_matches("a.*", STR("a.")));
    assert_false(config_name_matches("a.*", STR("b.c")));
    assert_false(config_name_matches("a", STR("ab")));
}

static void an_index_serves_only_its_own_declaration(void **state)
{
    (void)state;
    static const struct {
        const char *is, *what;
    } CASES[] = {
        {"fields: {t: {type: text, group: g, weight: 1}, k: keyword}\nk1: 2\ngroups: {g: {weight: 9, b: 0.1}}\n", NULL},
        {"fields: {t: {type: text, group: g}, k: keyword, new: number}\n", NULL},
        {"fields: {t: {type: text, group: h}, k: keyword}\n", "group of 't' was g and is h: the text index does not serve both"},
        {"fields: {t: {type: text, group: g, language: de}, k: keyword}\n",
         "language of 't' was en and is de: the text index does not serve both"},
        {"fields: {t: {type: text, group: g}, k: number}\n",
         "type of 'k' was keyword and is number: the text index does not serve both"},
        {"fields: {t: {type: text, group: g}, k: keyword, u: text}\n",
         "the number of field groups was 1 and is 2: the text index does not serve both"},
        {"units: true\nfields: {t: {type: text, group: g}, k: keyword}\n",
         "units was false and is true: the text index does not serve both"},
    };
    put_good();
    put("collections/shop.yaml", "fields: {t: {type: text, group: g}, k: keyword}\n");
    config *was = must_load();
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        put("collections/shop.yaml", CASES[i].is);
        config *is = must_load();
        sinter_status s = config_same_index(&was->collection[0], &is->collection[0], &e);
        assert_int_equal(s, CASES[i].what ? SINTER_PRECONDITION : SINTER_OK);
        if (CASES[i].what) assert_string_equal(e.what, CASES[i].what);
        config_free(is);
    }
    config_free(was);
}

static void people_are_read_as_declared(void **state)
{
    (void)state;
    put_good();
    config *c = must_load();
    const config_collection *k = &c->collection[0];
    assert_true(k->n_events == 0 && k->history == 100 && k->counter_half_life_days == 30 && k->n_counter_by == 0);
    assert_int_equal(config_event_id(k, STR("click")), 0);
    config_free(c);
    put("collections/shop.yaml", "events: {view: 0.2, click: 1, add_2_list: 0, rating: value}\nprofiles: {history: 1000}\n"
                                 "counters: {half_life: 12h, by: [brand, a.x]}\nfields: {t: text, brand: keyword, a.*: keyword}\n");
    c = must_load();
    k = &c->collection[0];
    assert_int_equal(k->n_events, 4);
    assert_true(k->event[0].weight == 0.2 && k->event[2].weight == 0 && !k->event[2].by_value);
    assert_true(k->event[3].by_value && isnan(k->event[3].weight));
    assert_int_equal(config_event_id(k, STR("view")), 1);
    assert_int_equal(config_event_id(k, STR("rating")), 4);
    assert_int_equal(config_event_id(k, STR("ratin")), 0);
    assert_int_equal(config_event_id(k, STR("")), 0);
    assert_true(k->history == 1000 && k->counter_half_life_days == 0.5);
    assert_int_equal(k->n_counter_by, 2);
    assert_string_equal(k->counter_by[1], "a.x");
    config_free(c);
}

static void reload_may_weigh_and_add_event_types(void **state)
{
    (void)state;
    static const char *const FIELDS_OF = "fields: {t: text, brand: keyword, colour: keyword}\n";
    static const struct {
        const char *is, *line;
    } CASES[] = {
        {"events: {view: 1, click: 2}\n", NULL},
        {"events: {view: 0.2, click: value, order: 5}\n", NULL},
        {"events: {click: 1, view: 0.2}\n", "1:10: the event type 'view' was number 1 of the list"},
        {"events: {view: 0.2}\n", "1:1: the event type 'click' was number 2 of the list"},
        {"events: {view: 0.2, click: 1}\nprofiles: {history: 7}\n", "2:11: history cannot change on reload"},
        {"events: {view: 0.2, click: 1}\ncounters: {half_life: 7d}\n", "2:11: half_life cannot change on reload"},
        {"events: {view: 0.2, click: 1}\ncounters: {by: [colour]}\n", "2:11: by cannot change on reload"},
        {"events: {view: 0.2, click: 1}\ncounters: {by: []}\n", "2:11: by cannot change on reload"},
    };
    char text[500], line[2000], expected[500];
    put_good();
    snprintf(text, sizeof text, "events: {view: 0.2, click: 1}\ncounters: {by: [brand]}\n%s", FIELDS_OF);
    put("collections/shop.yaml", text);
    config *was = must_load();
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        bool counters = strstr(CASES[i].is, "counters") != NULL;
        snprintf(text, sizeof text, "%s%s%s", CASES[i].is, counters ? "" : "counters: {by: [brand]}\n", FIELDS_OF);
        put("collections/shop.yaml", text);
        config *is = must_load();
        sinter_status s = config_same_events(&was->collection[0], &is->collection[0], &e);
        assert_int_equal(s, CASES[i].line ? SINTER_PRECONDITION : SINTER_OK);
        snprintf(expected, sizeof expected, "collections/shop.yaml:%s", CASES[i].line ? CASES[i].line : "");
        if (CASES[i].line && !strstr(error_line(&e, line, sizeof line), expected))
            fail_msg("case %zu: expected %s, got %s", i, expected, line);
        config_free(is);
    }
    config_free(was);
    put("collections/shop.yaml", FIELDS_OF);
    was = must_load();
    put("collections/shop.yaml", "fields: {t: text}\nevents: {click: 1}\n");
    config *is = must_load();
    assert_int_equal(config_same_events(&was->collection[0], &is->collection[0], NULL), SINTER_PRECONDITION);
    config_free(is);
    config_free(was);
}

#define FIELDS "fields: {title: text, brand: keyword, released: timestamp}\n"
#define RANK "collection: shop\nstages:\n  - rank: "

static const struct {
    const char *file, *text, *line;
} BAD[] = {
    /* YAML itself */
    {"sinter.yaml", "", "sinter.yaml:1:1: the file holds nothing; write at least one key"},
    {"sinter.yaml", "a: [1\nb: 2\n", "sinter.yaml:2:2: did not find expected ',' or ']' while parsing a flow sequence; see https://yaml.org/spec/1.1"},
    {"sinter.yaml", "listen: \"\\xff\n", "sinter.yaml:2:1: found unexpected end of stream while scanning a quoted scalar; see https://yaml.org/spec/1.1"},
    {"sinter.yaml", "lanes: 1\nlisten: \xff\n", "sinter.yaml:2:9: invalid leading UTF-8 octet; write the file in UTF-8"},
    {"sinter.yaml", "lanes: 1\nlisten: 127.0.0.1:1\nlanes: 2\n", "sinter.yaml:3:1: the key 'lanes' stands already in line 1; keep one of the two"},
    {"sinter.yaml", "lanes: 1\n---\nlanes: 2\n", "sinter.yaml:3:1: a second document begins here; keep one document a file"},
    {"sinter.yaml", "lanes: &a [*a]\n", "sinter.yaml:1:8: an alias stands inside its own anchor; remove the alias"},
    {"sinter.yaml", "? [a]\n: 1\n", "sinter.yaml:1:3: a key is a list; write a word"},
    {"sinter.yaml", "limits: {<<: 1}\n", "sinter.yaml:1:10: merge keys ('<<') are not understood; repeat the keys"},
    {"sinter.yaml", "lanes: !secret 1\n", "sinter.yaml:1:8: the tag '!secret' is not understood; remove it"},
    /* the server */
    {"sinter.yaml", "- a\n", "sinter.yaml:1:1: sinter.yaml must be a map, not a list"},
    {"sinter.yaml", "lsten: 127.0.0.1:1\n", "sinter.yaml:1:1: unknown key of sinter.yaml: 'lsten'; did you mean 'listen'?"},
    {"sinter.yaml", "listen: 0.0.0.0:80\n", "sinter.yaml:1:9: listen is '0.0.0.0:80', which others can reach without TLS; listen on 127.0.0.1, or say 'insecure: true' where the network is trusted"},
    {"sinter.yaml", "listen: localhost\n", "sinter.yaml:1:9: listen is 'localhost', not an address with a port; write HOST:PORT, such as 127.0.0.1:7700 or [::1]:7700"},
    {"sinter.yaml", "listen: 127.0.0.1:70000\n", "sinter.yaml:1:9: listen is '127.0.0.1:70000', not an address with a port; write HOST:PORT, such as 127.0.0.1:7700 or [::1]:7700"},
    {"sinter.yaml", "lanes: many\n", "sinter.yaml:1:8: lanes is 'many', not a whole number"},
    {"sinter.yaml", "lanes: -1\n", "sinter.yaml:1:8: lanes is '-1', not a whole number"},
    {"sinter.yaml", "lanes: '4'\n", "sinter.yaml:1:8: lanes is '4', not a whole number; remove the quotes"},
    {"sinter.yaml", "lanes: 5000\n", "sinter.yaml:1:8: lanes is 5000; valid: 0 to 1024"},
    {"sinter.yaml", "drain: soon\n", "sinter.yaml:1:8: drain is 'soon', not a duration such as 250us, 2ms or 1.5s"},
    {"sinter.yaml", "commit_after: 2d\n", "sinter.yaml:1:15: commit_after is 2d; valid: 0.001s to 60s"},
    {"sinter.yaml", "limits: {max_message: 4XB}\n", "sinter.yaml:1:23: max_message is '4XB', not a size such as 4MiB, 64KiB or a number of bytes"},
    {"sinter.yaml", "log: {level: loud}\n", "sinter.yaml:1:14: unknown level 'loud'; valid: debug, info, warn, error"},
    {"sinter.yaml", "insecure: maybe\n", "sinter.yaml:1:11: insecure is 'maybe', not true or false"},
    {"sinter.yaml", "plugin_dirs: x\n", "sinter.yaml:1:14: plugin_dirs must be a list, not a single value"},
    {"sinter.yaml", "listen:\n", "sinter.yaml:1:8: listen has no value; it must be a text"},
    {"sinter.yaml", "tls: {cert: a}\n", "sinter.yaml:1:6: tls is not implemented; remove it; for a trusted network say 'insecure: true'"},
#define ARMS "arms: {a: {pipeline: shop}, b: {}}\n"
#define X "experiments/x.yaml"
    {X, "unit: user\n", X ":1:1: an experiment has no key 'arms'; name the arms: 'arms: {old: {pipeline: a}, new: {pipeline: b}}'"},
    {X, ARMS, X ":1:1: an experiment has no key 'unit'; write 'unit: user', session or request"},
    {X, "unit: usr\n" ARMS, X ":1:7: unknown unit 'usr'; did you mean 'user'?"},
    {X, "unti: user\n" ARMS, X ":1:1: unknown key of an experiment: 'unti'; did you mean 'unit'?"},
    {X, "unit: user\nmethod: interleave\n" ARMS, X ":2:9: the method 'interleave' is not implemented; write 'method: split'"},
    {X, "unit: user\nmethod: bandit\n" ARMS, X ":2:9: the method 'bandit' is not implemented; write 'method: split'"},
    {X, "unit: user\narms: [a, b]\n", X ":2:7: arms must be a map, not a list"},
    {X, "unit: user\narms: {a: {}}\n", X ":2:7: there is 1 arm; name 2 to 16"},
    {X, "unit: user\narms: {a: {pipeline: shpo}, b: {}}\n", X ":2:22: unknown pipeline 'shpo'; did you mean 'shop'?"},
    {X, "unit: user\narms: {a: {share: 0.5}, b: {share: 0.4}}\n", X ":2:7: the shares of the arms sum to 0.9; make them sum to 1; how many take part is told by ramp"},
    {X, "unit: user\narms: {a: {share: 0.5}, b: {}}\n", X ":2:7: 1 of 2 arms have a share; give every arm a share, or none"},
    {X, "unit: user\narms: {a: {share: 2}, b: {}}\n", X ":2:19: share is 2; valid: 0 to 1"},
    {X, "unit: user\narms: {a/b: {}, b: {}}\n", X ":2:8: the arm 'a/b' is not a name; use letters, digits, _, - and ., at most 64"},
    {X, "unit: user\narms: {a: {shadow: true, pipeline: shop}, b: {shadow: true, pipeline: shop}}\n", X ":2:7: every arm is a shadow; make one of them no shadow: it is the control arm"},
    {X, "unit: user\narms: {a: {}, b: {shadow: true}}\n", X ":2:18: the shadow 'b' names no pipeline; write 'pipeline: NAME'"},
    {X, "unit: user\narms: {a: {options: {typos: perhaps}}, b: {}}\n", X ":2:29: typos is 'perhaps', not true or false"},
    {X, "unit: user\narms: {a: {options: {minimum_should_match: 0}}, b: {}}\n", X ":2:44: minimum_should_match is '0'; write a number of words, 1 to 64, or 1% to 100%"},
    {X, "unit: user\narms: {a: {options: {language: fr}}, b: {}}\n", X ":2:32: unknown language of the collection: 'fr'; valid: en"},
    {X, "unit: user\ncontrol: c\n" ARMS, X ":2:10: unknown arm 'c'; valid: b, a"},
    {X, "unit: user\ncontrol: b\narms: {a: {}, b: {shadow: true, pipeline: shop}}\n", X ":2:10: the control arm 'b' is a shadow; name an arm that is shown"},
    {X, "unit: user\nbuckets: [0, 10000]\n" ARMS, X ":2:14: a bucket is '10000'; write whole numbers from 0 to 9999"},
    {X, "unit: user\nbuckets: [5, 4]\n" ARMS, X ":2:10: buckets runs from 5 down to 4; put the smaller first"},
    {X, "unit: user\nbuckets: [5]\n" ARMS, X ":2:10: buckets has 1 entries, not two; write 'buckets: [0, 4999]'"},
    {X, "unit: user\nsalt: 'a b'\n" ARMS, X ":2:7: the salt 'a b' is not a name; use letters, digits, _, - and ., at most 64"},
    {X, "unit: user\nstart: tomorrow\n" ARMS, X ":2:8: start is 'tomorrow', not a time; write it as 2026-12-01T09:00:00Z or 2026-12-01"},
    {X, "unit: user\nstart: 2026-12-02\nend: 2026-12-01\n" ARMS, X ":3:6: the experiment ends before it begins; let it end after its start"},
    {X, "unit: user\nramp: 1.5\n" ARMS, X ":2:7: ramp is '1.5'; write a share from 0 to 1, or steps: {from: TIME, share: S}"},
    {X, "unit: user\nramp: []\n" ARMS, X ":2:7: ramp is empty; remove it, or list steps: {from: TIME, share: S}"},
    {X, "unit: user\nramp: {share: 1}\n" ARMS, X ":2:7: a step of ramp has no key 'from'; write 'from: TIME', RFC 3339"},
    {X, "unit: user\nramp: [{from: 2026-12-02, share: 1}, {from: 2026-12-01, share: 1}]\n" ARMS, X ":2:38: the step begins before the one above it is done; list steps in the order of time"},
    {X, "unit: user\nramp: {from: 2026-12-02, share: 1, ovr: 3d}\n" ARMS, X ":2:36: unknown key of a step of ramp: 'ovr'; did you mean 'over'?"},
    {X, "unit: user\nmetrics: {primary: ctr@0}\n" ARMS, X ":2:20: 'ctr@0' is not a metric; write ctr@10, 1 to 1000"},
    {X, "unit: user\nmetrics: {primary: convresion}\n" ARMS, X ":2:20: unknown metric 'convresion'; did you mean 'conversion'?"},
    {X, "unit: user\nmetrics: {primary: p99_latency}\n" ARMS, X ":2:20: unknown metric 'p99_latency'; valid: ctr, clicks, conversion, value, zero_results"},
    {X, "unit: user\nmetrics: {primary: ctr@10}\n" ARMS, X ":2:20: 'ctr' counts events, and no event type of 'shop' is the click; declare `events:` in the collection, or say which type it is in metrics"},
    {X, "unit: user\nmetrics: {click: clik}\n" ARMS, X ":2:18: unknown event type 'clik'; none is valid here"},
    {X, "unit: user\nmetrics: {guardrails: [errors, errors]}\n" ARMS, X ":2:32: guardrails names 'errors' twice; remove one"},
    {X, "unit: user\nmetrics: {guardrails: {errors: lots}}\n" ARMS, X ":2:32: the threshold of 'errors' is 'lots'; write how much worse than the control arm it may be, 0 to 100"},
    {X, "unit: user\nmetrics: {guardrails: [clicks]}\n" ARMS, X ":2:24: unknown metric 'clicks'; valid: ctr, conversion, value, zero_results, errors, p99_latency"},
    {X, "unit: user\nmetrics: {guardrails: errors}\n" ARMS, X ":2:23: guardrails must be a list, not a single value"},
    {X, "unit: user\nmetrics: {window: 0s}\n" ARMS, X ":2:19: window is 0s; valid: 1s to 604800s"},
    {X, "unit: user\nmetrics: {alpha: 0.9}\n" ARMS, X ":2:18: alpha is 0.9; valid: 0.0001 to 0.5"},
    {X, "unit: user\ncollection: shpo\n" ARMS, X ":2:13: unknown collection 'shpo'; did you mean 'shop'?"},
    {"sinter.yaml", "experiments: {allow_overide: true}\n", "sinter.yaml:1:15: unknown key of experiments: 'allow_overide'; did you mean 'allow_override'?"},
    {"alerts.yaml", "a: 1\n", "alerts.yaml: alert rules are not implemented; move the file away"},
    /* collections */
    {"collections/shop.yaml", "k1: 1\n", "collections/shop.yaml:1:1: a collection has no key 'fields'; declare at least one: 'fields: {title: text}'"},
    {"collections/shop.yaml", "fields: {}\n", "collections/shop.yaml:1:9: fields is empty; declare at least one: 'fields: {title: text}'"},
    {"collections/shop.yaml", "fields:\n  title: txt\n", "collections/shop.yaml:2:10: unknown type 'txt'; did you mean 'text'?"},
    {"collections/shop.yaml", "fields:\n  title: {type: text, serchable: true}\n", "collections/shop.yaml:2:23: unknown key of a field: 'serchable'; did you mean 'searchable'?"},
    {"collections/shop.yaml", "fields:\n  title: {type: text, sortable: true}\n", "collections/shop.yaml:2:33: a text field cannot be sortable; declare a keyword field beside it"},
    {"collections/shop.yaml", "fields:\n  title: {type: text, filterable: yes}\n", "collections/shop.yaml:2:35: a text field cannot be filterable; declare a keyword field beside it"},
    {"collections/shop.yaml", "fields:\n  p: {type: number, searchable: true}\n", "collections/shop.yaml:2:33: a number field cannot be searchable; searchable are text, keyword and keywords"},
    {"collections/shop.yaml", "fields:\n  p: {type: keywords, sortable: true}\n", "collections/shop.yaml:2:33: a keywords field cannot be sortable; sortable are keyword, integer, number, boolean and timestamp"},
    {"collections/shop.yaml", "fields:\n  p: {type: number, group: x}\n", "collections/shop.yaml:2:28: group is of searchable fields; 'p' is not one; remove it, or say 'searchable: true'"},
    {"collections/shop.yaml", "fields:\n  v: vector\n", "collections/shop.yaml:2:6: the vector field 'v' has no dimension; write 'dimension: N', 1 to 4096"},
    {"collections/shop.yaml", "fields:\n  v: {type: vector, dimension: 0}\n", "collections/shop.yaml:2:32: dimension is 0; valid: 1 to 4096"},
    {"collections/shop.yaml", "fields:\n  v: {type: text, dimension: 3}\n", "collections/shop.yaml:2:30: dimension is of vector fields; 'v' is text; remove it"},
    {"collections/shop.yaml", "fields:\n  9a: text\n", "collections/shop.yaml:2:3: '9a' is not a field name; use letters, digits, _ and -, joined by dots; * makes a pattern"},
    {"collections/shop.yaml", "fields:\n  a..b: text\n", "collections/shop.yaml:2:3: 'a..b' is not a field name; use letters, digits, _ and -, joined by dots; * makes a pattern"},
    {"collections/shop.yaml", "fields:\n  id: keyword\n", "collections/shop.yaml:2:3: 'id' is every item's own and cannot be declared; choose another name"},
    {"collections/shop.yaml", "fields:\n  a.*: text\n  a.b: keyword\n", "collections/shop.yaml:3:3: 'a.b' is never used: 'a.*' in line 2 matches first; move it above the pattern"},
    {"collections/shop.yaml", "fields:\n  a.*: {type: keyword, required: true}\n", "collections/shop.yaml:2:34: a pattern cannot be required; remove it"},
    {"collections/shop.yaml", "fields:\n  a: {type: text, language: klingon}\n", "collections/shop.yaml:2:29: no stemmer for the language 'klingon'; write a code such as en, de, fr, or none (Chinese, Japanese and Korean need none)"},
    {"collections/shop.yaml", "fields:\n  a: {type: text, language: de}\n  b: {type: text, language: fr}\n  c: {type: text, language: it}\n  d: {type: text, language: es}\n", "collections/shop.yaml:5:29: 'es' is the fourth language, after de, fr and it; a collection has at most 3 languages; use none for the rest"},
    {"collections/shop.yaml", "fields:\n  a: {type: text, group: a}\n  b: {type: text, group: b}\n  c: {type: text, group: c}\n  d: {type: text, group: d}\n  e: {type: text, group: e}\n", "collections/shop.yaml:6:26: 'e' is the fifth group, after a, b, c and d; put it into one of them"},
    {"collections/shop.yaml", "fields:\n  a: {type: text, group: a}\n  b: {type: text, group: b}\n  c: {type: text, group: c}\n  d: {type: text, group: d}\n  e: text\n", "collections/shop.yaml:6:3: 'e' names no group, and the four are taken: a, b, c, d; name one of them: 'group: …'"},
    {"collections/shop.yaml", "groups: {titel: {weight: 2}}\nfields: {title: text}\n", "collections/shop.yaml:1:10: unknown group 'titel'; did you mean 'title'?"},
    {"collections/shop.yaml", "groups: {title: {b: 2}}\nfields: {title: text}\n", "collections/shop.yaml:1:21: b is 2; valid: 0 to 1"},
    {"collections/shop.yaml", "groups: {a: {count_bits: 12, length_bits: 8}, b: {count_bits: 9}}\nfields: {a: text, b: text}\n", "collections/shop.yaml:1:9: the groups ask for 29 bits of a posting; there are 28; give fewer to some"},
    {"collections/shop.yaml", "k1: 11\n" FIELDS, "collections/shop.yaml:1:5: k1 is 11; valid: 0 to 10"},
    {"collections/shop.yaml", "operator: xor\n" FIELDS, "collections/shop.yaml:1:11: unknown operator 'xor'; did you mean 'or'?"},
    {"collections/shop.yaml", "minimum_should_match: 101%\n" FIELDS, "collections/shop.yaml:1:23: minimum_should_match is '101%'; write a number of words, 1 to 64, or 1% to 100%"},
    {"collections/shop.yaml", "age: brand\n" FIELDS, "collections/shop.yaml:1:6: age is 'brand', a keyword field; name a timestamp field"},
    {"collections/shop.yaml", "title: titel\n" FIELDS, "collections/shop.yaml:1:8: unknown field 'titel'; did you mean 'title'?"},
    {"collections/shop.yaml", "synonyms: {a: b}\n" FIELDS, "collections/shop.yaml:1:11: synonyms must be a text, not a map"},
    {"collections/shop.yaml", "suggest: {queries: true}\n" FIELDS, "collections/shop.yaml:1:10: suggest has no key 'fields'; a list of at most 16 text, keyword or keywords fields: '[title, brand]'"},
    {"collections/shop.yaml", "suggest: {fields: [titel]}\n" FIELDS, "collections/shop.yaml:1:20: unknown field 'titel'; did you mean 'title'?"},
    {"collections/shop.yaml", "suggest: {fields: [title, title]}\n" FIELDS, "collections/shop.yaml:1:27: suggest names 'title' twice; remove one"},
    {"collections/shop.yaml", "suggest: {fields: [title], min_users: 0}\n" FIELDS, "collections/shop.yaml:1:39: min_users is 0; valid: 1 to 16"},
    {"collections/shop.yaml", "when_empty: never\n" FIELDS, "collections/shop.yaml:1:13: unknown when_empty 'never'; valid: search, suggest, nothing"},
    {"collections/shop.yaml", "synonym_weight: 1.5\n" FIELDS, "collections/shop.yaml:1:17: synonym_weight is 1.5; valid: 0 to 1"},
    {"collections/shop.yaml", "default_pipeline: shp\n" FIELDS, "collections/shop.yaml:1:19: unknown pipeline 'shp'; did you mean 'shop'?"},
    {"collections/Shop.yaml", FIELDS, "collections/Shop.yaml: the file's name is the name of what it declares, and 'Shop' is not one; use lower-case letters, digits, _ and -, starting with a letter"},
    {"collections/more.yml", FIELDS, "collections/more.yml: the name ends in .yml; only .yaml files are read; rename it"},
    /* people */
    {"collections/shop.yaml", "events: [click]\n" FIELDS, "collections/shop.yaml:1:9: events must be a map, not a list"},
    {"collections/shop.yaml", "events: {Click: 1}\n" FIELDS, "collections/shop.yaml:1:10: 'Click' is not the name of an event type; use lower-case letters, digits and _, a letter first, at most 64"},
    {"collections/shop.yaml", "events: {2nd: 1}\n" FIELDS, "collections/shop.yaml:1:10: '2nd' is not the name of an event type; use lower-case letters, digits and _, a letter first, at most 64"},
    {"collections/shop.yaml", "events: {click: -1}\n" FIELDS, "collections/shop.yaml:1:17: the weight of 'click' is '-1'; write what one is worth, 0 or more, or 'value' where each event brings its own"},
    {"collections/shop.yaml", "events: {click: .inf}\n" FIELDS, "collections/shop.yaml:1:17: the weight of 'click' is '.inf'; write what one is worth, 0 or more, or 'value' where each event brings its own"},
    {"collections/shop.yaml", "events: {click: 1e999}\n" FIELDS, "collections/shop.yaml:1:17: the weight of 'click' is '1e999'; write what one is worth, 0 or more, or 'value' where each event brings its own"},
    {"collections/shop.yaml", "events: {click: valu}\n" FIELDS, "collections/shop.yaml:1:17: the weight of 'click' is 'valu'; write what one is worth, 0 or more, or 'value' where each event brings its own"},
    {"collections/shop.yaml", "events: {click: '1'}\n" FIELDS, "collections/shop.yaml:1:17: the weight of 'click' is '1'; write what one is worth, 0 or more, or 'value' where each event brings its own"},
    {"collections/shop.yaml", "events: {click: }\n" FIELDS, "collections/shop.yaml:1:17: the event type 'click' has no weight; write what one is worth, 0 or more, or 'value' where each event brings its own"},
    {"collections/shop.yaml", "events: {click: {a: 1}}\n" FIELDS, "collections/shop.yaml:1:17: click must be a single value, not a map"},
    {"collections/shop.yaml", "events: {e0: 1, e1: 1, e2: 1, e3: 1, e4: 1, e5: 1, e6: 1, e7: 1, e8: 1, e9: 1, e10: 1, e11: 1, e12: 1, e13: 1, e14: 1, e15: 1, e16: 1, e17: 1, e18: 1, e19: 1, e20: 1, e21: 1, e22: 1, e23: 1, e24: 1, e25: 1, e26: 1, e27: 1, e28: 1, e29: 1, e30: 1, e31: 1, e32: 1}\n" FIELDS, "collections/shop.yaml:1:9: 33 event types are declared; at most 32; tell kinds of one type apart by an attribute"},
    {"collections/shop.yaml", "profiles: {history: 0}\n" FIELDS, "collections/shop.yaml:1:21: history is 0; valid: 1 to 1000"},
    {"collections/shop.yaml", "profiles: {histroy: 5}\n" FIELDS, "collections/shop.yaml:1:12: unknown key of profiles: 'histroy'; did you mean 'history'?"},
    {"collections/shop.yaml", "counters: {half_life: 30}\n" FIELDS, "collections/shop.yaml:1:23: half_life is '30', not a duration such as 250us, 2ms or 1.5s"},
    {"collections/shop.yaml", "counters: {half_life: 1s}\n" FIELDS, "collections/shop.yaml:1:23: half_life is 1s; valid: 60s to 315360000s"},
    {"collections/shop.yaml", "counters: {by: brand}\n" FIELDS, "collections/shop.yaml:1:16: by must be a list, not a single value"},
    {"collections/shop.yaml", "counters: {by: [brnd]}\n" FIELDS, "collections/shop.yaml:1:17: unknown field 'brnd'; did you mean 'brand'?"},
    {"collections/shop.yaml", "counters: {by: [title]}\n" FIELDS, "collections/shop.yaml:1:17: by has 'title', a text field; name keyword fields"},
    {"collections/shop.yaml", "counters: {by: [brand, brand]}\n" FIELDS, "collections/shop.yaml:1:24: by names 'brand' twice; remove one"},
    {"collections/shop.yaml", "counters: {by: [br*]}\n" FIELDS, "collections/shop.yaml:1:17: by takes no pattern: 'br*'; name one field"},
    {"collections/shop.yaml", "counters: {by: [f0, f1, f2, f3, f4, f5, f6, f7, f8]}\n" FIELDS, "collections/shop.yaml:1:16: by has 9 fields; at most 8; keep those that rankers use"},
    /* pipelines */
    {"pipelines/shop.yaml", "recall: []\n", "pipelines/shop.yaml:1:1: a pipeline has no key 'collection'; name the collection that it searches"},
    {"pipelines/shop.yaml", "collection: shp\n", "pipelines/shop.yaml:1:13: unknown collection 'shp'; did you mean 'shop'?"},
    {"pipelines/shop.yaml", "collection: shop\nstage: []\n", "pipelines/shop.yaml:2:1: unknown key of a pipeline: 'stage'; did you mean 'stages'?"},
    {"pipelines/shop.yaml", "collection: shop\nrecord: 1.5\n", "pipelines/shop.yaml:2:9: record is 1.5; valid: 0 to 1"},
    {"pipelines/shop.yaml", "collection: shop\nrecall: []\n", "pipelines/shop.yaml:2:9: recall is empty; remove it, or list a source"},
    {"pipelines/shop.yaml", "collection: shop\nrecall:\n  - {source: text, limt: 5}\n", "pipelines/shop.yaml:3:20: unknown key of the text source: 'limt'; did you mean 'limit'?"},
    {"pipelines/shop.yaml", "collection: shop\nrecall:\n  - {source: text, limit: 0}\n", "pipelines/shop.yaml:3:27: limit is 0; valid: 1 to 10000"},
    {"pipelines/shop.yaml", "collection: shop\nrecall:\n  - {source: cf}\n  - {source: cf}\n", "pipelines/shop.yaml:4:5: the recall source 'cf' stands already in line 3; give it another: 'name: …'"},
    {"pipelines/shop.yaml", RANK "[]\n", "pipelines/shop.yaml:3:11: rank is empty; list at least one ranker"},
    {"pipelines/shop.yaml", RANK "[{name: x}]\n", "pipelines/shop.yaml:3:12: a ranker names neither a plugin nor a feature; write 'plugin: NAME' or 'feature: NAME'"},
    {"pipelines/shop.yaml", RANK "[{feature: text.bm25, budget: 1ms}]\n", "pipelines/shop.yaml:3:33: unknown key of a feature's use: 'budget'; valid: feature, name"},
    {"pipelines/shop.yaml", RANK "[{plugin: a}, {plugin: b}]\n", "pipelines/shop.yaml:3:5: the stage has 2 rankers and nothing that fuses them; add 'fuse: {plugin: fusion, method: weighted, weights: {…}}'"},
    {"pipelines/shop.yaml", RANK "[{plugin: a}, {plugin: a}]\n    fuse: {plugin: f}\n", "pipelines/shop.yaml:3:25: the ranker 'a' stands already in line 3; give it another: 'name: …'"},
    {"pipelines/shop.yaml", RANK "[{plugin: A}]\n", "pipelines/shop.yaml:3:21: 'A' is not a plugin's name; lower-case letters, digits and _, or the path of a .so"},
    {"pipelines/shop.yaml", RANK "[{plugin: a, sha256: abc}]\n", "pipelines/shop.yaml:3:32: sha256 is 'abc'; write the 64 hex digits that sha256sum prints"},
    {"pipelines/shop.yaml", RANK "[{plugin: a, model: m}]\n", "pipelines/shop.yaml:3:31: model is 'm'; write NAME/VERSION or NAME/latest"},
    {"pipelines/shop.yaml", RANK "[{plugin: a, budget: 2}]\n", "pipelines/shop.yaml:3:32: budget is '2', not a duration such as 250us, 2ms or 1.5s"},
    {"pipelines/shop.yaml", "collection: shop\nstages:\n  - {keep: 5, rank: [{plugin: a}]}\n  - {keep: 6, rank: [{plugin: b}]}\n", "pipelines/shop.yaml:4:12: the stage keeps 6, but the one before it gives 5; keep as many or fewer"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {diversity: dpp, field: brand}\n", "pipelines/shop.yaml:3:17: unknown diversity 'dpp'; valid: mmr"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {diversity: mmr, field: price}\n", "pipelines/shop.yaml:3:29: diversity over 'price', a number field; name a keyword or keywords field"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {diversity: mmr, field: brnd}\n", "pipelines/shop.yaml:3:29: unknown field 'brnd'; did you mean 'brand'?"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {diversity: mmr}\n", "pipelines/shop.yaml:3:5: diversity has no key 'field'; write 'field: NAME', a keyword or keywords field"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {explore: swap}\n", "pipelines/shop.yaml:3:15: unknown explore 'swap'; valid: shuffle"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {explore: shuffle, top: 1}\n", "pipelines/shop.yaml:3:29: top is 1; valid: 2 to 200"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {explore: shuffle, share: 1.5}\n", "pipelines/shop.yaml:3:31: share is 1.5; valid: 0 to 1"},
    {"pipelines/shop.yaml", "collection: shop\nfinish:\n  - {explore: shuffle}\n  - {plugin: rules}\n", "pipelines/shop.yaml:3:5: explore is not the last step; move it to the end of finish"},
    {"pipelines/shop.yaml", "collection: shop\nrewrite:\n  - {plugin: rules}\n  - {plugin: rules}\n", "pipelines/shop.yaml:4:5: the rewriter 'rules' stands already in line 3; give it another: 'name: …'"},
};

static void each_bad_file_gets_its_words(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        char line[2000], expected[2000];
        put_good();
        put(BAD[i].file, BAD[i].text);
        config *c = load(&e);
        snprintf(expected, sizeof expected, "%s/%s", folder, BAD[i].line);
        if (!c && strcmp(error_line(&e, line, sizeof line), expected) == 0) continue;
        print_error("case %zu\n  expected %s\n  got      %s\n", i, expected, c ? "(it loads)" : line);
        config_free(c);
        failed++;
    }
    assert_int_equal(failed, 0);
    assert_true(ARRAY_LEN(BAD) >= 40);
}

static void several_pipelines_need_a_default(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    put_good();
    put("pipelines/shop.yaml", NULL);
    put("pipelines/a.yaml", PIPE);
    config *c = must_load();
    assert_string_equal(c->collection[0].default_pipeline, "a");
    config_free(c);
    put("pipelines/b.yaml", PIPE);
    assert_null(load(&e));
    assert_string_equal(e.what, "'shop' has the pipelines a and b, and none is the default");
}

static const char *const UNIT_ARMS = "unit: user\narms: {a: {}, b: {pipeline: shop}}\n";

/* Two files that each load alone: what the second is told. */
static void experiments_do_not_disturb_each_other(void **state)
{
    (void)state;
    static const struct {
        const char *one, *two, *line; /* NULL: both load */
    } CASES[] = {
        {"", "", "y.yaml:2:7: 'y' varies the pipeline of 'shop', and so does experiments/x.yaml in another layer"},
        {"layer: l\nbuckets: [0, 4999]\n", "layer: l\nbuckets: [5000, 9999]\n", NULL},
        {"layer: l\nbuckets: [0, 5000]\n", "layer: l\nbuckets: [5000, 9999]\n",
         "y.yaml:4:10: buckets 5000 to 9999 of the layer 'l' meet those of experiments/x.yaml, 0 to 5000"},
        {"end: 2026-12-01\n", "start: 2026-12-01\n", NULL},
        {"end: 2026-12-02\n", "start: 2026-12-01\n",
         "y.yaml:2:7: 'y' varies the pipeline of 'shop', and so does experiments/x.yaml in another layer"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        char text[300], where[2000];
        put_good();
        snprintf(text, sizeof text, "%s%s", UNIT_ARMS, CASES[i].one);
        put("experiments/x.yaml", text);
        snprintf(text, sizeof text, "%s%s", UNIT_ARMS, CASES[i].two);
        put("experiments/y.yaml", text);
        config *c = load(&e);
        snprintf(where, sizeof where, "%s: %s", e.where, e.what);
        if (!CASES[i].line != !!c || (CASES[i].line && !strstr(where, CASES[i].line))) fail_msg("case %zu: %s", i, where);
        config_free(c);
    }
    put_good();
    put("experiments/x.yaml", UNIT_ARMS);
    put("experiments/y.yaml", "unit: session\narms: {a: {}, b: {options: {typos: false}}}\n"); /* another thing */
    config_free(must_load());
}

static void an_experiment_is_read_whole(void **state)
{
    (void)state;
    put_good();
    put("collections/shop.yaml", "events: {click: 1, order: 5}\n" SHOP);
    put("experiments/x.yaml",
        "unit: session\nlayer: l\nbuckets: [1000, 2999]\nsalt: s2\ncontrol: old\ndescription: a try\n"
        "ramp: [{from: 2026-12-01, share: 0.1}, {from: 2026-12-02, share: 1, over: 2d}]\nstart: 2026-11-01\n"
        "arms:\n  new: {pipeline: shop, share: 0.3, options: {operator: and, typos: false}}\n  old: {share: 0.7}\n"
        "  next: {pipeline: shop, shadow: true, share: 0.2}\n"
        "metrics: {primary: ctr@5, conversion: order, window: 2h, every: 1s, alpha: 0.01, guardrails: {p99_latency: 0.5, conversion: 0}}\n");
    config *c = must_load();
    const config_experiment *x = config_find_experiment(c, "x");
    assert_true(x->unit == EXPERIMENT_SESSION && x->first_bucket == 1000 && x->last_bucket == 2999 && x->control == 1);
    assert_true(x->arm[0].first == 0 && x->arm[0].end == 3000 && x->arm[1].first == 3000 && x->arm[1].end == 10000);
    assert_true(x->arm[2].shadow && x->arm[2].first == x->arm[2].end && x->arm[2].share == 0.2);
    assert_int_equal(x->varies, VARIES_PIPELINE | VARIES_OPERATOR | VARIES_TYPOS);
    assert_true(x->n_ramp == 2 && x->ramp[1].over_ms == 172800000 && x->ramp[1].share == 1);
    assert_true(x->primary == METRIC_CTR && x->ctr_places == 5 && x->n_guards == 2 && x->guard[0].threshold == 0.5);
    assert_string_equal(x->conversion, "order");
    assert_string_equal(x->click, "click");
    assert_true(x->window_ns == 7200000000000 && x->alpha == 0.01 && x->every_ns == 1000000000);
    uint64_t version = x->version, counting = x->counting;
    config_free(c);
    put("experiments/x.yaml",
        "unit: session\nsalt: s2\ncontrol: old\narms:\n  new: {pipeline: shop, share: 0.3, options: {operator: and, typos: false}}\n"
        "  old: {share: 0.7}\nmetrics: {primary: ctr@5, conversion: order, window: 3h}\n");
    c = must_load();
    assert_true(c->experiment[0].version == version); /* buckets, ramp and shadows deal nobody anew */
    assert_true(c->experiment[0].counting != counting);
    config_free(c);
    put("experiments/x.yaml", "unit: session\nsalt: s2\ncontrol: old\narms:\n  new: {pipeline: shop, share: 0.4}\n  old: {share: 0.6}\n");
    c = must_load();
    assert_true(c->experiment[0].version != version);
    config_free(c);
}

/* Ten anchors that each name the last one ten times: 10^10 values when unfolded. */
static void what_unfolds_without_end_is_refused(void **state)
{
    (void)state;
    buffer b = {0};
    buffer_puts(&b, "a0: &a0 [1,1,1,1,1,1,1,1,1]\n");
    for (int i = 1; i < 10; i++) {
        buffer_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            buffer_printf(&b, "%s*a%d", k ? "," : "", i - 1);
        buffer_puts(&b, "]\n");
    }
    arena *a = arena_new(1 << 16);
    const conf_node *root;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(conf_parse_text("x", (str){b.data, b.len}, a, &root, &e), SINTER_INVALID);
    assert_string_equal(e.what, "more than 200000 values");
    buffer_clear(&b);
    for (int i = 0; i < 40; i++)
        buffer_puts(&b, "[");
    for (int i = 0; i < 40; i++)
        buffer_puts(&b, "]");
    assert_int_equal(conf_parse_text("x", (str){b.data, b.len}, a, &root, &e), SINTER_INVALID);
    assert_string_equal(e.what, "nested deeper than 32 levels");
    buffer_clear(&b);
    buffer_puts(&b, "a: &a 1\nb: [");
    for (int i = 0; i < 101; i++)
        buffer_printf(&b, "%s*a", i ? "," : "");
    buffer_puts(&b, "]\n");
    assert_int_equal(conf_parse_text("x", (str){b.data, b.len}, a, &root, &e), SINTER_INVALID);
    assert_string_equal(e.what, "more than 100 aliases");
    arena_free(a);
    buffer_free(&b);
}

/* config/README.md names every key of every table with its default. */
static void the_reference_is_complete(void **state)
{
    (void)state;
    const walk_table *const TABLES[] = {&WALK_SERVER, &WALK_LIMITS, &WALK_LOG, &WALK_SWAP,    &WALK_HTTP,&WALK_COLLECTION, &WALK_FIELD,   &WALK_GROUP,
                                        &WALK_PIPELINE, &WALK_STAGE, &WALK_USE, &WALK_SOURCE,     &WALK_FEATURE, &WALK_DIVERSITY,
                                        &WALK_EXPLORE, &WALK_SUGGEST, &WALK_PROFILES, &WALK_COUNTERS, &WALK_EXPERIMENTS, &WALK_EXPERIMENT, &WALK_ARM, &WALK_ARM_OPTIONS,
                                        &WALK_RAMP, &WALK_METRICS, &WALK_RATES};
    char path[1000];
    buffer b = {0};
    snprintf(path, sizeof path, "%s/config/README.md", getenv("SINTER_SOURCE"));
    assert_int_equal(file_read(path, 1 << 20, &b, NULL), SINTER_OK);
    assert_true(b.len > 0);
    for (size_t t = 0; t < ARRAY_LEN(TABLES); t++) {
        for (uint32_t k = 0; k < TABLES[t]->n; k++) {
            const walk_key *key = &TABLES[t]->key[k];
            char row[300];
            snprintf(row, sizeof row, "| `%s` | %s |", key->key,
                     key->required ? "required" : key->fallback && *key->fallback ? key->fallback : "");
            if (!strstr(b.data, row)) fail_msg("config/README.md has no row %s (%s)", row, TABLES[t]->of);
        }
    }
    buffer_free(&b);
}

static void the_example_loads(void **state)
{
    (void)state;
    char path[1000], line[2000];
    config *c = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(path, sizeof path, "%s/config/sinter.yaml", getenv("SINTER_SOURCE"));
    if (config_load(path, &c, &e) != SINTER_OK) fail_msg("%s", error_line(&e, line, sizeof line));
    assert_non_null(config_find_collection(c, "packages"));
    assert_non_null(config_find_pipeline(c, "shop"));
    uint64_t hash = c->hash;
    config_free(c);
    assert_int_equal(config_load(path, &c, &e), SINTER_OK);
    assert_true(c->hash == hash);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented),      cmocka_unit_test(groups_follow_the_rule),
        cmocka_unit_test(a_pipeline_is_read_whole),        cmocka_unit_test(patterns_match_dotted_names),
        cmocka_unit_test(an_index_serves_only_its_own_declaration), cmocka_unit_test(each_bad_file_gets_its_words),
        cmocka_unit_test(several_pipelines_need_a_default),
        cmocka_unit_test(an_experiment_is_read_whole),
        cmocka_unit_test(experiments_do_not_disturb_each_other), cmocka_unit_test(what_unfolds_without_end_is_refused),
        cmocka_unit_test(the_reference_is_complete),       cmocka_unit_test(the_example_loads),
        cmocka_unit_test(people_are_read_as_declared),     cmocka_unit_test(reload_may_weigh_and_add_event_types),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
