/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nothing is wrong with this one: it explains what it was brought of people, and scores every item alike. With `more` it asks
 * for more, as one that is still to be trained may. */
#include "zoo.h"
static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_BOOLEAN, .key = "more", .doc = "Ask for more; default false.", .default_text = "false"},
};
static const char *const features[] = {"events.click", "item.price", "events.click.brand", "events.view"};
static const char *const ids[] = {"item.id", "item.brand", "user.id", "query.text", "user.segment"};
static const char *const context[] = {"user.events", "user.events.click", "query.words"};
static const char *const sides[] = {"item.price", "events.click"};
static bool more;
static _Thread_local uint32_t prepared; /* lanes prepare side by side */
static sinter_status my_open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    a->host->option_boolean(a->options, "more", &more);
    return zoo_open(a, out, err);
}
static sinter_status inputs(const sinter_instance *me, sinter_inputs *in, sinter_error *err)
{
    UNUSED(me), UNUSED(err);
    in->feature = features;
    in->n_features = more ? 4 : 3;
    in->id_feature = ids;
    in->n_id_features = more ? 5 : 4;
    in->context = context;
    in->n_context = more ? 3 : 2;
    in->history = more ? 60 : 3;
    in->history_side = sides;
    in->n_history_side = 2;
    return SINTER_OK;
}
static sinter_status prepare(const sinter_instance *me, sinter_worker *w, const sinter_request *r, sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    prepared = r->user->n_history;
    return SINTER_OK;
}
static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out, sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    for (uint32_t i = 0; i < b->n; i++)
        out[i] = 1;
    return SINTER_OK;
}
static void line(const sinter_instance *me, sinter_sink *sink, const char *what, uint32_t k, double value)
{
    char label[64];
    snprintf(label, sizeof label, "%s%u", what, k);
    me->host->explain(sink, label, value == value ? value : -1); /* a missing one is no contribution */
}
static sinter_status explain(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, uint32_t row, sinter_sink *sink,
                             sinter_error *err)
{
    double weight = -1;
    UNUSED(w), UNUSED(err);
    for (uint32_t k = 0; k < b->n_features; k++)
        line(me, sink, "feature", k, (double)b->feature[(size_t)row * b->stride + k]);
    for (uint32_t k = 0; k < b->n_id_features; k++)
        line(me, sink, "id", k, b->id_feature[k][row]);
    for (uint32_t k = 0; k < b->n_context; k++)
        line(me, sink, "context", k, (double)b->context[k]);
    line(me, sink, "prepared", 0, prepared);
    line(me, sink, "n", 0, b->user->n_history);
    for (uint32_t k = 0; k < b->user->n_history; k++) {
        line(me, sink, "item", k, b->user->item[k]);
        line(me, sink, "event", k, b->user->event[k]);
        line(me, sink, "age", k, (double)b->user->age[k]);
        line(me, sink, "weight", k, (double)b->user->weight[k]);
        for (uint32_t i = 0; i < b->user->n_side; i++)
            line(me, sink, i ? "clicks" : "price", k, (double)b->user->side[i][k]);
    }
    line(me, sink, "type", 0, me->host->event_type(me->host, "click"));
    line(me, sink, "unknown", 0, me->host->event_type(me->host, "clik"));
    const char *name = me->host->event_name(me->host, 2, &weight);
    line(me, sink, name ? name : "none", 0, weight);
    return SINTER_OK;
}
static sinter_status train(const sinter_train_args *a, sinter_error *err)
{
    UNUSED(a), UNUSED(err);
    return SINTER_OK;
}
static const sinter_ranker my_ranker = {.size = sizeof(sinter_ranker), .prepare = prepare, .score = score, .explain = explain};
static const sinter_trainer my_trainer = {.size = sizeof(sinter_trainer), .train = train};
ZOO_TABLE(.name = "witness", .options = options, .n_options = 1, .open = my_open, .inputs = inputs, .ranker = &my_ranker,
          .trainer = &my_trainer)
