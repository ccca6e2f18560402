/* SPDX-License-Identifier: GPL-3.0-or-later */
/* golden.bin as bytes. One function a struct walks its members both ways, so that what is written is what is read.
 *
 * "SNTRGOLD", format, number of cases, then each case; numbers are little-endian, arrays are a flag and their bytes, whose
 * count follows from the counts before. An XXH3-64 of all before it ends the file. */
#include "golden.h"

#include <string.h>

enum { KIND_RANKER = 1, KIND_FUSION = 2, STRING_MOST = 1 << 20, COUNT_MOST = 1 << 16 };

static void raw(codec *c, void *p, size_t n)
{
    if (c->bad) return;
    if (!c->reading) {
        buffer_append(c->out, p, n);
    } else if (n > c->in.n) {
        c->bad = true;
    } else {
        memcpy(p, c->in.s, n);
        c->in.s += n;
        c->in.n -= n;
    }
}

/* A count that later arrays follow: bounded, so that products cannot overflow. */
static void count(codec *c, uint32_t *n)
{
    raw(c, n, sizeof *n);
    if (c->bad || *n > COUNT_MOST) {
        c->bad = true;
        *n = 0;
    }
}

/* *p points to n bytes, or is NULL. */
static void bytes(codec *c, const void **p, size_t n)
{
    uint8_t there = !c->reading && *p && n;
    raw(c, &there, 1);
    if (!c->reading) {
        if (there) buffer_append(c->out, *p, n);
        return;
    }
    *p = NULL;
    if (c->bad || !there) return;
    if (n > c->in.n) {
        c->bad = true;
        return;
    }
    char *copy = arena_aligned(c->a, 64, n + 64);
    memcpy(copy, c->in.s, n);
    memset(copy + n, 0, 64);
    *p = copy;
    c->in.s += n;
    c->in.n -= n;
}

#define ARRAY(c, member, n)                                                                                             \
    do {                                                                                                                \
        const void *p_ = (member);                                                                                      \
        bytes((c), &p_, (size_t)(n) * sizeof *(member));                                                                \
        (member) = p_;                                                                                                  \
    } while (0)

/* A list of structs that are walked one by one: a copy when writing, fresh memory when reading. */
static void *structs(codec *c, const void *list, uint32_t n, size_t size)
{
    void *copy = arena_zalloc(c->a, (n + 1) * size);
    if (!c->reading && list && n) memcpy(copy, list, n * size);
    return copy;
}

static void text(codec *c, sinter_str *s)
{
    uint32_t n = (uint32_t)s->size;
    raw(c, &n, sizeof n);
    if (n > STRING_MOST) c->bad = true;
    if (c->bad) return;
    const void *p = s->data;
    bytes(c, &p, n);
    if (c->reading) *s = (sinter_str){p ? p : "", p ? n : 0};
}

static void name(codec *c, const char **s)
{
    sinter_str t = {*s, *s ? strlen(*s) : 0};
    text(c, &t);
    if (c->reading) *s = c->bad ? "" : t.data; /* 64 zero bytes follow it */
}

static void value(codec *c, sinter_value *v)
{
    uint32_t type = v->type;
    raw(c, &type, sizeof type);
    count(c, &v->n);
    v->type = (sinter_value_type)type;
    switch (v->type) {
    case SINTER_VALUE_NONE: break;
    case SINTER_VALUE_STRING: text(c, &v->u.string); break;
    case SINTER_VALUE_NUMBER: raw(c, &v->u.number, sizeof v->u.number); break;
    case SINTER_VALUE_INTEGER:
    case SINTER_VALUE_TIMESTAMP: raw(c, &v->u.integer, sizeof v->u.integer); break;
    case SINTER_VALUE_BOOLEAN: {
        uint8_t b = !c->reading && v->u.boolean;
        raw(c, &b, 1);
        v->u.boolean = b != 0;
        break;
    }
    case SINTER_VALUE_STRINGS: {
        sinter_str *s = structs(c, c->reading ? NULL : v->u.strings, v->n, sizeof *s);
        for (uint32_t i = 0; i < v->n && !c->bad; i++) text(c, &s[i]);
        v->u.strings = s;
        break;
    }
    case SINTER_VALUE_VECTOR: {
        const float *f = c->reading ? NULL : v->u.vector;
        ARRAY(c, f, v->n);
        v->u.vector = f;
        if (v->n && !f) c->bad = true;
        break;
    }
    case SINTER_VALUE_GEO: raw(c, v->u.geo, sizeof v->u.geo); break;
    default: c->bad = true;
    }
}

