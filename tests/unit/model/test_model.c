/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model directories: names, model.yaml there and back, sums, versions, what is foreign; golden cases as bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"

static char folder[64];
static arena *a;

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sinter-model-XXXXXX");
    a = arena_new(1 << 12);
    return mkdtemp(folder) ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    arena_free(a);
    return dir_remove(folder, NULL) == SINTER_OK ? 0 : 1;
}

static void put_file(const char *dir, const char *name, const char *text)
{
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(file_write_atomic(arena_printf(a, "%s/%s", dir, name), text, strlen(text), &e), SINTER_OK);
}

static model_info some_model(void)
{
    static const char *const features[] = {"text.bm25", "item.\"odd\"\n", "Größe"};
    static model_metric metric[] = {{"valid/ndcg@10", 0.123456789}, {"loss", (double)NAN}};
    return (model_info){.plugin = "deep",
                        .plugin_version = "1.0.0",
                        .plugin_sha256 = "abc",
                        .abi_major = 1,
                        .role = "ranker",
                        .use = "shop.deep",
                        .collection = "shop",
                        .collection_uuid = "11111111-2222-4333-8444-555555555555",
                        .ordinals = 4000000000u,
                        .options = "0123456789abcdef",
                        .feature = {features, 3},
                        .history = 50,
                        .since = 1,
                        .until = UINT64_MAX,
                        .trained_ms = 1700000000123,
                        .seconds = 12.5,
                        .seed = 7,
                        .threads = 2,
                        .parent = "deep/3",
                        .metric = metric,
                        .n_metrics = 2};
}

/* A whole model of one file as version `version`. */
static const char *make(const char *name, uint64_t version)
{
    sinter_error e = SINTER_ERROR_INIT;
    const char *dir = model_dir(folder, name, version, a);
    model_info m = some_model();
    assert_int_equal(dir_make(dir, &e), SINTER_OK);
    put_file(dir, "weights.safetensors", "abc");
    assert_int_equal(model_hash_files(dir, a, &m.file, &m.n_files, &e), SINTER_OK);
    assert_int_equal(model_write(dir, &m, &e), SINTER_OK);
    return dir;
}

static void names_and_versions_are_strict(void **state)
{
    (void)state;
    const char *name;
    uint64_t version;
    assert_int_equal(model_parse("taste/12", a, &name, &version, NULL), SINTER_OK);
    assert_string_equal(name, "taste");
    assert_int_equal(version, 12);
    static const char *const bad[] = {"taste", "taste/", "/1", "taste/0", "taste/01", "taste/1x", "taste/-1", "../x/1", "Taste/1",
                                      ".train/1", "a b/1", "taste/1/2", "taste/9999999999999", "", "-x/1", "ta.ste/1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) assert_int_equal(model_parse(bad[i], a, &name, &version, NULL), SINTER_INVALID);
    assert_int_equal(model_parse(NULL, a, &name, &version, NULL), SINTER_INVALID);
}

static void model_yaml_comes_back_as_it_was(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    model_info is, was = some_model();
    make("deep", 4);
    assert_int_equal(model_read(folder, "deep", 4, a, &is, &e), SINTER_OK);
    assert_string_equal(is.plugin, "deep");
    assert_string_equal(is.use, was.use);
    assert_string_equal(is.parent, "deep/3");
    assert_int_equal(is.abi_major, 1);
    assert_int_equal(is.ordinals, was.ordinals);
    assert_true(is.until == UINT64_MAX && is.since == 1);
    assert_true(is.trained_ms == was.trained_ms);
    assert_true(fabs(is.seconds - 12.5) < 1e-9);
    assert_int_equal(is.feature.n, 3);
    for (uint32_t i = 0; i < 3; i++) assert_string_equal(is.feature.name[i], was.feature.name[i]);
    assert_int_equal(is.id_feature.n, 0);
    assert_int_equal(is.n_metrics, 2);
    assert_true(fabs(is.metric[0].value - 0.123456789) < 1e-12 && isnan(is.metric[1].value));
    assert_int_equal(is.n_files, 1);
    assert_string_equal(is.file[0].path, "weights.safetensors");
    assert_string_equal(is.file[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-4: "abc" */
    assert_int_equal(model_verify(&is, NULL, 0, &e), SINTER_OK);
}

static void a_broken_model_yaml_is_data_loss_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "[]", "format: 1", "format: one\nabi: \"1.0\"", "format: 1\nabi: 1\n", "\t", "a: b: c", "format: 1\nabi: \"1.0\"\nplugin: [x]\n"};
    const char *dir = make("deep", 1);
    model_info m;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        put_file(dir, MODEL_YAML, texts[i]);
        assert_int_equal(model_read(folder, "deep", 1, a, &m, &e), SINTER_DATA_LOSS);
        assert_non_null(strstr(e.where, "/models/deep/1/model.yaml"));
    }
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(model_read(folder, "deep", 9, a, &m, &e), SINTER_NOT_FOUND);
    assert_string_equal(e.what, "there is no model deep/9");
}

