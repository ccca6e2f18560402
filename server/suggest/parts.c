/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of a text answers what was typed: pieces to be set off on the page. */
#include "inside.h"

#include <string.h>
#include <utf8proc.h>

enum { MOST_PARTS = 4 * MOST_WORDS + 2 * MOST_TEXT }; /* more than any text that is offered has */

typedef struct parting {
    str text;
    suggest_part *part;
    uint32_t n;
    size_t done; /* bytes of the text that are in a part */
    arena *a;
} parting;

static size_t letter_at(str s, size_t at, bool *word)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.s + at, (utf8proc_ssize_t)(s.n - at), &c);
    if (n <= 0) {
        *word = false;
        return 1;
    }
    utf8proc_category_t k = utf8proc_category(c);
    *word = (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO);
    return (size_t)n;
}

static void put(parting *p, size_t end, bool matched)
{
    if (end <= p->done || p->n == MOST_PARTS) return;
    if (p->n && p->part[p->n - 1].matched == matched)
        p->part[p->n - 1].text.n += end - p->done;
    else
        p->part[p->n++] = (suggest_part){{p->text.s + p->done, end - p->done}, matched};
    p->done = end;
}

/* The shortest beginning of the written word that comes to so many bytes once normalised. */
static size_t written(str word, size_t folded, arena *a)
{
    bool ignored;
    size_t at = 0;
    while (at < word.n) {
        at += letter_at(word, at, &ignored);
        if (text_normalise(a, (str){word.s, at}).n >= folded) break;
    }
    return at;
}

/* Bytes of the written word that are matched, from its start. */
static size_t matched_of(str word, const suggest_typed *t, bool typos, arena *a)
{
    str plain = text_normalise(a, word);
    size_t best = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        str typed = t->word[i];
        bool prefix = i + 1 == t->n && !t->whole;
        if (plain.n >= typed.n && memcmp(plain.s, typed.s, typed.n) == 0 && (prefix || plain.n == typed.n)) {
            size_t n = plain.n == typed.n ? word.n : written(word, typed.n, a);
            best = n > best ? n : best;
        } else if (typos && edits_allowed(typed) && word_edits(typed, plain, prefix, edits_allowed(typed)) <= edits_allowed(typed)) {
            best = word.n;
        }
    }
    return best;
}

uint32_t suggest_parts(str text, const suggest_typed *t, bool typos, arena *a, const suggest_part **out)
{
    parting p = {.text = text, .part = ARENA_ARRAY(a, suggest_part, MOST_PARTS), .a = a};
    for (size_t at = 0; at < text.n;) {
        bool word;
        size_t n = letter_at(text, at, &word), end = at + n;
        for (bool more = word; more && end < text.n;) {
            n = letter_at(text, end, &more);
            end += more ? n : 0;
        }
        size_t matched = word ? matched_of((str){text.s + at, end - at}, t, typos, a) : 0;
        if (matched) {
            put(&p, at, false);
            put(&p, at + matched, true);
        }
        at = end;
    }
    put(&p, text.n, false);
    *out = p.part;
    return p.n;
}
