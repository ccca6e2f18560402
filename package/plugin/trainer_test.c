/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of @name@: ./test_@name@ ./@name@.so */
#include "host.h"

/* A dataset of two batches: item 1 liked twice, item 2 once, and an event on an item of no weight. */
struct sinter_dataset {
    uint32_t at;
    bool empty;
};
static uint64_t count(const sinter_dataset *d) { return d->empty ? 0 : 4; }
static sinter_status to_start(sinter_dataset *d, sinter_error *err) { return (void)err, d->at = 0, SINTER_OK; }
static sinter_status next(sinter_dataset *d, sinter_interactions *out, sinter_error *err)
{
    static const uint32_t user[] = {0, 0, 1, 1}, item[] = {1, 2, 1, 3}, event[] = {1, 1, 1, 1};
    static const float weight[] = {1, 1, 2, 0}, value[] = {NAN, NAN, NAN, NAN};
    static const int64_t time_ms[] = {1, 2, 3, 4};
    uint32_t from = d->at, n = d->empty || from >= 4 ? 0 : 2;
    (void)err;
    CHECK(out->size == sizeof *out);
    *out = (sinter_interactions){sizeof *out, n, user + from, item + from, event + from, weight + from, value + from, time_ms + from};
    d->at += n;
    return SINTER_OK;
}
static const sinter_dataset_table data = {.size = sizeof data, .n_interactions = count, .rewind = to_start, .next_interactions = next};
static bool progress(void *ctx, uint64_t done, uint64_t total, const char *metric, double value)
{
    return (void)ctx, (void)done, (void)total, (void)metric, (void)value, false;
}

static sinter_status train(const sinter_plugin *p, bool empty, sinter_error *err)
{
    sinter_instance *me;
    sinter_dataset all = {0, empty}, later = {0, true};
    static const sinter_collection collection = {.size = sizeof collection, .name = "items", .uuid = "0", .n_items = HOST_ITEMS};
    CHECK(host_open(p, "trainer", NULL, NULL, 0, &me, err) == SINTER_OK);
    const sinter_train_args args = {.size = sizeof args, .host = &host, .collection = &collection, .instance = me, .data = &data,
                                    .train = &all, .valid = &later, .out_dir = "model", .seed = 1, .memory_limit = 1 << 30,
                                    .threads = 1, .progress = progress};
    sinter_status s = p->trainer->train(&args, err);
    p->close(me);
    return s;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const sinter_plugin *p = host_load(argv[1]);
    sinter_instance *me;
    sinter_error err;

    /* Nothing to learn from is refused; so is ranking without a model. */
    CHECK(train(p, true, &err) == SINTER_PRECONDITION);
    CHECK(host_open(p, "ranker", NULL, NULL, 0, &me, &err) == SINTER_PRECONDITION);

    /* Trained, it ranks what was liked more higher; what nobody touched is missing, and so is an item that came later. */
    CHECK(train(p, false, &err) == SINTER_OK);
    CHECK(host_open(p, "ranker", "model", NULL, 0, &me, &err) == SINTER_OK);
    const float nothing[4] = {0};
    const uint32_t item[] = {1, 2, 3, HOST_ITEMS + 5};
    sinter_batch batch = host_batch(nothing, 1, 4);
    batch.item = item;
    float score[4];
    CHECK(p->ranker->score(me, NULL, &batch, score, &err) == SINTER_OK);
    CHECK(fabs((double)score[0] - log(4)) < 1e-6 && fabs((double)score[1] - log(2)) < 1e-6);
    CHECK(sinter_is_missing(score[2]) && sinter_is_missing(score[3]));

    host_next();
    CHECK(p->ranker->explain(me, NULL, &batch, 0, &host_sink, &err) == SINTER_OK);
    CHECK(host_n_edits == 1 && host_edits[0].value == (double)score[0]);

    p->close(me);
    CHECK(host_live == 0);
    puts("@name@: ok");
    return 0;
}
