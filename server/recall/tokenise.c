/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words of normalised text: first lexemes (runs of letters and digits), then tokens: words, numbers, compounds, bigrams of
 * CJK runs; measures and dimensions are units.c. */
#include "text_private.h"

#include <string.h>
#include <utf8proc.h>

typedef enum { CLASS_OTHER, CLASS_LETTER, CLASS_DIGIT, CLASS_CJK } char_class;

static bool is_cjk(int32_t c)
{
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x31f0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3fffd) || c == 0x3005 || c == 0x3007;
}

static char_class class_of(const char *s, size_t n, uint32_t *bytes)
{
    unsigned char b = (unsigned char)*s;
    *bytes = 1;
    if (b < 0x80)
        return b >= '0' && b <= '9' ? CLASS_DIGIT : b >= 'a' && b <= 'z' ? CLASS_LETTER : CLASS_OTHER;
    int32_t c;
    utf8proc_ssize_t got = utf8proc_iterate((const uint8_t *)s, (utf8proc_ssize_t)n, &c);
    if (got <= 0)
        return CLASS_OTHER;
    *bytes = (uint32_t)got;
    if (is_cjk(c))
        return CLASS_CJK;
    utf8proc_category_t k = utf8proc_category(c);
    if (k == UTF8PROC_CATEGORY_ND)
        return CLASS_DIGIT;
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO ? CLASS_LETTER : CLASS_OTHER;
}

typedef struct lexer {
    arena *a;
    const char *s;
    size_t n, at;
    char *out; /* where lexemes' text goes: never longer than the input */
    size_t used;
    bool units;
    lexeme *x;
    uint32_t n_x, cap;
} lexer;

static char_class peek(const lexer *l, size_t at, uint32_t *bytes)
{
    *bytes = 0;
    return at < l->n ? class_of(l->s + at, l->n - at, bytes) : CLASS_OTHER;
}

static bool ascii_digit(const lexer *l, size_t at)
{
    return at < l->n && l->s[at] >= '0' && l->s[at] <= '9';
}

static uint32_t digits_from(const lexer *l, size_t at)
{
    uint32_t n = 0;
    while (ascii_digit(l, at + n))
        n++;
    return n;
}

/* Elided articles and pronouns of Romance languages: "l'eau" is eau. */
static const char *const ELIDED[] = {"l", "d", "c", "j", "m", "n", "s", "t", "qu", "un", "dell", "all", "nell", "sull", "dall", "jusqu", "lorsqu"};

/* At an apostrophe inside letters: false: the word ends before it; else what follows belongs to it or replaces it. */
static bool apostrophe(lexer *l, lexeme *x)
{
    uint32_t bytes, right = 0;
    size_t at = l->at + 1;
    while (peek(l, at + right, &bytes) == CLASS_LETTER)
        right += bytes;
    if (!right)
        return false;
    if (right == 1 && l->s[at] == 's') { /* the saxon genitive goes */
        l->at = at + 1;
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(ELIDED); i++)
        if (right > 1 && str_is(x->text, ELIDED[i])) {
            l->used -= x->text.n;
            x->text.n = 0;
            x->from = (uint32_t)at;
        }
    l->at = at;
    return true;
}

/* Whether a sign inside a number belongs to it; how many of its bytes are kept. */
static bool inside_number(const lexer *l, const lexeme *x, bool slashed)
{
    char c = l->s[l->at];
    size_t next = l->at + 1;
    if (!x->text.n || !ascii_digit(l, l->at - 1) || !ascii_digit(l, next))
        return false;
    if (c == ',')
        return digits_from(l, next) == 3;
    if (c == '/')
        return l->units && x->kind == LEXEME_NUMBER && !slashed && digits_from(l, next) <= 3 && l->s[next] != '0';
    return c == '.';
}

