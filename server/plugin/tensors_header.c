/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON header of a safetensors file: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …,
 * "__metadata__": {"key": "text", …}}. Nothing else is taken: no other keys, no holes, no overlaps. */
#include "tensors.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} TYPES[] = {
    [SINTER_TENSOR_F32] = {"F32", 4}, [SINTER_TENSOR_F64] = {"F64", 8}, [SINTER_TENSOR_I32] = {"I32", 4},
    [SINTER_TENSOR_U32] = {"U32", 4}, [SINTER_TENSOR_I64] = {"I64", 8}, [SINTER_TENSOR_U64] = {"U64", 8},
    [SINTER_TENSOR_U8] = {"U8", 1},
};

size_t tensor_element_size(sinter_tensor_type t)
{
    return (size_t)t < ARRAY_LEN(TYPES) ? TYPES[t].size : 0;
}

const char *tensor_type_name(sinter_tensor_type t)
{
    return (size_t)t < ARRAY_LEN(TYPES) ? TYPES[t].name : NULL;
}

bool tensor_bytes(const sinter_tensor *t, uint64_t *out)
{
    uint64_t n = tensor_element_size(t->type);
    for (uint32_t d = 0; d < t->n_dimensions; d++)
        if (__builtin_mul_overflow(n, t->dimension[d], &n)) return false;
    *out = n;
    return n <= INT64_MAX;
}

/* ---- a cursor over JSON --------------------------------------------------------------------------------------------- */

typedef struct reader {
    const char *path, *at, *end, *start;
    arena *a;
    sinter_error *e;
    const char *tensor; /* under way, for messages; NULL: none */
} reader;

static sinter_status refuse(reader *r, const char *what)
{
    return error_set(r->e, SINTER_DATA_LOSS, r->path, "train or copy the model again",
                     "not a safetensors file: %s%s%.100s%s at byte %zu of its header", what,
                     r->tensor ? ", tensor '" : "", r->tensor ? r->tensor : "", r->tensor ? "'," : "",
                     (size_t)(r->at - r->start));
}

