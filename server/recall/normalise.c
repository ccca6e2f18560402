/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normalised text: what two spellings of the same words have in common, byte for byte. */
#include "text_private.h"

#include <string.h>
#include <utf8proc.h>

typedef struct codepoints {
    int32_t *c;
    uint32_t n, cap;
    arena *a;
    uint32_t *from; /* [n] where in the text each began; NULL: nobody asks */
    uint32_t at;    /* where the one being read begins */
} codepoints;

static void grow(codepoints *o)
{
    uint32_t cap = o->cap * 2 + 64;
    int32_t *fresh = arena_alloc(o->a, cap * sizeof *fresh);
    if (o->n)
        memcpy(fresh, o->c, o->n * sizeof *fresh);
    o->c = fresh;
    o->cap = cap;
    if (!o->from)
        return;
    uint32_t *from = arena_alloc(o->a, cap * sizeof *from);
    if (o->n)
        memcpy(from, o->from, o->n * sizeof *from);
    o->from = from;
}

static void push(codepoints *o, int32_t c)
{
    if (o->n == o->cap)
        grow(o);
    if (o->from)
        o->from[o->n] = o->at;
    o->c[o->n++] = c;
}

static const struct {
    const char *name;
    int32_t c;
} ENTITIES[] = {
    {"amp", '&'},    {"lt", '<'},      {"gt", '>'},      {"quot", '"'},   {"apos", '\''},  {"nbsp", ' '},
    {"deg", 0xb0},   {"reg", ' '},     {"trade", ' '},   {"copy", ' '},   {"times", 'x'},  {"frac12", 0xbd},
    {"frac14", 0xbc}, {"frac34", 0xbe}, {"eacute", 0xe9}, {"egrave", 0xe8}, {"agrave", 0xe0}, {"ccedil", 0xe7},
    {"auml", 0xe4},  {"ouml", 0xf6},   {"uuml", 0xfc},   {"szlig", 0xdf}, {"ntilde", 0xf1}, {"rsquo", '\''},
    {"lsquo", '\''}, {"rdquo", '"'},   {"ldquo", '"'},   {"ndash", '-'},  {"mdash", '-'},  {"hellip", ' '},
};

/* An entity at s[0] == '&': its code point and length; 0: none. */
static size_t entity(const char *s, size_t n, int32_t *out)
{
    size_t end = 1;
    while (end < n && end < 10 && s[end] != ';')
        end++;
    if (end >= n || s[end] != ';' || end < 3)
        return 0;
    if (s[1] == '#') {
        bool hex = s[2] == 'x' || s[2] == 'X';
        uint32_t value = 0;
        for (size_t i = hex ? 3 : 2; i < end; i++) {
            int digit = s[i] >= '0' && s[i] <= '9'            ? s[i] - '0'
                        : hex && (s[i] | 32) >= 'a' && (s[i] | 32) <= 'f' ? (s[i] | 32) - 'a' + 10
                                                              : -1;
            if (digit < 0 || value > 0x10ffff)
                return 0;
            value = value * (hex ? 16 : 10) + (uint32_t)digit;
        }
        if (value < 32 || !utf8proc_codepoint_valid((int32_t)value))
            value = ' ';
        *out = (int32_t)value;
        return end + 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(ENTITIES); i++)
        if (str_is((str){s + 1, end - 1}, ENTITIES[i].name)) {
            *out = ENTITIES[i].c;
            return end + 1;
        }
    return 0;
}

/* Signs that people and keyboards use for the same thing; trade marks say nothing. */
static int32_t plain_sign(int32_t c)
{
    switch (c) {
    case 0xae: case 0xa9: case 0x2122: case 0x2120: case 0xa0: return ' ';
    case 0x2018: case 0x2019: case 0x201b: case 0x2032: case 0x2bc: case 0xb4: return '\'';
    case 0x201c: case 0x201d: case 0x201f: case 0x2033: return '"';
    case 0x2010: case 0x2011: case 0x2012: case 0x2013: case 0x2014: case 0x2212: return '-';
    case 0xd7: case 0x2715: return 'x';
    case 0x2044: return '/';
    default: return c;
    }
}

static bool latin(int32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xc0 && c < 0x250) || (c >= 0x1e00 && c < 0x1f00);
}

/* A mark in canonical order behind its letter, or nothing behind a Latin one. */
static void push_mark(codepoints *o, int32_t c, int32_t base)
{
    if (latin(base))
        return;
    push(o, c);
    int class = utf8proc_get_property(c)->combining_class;
    for (uint32_t i = o->n - 1; class && i > 0; i--) {
        if (utf8proc_get_property(o->c[i - 1])->combining_class <= class)
            break;
        o->c[i] = o->c[i - 1];
        o->c[i - 1] = c;
        if (o->from) {
            uint32_t from = o->from[i];
            o->from[i] = o->from[i - 1];
            o->from[i - 1] = from;
        }
    }
}

