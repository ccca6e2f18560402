/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rules at open: each rule of the file and of the pipeline, their order, and the indexes that requests use. */
#include "rules.h"

#include <stdarg.h>
#include <stdlib.h>

/* ---- complaints and small readers -----------------------------------------------------------------------------------
 */

sinter_status rules_fail(rules_reader *r, const char *path, const char *fix, const char *what, ...)
{
    sinter_mark m = r->host->option_mark(r->options, path);
    sinter_error *e = r->err;
    e->status = SINTER_INVALID;
    int n = r->id == NULL ? 0 : snprintf(e->what, sizeof e->what, "rule '%.100s': ", r->id);
    va_list args;
    va_start(args, what);
    vsnprintf(e->what + n, sizeof e->what - (size_t)n, what, args);
    va_end(args);
    snprintf(e->where, sizeof e->where, "%s:%u:%u", m.file == NULL ? "options" : m.file, m.line, m.column);
    snprintf(e->fix, sizeof e->fix, "%s", fix == NULL ? "" : fix);
    return SINTER_INVALID;
}

/* Compiles an expression to see whether it does, or (out not NULL) to keep it. */
sinter_status rules_compile(rules_reader *r, const char *path, const char *name, const char *text, sinter_filter **out)
{
    sinter_filter *compiled = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (r->host->filter_compile(r->host, text, &compiled, &e) != SINTER_OK) {
        const char *column = strrchr(e.where, ':'); /* "filter:12" */
        if (column != NULL && strspn(column + 1, "0123456789") == strlen(column + 1))
            return rules_fail(r, path, e.fix, "%s: %s at its column %s", name, e.what, column + 1);
        return rules_fail(r, path, e.fix, "%s: %s", name, e.what);
    }
    if (out != NULL)
        *out = compiled;
    else
        r->host->filter_free(compiled);
    return SINTER_OK;
}

sinter_status rules_no_memory(sinter_error *e)
{
    e->status = SINTER_EXHAUSTED;
    snprintf(e->what, sizeof e->what, "out of memory");
    snprintf(e->where, sizeof e->where, "rules");
    snprintf(e->fix, sizeof e->fix, "raise the memory limit of plugins, or use fewer rules");
    return SINTER_EXHAUSTED;
}

void rules_path(char out[RULES_PATH], const char *path, const char *key)
{
    snprintf(out, RULES_PATH, "%.140s.%.110s", path, key);
}

sinter_status rules_read_strings(rules_reader *r, const char *path, rule_strings *out)
{
    uint32_t n = r->host->option_count(r->options, path);
    const char *one = NULL;
    *out = (rule_strings){0};
    if (n == 0 && !r->host->option_string(r->options, path, &one)) return SINTER_OK;
    uint32_t count = one != NULL ? 1 : n;
    if (count > RULES_ITEMS_MOST)
        return rules_fail(r, path, "use at most 1000 entries, or a filter", "a list of %u entries", count);
    sinter_str *text = rules_take(&r->inst->pool, count * sizeof *text);
    if (text == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < count; i++) {
        char at[RULES_PATH];
        snprintf(at, sizeof at, "%.240s.%u", path, i);
        const char *s = one;
        if (s == NULL && !r->host->option_string(r->options, at, &s))
            return rules_fail(r, at, NULL, "entry %u of the list is not a string", i + 1);
        if (*s == 0) return rules_fail(r, n > 0 ? at : path, "write a value, or leave the key out", "an empty value");
        char *copy = rules_take_text(&r->inst->pool, s, strlen(s));
        if (copy == NULL) return rules_no_memory(r->err);
        text[i] = (sinter_str){copy, strlen(copy)};
    }
    *out = (rule_strings){text, count};
    return SINTER_OK;
}

/* ---- one rule
 * ------------------------------------------------------------------------------------------------------------ */

static sinter_status read_id(rules_reader *r, const char *path, rule *u)
{
    char at[RULES_PATH];
    rules_path(at, path, "id");
    const char *id = "";
    r->id = NULL;
    r->host->option_string(r->options, at, &id);
    size_t n = strlen(id);
    if (n == 0 || n > 100) return rules_fail(r, at, "give it a name of 1 to 100 bytes", "a rule's id has %zu bytes", n);
    uint32_t before = r->ids.n, known = rules_intern(&r->inst->pool, &r->ids, id, n);
    if (known == RULES_NONE) return rules_no_memory(r->err);
    u->id = r->ids.entry[known].text;
    u->mark = r->host->option_mark(r->options, at);
    if (known == before) {
        r->id = u->id;
        return SINTER_OK;
    }
    for (uint32_t i = 0; i < r->inst->n; i++)
        if (r->inst->rule[i].id == u->id) {
            sinter_mark m = r->inst->rule[i].mark;
            return rules_fail(r, at, "give each rule an id of its own", "rule id '%s' is used twice: first at %s:%u:%u",
                              u->id, m.file, m.line, m.column);
        }
    return rules_fail(r, at, "give each rule an id of its own", "rule id '%s' is used twice", u->id);
}