static void space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static bool take(reader *r, char c)
{
    space(r);
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static bool hex4(reader *r, uint32_t *out)
{
    *out = 0;
    if (r->end - r->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a') + 10 : 16;
        if (digit > 15) return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

static bool escape(reader *r, char **to)
{
    static const char FROM[] = "\"\\/bfnrt", INTO[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end) return false;
    char c = *r->at++;
    const char *simple = c ? strchr(FROM, c) : NULL;
    if (simple) {
        *(*to)++ = INTO[simple - FROM];
        return true;
    }
    uint32_t code, low;
    if (c != 'u' || !hex4(r, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u') return false;
        r->at += 2;
        if (!hex4(r, &low) || low < 0xdc00 || low > 0xdfff) return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return false;
    }
    *to = put_utf8(*to, code);
    return code != 0;
}

/* An escape is never longer once decoded, so the text fits where it stood. */
static sinter_status string(reader *r, const char **out)
{
    if (!take(r, '"')) return refuse(r, "a string is missing");
    const char *close = r->at;
    while (close < r->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= r->end) return refuse(r, "a string does not end");
    char *text = arena_alloc(r->a, (size_t)(close - r->at) + 1), *to = text;
    while (r->at < close) {
        char c = *r->at++;
        if ((unsigned char)c < 0x20) return refuse(r, "a string holds a control character");
        if (c != '\\')
            *to++ = c;
        else if (!escape(r, &to))
            return refuse(r, "an escape in a string is wrong");
    }
    r->at = close + 1;
    *to = '\0';
    if (!utf8_valid(text, (size_t)(to - text), NULL)) return refuse(r, "a string is not UTF-8");
    *out = text;
    return SINTER_OK;
}

static sinter_status number(reader *r, uint64_t *out)
{
    space(r);
    const char *first = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    if (!parse_uint64((str){first, (size_t)(r->at - first)}, out)) return refuse(r, "a whole number is missing or too large");
    return SINTER_OK;
}

/* [n, …] of at most `most`. */
static sinter_status numbers(reader *r, uint64_t *out, uint32_t most, uint32_t *n)
{
    *n = 0;
    if (!take(r, '[')) return refuse(r, "a list is missing");
    if (take(r, ']')) return SINTER_OK;
    do {
        if (*n == most) return refuse(r, "a list is too long (at most 4 dimensions are read)");
        sinter_status s = number(r, &out[(*n)++]);
        if (s != SINTER_OK) return s;
    } while (take(r, ','));
    return take(r, ']') ? SINTER_OK : refuse(r, "a list does not end");
}

/* ---- the header ------------------------------------------------------------------------------------------------------ */

typedef struct entry {
    sinter_tensor t;
    uint64_t begin, end;
} entry;

static sinter_status type(reader *r, sinter_tensor_type *out)
{
    const char *name;
    sinter_status s = string(r, &name);
    if (s != SINTER_OK) return s;
    for (size_t i = 1; i < ARRAY_LEN(TYPES); i++) {
        if (strcmp(TYPES[i].name, name) != 0) continue;
        *out = (sinter_tensor_type)i;
        return SINTER_OK;
    }
    return error_set(r->e, SINTER_DATA_LOSS, r->path, "write it as F32, F64, I32, U32, I64, U64 or U8",
                     "tensor '%.100s' has the type '%.40s', which is not read", r->tensor, name);
}

enum { HAS_TYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4 };

static sinter_status entry_key(reader *r, entry *x, unsigned *has)
{
    const char *key;
    uint32_t n;
    uint64_t offset[2];
    unsigned bit;
    sinter_status s = string(r, &key);
    if (s != SINTER_OK) return s;
    if (!take(r, ':')) return refuse(r, "a ':' is missing");
    if (strcmp(key, "dtype") == 0) {
        bit = HAS_TYPE;
        s = type(r, &x->t.type);
    } else if (strcmp(key, "shape") == 0) {
        bit = HAS_SHAPE;
        s = numbers(r, x->t.dimension, SINTER_TENSOR_DIMENSIONS, &x->t.n_dimensions);
    } else if (strcmp(key, "data_offsets") == 0) {
        bit = HAS_OFFSETS;
        s = numbers(r, offset, 2, &n);
        if (s == SINTER_OK && n != 2) return refuse(r, "data_offsets are not two numbers");
        if (s == SINTER_OK) x->begin = offset[0], x->end = offset[1];
    } else {
        return refuse(r, "an unknown key");
    }
    if (s == SINTER_OK && *has & bit) return refuse(r, "a key stands twice");
    *has |= bit;
    return s;
}

static sinter_status entry_read(reader *r, entry *x)
{
    unsigned has = 0;
    uint64_t bytes;
    if (!take(r, '{')) return refuse(r, "a map is missing");
    do {
        sinter_status s = entry_key(r, x, &has);
        if (s != SINTER_OK) return s;
    } while (take(r, ','));
    if (!take(r, '}')) return refuse(r, "a map does not end");
    if (has != (HAS_TYPE | HAS_SHAPE | HAS_OFFSETS)) return refuse(r, "dtype, shape or data_offsets is missing");
    if (!tensor_bytes(&x->t, &bytes)) return refuse(r, "a shape is too large");
    if (x->end < x->begin || x->end - x->begin != bytes) return refuse(r, "data_offsets do not fit type and shape");
    return SINTER_OK;
}

static sinter_status metadata(reader *r, tensors_header *out)
{
    uint32_t room = 0;
    if (out->key) return refuse(r, "the metadata stand twice");
    out->key = out->value = ARENA_ARRAY(r->a, const char *, 1);
    if (!take(r, '{')) return refuse(r, "the metadata are no map");
    if (take(r, '}')) return SINTER_OK;
    do {
        if (out->n_text == room) {
            if (room >= 4096) return refuse(r, "more than 4096 metadata");
            room = room ? room * 2 : 16;
            const char **key = ARENA_ARRAY(r->a, const char *, room), **value = ARENA_ARRAY(r->a, const char *, room);
            memcpy(key, out->key, out->n_text * sizeof *key);
            memcpy(value, out->value, out->n_text * sizeof *value);
            out->key = key;
            out->value = value;
        }
        sinter_status s = string(r, &out->key[out->n_text]);
        if (s == SINTER_OK && !take(r, ':')) return refuse(r, "a ':' is missing");
        if (s == SINTER_OK) s = string(r, &out->value[out->n_text]);
        if (s != SINTER_OK) return s;
        out->n_text++;
    } while (take(r, ','));
    return take(r, '}') ? SINTER_OK : refuse(r, "the metadata do not end");
}

static int by_begin(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static sinter_status names_differ(reader *r, const tensors_header *h)
{
    const char **name = ARENA_ARRAY(r->a, const char *, h->n + 1);
    for (uint32_t i = 0; i < h->n; i++) name[i] = h->tensor[i].name;
    if (h->n) qsort(name, h->n, sizeof *name, by_name);
    for (uint32_t i = 1; i < h->n; i++) {
        if (strcmp(name[i - 1], name[i]) != 0) continue;
        r->tensor = name[i];
        return refuse(r, "a tensor stands twice");
    }
    return SINTER_OK;
}

/* In the order of their bytes: each begins where the one before ends, the last ends where the file does. */
static sinter_status layout(reader *r, entry *x, uint32_t n, uint64_t room, tensors_header *out)
{
    uint64_t at = 0;
    if (n) qsort(x, n, sizeof *x, by_begin);
    out->n = n;
    out->tensor = ARENA_ARRAY(r->a, sinter_tensor, n + 1);
    out->begin = ARENA_ARRAY(r->a, uint64_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        r->tensor = x[i].t.name;
        if (x[i].begin != at) return refuse(r, x[i].begin < at ? "two tensors overlap" : "a hole between tensors");
        at = x[i].end;
        out->tensor[i] = x[i].t;
        out->begin[i] = x[i].begin;
    }
    r->tensor = NULL;
    if (at != room)
        return error_set(r->e, SINTER_DATA_LOSS, r->path, "train or copy the model again",
                         "%s: its header promises %llu bytes of tensors, the file holds %llu",
                         room < at ? "truncated" : "longer than it should be", (unsigned long long)at,
                         (unsigned long long)room);
    return names_differ(r, out);
}

sinter_status tensors_header_parse(const char *path, str json, uint64_t room, arena *a, tensors_header *out,
                                   sinter_error *e)
{
    reader r = {.path = path, .at = json.s, .start = json.s, .end = json.s + json.n, .a = a, .e = e};
    entry *x = NULL;
    uint32_t n = 0, cap = 0;
    sinter_status s = SINTER_OK;
    *out = (tensors_header){0};
    if (!take(&r, '{')) return refuse(&r, "no map");
    bool empty = take(&r, '}');
    while (!empty && s == SINTER_OK) {
        const char *name;
        r.tensor = NULL;
        s = string(&r, &name);
        if (s == SINTER_OK && !take(&r, ':')) s = refuse(&r, "a ':' is missing");
        if (s != SINTER_OK) break;
        if (strcmp(name, TENSORS_METADATA_KEY) == 0) {
            s = metadata(&r, out);
        } else {
            if (n == TENSORS_MOST) {
                s = refuse(&r, "more than 65536 tensors");
                break;
            }
            if (n == cap) x = xrealloc(x, (cap = cap ? cap * 2 : 16) * sizeof *x);
            r.tensor = name;
            x[n] = (entry){.t = {.name = name}};
            s = entry_read(&r, &x[n++]);
        }
        if (s == SINTER_OK && !take(&r, ',')) break;
    }
    r.tensor = NULL;
    if (s == SINTER_OK && !empty && !take(&r, '}')) s = refuse(&r, "it does not end");
    space(&r);
    if (s == SINTER_OK && r.at != r.end) s = refuse(&r, "more after its end");
    if (s == SINTER_OK) s = layout(&r, x, n, room, out);
    free(x);
    return s;
}