static void attributes(codec *c, const sinter_attribute **list, uint32_t *n)
{
    count(c, n);
    sinter_attribute *x = structs(c, *list, *n, sizeof *x);
    for (uint32_t i = 0; i < *n && !c->bad; i++) {
        text(c, &x[i].name);
        value(c, &x[i].value);
    }
    *list = x;
}

static void query(codec *c, sinter_query *q)
{
    q->size = sizeof *q;
    text(c, &q->text);
    text(c, &q->normalised);
    text(c, &q->filter);
    count(c, &q->n_terms);
    sinter_term *t = structs(c, q->term, q->n_terms, sizeof *t);
    for (uint32_t i = 0; i < q->n_terms && !c->bad; i++) {
        uint8_t flags = (uint8_t)(t[i].excluded | t[i].phrase << 1);
        text(c, &t[i].surface);
        text(c, &t[i].stem);
        text(c, &t[i].language);
        raw(c, &t[i].group, sizeof t[i].group);
        raw(c, &flags, 1);
        t[i].excluded = flags & 1;
        t[i].phrase = flags >> 1 & 1;
    }
    q->term = t;
    count(c, &q->n_sort);
    sinter_str *s = structs(c, q->sort, q->n_sort, sizeof *s);
    for (uint32_t i = 0; i < q->n_sort && !c->bad; i++) text(c, &s[i]);
    q->sort = s;
    raw(c, &q->offset, sizeof q->offset);
    raw(c, &q->page_size, sizeof q->page_size);
}

static void user(codec *c, sinter_user *u)
{
    u->size = sizeof *u;
    text(c, &u->user_id);
    text(c, &u->session_id);
    attributes(c, &u->attribute, &u->n_attributes);
    count(c, &u->n_history);
    ARRAY(c, u->item, u->n_history);
    ARRAY(c, u->event, u->n_history);
    ARRAY(c, u->age, u->n_history);
    ARRAY(c, u->weight, u->n_history);
    if (u->n_history && (!u->item || !u->event || !u->age || !u->weight)) c->bad = true;
    count(c, &u->n_side);
    const float **side = structs(c, u->side, u->n_side, sizeof *side);
    for (uint32_t i = 0; i < u->n_side && !c->bad; i++) {
        ARRAY(c, side[i], u->n_history);
        if (u->n_history && !side[i]) c->bad = true;
    }
    u->side = side;
}

static void context(codec *c, sinter_context *x)
{
    x->size = sizeof *x;
    text(c, &x->locale);
    text(c, &x->device);
    raw(c, &x->now_ms, sizeof x->now_ms);
    count(c, &x->n_basket);
    ARRAY(c, x->basket, x->n_basket);
    if (x->n_basket && !x->basket) c->bad = true;
    attributes(c, &x->attribute, &x->n_attributes);
}

/* The three that every call has. */
static void people(codec *c, const sinter_query **q, const sinter_user **u, const sinter_context **x)
{
    sinter_query *own_q = ARENA_NEW(c->a, sinter_query);
    sinter_user *own_u = ARENA_NEW(c->a, sinter_user);
    sinter_context *own_x = ARENA_NEW(c->a, sinter_context);
    if (!c->reading && *q) *own_q = **q;
    if (!c->reading && *u) *own_u = **u;
    if (!c->reading && *x) *own_x = **x;
    query(c, own_q);
    user(c, own_u);
    context(c, own_x);
    *q = own_q;
    *u = own_u;
    *x = own_x;
}

/* [k] arrays of n 4-byte elements, all of them there. */
static void columns(codec *c, const void **list, uint32_t *k, uint32_t n)
{
    count(c, k);
    const uint32_t **x = structs(c, *list, *k, sizeof *x);
    for (uint32_t i = 0; i < *k && !c->bad; i++) {
        ARRAY(c, x[i], n);
        if (n && !x[i]) c->bad = true;
    }
    *list = x;
}

