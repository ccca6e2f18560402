/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words of the filter language, each with its place in the text. */
#include "filter_inside.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 40 };

static size_t column_of(str text, size_t at) {
    size_t n = 1;
    for (size_t i = 0; i < at && i < text.n; i++)
        n += ((unsigned char)text.s[i] & 0xC0) != 0x80;
    return n;
}

sinter_status filter_error(sinter_error *e, str text, size_t at, const char *fix, const char *what, ...) {
    char line[512], where[64];
    va_list args;
    va_start(args, what);
    vsnprintf(line, sizeof line, what, args);
    va_end(args);
    snprintf(where, sizeof where, "filter:%zu", column_of(text, at));
    return error_set(e, SINTER_INVALID, where, fix, "%s", line);
}

const char *filter_shown(arena *a, str s) {
    if (s.n <= SHOWN) return arena_strndup(a, s.s, s.n);
    size_t n = SHOWN;
    while (n && ((unsigned char)s.s[n] & 0xC0) == 0x80)
        n--;
    return arena_printf(a, "%.*s…", (int)n, s.s);
}

static bool starts_name(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool starts_number(unsigned char c) {
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

/* What may stand inside a name, and what a number runs on to: "12abc" and 2009-12-10 are one token each. */
static bool continues(unsigned char c) {
    return starts_name(c) || starts_number(c) || c == ':' || c == '/' || c == '@' || c == '#';
}

static size_t run_at(const lexer *x) {
    size_t n = 1;
    while (x->at + n < x->text.n && continues((unsigned char)x->text.s[x->at + n]))
        n++;
    return n;
}

/* Between the quotes; a backslash takes the next quote or backslash as itself. */
static sinter_status lex_quoted(lexer *x, char quote, token *out) {
    char *text = arena_alloc(x->a, x->text.n - x->at + 1);
    size_t n = 0, i = x->at + 1;
    for (;; i++) {
        if (i >= x->text.n)
            return filter_error(x->e, x->text, out->at, "close it with the same quote",
                                quote == '`' ? "the field name that starts here has no end" : "the string that starts here has no end");
        char c = x->text.s[i];
        if (c == quote) break;
        if (c == '\\') {
            char next = i + 1 < x->text.n ? x->text.s[i + 1] : '\0';
            if (next != '\\' && next != '"' && next != '\'' && next != '`')
                return filter_error(x->e, x->text, i, "write \\\\ for a backslash, \\\" or \\' for a quote",
                                    "a backslash stands before what needs none");
            c = next;
            i++;
        }
        if (c == '\0') return filter_error(x->e, x->text, i, "remove it", "a NUL character");
        text[n++] = c;
    }
    text[n] = '\0';
    out->text = (str){text, n};
    out->raw = (str){x->text.s + x->at, i + 1 - x->at};
    out->kind = quote == '`' ? TOKEN_QUOTED_NAME : TOKEN_STRING;
    x->at = i + 1;
    return SINTER_OK;
}

static sinter_status lex_number(lexer *x, token *out) {
    str s = {x->text.s + x->at, run_at(x)};
    int64_t ms;
    out->kind = TOKEN_NUMBER;
    out->raw = s;
    x->at += s.n;
    out->integral = parse_int64(s, &out->integer);
    if (parse_double(s, &out->number)) return SINTER_OK;
    const char *shown = filter_shown(x->a, s);
    bool date = time_parse_ms(s, &ms);
    return filter_error(x->e, x->text, out->at, date ? arena_printf(x->a, "put times in quotes: \"%s\"", shown) : "numbers look like 10, -2.5, 1e3; strings stand in quotes",
                        "\"%s\" is not a number", shown);
}

static const struct {
    const char *text;
    token_kind kind;
} SIGNS[] = {
    {"!=", TOKEN_NE}, {"<>", TOKEN_NE}, {"<=", TOKEN_LE}, {">=", TOKEN_GE}, {"==", TOKEN_EQ}, {"=", TOKEN_EQ},
    {"<", TOKEN_LT},  {">", TOKEN_GT},  {"(", TOKEN_OPEN}, {")", TOKEN_CLOSE}, {",", TOKEN_COMMA},
};

static sinter_status lex_sign(lexer *x, token *out) {
    str rest = {x->text.s + x->at, x->text.n - x->at};
    for (size_t i = 0; i < ARRAY_LEN(SIGNS); i++) {
        size_t n = strlen(SIGNS[i].text);
        if (rest.n < n || memcmp(rest.s, SIGNS[i].text, n) != 0) continue;
        out->kind = SIGNS[i].kind;
        out->raw = (str){rest.s, n};
        x->at += n;
        return SINTER_OK;
    }
    unsigned char c = (unsigned char)rest.s[0];
    return filter_error(x->e, x->text, x->at, "valid: = != < <= > >= IN BETWEEN EXISTS WITHIN AND OR NOT, parentheses, commas",
                        c < 0x20 || c == 0x7F ? "a control character (0x%02x)" : "\"%c\" is no part of a filter", c);
}

sinter_status filter_lex(lexer *x, token *out) {
    while (x->at < x->text.n && (x->text.s[x->at] == ' ' || (x->text.s[x->at] >= '\t' && x->text.s[x->at] <= '\r')))
        x->at++;
    *out = (token){.kind = TOKEN_END, .at = x->at};
    if (x->at >= x->text.n) return SINTER_OK;
    unsigned char c = (unsigned char)x->text.s[x->at];
    if (c == '"' || c == '\'' || c == '`') return lex_quoted(x, (char)c, out);
    if (starts_number(c)) return lex_number(x, out);
    if (!starts_name(c)) return lex_sign(x, out);
    out->kind = TOKEN_NAME;
    out->raw = (str){x->text.s + x->at, run_at(x)};
    out->text = (str){arena_strndup(x->a, out->raw.s, out->raw.n), out->raw.n};
    x->at += out->raw.n;
    return SINTER_OK;
}
