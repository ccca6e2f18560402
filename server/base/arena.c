/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bump allocator of a request.
 *
 * Blocks form one list, each twice the last up to BLOCK_MOST; what asks for more gets a block of its own, freed at
 * reset. Under AddressSanitizer memory not handed out is poisoned and allocations stand apart, so that an overrun
 * or a use after reset is caught as with malloc. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) __asan_poison_memory_region((p), (n))
#define SHOW(p, n) __asan_unpoison_memory_region((p), (n))
enum { GAP = 16 };
#else
#define HIDE(p, n) ((void)0)
#define SHOW(p, n) ((void)0)
enum { GAP = 0 };
#endif

enum { BLOCK_LEAST = 1 << 10, BLOCK_MOST = 1 << 20, ARENA_KEEP = 4 << 20, ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t size, at; /* of `data` */
    _Alignas(ALIGN) unsigned char data[];
} block;

struct arena {
    block *first, *now;
    block *large; /* blocks of one allocation each */
    size_t used;
};

static block *block_new(size_t size) {
    block *b = xmalloc(sizeof *b + size);
    *b = (block){.size = size};
    HIDE(b->data, size);
    return b;
}

static void block_free(block *b) {
    SHOW(b->data, b->size);
    free(b);
}

static void list_free(block *b) {
    while (b) {
        block *next = b->next;
        block_free(b);
        b = next;
    }
}

arena *arena_new(size_t first_block) {
    arena *a = xcalloc(1, sizeof *a);
    if (first_block < BLOCK_LEAST) first_block = BLOCK_LEAST;
    if (first_block > BLOCK_MOST) first_block = BLOCK_MOST;
    a->first = a->now = block_new(first_block);
    return a;
}

void arena_reset(arena *a) {
    list_free(a->large);
    a->large = NULL;
    size_t kept = 0;
    for (block *b = a->first, *last = NULL; b; last = b, b = b->next) {
        kept += b->size;
        if (kept > ARENA_KEEP && last) {
            last->next = NULL;
            list_free(b);
            break;
        }
        b->at = 0;
        HIDE(b->data, b->size);
    }
    a->now = a->first;
    a->used = 0;
}

void arena_free(arena *a) {
    if (!a) return;
    list_free(a->large);
    list_free(a->first);
    free(a);
}

size_t arena_used(const arena *a) {
    return a->used;
}

/* Where an allocation would start in b; false if it does not fit. */
static bool fits(const block *b, size_t align, size_t n, size_t *start) {
    uintptr_t base = (uintptr_t)b->data;
    *start = (size_t)(((base + b->at + align - 1) & ~(uintptr_t)(align - 1)) - base);
    return *start <= b->size && n <= b->size - *start;
}

static void *take(arena *a, block *b, size_t start, size_t n) {
    b->at = start + n;
    a->used += n;
    SHOW(b->data + start, n - GAP);
    return b->data + start;
}

static void *take_large(arena *a, size_t align, size_t n) {
    block *b = block_new(n + align);
    b->next = a->large;
    a->large = b;
    size_t start;
    fits(b, align, n, &start);
    return take(a, b, start, n);
}

/* The next kept block that is big enough, or a new one after the last. */
static void *take_next(arena *a, size_t align, size_t n) {
    size_t start;
    while (a->now->next) {
        a->now = a->now->next;
        if (fits(a->now, align, n, &start)) return take(a, a->now, start, n);
    }
    size_t size = a->now->size * 2;
    while (size < n + align)
        size *= 2;
    block *b = block_new(size < BLOCK_MOST ? size : BLOCK_MOST);
    a->now->next = b;
    a->now = b;
    fits(b, align, n, &start);
    return take(a, b, start, n);
}

void *arena_aligned(arena *a, size_t align, size_t n) {
    if (align < ALIGN) align = ALIGN;
    n += GAP;
    if (n < ALIGN) n = ALIGN;
    if (n > SIZE_MAX / 4) xmalloc(n); /* ends the process with its message */
    size_t start;
    if (fits(a->now, align, n, &start)) return take(a, a->now, start, n);
    return n + align > BLOCK_MOST ? take_large(a, align, n) : take_next(a, align, n);
}

void *arena_alloc(arena *a, size_t n) {
    return arena_aligned(a, ALIGN, n);
}

void *arena_zalloc(arena *a, size_t n) {
    return memset(arena_alloc(a, n), 0, n);
}

char *arena_strdup(arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}

char *arena_text(arena *a, const char *s) {
    return arena_strdup(a, s ? s : "");
}

char *arena_strndup(arena *a, const char *s, size_t n) {
    n = strnlen(s, n);
    char *copy = arena_alloc(a, n + 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *arena_printf(arena *a, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *out = arena_alloc(a, size);
    out[0] = '\0';
    if (n > 0) vsnprintf(out, size, fmt, again);
    va_end(again);
    return out;
}