static size_t element_size(sinter_element_type t)
{
    return t == SINTER_F32 ? 4 : t == SINTER_F16 ? 2 : t == SINTER_I8 ? 1 : 0;
}

static void vectors(codec *c, sinter_batch *b)
{
    count(c, &b->n_vectors);
    sinter_vectors *v = structs(c, b->vectors, b->n_vectors, sizeof *v);
    for (uint32_t i = 0; i < b->n_vectors && !c->bad; i++) {
        uint32_t type = v[i].type;
        v[i].size = sizeof v[i];
        count(c, &v[i].dimension);
        count(c, &v[i].stride);
        raw(c, &type, sizeof type);
        raw(c, &v[i].scale, sizeof v[i].scale);
        v[i].type = (sinter_element_type)type;
        if (!element_size(v[i].type) || v[i].stride < v[i].dimension) c->bad = true;
        if (c->bad) return;
        bytes(c, &v[i].data, (size_t)b->n * v[i].stride * element_size(v[i].type));
        ARRAY(c, v[i].present, b->n);
        if (b->n && v[i].dimension && (!v[i].data || !v[i].present)) c->bad = true;
    }
    b->vectors = v;
}

static void batch(codec *c, sinter_batch *b)
{
    b->size = sizeof *b;
    count(c, &b->n);
    count(c, &b->n_features);
    count(c, &b->stride);
    if (b->stride < b->n_features || (uint64_t)b->n * b->stride > UINT32_MAX) c->bad = true;
    ARRAY(c, b->item, b->n);
    ARRAY(c, b->feature, (size_t)b->n * b->stride);
    if (b->n && (!b->item || (b->stride && !b->feature))) c->bad = true;
    const void *id = b->id_feature, *prior = b->prior;
    columns(c, &id, &b->n_id_features, b->n);
    b->id_feature = id;
    columns(c, &prior, &b->n_prior, b->n);
    b->prior = prior;
    count(c, &b->n_context);
    ARRAY(c, b->context, b->n_context);
    if (b->n_context && !b->context) c->bad = true;
    vectors(c, b);
    people(c, &b->query, &b->user, &b->request_context);
    raw(c, &b->seed, sizeof b->seed);
    b->deadline_ns = UINT64_MAX;
}

static void fusion(codec *c, sinter_fusion_batch *b)
{
    b->size = sizeof *b;
    count(c, &b->n);
    const void *score = b->score;
    columns(c, &score, &b->n_rankers, b->n);
    b->score = score;
    if (b->n_rankers > SINTER_MAX_RANKERS) c->bad = true;
    const char **ranker = structs(c, b->ranker, c->bad ? 0 : b->n_rankers, sizeof *ranker);
    for (uint32_t i = 0; i < b->n_rankers && !c->bad; i++) name(c, &ranker[i]);
    b->ranker = ranker;
    ARRAY(c, b->present, b->n);
    ARRAY(c, b->item, b->n);
    ARRAY(c, b->before, b->n);
    if (b->n && (!b->present || !b->item || !b->before)) c->bad = true;
    count(c, &b->n_context);
    ARRAY(c, b->context, b->n_context);
    if (b->n_context && !b->context) c->bad = true;
    people(c, &b->query, &b->user, &b->request_context);
    raw(c, &b->seed, sizeof b->seed);
    b->deadline_ns = UINT64_MAX;
}

void codec_scores(codec *c, const float **score, uint32_t n)
{
    ARRAY(c, *score, n);
    if (n && !*score) c->bad = true;
}

void codec_case(codec *c, golden_case *g)
{
    uint32_t kind = g->batch ? KIND_RANKER : KIND_FUSION;
    raw(c, &kind, sizeof kind);
    if (c->bad) return;
    if (kind == KIND_RANKER) {
        sinter_batch *b = ARENA_NEW(c->a, sinter_batch);
        if (g->batch) *b = *g->batch;
        batch(c, b);
        g->batch = b;
    } else if (kind == KIND_FUSION) {
        sinter_fusion_batch *b = ARENA_NEW(c->a, sinter_fusion_batch);
        if (g->fusion) *b = *g->fusion;
        fusion(c, b);
        g->fusion = b;
    } else {
        c->bad = true;
    }
}
