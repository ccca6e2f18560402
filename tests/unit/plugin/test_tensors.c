/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensors as plugins ask for them: found by name, type and shape, or an error that says what is there; what may not be written. */
#include "support.h"

#include "plugin/tensors.h"

static tensors_list list;

static int begin(void **state)
{
    list = (tensors_list){0};
    return support_begin(state);
}

static int end(void **state)
{
    tensors_free(&list);
    return support_end(state);
}

static const float W[6] = {1, 2, 3, 4, 5, 6};
static const int64_t COUNT = 3;

static void put(void)
{
    sinter_error e = SINTER_ERROR_INIT;
    const sinter_tensor t[] = {
        {.name = "layers.0.weight", .type = SINTER_TENSOR_F32, .n_dimensions = 2, .dimension = {2, 3}, .data = W},
        {.name = "count", .type = SINTER_TENSOR_I64, .n_dimensions = 0, .data = &COUNT},
    };
    static const char *const text[] = {"epoch", "7", "empty", "", NULL};
    assert_int_equal(tensors_write(folder, "w", t, 2, text, &e), SINTER_OK);
}

static sinter_status find(const char *name, sinter_tensor_type type, uint32_t n, const uint64_t *dimension, const sinter_tensor **out,
                          sinter_error *e)
{
    *e = (sinter_error)SINTER_ERROR_INIT;
    return tensors_find(&list, folder, "w", name, type, n, dimension, out, e);
}

static void a_tensor_is_found_by_name_type_and_shape(void **state)
{
    (void)state;
    sinter_error e;
    const sinter_tensor *t, *again;
    put();
    assert_int_equal(find("layers.0.weight", SINTER_TENSOR_F32, 2, (uint64_t[]){2, 0}, &t, &e), SINTER_OK);
    assert_memory_equal(t->data, W, sizeof W);
    assert_true(((uintptr_t)t->data & 63) == 0);
    assert_int_equal(find("layers.0.weight", SINTER_TENSOR_F32, 2, (uint64_t[]){0, 3}, &again, &e), SINTER_OK);
    assert_ptr_equal(t, again); /* read once */
    assert_int_equal(find("count", SINTER_TENSOR_I64, 0, NULL, &t, &e), SINTER_OK);
    assert_int_equal(*(const int64_t *)t->data, 3);
    assert_string_equal(tensors_text(&list, folder, "w", "epoch"), "7");
    assert_string_equal(tensors_text(&list, folder, "w", "empty"), "");
    assert_null(tensors_text(&list, folder, "w", "none"));
    assert_null(tensors_text(&list, folder, "other", "epoch"));
}

static void another_shape_type_or_name_is_told_from_what_is_there(void **state)
{
    (void)state;
    sinter_error e;
    const sinter_tensor *t = NULL;
    char where[128];
    put();
    snprintf(where, sizeof where, "%s/w", folder);
    assert_int_equal(find("layers.0.weight", SINTER_TENSOR_F32, 2, (uint64_t[]){2, 4}, &t, &e), SINTER_DATA_LOSS);
    expect_error(&e, where, "tensor 'layers.0.weight' is F32 [2, 3]; F32 [2, 4] is needed",
                 "train the model again with this plugin and these options");
    assert_int_equal(find("count", SINTER_TENSOR_F32, 1, (uint64_t[]){0}, &t, &e), SINTER_DATA_LOSS);
    expect_error(&e, where, "tensor 'count' is I64 []; F32 [any] is needed", "train the model again with this plugin and these options");
    assert_int_equal(find("layer.0.weight", SINTER_TENSOR_F32, 2, (uint64_t[]){2, 3}, &t, &e), SINTER_DATA_LOSS);
    expect_error(&e, where, "no tensor 'layer.0.weight' among its 2; the nearest is layers.0.weight", "train the model again with this plugin");
    assert_null(t);
}

static void refused_with(sinter_status status, const sinter_tensor *t, uint32_t n, const char *what)
{
    sinter_error e = SINTER_ERROR_INIT;
    char path[128];
    assert_int_equal(tensors_write(folder, "bad", t, n, NULL, &e), status);
    assert_string_equal(e.what, what);
    snprintf(path, sizeof path, "%s/bad", folder);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing stands there */
}