/* Every key taken away in turn: never accepted. */
static void no_key_of_model_yaml_can_be_missing(void **state)
{
    (void)state;
    const char *dir = make("deep", 1);
    buffer whole = {0};
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(file_read(arena_printf(a, "%s/" MODEL_YAML, dir), 1 << 20, &whole, &e), SINTER_OK);
    uint32_t tried = 0;
    for (char *line = whole.data; *line;) {
        char *next = strchr(line, '\n') + 1;
        if (*line >= 'a' && *line <= 'z') {
            buffer cut = {0};
            model_info m;
            buffer_append(&cut, whole.data, (size_t)(line - whole.data));
            char *after = next;
            while (*after == ' ') after = strchr(after, '\n') + 1; /* what belongs to the key */
            buffer_puts(&cut, after);
            put_file(dir, MODEL_YAML, cut.data);
            assert_int_not_equal(model_read(folder, "deep", 1, a, &m, NULL), SINTER_OK);
            buffer_free(&cut);
            tried++;
        }
        line = next;
    }
    assert_true(tried >= 28);
    buffer_free(&whole);
}

static void files_that_changed_or_came_or_went_are_named(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    model_info m;
    model_file *recorded;
    uint32_t n;
    const char *dir = make("deep", 1);
    assert_int_equal(model_read(folder, "deep", 1, a, &m, &e), SINTER_OK);
    assert_int_equal(model_recorded(&m, a, &recorded, &n, &e), SINTER_OK);
    assert_int_equal(n, 2);
    assert_int_equal(model_verify(&m, recorded, n, &e), SINTER_OK);
    put_file(dir, "extra", "x");
    assert_int_equal(model_verify(&m, NULL, 0, &e), SINTER_DATA_LOSS);
    assert_non_null(strstr(e.where, "/extra"));
    unlink(arena_printf(a, "%s/extra", dir));
    put_file(dir, "weights.safetensors", "abd");
    assert_int_equal(model_verify(&m, NULL, 0, &e), SINTER_DATA_LOSS);
    assert_non_null(strstr(e.where, "/weights.safetensors"));
    assert_non_null(strstr(e.what, "its sha256 is a52d159f262b2c6d"));
    put_file(dir, "weights.safetensors", "abc");
    model_info other = some_model();
    other.seed = 8;
    other.file = m.file;
    other.n_files = m.n_files;
    assert_int_equal(model_write(dir, &other, &e), SINTER_OK);
    assert_int_equal(model_verify(&m, NULL, 0, &e), SINTER_OK);
    assert_int_equal(model_verify(&m, recorded, n, &e), SINTER_DATA_LOSS); /* its deployment remembers model.yaml */
    assert_non_null(strstr(e.where, "/model.yaml"));
    assert_int_equal(mkdir(arena_printf(a, "%s/sub", dir), 0700), 0);
    assert_int_equal(model_verify(&m, NULL, 0, &e), SINTER_DATA_LOSS);
    assert_non_null(strstr(e.what, "'sub' is not a model's file"));
}

