/* SPDX-License-Identifier: Apache-2.0 */
/* The options: one table, from which the host checks YAML and prints help, and the struct that the code reads. */
#include "cf.h"

#include <string.h>

const char *const cf_methods[] = {"knn", "ease", NULL};
const char *const cf_similarities[] = {"jaccard", "cosine", "lift", "cooccurrence", NULL};
const char *const cf_weightings[] = {"events", "once", NULL};

#define OPTION .size = sizeof(sinter_option)

const sinter_option cf_options[CF_OPTIONS] = {
    {OPTION, .type = SINTER_OPTION_STRING, .key = "method", .choices = cf_methods, .default_text = "knn",
     .doc = "How items are compared in training: knn (people in common) or ease (linear autoencoder in closed form); default knn."},
    {OPTION, .type = SINTER_OPTION_STRING, .key = "similarity", .choices = cf_similarities, .default_text = "jaccard",
     .doc = "knn: jaccard, cosine, lift or cooccurrence of the people who had both items; default jaccard."},
    {OPTION, .type = SINTER_OPTION_NUMBER, .key = "lambda", .default_text = "400", .least = 1e-6, .most = 1e9,
     .doc = "ease: the ridge; more of it trusts rare items less; default 400."},
    {OPTION, .type = SINTER_OPTION_STRING, .key = "weights", .choices = cf_weightings, .default_text = "events",
     .doc = "events: an event counts its declared weight or value; once: an item counts 1, however often and whatever it was; "
            "default events."},
    {OPTION, .type = SINTER_OPTION_INTEGER, .key = "neighbours", .default_text = "0", .least = 0, .most = 100000,
     .doc = "Neighbours kept of each item, the strongest; 0, the default: all."},
    {OPTION, .type = SINTER_OPTION_INTEGER, .key = "min_support", .default_text = "1", .least = 1, .most = 1000000,
     .doc = "knn: people that two items must share; ease: people that an item must have; default 1."},
    {OPTION, .type = SINTER_OPTION_DURATION, .key = "half_life", .default_text = "0",
     .doc = "Serving: time after which an event of the history counts half, from the person's newest one; 0, the default: never."},
    {OPTION, .type = SINTER_OPTION_DURATION, .key = "train_half_life", .default_text = "0",
     .doc = "ease: the same for events trained on, from the newest one of all; 0, the default: never."},
    {OPTION, .type = SINTER_OPTION_INTEGER, .key = "history", .default_text = "200", .least = 1, .most = 1000,
     .doc = "Serving: latest events of a person that are read; at most what the collection's profiles keep; default 200."},
};

/* Which of the choices an option says; the host has checked that it is one of them. */
static uint32_t choice(const sinter_host *host, const sinter_options *options, const char *key, const char *const *choices)
{
    const char *text = choices[0];
    host->option_string(options, key, &text);
    for (uint32_t i = 0; choices[i] != NULL; i++)
        if (strcmp(choices[i], text) == 0)
            return i;
    return 0;
}

static uint32_t count(const sinter_host *host, const sinter_options *options, const char *key, int64_t otherwise)
{
    host->option_integer(options, key, &otherwise);
    return (uint32_t)otherwise;
}

static double days(const sinter_host *host, const sinter_options *options, const char *key)
{
    double seconds = 0;
    host->option_number(options, key, &seconds);
    return seconds / 86400;
}

void cf_settings_read(const sinter_host *host, const sinter_options *options, cf_settings *out)
{
    *out = (cf_settings){
        .method = (cf_method)choice(host, options, "method", cf_methods),
        .similarity = (cf_similarity)choice(host, options, "similarity", cf_similarities),
        .weights = (cf_weights)choice(host, options, "weights", cf_weightings),
        .lambda = 400,
        .half_life = days(host, options, "half_life"),
        .train_half_life = days(host, options, "train_half_life"),
        .neighbours = count(host, options, "neighbours", 0),
        .min_support = count(host, options, "min_support", 1),
        .history = count(host, options, "history", 200),
    };
    host->option_number(options, "lambda", &out->lambda);
}
