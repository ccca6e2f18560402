/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A well-behaved rewriter, finisher and recall source with nested options; `bad` makes one wrong edit. It counts its
 * opens and closes through host->event_type. */
#include "zoo.h"
static const sinter_option entry[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "name", .doc = "A name.", .required = true},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_FILTER, .key = "where", .doc = "A filter."},
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_INTEGER,
     .key = "at",
     .doc = "A position; default 1.",
     .default_text = "1",
     .least = 1,
     .most = 100},
};
static const char *const kinds[] = {"position", "factor", "text", "role", NULL};
static const sinter_option options[] = {
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_LIST,
     .key = "entries",
     .doc = "Entries.",
     .nested = entry,
     .n_nested = 3},
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_MAP,
     .key = "weights",
     .doc = "Weights.",
     .element = SINTER_OPTION_NUMBER},
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_DURATION,
     .key = "wait",
     .doc = "A time; default 2ms.",
     .default_text = "2ms",
     .least = 0,
     .most = 10},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_FILE, .key = "file", .doc = "A file."},
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_BOOLEAN,
     .key = "on",
     .doc = "A switch; default true.",
     .default_text = "true"},
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_LIST,
     .key = "words",
     .doc = "Words.",
     .element = SINTER_OPTION_STRING},
    {.size = sizeof(sinter_option),
     .type = SINTER_OPTION_STRING,
     .key = "bad",
     .doc = "What is wrong.",
     .choices = kinds},
};
struct sinter_worker {
    const char *bad;
};
static const char *bad;
static sinter_status my_open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    bad = "";
    a->host->option_string(a->options, "bad", &bad);
    a->host->event_type(a->host, "opened");
    return zoo_open(a, out, err);
}
static void my_close(sinter_instance *me)
{
    me->host->event_type(me->host, "closed");
    zoo_close(me);
}
static sinter_status rewrite(const sinter_instance *me, sinter_worker *w, const sinter_request *r, sinter_sink *s,
                             sinter_error *err)
{
    UNUSED(w), UNUSED(r), UNUSED(err);
    me->host->rewrite_words(s, "r1", "more words", false);
    me->host->rewrite_filter(s, "r1", "price < 5");
    me->host->rewrite_boost(s, "r2", "word", strcmp(bad, "factor") ? 2.5 : 1e300 * 1e300);
    if (strcmp(bad, "role") == 0) me->host->edit_hide(s, "r3", 4, "x");
    return SINTER_OK;
}
static sinter_status finish(const sinter_instance *me, sinter_worker *w, const sinter_request *r, const sinter_list *l,
                            sinter_sink *s, sinter_error *err)
{
    UNUSED(w), UNUSED(r), UNUSED(err);
    char *rule = me->host->scratch(me->host, 8); /* dead after the call: the host has copied it */
    memcpy(rule, "pin", 4);
    me->host->edit_pin(s, rule, l->item[0], strcmp(bad, "position") ? 2 : 0, "because");
    memcpy(rule, "xxx", 4);
    me->host->edit_scale(s, "scale", l->item[1], 0.5, strcmp(bad, "text") ? NULL : "\xff");
    return SINTER_OK;
}
static sinter_status recall(const sinter_instance *me, sinter_worker *w, const sinter_request *r,
                            const sinter_filter *f, const uint32_t *exclude, uint32_t n_exclude, uint32_t limit,
                            uint32_t *item, float *out, uint32_t *n, sinter_error *err)
{
    UNUSED(w), UNUSED(r), UNUSED(exclude), UNUSED(n_exclude);
    sinter_status s = me->host->filter_scan(me->host, f, limit, item, n, err);
    for (uint32_t i = 0; i < *n; i++)
        out[i] = (float)(*n - i);
    return s;
}
static const sinter_rewriter rewriter = {.size = sizeof rewriter, .rewrite = rewrite};
static const sinter_finisher finisher = {.size = sizeof finisher, .finish = finish};
static const sinter_recall source = {.size = sizeof source, .recall = recall};
ZOO_TABLE(.name = "editor", .rewriter = &rewriter, .finisher = &finisher, .recall = &source, .options = options,
          .n_options = 7, .open = my_open, .close = my_close)