static void a_commit_gives_the_next_version(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t version, *all;
    uint32_t n;
    make("deep", 1);
    make("deep", 3);
    for (uint64_t above = 0, expected[] = {4, 11, 12}, i = 0; i < 3; i++, above = i == 1 ? 10 : 2) {
        const char *run = arena_printf(a, "%s/models/deep/.train", folder);
        assert_int_equal(dir_make(run, &e), SINTER_OK);
        put_file(run, "weights.safetensors", "x");
        assert_int_equal(model_commit(folder, "deep", run, above, &version, &e), SINTER_OK);
        assert_int_equal(version, expected[i]);
    }
    assert_int_equal(model_versions(folder, "deep", a, &all, &n, &e), SINTER_OK);
    assert_int_equal(n, 5);
    assert_int_equal(all[4], 12);
    const char **name;
    assert_int_equal(model_all_names(folder, a, &name, &n, &e), SINTER_OK);
    assert_int_equal(n, 1);
    assert_string_equal(name[0], "deep");
    assert_int_equal(model_versions(folder, "none", a, &all, &n, &e), SINTER_OK);
    assert_int_equal(n, 0);
}

static void options_hash_by_what_they_say(void **state)
{
    (void)state;
    static const char *const texts[] = {"{name: x, plugin: cf, k: 5, list: [1, 2]}", "{k: 5, plugin: cf, list: [1, 2], name: y}",
                                        "{name: x, plugin: cf, k: 6, list: [1, 2]}", "{name: x, plugin: cf, k: 5, list: [2, 1]}",
                                        "{name: x, plugin: cf, list: [1, 2]}"};
    const char *hash[5];
    for (int i = 0; i < 5; i++) {
        const conf_node *n;
        assert_int_equal(conf_parse_text("x", str_of(texts[i]), a, &n, NULL), SINTER_OK);
        const config_use use = {.options = n, .at = n};
        hash[i] = model_options_hash(&use, a);
    }
    assert_string_equal(hash[0], hash[1]); /* order, and keys that are Sinter's own */
    for (int i = 2; i < 5; i++) assert_string_not_equal(hash[0], hash[i]);
}

static void features_are_compared_one_by_one(void **state)
{
    (void)state;
    static const char *const now[] = {"text.bm25", "item.price"}, *const was[] = {"text.bm25", "item.sales"};
    const model_info m = {.dir = "/m", .feature = {was, 2}};
    sinter_inputs in = {.size = sizeof in, .feature = now, .n_features = 2};
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(model_fits_inputs(&m, &in, &e), SINTER_PRECONDITION);
    assert_string_equal(e.what, "it was trained with 2 features, here are 2: number 2 was 'item.sales' and is 'item.price'");
    in.n_features = 1;
    assert_int_equal(model_fits_inputs(&m, &in, &e), SINTER_PRECONDITION);
    assert_string_equal(e.what, "it was trained with 2 features, here are 1: number 2 was 'item.sales' and is '(none)'");
    in.feature = was;
    in.n_features = 2;
    assert_int_equal(model_fits_inputs(&m, &in, &e), SINTER_OK);
    in.id_feature = now;
    in.n_id_features = 1;
    assert_int_equal(model_fits_inputs(&m, &in, &e), SINTER_PRECONDITION);
}

/* ---- golden cases ------------------------------------------------------------------------------------------------------------ */

static const float X[6] = {1, 2, 3, 4, 5, 6}, CONTEXT[2] = {0.5f, (float)NAN}, PRIOR[3] = {7, 8, 9}, AGE[2] = {0, 1.5f};
static const uint32_t ITEM[3] = {4, 5, 900}, ID[3] = {11, 12, 13}, EVENT[2] = {1, 2};