static void read_run(lexer *l, lexeme *x)
{
    bool slashed = false;
    for (;;) {
        uint32_t bytes;
        char_class k = peek(l, l->at, &bytes);
        if (k == CLASS_LETTER || k == CLASS_DIGIT) {
            uint8_t kind = k == CLASS_DIGIT ? LEXEME_NUMBER : LEXEME_WORD;
            x->kind = x->text.n == 0 || x->kind == kind ? kind : LEXEME_MIXED;
            memcpy(l->out + l->used, l->s + l->at, bytes);
            l->used += bytes;
            x->text.n += bytes;
            l->at += bytes;
        } else if (l->at < l->n && l->s[l->at] == '\'' && x->kind == LEXEME_WORD) {
            if (!apostrophe(l, x))
                return;
        } else if (l->at < l->n && inside_number(l, x, slashed)) {
            if (l->s[l->at] != ',') {
                slashed |= l->s[l->at] == '/';
                l->out[l->used++] = l->s[l->at];
                x->text.n++;
            }
            l->at++;
        } else
            return;
    }
}

/* "c++", "c#", "f#": a short word with its sign. */
static void read_sign(lexer *l, lexeme *x)
{
    size_t n = l->n - l->at;
    size_t take = x->text.n > 2 || x->kind != LEXEME_WORD          ? 0
                  : n >= 2 && l->s[l->at] == '+' && l->s[l->at + 1] == '+' ? 2
                  : n >= 1 && l->s[l->at] == '#'                    ? 1
                                                                   : 0;
    uint32_t bytes;
    if (!take || peek(l, l->at + take, &bytes) != CLASS_OTHER)
        return;
    memcpy(l->out + l->used, l->s + l->at, take);
    l->used += take;
    x->text.n += take;
    l->at += take;
    x->kind = LEXEME_MIXED;
}

static void read_after(const lexer *l, lexeme *x)
{
    size_t at = l->at;
    if (at < l->n && l->s[at] == ' ' && x->kind != LEXEME_WORD && at + 1 < l->n && l->s[at + 1] == '\'')
        at++;
    if (at < l->n && (l->s[at] == '\'' || l->s[at] == '"'))
        x->mark = l->s[at];
    x->dot = l->at < l->n && l->s[l->at] == '.';
}

static void add_lexeme(lexer *l, const lexeme *x)
{
    if (l->n_x == l->cap) {
        uint32_t cap = l->cap * 2 + 32;
        lexeme *fresh = arena_alloc(l->a, cap * sizeof *fresh);
        if (l->n_x)
            memcpy(fresh, l->x, l->n_x * sizeof *fresh);
        l->x = fresh;
        l->cap = cap;
    }
    l->x[l->n_x++] = *x;
}

static void add_run(lexer *l, const lexeme *x)
{
    lexeme part[16];
    uint32_t n = l->units && x->kind == LEXEME_MIXED ? text_split_measure(x, part) : 0;
    bool exact = x->to - x->from == x->text.n; /* no comma was left out */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = x->from + (uint32_t)(part[i].text.s - x->text.s);
        part[i].from = exact ? at : x->from;
        part[i].to = exact ? at + (uint32_t)part[i].text.n : x->to;
        add_lexeme(l, &part[i]);
    }
    if (!n)
        add_lexeme(l, x);
}

static void read_cjk(lexer *l, lexeme *x)
{
    uint32_t bytes;
    x->kind = LEXEME_CJK;
    while (peek(l, l->at, &bytes) == CLASS_CJK) {
        memcpy(l->out + l->used, l->s + l->at, bytes);
        l->used += bytes;
        x->text.n += bytes;
        l->at += bytes;
    }
}

static void lex(lexer *l)
{
    char before = LEXEME_TOUCHES;
    while (l->at < l->n) {
        uint32_t bytes;
        char_class k = peek(l, l->at, &bytes);
        if (k == CLASS_OTHER) {
            char c = bytes == 1 ? l->s[l->at] : ' ';
            before = before == LEXEME_TOUCHES ? c : c == '*' && before == ' ' ? '*' : before == '*' && c == ' ' ? '*' : ' ';
            l->at += bytes;
            continue;
        }
        lexeme x = {.text = {l->out + l->used, 0}, .from = (uint32_t)l->at, .before = l->n_x ? before : ' '};
        if (k == CLASS_CJK)
            read_cjk(l, &x);
        else {
            read_run(l, &x);
            read_sign(l, &x);
            read_after(l, &x);
        }
        x.to = (uint32_t)l->at;
        before = LEXEME_TOUCHES;
        if (x.text.n && k == CLASS_CJK)
            add_lexeme(l, &x);
        else if (x.text.n)
            add_run(l, &x);
    }
}

