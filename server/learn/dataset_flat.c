/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One request as flat bytes: written once, read by every epoch. Numbers are read where they lie, texts too; only the small
 * arrays that point at them are made anew for each reading. */
#include "dataset_inside.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

/* A value in a record: texts and lists lie elsewhere in it. */
typedef struct flat_value {
    part name;
    uint32_t type; /* sinter_value_type */
    part list;     /* of a string: bytes; of strings: part[n]; of a vector: float[n] */
    union {
        double number;
        int64_t integer;
        double geo[2];
    } u;
} flat_value;

typedef struct flat_term {
    part surface, stem, language;
    uint32_t group;
    uint8_t excluded, phrase;
} flat_term;

/* ---- writing -------------------------------------------------------------------------------------------------------- */

static uint32_t room(flat_builder *b, size_t size)
{
    static const char zeros[4096];
    buffer *x = &b->bytes;
    while (x->len % ALIGN) buffer_append(x, zeros, ALIGN - x->len % ALIGN);
    size_t at = x->len;
    for (size_t left = size; left > 0;) {
        size_t n = left < sizeof zeros ? left : sizeof zeros;
        buffer_append(x, zeros, n);
        left -= n;
    }
    return (uint32_t)at;
}

void flat_begin(flat_builder *b)
{
    buffer_clear(&b->bytes);
    room(b, sizeof(request_record));
}

request_record *flat_head(flat_builder *b)
{
    return (request_record *)(void *)b->bytes.data;
}

void *flat_room(flat_builder *b, flat_part p, uint32_t n, size_t size)
{
    uint32_t at = room(b, n * size);
    flat_head(b)->part[p] = (part){at, n};
    return b->bytes.data + at;
}

/* With its NUL, which the rules of the ABI promise. */
static part text(flat_builder *b, str t)
{
    uint32_t at = (uint32_t)b->bytes.len;
    buffer_append(&b->bytes, t.s ? t.s : "", t.n);
    buffer_append(&b->bytes, "", 1);
    return (part){at, (uint32_t)t.n};
}

void flat_text(flat_builder *b, flat_part p, str t)
{
    part x = text(b, t);
    flat_head(b)->part[p] = x;
}

void flat_terms(flat_builder *b, const text_query *q)
{
    flat_room(b, PART_TERMS, q->n_words, sizeof(flat_term));
    uint32_t at = flat_head(b)->part[PART_TERMS].at;
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word *w = &q->word[i];
        flat_term t = {.group = w->groups, .excluded = w->excluded, .phrase = w->phrase >= 0};
        t.surface = text(b, w->surface);
        t.stem = text(b, w->stem);
        t.language = text(b, str_of(w->language ? w->language : "none"));
        memcpy(b->bytes.data + at + i * sizeof t, &t, sizeof t);
    }
}

void flat_sort(flat_builder *b, char *const *sort, size_t n)
{
    flat_room(b, PART_SORT, (uint32_t)n, sizeof(part));
    uint32_t at = flat_head(b)->part[PART_SORT].at;
    for (size_t i = 0; i < n; i++) {
        part t = text(b, str_of(sort[i]));
        memcpy(b->bytes.data + at + i * sizeof t, &t, sizeof t);
    }
}

void flat_attributes_begin(flat_builder *b, flat_part p, uint32_t n)
{
    flat_room(b, p, n, sizeof(flat_value));
    flat_head(b)->part[p].n = 0;
}

static part strings(flat_builder *b, const Sinter__V1__Strings *s)
{
    part out = {room(b, s->n_values * sizeof(part)), (uint32_t)s->n_values};
    for (size_t i = 0; i < s->n_values; i++) {
        part t = text(b, str_of(s->values[i]));
        memcpy(b->bytes.data + out.at + i * sizeof t, &t, sizeof t);
    }
    return out;
}

static part vector(flat_builder *b, const Sinter__V1__Vector *v)
{
    part out = {room(b, v->n_values * sizeof(float)), (uint32_t)v->n_values};
    if (v->n_values) memcpy(b->bytes.data + out.at, v->values, v->n_values * sizeof(float));
    return out;
}

static void flatten(flat_builder *b, const Sinter__V1__Value *v, flat_value *f)
{
    switch (v ? v->kind_case : SINTER__V1__VALUE__KIND__NOT_SET) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE:
        f->type = SINTER_VALUE_STRING;
        f->list = text(b, str_of(v->string_value));
        break;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE:
        f->type = SINTER_VALUE_NUMBER;
        f->u.number = v->number_value;
        break;
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE:
        f->type = SINTER_VALUE_INTEGER;
        f->u.integer = v->integer_value;
        break;
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE:
        f->type = SINTER_VALUE_BOOLEAN;
        f->u.integer = v->boolean_value;
        break;
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE:
        f->type = SINTER_VALUE_TIMESTAMP;
        f->u.integer = timestamp_ms(v->timestamp_value);
        break;
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE:
        f->type = SINTER_VALUE_STRINGS;
        f->list = strings(b, v->strings_value);
        break;
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE:
        f->type = SINTER_VALUE_VECTOR;
        f->list = vector(b, v->vector_value);
        break;
    case SINTER__V1__VALUE__KIND_GEO_VALUE:
        f->type = SINTER_VALUE_GEO;
        f->u.geo[0] = v->geo_value->latitude;
        f->u.geo[1] = v->geo_value->longitude;
        break;
    default: break;
    }
}