static golden_case ranker_case(void)
{
    static const uint32_t *const ids[] = {ID};
    static const float *const priors[] = {PRIOR}, *const sides[] = {AGE};
    static const sinter_str words[] = {{"price", 5}}, list[] = {{"a", 1}, {"", 0}};
    static const sinter_term terms[] = {
        {.surface = {"chairs", 6}, .stem = {"chair", 5}, .language = {"en", 2}, .group = 3, .phrase = true},
        {.surface = {"x", 1}, .stem = {"", 0}, .language = {"none", 4}, .excluded = true},
    };
    static const sinter_attribute attributes[] = {
        {{"age", 3}, {.type = SINTER_VALUE_INTEGER, .u.integer = -5}},
        {{"names", 5}, {.type = SINTER_VALUE_STRINGS, .n = 2, .u.strings = list}},
        {{"v", 1}, {.type = SINTER_VALUE_VECTOR, .n = 2, .u.vector = AGE}},
        {{"place", 5}, {.type = SINTER_VALUE_GEO, .u.geo = {52.5, 13.4}}},
        {{"on", 2}, {.type = SINTER_VALUE_BOOLEAN, .u.boolean = true}},
    };
    static const uint8_t present[3] = {1, 0, 1};
    static const sinter_vectors vectors[] = {
        {.size = sizeof(sinter_vectors), .dimension = 2, .stride = 2, .type = SINTER_F32, .scale = 1, .data = X, .present = present}};
    static const sinter_query query = {.size = sizeof query, .text = {"Chairs -x", 9}, .normalised = {"chairs -x", 9}, .term = terms, .n_terms = 2,
                                       .filter = {"price > 3", 9}, .sort = words, .n_sort = 1, .page_size = 10};
    static const sinter_user user = {.size = sizeof user, .user_id = {"ada", 3}, .session_id = {"s", 1}, .attribute = attributes,
                                     .n_attributes = 5, .n_history = 2, .item = ITEM, .event = EVENT, .age = AGE, .weight = AGE,
                                     .side = sides, .n_side = 1};
    static const sinter_context context = {.size = sizeof context, .locale = {"de", 2}, .device = {"", 0}, .now_ms = 1700000000000, .basket = ITEM, .n_basket = 1};
    static const sinter_batch batch = {.size = sizeof batch, .n = 3, .item = ITEM, .feature = X, .n_features = 2, .stride = 2,
                                       .id_feature = ids, .context = CONTEXT, .n_id_features = 1, .n_context = 2, .prior = priors,
                                       .n_prior = 1, .n_vectors = 1, .vectors = vectors, .query = &query, .user = &user,
                                       .request_context = &context, .seed = 99};
    static const float score[3] = {1.5f, -2, 0};
    return (golden_case){.batch = &batch, .score = score};
}

static void expect_batch(const sinter_batch *b)
{
    assert_int_equal(b->n, 3);
    assert_memory_equal(b->item, ITEM, sizeof ITEM);
    assert_memory_equal(b->feature, X, sizeof X);
    assert_true(((uintptr_t)b->feature & 63) == 0);
    assert_memory_equal(b->id_feature[0], ID, sizeof ID);
    assert_memory_equal(b->context, CONTEXT, sizeof CONTEXT);
    assert_memory_equal(b->prior[0], PRIOR, sizeof PRIOR);
    assert_memory_equal(b->vectors[0].data, X, sizeof X);
    assert_int_equal(b->vectors[0].present[1], 0);
    assert_int_equal(b->seed, 99);
    assert_true(b->deadline_ns == UINT64_MAX);
    assert_string_equal(b->query->text.data, "Chairs -x");
    assert_int_equal(b->query->n_terms, 2);
    assert_true(b->query->term[0].phrase && !b->query->term[0].excluded && b->query->term[1].excluded);
    assert_int_equal(b->query->term[0].group, 3);
    assert_string_equal(b->query->sort[0].data, "price");
    assert_int_equal(b->query->page_size, 10);
    assert_string_equal(b->user->user_id.data, "ada");
    assert_int_equal(b->user->n_history, 2);
    assert_memory_equal(b->user->side[0], AGE, sizeof AGE);
    assert_int_equal(b->user->n_attributes, 5);
    assert_int_equal(b->user->attribute[0].value.u.integer, -5);
    assert_string_equal(b->user->attribute[1].value.u.strings[0].data, "a");
    assert_memory_equal(b->user->attribute[2].value.u.vector, AGE, sizeof AGE);
    assert_true(fabs(b->user->attribute[3].value.u.geo[1] - 13.4) < 1e-12);
    assert_true(b->user->attribute[4].value.u.boolean);
    assert_string_equal(b->request_context->locale.data, "de");
    assert_int_equal(b->request_context->basket[0], 4);
}