static void refused_to_write(const sinter_tensor *t, uint32_t n, const char *what)
{
    refused_with(SINTER_INVALID, t, n, what);
}

static void what_is_no_tensor_is_not_written(void **state)
{
    (void)state;
    const float bad[3] = {1, INFINITY, NAN};
    const double worse[2] = {0, (double)NAN};
    sinter_tensor t = {.name = "w", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {3}, .data = bad};
    refused_with(SINTER_PRECONDITION, &t, 1, "tensor 'w' holds a value that is not finite at element 1: nothing was written");
    t = (sinter_tensor){.name = "w", .type = SINTER_TENSOR_F64, .n_dimensions = 1, .dimension = {2}, .data = worse};
    refused_with(SINTER_PRECONDITION, &t, 1, "tensor 'w' holds a value that is not finite at element 1: nothing was written");
    t = (sinter_tensor){.name = "", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {6}, .data = W};
    refused_to_write(&t, 1, "tensor '' has no usable name");
    t.name = "__metadata__";
    refused_to_write(&t, 1, "tensor '__metadata__' has no usable name");
    t.name = "w";
    t.type = (sinter_tensor_type)99;
    refused_to_write(&t, 1, "tensor 'w' has no type");
    t.type = SINTER_TENSOR_F32;
    t.n_dimensions = 5;
    refused_to_write(&t, 1, "tensor 'w' has too many dimensions (at most 4)");
    t.n_dimensions = 2;
    t.dimension[0] = t.dimension[1] = UINT64_C(1) << 40;
    refused_to_write(&t, 1, "tensor 'w' is too large");
    t = (sinter_tensor){.name = "w", .type = SINTER_TENSOR_U8, .n_dimensions = 1, .dimension = {6}};
    refused_to_write(&t, 1, "tensor 'w' has no data");
    const sinter_tensor twice[2] = {{.name = "w", .type = SINTER_TENSOR_U8, .n_dimensions = 1, .dimension = {1}, .data = W},
                                    {.name = "w", .type = SINTER_TENSOR_U8, .n_dimensions = 1, .dimension = {2}, .data = W}};
    refused_to_write(twice, 2, "tensor 'w' stands twice");
}

/* Through a plugin: what `learner` of the zoo needs is the host's to read, and goes when it closes. */
static void a_plugin_opens_its_model(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    const plugin_library *l = zoo_load("learner");
    const float w[2] = {0.5f, 0.25f};
    const sinter_tensor t = {.name = "w", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {2}, .data = w};
    const sinter_collection items = {.size = sizeof items, .name = "things", .uuid = "u", .n_items = 2};
    plugin_open_args args = {.role = PLUGIN_RANKER, .use = "p.learner", .model_dir = folder, .collection = &items};
    plugin_instance *i = NULL;
    assert_int_equal(plugin_open(host, l, &args, &i, &e), SINTER_NOT_FOUND);
    assert_non_null(strstr(e.where, "weights.safetensors"));
    assert_int_equal(tensors_write(folder, "weights.safetensors", &t, 1, NULL, &e), SINTER_OK);
    assert_int_equal(plugin_open(host, l, &args, &i, &e), SINTER_OK);
    arena *memory = arena_new(4096), *scratch = arena_new(4096);
    plugin_call c = {.lane = 0, .memory = memory, .scratch = scratch};
    const uint32_t item[3] = {1, 0, 7};
    const sinter_batch batch = {.size = sizeof batch, .n = 3, .item = item, .deadline_ns = UINT64_MAX};
    float score[3];
    plugin_result r;
    plugin_call_begin(&c);
    plugin_rank(i, &c, NULL, &batch, 0, score, &r);
    plugin_call_end(&c);
    assert_int_equal(r.outcome, PLUGIN_DONE);
    assert_true(score[0] == 0.25f && score[1] == 0.5f && sinter_is_missing(score[2]));
    arena_free(memory);
    arena_free(scratch);
    plugin_instance_release(host, i);
    plugin_library_release(host, l);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_tensor_is_found_by_name_type_and_shape),
        TEST(another_shape_type_or_name_is_told_from_what_is_there),
        TEST(what_is_no_tensor_is_not_written),
        TEST(a_plugin_opens_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