text_token *text_token_add(arena *a, text_tokens *t, str text, uint32_t position, token_kind kind, const lexeme *first,
                           const lexeme *last)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap * 2 + 32;
        text_token *fresh = arena_alloc(a, cap * sizeof *fresh);
        if (t->n)
            memcpy(fresh, t->token, t->n * sizeof *fresh);
        t->token = fresh;
        t->cap = cap;
    }
    text_token *out = &t->token[t->n++];
    *out = (text_token){.text = text, .from = first->from, .to = last->to, .position = position, .span = 1, .kind = (uint8_t)kind};
    return out;
}

/* Overlapping pairs of characters; one alone as itself. */
static void add_bigrams(arena *a, const lexeme *x, text_tokens *out)
{
    str run = x->text;
    size_t at = 0, first, second = 0;
    uint32_t bytes;
    class_of(run.s, run.n, &bytes);
    if (bytes >= run.n) {
        text_token_add(a, out, run, out->positions++, TOKEN_EXACT, x, x);
        return;
    }
    while (at < run.n) {
        class_of(run.s + at, run.n - at, &bytes);
        first = bytes;
        if (at + first >= run.n)
            break;
        class_of(run.s + at + first, run.n - at - first, &bytes);
        second = bytes;
        lexeme pair = {.from = x->from + (uint32_t)at, .to = x->from + (uint32_t)(at + first + second)};
        text_token_add(a, out, (str){run.s + at, first + second}, out->positions++, TOKEN_EXACT, &pair, &pair);
        at += first;
    }
}

static void add_plain(arena *a, const lexeme *x, bool units, text_tokens *out)
{
    double value;
    str text = x->text;
    if (units && x->kind == LEXEME_NUMBER && text_number(text, &value))
        text = text_number_text(a, value);
    text_token_add(a, out, text, out->positions++, x->kind == LEXEME_WORD ? TOKEN_WORD : TOKEN_EXACT, x, x);
}

static bool joins(const lexeme *left, const lexeme *right)
{
    if (left->kind == LEXEME_CJK || right->kind == LEXEME_CJK)
        return false;
    if (left->kind == LEXEME_NUMBER && right->kind == LEXEME_NUMBER)
        return false;
    return right->before == '-' || right->before == '&' ||
           (right->before == '.' && left->text.n == 1 && right->text.n == 1);
}

/* "wi-fi" is wi, fi and wifi. Returns how many lexemes the compound has; 1: none. */
static uint32_t add_compound(arena *a, const lexeme *x, uint32_t n, bool units, text_tokens *out)
{
    uint32_t parts = 1, start = out->positions;
    size_t bytes = x->text.n;
    while (parts < n && joins(&x[parts - 1], &x[parts]))
        bytes += x[parts++].text.n;
    if (parts > 5) {
        add_plain(a, x, units, out);
        return 1;
    }
    for (uint32_t i = 0; i < parts; i++)
        add_plain(a, &x[i], units, out);
    if (parts == 1)
        return 1;
    char *joined = arena_alloc(a, bytes);
    bool word = true;
    bytes = 0;
    for (uint32_t i = 0; i < parts; i++) {
        memcpy(joined + bytes, x[i].text.s, x[i].text.n);
        bytes += x[i].text.n;
        word &= x[i].kind == LEXEME_WORD;
    }
    text_token *t = text_token_add(a, out, (str){joined, bytes}, start, TOKEN_JOINED, x, &x[parts - 1]);
    t->span = (uint16_t)parts;
    t->unit = !word; /* with digits: one term for all languages */
    return parts;
}

void text_tokenise(arena *a, str normalised, bool units, text_tokens *out)
{
    lexer l = {.a = a, .s = normalised.s, .n = normalised.n, .out = arena_alloc(a, normalised.n + 1), .units = units};
    lex(&l);
    for (uint32_t i = 0; i < l.n_x;) {
        uint32_t taken = units && l.x[i].kind == LEXEME_NUMBER ? text_measure(a, l.x, l.n_x, i, out) : 0;
        if (!taken && l.x[i].kind == LEXEME_CJK) {
            add_bigrams(a, &l.x[i], out);
            taken = 1;
        }
        i += taken ? taken : add_compound(a, &l.x[i], l.n_x - i, units, out);
    }
}