static golden_case fusion_case(void)
{
    static const char *const ranker[] = {"words", "taste"};
    static const float *const score[] = {X, PRIOR};
    static const uint64_t present[3] = {3, 1, 0};
    static const float out[3] = {0.5f, 0.25f, 0};
    static const sinter_fusion_batch b = {.size = sizeof b, .n = 3, .n_rankers = 2, .ranker = ranker, .score = score, .present = present,
                                          .item = ITEM, .before = PRIOR, .context = CONTEXT, .n_context = 2, .seed = 5};
    return (golden_case){.fusion = &b, .score = out};
}

static void golden_cases_come_back_as_they_were(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    const golden_case c[] = {ranker_case(), fusion_case()};
    golden_case *back;
    uint32_t n;
    buffer bytes = {0};
    assert_int_equal(golden_write(folder, c, 2, &e), SINTER_OK);
    const char *path = arena_printf(a, "%s/" MODEL_GOLDEN, folder);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &e), SINTER_OK);
    assert_int_equal(golden_parse(path, (str){bytes.data, bytes.len}, a, &back, &n, &e), SINTER_OK);
    assert_int_equal(n, 2);
    expect_batch(back[0].batch);
    assert_memory_equal(back[0].score, c[0].score, 3 * sizeof(float));
    const sinter_fusion_batch *f = back[1].fusion;
    assert_int_equal(f->n_rankers, 2);
    assert_string_equal(f->ranker[1], "taste");
    assert_memory_equal(f->score[1], PRIOR, sizeof PRIOR);
    assert_int_equal(f->present[0], 3);
    assert_memory_equal(f->before, PRIOR, sizeof PRIOR);
    assert_memory_equal(back[1].score, c[1].score, 3 * sizeof(float));
    golden_case copy;
    assert_true(golden_copy(&c[0], 200, a, &copy));
    expect_batch(copy.batch);
    assert_true(golden_copy(&c[0], 2, a, &copy));
    assert_int_equal(copy.batch->n, 2);
    for (size_t cut = 0; cut < bytes.len; cut++) /* anywhere */
        assert_int_equal(golden_parse(path, (str){bytes.data, cut}, a, &back, &n, &e), SINTER_DATA_LOSS);
    for (size_t at = 0; at < bytes.len; at += 3) {
        bytes.data[at] ^= 4;
        assert_int_equal(golden_parse(path, (str){bytes.data, bytes.len}, a, &back, &n, &e), SINTER_DATA_LOSS);
        bytes.data[at] ^= 4;
    }
    assert_string_equal(e.where, path);
    buffer_free(&bytes);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(names_and_versions_are_strict),
        TEST(model_yaml_comes_back_as_it_was),
        TEST(a_broken_model_yaml_is_data_loss_with_its_place),
        TEST(no_key_of_model_yaml_can_be_missing),
        TEST(files_that_changed_or_came_or_went_are_named),
        TEST(a_commit_gives_the_next_version),
        TEST(options_hash_by_what_they_say),
        TEST(features_are_compared_one_by_one),
        TEST(golden_cases_come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