static void push_folded(codepoints *o, int32_t c, int32_t *base)
{
    int32_t part[32];
    int last = 0;
    c = plain_sign(c);
    if (c < 0x80) {
        *base = c >= 'A' && c <= 'Z' ? c + 32 : c < 32 ? ' ' : c;
        push(o, *base);
        return;
    }
    utf8proc_ssize_t n =
        utf8proc_decompose_char(c, part, ARRAY_LEN(part),
                                UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE, &last);
    for (utf8proc_ssize_t i = 0; i < n && i < (utf8proc_ssize_t)ARRAY_LEN(part); i++) {
        int32_t p = plain_sign(part[i]);
        if (p == '/' && part[i] != '/' && i == 1 && o->n >= 2 && o->c[o->n - 2] >= '0' && o->c[o->n - 2] <= '9') {
            int32_t numerator = o->c[--o->n]; /* "1½" is 1 and a half, not 11 over 2 */
            push(o, ' ');
            push(o, numerator);
        }
        if (utf8proc_category(p) == UTF8PROC_CATEGORY_MN || utf8proc_category(p) == UTF8PROC_CATEGORY_ME)
            push_mark(o, p, *base);
        else
            push(o, *base = p);
    }
}

static str plain_ascii(arena *a, str in)
{
    char *out = arena_alloc(a, in.n + 1);
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.s[i];
        if (c >= 0x80 || c == '&')
            return (str){NULL, 0};
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c < 32 ? ' ' : c);
    }
    out[in.n] = 0;
    return (str){out, in.n};
}

/* Everything but composition. */
static void fold(codepoints *o, str in)
{
    int32_t base = 0;
    for (size_t i = 0; i < in.n;) {
        int32_t c;
        size_t taken = in.s[i] == '&' ? entity(in.s + i, in.n - i, &c) : 0;
        if (!taken) {
            utf8proc_ssize_t got = utf8proc_iterate((const uint8_t *)in.s + i, (utf8proc_ssize_t)(in.n - i), &c);
            if (got <= 0) {
                got = 1;
                c = ' ';
            }
            taken = (size_t)got;
        }
        o->at = (uint32_t)i;
        push_folded(o, c, &base);
        i += taken;
    }
}

str text_normalise(arena *a, str in)
{
    str plain = plain_ascii(a, in);
    if (plain.s)
        return plain;
    codepoints o = {.a = a};
    fold(&o, in);
    utf8proc_ssize_t n = utf8proc_normalize_utf32(o.c, o.n, UTF8PROC_COMPOSE);
    char *out = arena_alloc(a, (size_t)(n > 0 ? n : 0) * 4 + 1);
    size_t len = 0;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        len += (size_t)utf8proc_encode_char(o.c[i], (uint8_t *)out + len);
    out[len] = 0;
    return (str){out, len};
}

/* ---- and where it came from ------------------------------------------------------------------------------------------ */

/* What composition may join to what stands before it: marks, and the vowels and finals of Hangul. */
static bool may_join(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME || (c >= 0x1160 && c <= 0x11ff);
}

str text_normalise_mapped(arena *a, str in, uint32_t **from)
{
    str plain = plain_ascii(a, in);
    *from = NULL;
    if (plain.s)
        return plain;
    codepoints o = {.a = a, .from = arena_alloc(a, sizeof(uint32_t))};
    fold(&o, in);
    char *out = arena_alloc(a, (size_t)o.n * 4 + 1);
    uint32_t *map = arena_alloc(a, ((size_t)o.n * 4 + 1) * sizeof *map);
    size_t len = 0;
    for (uint32_t i = 0, end; i < o.n; i = end) { /* composed cluster by cluster, so that each is known to come from here */
        for (end = i + 1; end < o.n && may_join(o.c[end]); end++)
            ;
        utf8proc_ssize_t n = utf8proc_normalize_utf32(o.c + i, end - i, UTF8PROC_COMPOSE);
        for (utf8proc_ssize_t k = 0; k < n; k++) {
            size_t bytes = (size_t)utf8proc_encode_char(o.c[i + (uint32_t)k], (uint8_t *)out + len);
            for (size_t b = 0; b < bytes; b++)
                map[len++] = o.from[i];
        }
    }
    map[len] = (uint32_t)in.n;
    out[len] = 0;
    *from = map;
    return (str){out, len};
}
