/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes one value more, or one less, than it was asked for; as ranker, fusion and recall source. */
#include "zoo.h"
static const char *const directions[] = {"more", "less", NULL};
static const sinter_option options[] = {{.size = sizeof(sinter_option),
                                         .type = SINTER_OPTION_STRING,
                                         .key = "direction",
                                         .doc = "more or less; default more.",
                                         .default_text = "more",
                                         .choices = directions}};
struct sinter_worker {
    bool more;
};
static sinter_worker only;
static sinter_status my_open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    const char *direction = "more";
    a->host->option_string(a->options, "direction", &direction);
    only.more = strcmp(direction, "more") == 0;
    return zoo_open(a, out, err);
}
static void fill(float *out, uint32_t n)
{
    for (uint32_t i = 0; i < (only.more ? n + 1 : n - 1); i++)
        out[i] = 1;
}
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out,
                           sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    fill(out, b->n);
    return SINTER_OK;
}
static sinter_status fuse(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, float *out,
                          sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    fill(out, b->n);
    return SINTER_OK;
}
static sinter_status recall(const sinter_instance *me, sinter_worker *w, const sinter_request *r,
                            const sinter_filter *f, const uint32_t *exclude, uint32_t n_exclude, uint32_t limit,
                            uint32_t *item, float *out, uint32_t *n, sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err), UNUSED(r), UNUSED(f), UNUSED(exclude), UNUSED(n_exclude);
    *n = only.more ? limit + 1 : limit - 1;
    for (uint32_t i = 0; i < *n; i++)
        item[i] = i, out[i] = 1;
    return SINTER_OK;
}
static const sinter_ranker ranker = {.size = sizeof ranker, .score = score, .flags = SINTER_WHOLE_LIST};
static const sinter_fusion fusion = {.size = sizeof fusion, .fuse = fuse};
static const sinter_recall source = {.size = sizeof source, .recall = recall};
ZOO_TABLE(.name = "wrong_count", .ranker = &ranker, .fusion = &fusion, .recall = &source, .options = options,
          .n_options = 1, .open = my_open)
