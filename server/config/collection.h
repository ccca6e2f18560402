/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What collection.c and groups.c share: a collection as its YAML gives it, before names are resolved. */
#ifndef SINTER_CONFIG_COLLECTION_H
#define SINTER_CONFIG_COLLECTION_H

#include "walk.h"

typedef struct collection_raw {
    config_collection c;
    const conf_node *fields, *groups, *suggest, *events, *profiles, *counters, *rates;
    const char *language, *operator, *when_empty;
    double b;
} collection_raw;

typedef struct field_raw {
    config_field f;
    const char *type;
} field_raw;

/* Gives every searchable field its group and every group its weight and b. */
sinter_status groups_resolve(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e);
/* Event types, length of histories, counters (events.c). */
sinter_status events_resolve(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e);
/* What is completed (suggest.c). */
sinter_status suggest_resolve(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e);
/* The declared field, or pattern, behind a name; NULL with the error set, naming near ones. */
const config_field *collection_field(const config_collection *c, const conf_node *at, const char *name,
                                     sinter_error *e);

#endif
