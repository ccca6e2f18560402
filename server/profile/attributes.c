/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is stored of users beside what they did: attributes, kept packed as answers log them. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__UserPut user_put;
typedef Sinter__Storage__V1__UserPut__AttributesEntry entry;

static void *from_arena(void *a, size_t n)
{
    return arena_alloc(a, n);
}

static void keep(void *a, void *p)
{
    (void)a, (void)p;
}

user_put *profile_attributes_read(str packed, arena *a)
{
    ProtobufCAllocator allocator = {.alloc = from_arena, .free = keep, .allocator_data = a};
    return packed.n ? sinter__storage__v1__user_put__unpack(&allocator, packed.n, (const uint8_t *)packed.s) : NULL;
}

static bool is_removed(const user_put *put, const char *name)
{
    for (size_t i = 0; i < put->n_remove; i++)
        if (strcmp(put->remove[i], name) == 0) return true;
    return false;
}

static bool has(entry *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i]->key, name) == 0) return true;
    return false;
}

/* Its own attributes, then those that stay. */
void profile_attributes_fold(const user_put *before, const user_put *put, arena *a, user_put *after)
{
    size_t most = put->n_attributes + (before ? before->n_attributes : 0);
    sinter__storage__v1__user_put__init(after);
    after->attributes = ARENA_ARRAY(a, entry *, most + 1);
    for (size_t i = 0; i < put->n_attributes; i++) after->attributes[after->n_attributes++] = put->attributes[i];
    for (size_t i = 0; before && !put->replace && i < before->n_attributes; i++) {
        entry *x = before->attributes[i];
        if (!has(put->attributes, put->n_attributes, x->key) && !is_removed(put, x->key)) after->attributes[after->n_attributes++] = x;
    }
}

attributes *attributes_after(profile_collection *p, const attributes *before, const user_put *put, arena *a)
{
    user_put after, *was = before ? profile_attributes_read((str){before->packed, before->n}, a) : NULL;
    profile_attributes_fold(was, put, a, &after);
    if (!after.n_attributes) return NULL;
    size_t n = sinter__storage__v1__user_put__get_packed_size(&after);
    attributes *out = profile_alloc(p, sizeof *out + n);
    out->n = (uint32_t)n;
    sinter__storage__v1__user_put__pack(&after, (uint8_t *)out->packed);
    return out;
}

str profile_attributes(profile_who who)
{
    const attributes *x = who.user ? who.user->attributes : NULL;
    return x ? (str){x->packed, x->n} : (str){"", 0};
}