static sinter_status read_rule(rules_reader *r, const char *path, rule *u, bool *enabled)
{
    *u = (rule){.from_ms = INT64_MIN, .until_ms = INT64_MAX, .empty_query = -1, .filter = RULES_NONE};
    sinter_status s = read_id(r, path, u);
    if (s != SINTER_OK) return s;
    char at[RULES_PATH];
    rules_path(at, path, "priority");
    r->host->option_integer(r->options, at, &u->priority);
    rules_path(at, path, "enabled");
    *enabled = true;
    r->host->option_boolean(r->options, at, enabled);
    rules_path(at, path, "note");
    const char *note = NULL;
    if (r->host->option_string(r->options, at, &note) &&
        (u->note = rules_take_text(&r->inst->pool, note, strlen(note))) == NULL)
        return rules_no_memory(r->err);
    rules_path(at, path, "when");
    if ((s = rules_read_when(r, at, u)) != SINTER_OK) return s;
    rules_path(at, path, "then");
    return rules_read_then(r, at, u);
}

/* Appends `n` rules of r->options; rules that are not enabled are checked and dropped, but keep their id taken. */
static sinter_status read_list(rules_reader *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char path[RULES_PATH];
        snprintf(path, sizeof path, "rules.%u", i);
        bool enabled;
        rule *u = &r->inst->rule[r->inst->n];
        sinter_status s = read_rule(r, path, u, &enabled);
        if (s != SINTER_OK) return s;
        u->place = r->inst->n;
        r->inst->n += enabled;
    }
    return SINTER_OK;
}

/* ---- the whole
 * ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *can;
    uint32_t role;
} role_names[] = {
    {"ranker", "boost, bury", ROLE_RANKER},
    {"finisher", "boost, bury, pin, hide, insert, cap, label", ROLE_FINISHER},
    {"rewriter", "add_words, replace_words, boost_words, add_filter, redirect", ROLE_REWRITER},
};

/* Rules of which none can ever act where the plugin stands are a mistake of the pipeline's author. */
static sinter_status check_role(rules_reader *r)
{
    const sinter_instance *inst = r->inst;
    uint32_t all = 0;
    for (uint32_t i = 0; i < inst->n; i++)
        all |= inst->rule[i].roles;
    for (size_t i = 0; r->role != NULL && inst->n > 0 && i < sizeof role_names / sizeof *role_names; i++) {
        if (strcmp(role_names[i].name, r->role) != 0 || (all & role_names[i].role) != 0) continue;
        const rule *first = &inst->rule[0];
        sinter_error *e = r->err;
        e->status = SINTER_INVALID;
        snprintf(e->what, sizeof e->what, "rule '%s': no action of it, nor of any other rule here, can act in a %s",
                 first->id, r->role);
        snprintf(e->where, sizeof e->where, "%s:%u:%u", first->mark.file, first->mark.line, first->mark.column);
        snprintf(e->fix, sizeof e->fix, "a %s acts by: %s", r->role, role_names[i].can);
        return SINTER_INVALID;
    }
    return SINTER_OK;
}

static int by_priority(const void *a, const void *b)
{
    const rule *x = a, *y = b;
    if (x->priority != y->priority) return x->priority > y->priority ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static sinter_status read_all(rules_reader *r, const sinter_options *inline_options, const sinter_options *file_options)
{
    uint32_t from_file = file_options == NULL ? 0 : r->host->option_count(file_options, "rules");
    uint32_t from_inline = r->host->option_count(inline_options, "rules");
    r->options = from_inline > 0 ? inline_options : file_options != NULL ? file_options : inline_options;
    if ((uint64_t)from_file + from_inline > RULES_MOST)
        return rules_fail(r, "rules", "use at most 10000 rules, or one rule with a list of words or ids",
                          "%u rules are too many", from_file + from_inline);
    r->inst->rule = rules_take(&r->inst->pool, (from_file + from_inline + 1) * sizeof(rule));
    if (r->inst->rule == NULL) return rules_no_memory(r->err);
    sinter_status s = SINTER_OK;
    if (from_file > 0) {
        r->options = file_options;
        s = read_list(r, from_file);
    }
    if (s == SINTER_OK && from_inline > 0) {
        r->options = inline_options;
        s = read_list(r, from_inline);
    }
    if (s != SINTER_OK) return s;
    if (r->inst->n > 0) qsort(r->inst->rule, r->inst->n, sizeof(rule), by_priority);
    return check_role(r);
}

sinter_status rules_read(sinter_instance *inst, const sinter_open_args *args, sinter_error *err)
{
    rules_reader r = {.host = args->host, .options = args->options, .inst = inst, .role = args->role, .err = err};
    const sinter_options *file_options = NULL;
    const char *file = NULL;
    bool has_file = args->host->option_string(args->options, "file", &file);
    if (has_file) {
        sinter_status s =
            args->host->options_read(args->host, file, rules_file_options, RULES_N_FILE_OPTIONS, &file_options, err);
        if (s != SINTER_OK) return s;
    } else if (args->host->option_count(args->options, "rules") == 0) {
        return rules_fail(&r, "", "write `file: rules/NAME.yaml`, or `rules:` with a list", "no rules are given");
    }
    sinter_status s = read_all(&r, args->options, file_options);
    rules_dictionary_release(&inst->pool, &r.ids);
    return s == SINTER_OK ? rules_index(inst, err) : s;
}