void flat_attribute(flat_builder *b, flat_part list, const char *name, const Sinter__V1__Value *v)
{
    flat_value f = {.name = text(b, str_of(name))};
    flatten(b, v, &f);
    part *p = &flat_head(b)->part[list];
    memcpy(b->bytes.data + p->at + p->n++ * sizeof f, &f, sizeof f);
}

void flat_end(flat_builder *b)
{
    room(b, 0);
    flat_head(b)->bytes = b->bytes.len;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static const void *at(const request_record *r, flat_part p)
{
    return (const char *)r + r->part[p].at;
}

static sinter_str text_at(const request_record *r, part p)
{
    return (sinter_str){p.at ? (const char *)r + p.at : "", p.n};
}

static sinter_str text_of(const request_record *r, flat_part p)
{
    return text_at(r, r->part[p]);
}

static const sinter_str *texts_at(const request_record *r, part p, arena *a)
{
    const part *from = (const part *)(const void *)((const char *)r + p.at);
    sinter_str *out = ARENA_ARRAY(a, sinter_str, p.n + 1);
    for (uint32_t i = 0; i < p.n; i++) out[i] = text_at(r, from[i]);
    return out;
}

static sinter_value value_at(const request_record *r, const flat_value *f, arena *a)
{
    sinter_value v = {.type = (sinter_value_type)f->type, .n = f->list.n};
    switch (v.type) {
    case SINTER_VALUE_STRING: v.u.string = text_at(r, f->list); break;
    case SINTER_VALUE_STRINGS: v.u.strings = texts_at(r, f->list, a); break;
    case SINTER_VALUE_VECTOR: v.u.vector = (const float *)(const void *)((const char *)r + f->list.at); break;
    case SINTER_VALUE_NUMBER: v.u.number = f->u.number; break;
    case SINTER_VALUE_INTEGER:
    case SINTER_VALUE_TIMESTAMP: v.u.integer = f->u.integer; break;
    case SINTER_VALUE_BOOLEAN: v.u.boolean = f->u.integer != 0; break;
    case SINTER_VALUE_GEO: memcpy(v.u.geo, f->u.geo, sizeof v.u.geo); break;
    default: break;
    }
    if (v.type == SINTER_VALUE_STRING) v.n = 0;
    return v;
}

static const sinter_attribute *attributes(const request_record *r, flat_part p, arena *a, uint32_t *n)
{
    const flat_value *f = at(r, p);
    *n = r->part[p].n;
    if (!*n) return NULL;
    sinter_attribute *out = ARENA_ARRAY(a, sinter_attribute, *n);
    for (uint32_t i = 0; i < *n; i++)
        out[i] = (sinter_attribute){text_at(r, f[i].name), value_at(r, &f[i], a)};
    return out;
}

static const sinter_query *read_query(const request_record *r, arena *a)
{
    const flat_term *f = at(r, PART_TERMS);
    uint32_t n = r->part[PART_TERMS].n;
    sinter_term *term = ARENA_ARRAY(a, sinter_term, n + 1);
    for (uint32_t i = 0; i < n; i++)
        term[i] = (sinter_term){.surface = text_at(r, f[i].surface),
                                .stem = text_at(r, f[i].stem),
                                .language = text_at(r, f[i].language),
                                .group = f[i].group,
                                .excluded = f[i].excluded,
                                .phrase = f[i].phrase};
    sinter_query *q = ARENA_NEW(a, sinter_query);
    *q = (sinter_query){.size = sizeof *q,
                        .text = text_of(r, PART_TEXT),
                        .normalised = text_of(r, PART_NORMALISED),
                        .term = term,
                        .n_terms = n,
                        .filter = text_of(r, PART_FILTER),
                        .sort = texts_at(r, r->part[PART_SORT], a),
                        .n_sort = r->part[PART_SORT].n,
                        .offset = r->offset,
                        .page_size = r->page_size};
    return q;
}

/* k rows of n elements of `size` bytes, as pointers to the rows. */
static const void *rows(const request_record *r, flat_part p, uint32_t k, uint32_t n, size_t size, arena *a)
{
    const char **out = ARENA_ARRAY(a, const char *, k + 1);
    for (uint32_t i = 0; i < k; i++) out[i] = (const char *)at(r, p) + (size_t)i * n * size;
    return out;
}

static const sinter_user *read_user(const request_record *r, const flat_shape *s, arena *a)
{
    sinter_user *u = ARENA_NEW(a, sinter_user);
    uint32_t n = r->part[PART_HISTORY_ITEM].n;
    *u = (sinter_user){.size = sizeof *u,
                       .user_id = text_of(r, PART_USER_ID),
                       .session_id = text_of(r, PART_SESSION_ID),
                       .n_history = n,
                       .item = at(r, PART_HISTORY_ITEM),
                       .event = at(r, PART_HISTORY_EVENT),
                       .age = at(r, PART_HISTORY_AGE),
                       .weight = at(r, PART_HISTORY_WEIGHT),
                       .side = rows(r, PART_SIDE, s->n_side, n, sizeof(float), a),
                       .n_side = s->n_side};
    u->attribute = attributes(r, PART_USER_ATTRIBUTES, a, &u->n_attributes);
    return u;
}

static const sinter_context *read_context(const request_record *r, arena *a)
{
    sinter_context *c = ARENA_NEW(a, sinter_context);
    *c = (sinter_context){.size = sizeof *c,
                          .locale = text_of(r, PART_LOCALE),
                          .device = text_of(r, PART_DEVICE),
                          .now_ms = r->time_ms,
                          .basket = at(r, PART_BASKET),
                          .n_basket = r->part[PART_BASKET].n};
    c->attribute = attributes(r, PART_CONTEXT_ATTRIBUTES, a, &c->n_attributes);
    return c;
}

static const sinter_vectors *read_vectors(const request_record *r, const flat_shape *s, arena *a)
{
    sinter_vectors *v = ARENA_ARRAY(a, sinter_vectors, s->n_vectors + 1);
    const char *data = at(r, PART_VECTOR);
    const uint8_t *present = at(r, PART_VECTOR_PRESENT);
    for (uint32_t k = 0; k < s->n_vectors; k++) {
        v[k] = (sinter_vectors){.size = sizeof *v,
                                .dimension = s->dimension[k],
                                .stride = s->dimension[k],
                                .type = SINTER_F32,
                                .scale = 1,
                                .data = data,
                                .present = present};
        data += vector_bytes(r->n, s->dimension[k]);
        present += r->n;
    }
    return v;
}

static const sinter_fusion_batch *read_fusion(const request_record *r, const flat_shape *s, const sinter_batch *b, arena *a)
{
    sinter_fusion_batch *f = ARENA_NEW(a, sinter_fusion_batch);
    *f = (sinter_fusion_batch){.size = sizeof *f,
                               .n = r->n,
                               .n_rankers = s->n_rankers,
                               .ranker = s->ranker,
                               .score = rows(r, PART_SCORE, s->n_rankers, r->n, sizeof(float), a),
                               .present = at(r, PART_PRESENT),
                               .item = b->item,
                               .before = at(r, PART_BEFORE),
                               .context = b->context,
                               .n_context = b->n_context,
                               .query = b->query,
                               .user = b->user,
                               .request_context = b->request_context,
                               .seed = b->seed,
                               .deadline_ns = UINT64_MAX};
    return f;
}

void flat_read(const request_record *r, const flat_shape *s, arena *a, sinter_requests *out)
{
    sinter_batch *b = ARENA_NEW(a, sinter_batch);
    *b = (sinter_batch){.size = sizeof *b,
                        .n = r->n,
                        .item = at(r, PART_ITEM),
                        .feature = at(r, PART_FEATURE),
                        .n_features = s->n_features,
                        .stride = s->n_features ? s->n_features : 1,
                        .id_feature = rows(r, PART_ID_FEATURE, s->n_id_features, r->n, sizeof(uint32_t), a),
                        .context = at(r, PART_CONTEXT),
                        .n_id_features = s->n_id_features,
                        .n_context = s->n_context,
                        .prior = rows(r, PART_PRIOR, s->n_prior, r->n, sizeof(float), a),
                        .n_prior = s->n_prior,
                        .n_vectors = s->n_vectors,
                        .vectors = read_vectors(r, s, a),
                        .query = read_query(r, a),
                        .user = read_user(r, s, a),
                        .request_context = read_context(r, a),
                        .seed = r->seed,
                        .deadline_ns = UINT64_MAX};
    *out = (sinter_requests){.size = sizeof *out,
                             .batch = b,
                             .label = rows(r, PART_LABEL, s->n_targets, r->n, sizeof(float), a),
                             .n_targets = s->n_targets,
                             .position = at(r, PART_POSITION),
                             .propensity = at(r, PART_PROPENSITY),
                             .weight = 1,
                             .time_ms = r->time_ms,
                             .shuffled = r->shuffled,
                             .fusion = s->fusion ? read_fusion(r, s, b, a) : NULL};
}
