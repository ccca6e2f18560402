/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harness's options: a flat list of paths and texts, read through the plugin's own option tables. */
#include "harness_inside.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sinter_options *harness_options_new(harness *h, const char *file, const harness_option *option, size_t n)
{
    sinter_options *o = harness_keep(h, sizeof *o);
    o->owner = h;
    o->file = harness_keep_text(h, file);
    o->n = (uint32_t)n;
    o->entry = harness_keep(h, (n + 1) * sizeof *o->entry);
    for (size_t i = 0; i < n; i++) {
        o->entry[i].path = harness_keep_text(h, option[i].path);
        o->entry[i].value = harness_keep_text(h, option[i].value);
    }
    return o;
}

/* The table's row that describes `path`: for a scalar element the row of its list or map, with *element set. */
static const sinter_option *find_row(const sinter_option *table, uint32_t n, const char *path, bool *element)
{
    *element = false;
    for (;;) {
        size_t length = strcspn(path, ".");
        const sinter_option *row = NULL;
        for (uint32_t i = 0; i < n; i++)
            if (strncmp(table[i].key, path, length) == 0 && table[i].key[length] == 0)
                row = &table[i];
        if (row == NULL || path[length] == 0)
            return row;
        path += length + 1;
        if (row->type == SINTER_OPTION_LIST && row->nested != NULL) {
            size_t digits = strspn(path, "0123456789");
            if (digits == 0 || (path[digits] != '.' && path[digits] != 0))
                return NULL;
            if (path[digits] == 0)
                return row;
            path += digits + 1;
        } else if (row->nested == NULL) {
            bool is_container = row->type == SINTER_OPTION_LIST || row->type == SINTER_OPTION_MAP;
            *element = true;
            return is_container ? row : NULL;
        }
        table = row->nested;
        n = row->n_nested;
    }
}

static size_t append(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    to[length] = 0;
    return length;
}

/* A lone value or map where a list belongs is a list of one: "words" becomes "words.0". */
static char *full_path(harness *h, const sinter_option *table, uint32_t n, const char *path, bool has_value)
{
    char *out = harness_keep(h, strlen(path) + 64);
    size_t used = 0;
    for (uint32_t depth = 0; depth < 16; depth++) {
        size_t length = strcspn(path, ".");
        const sinter_option *row = NULL;
        for (uint32_t i = 0; i < n; i++)
            if (strncmp(table[i].key, path, length) == 0 && table[i].key[length] == 0)
                row = &table[i];
        used += append(out + used, path, length);
        path += length;
        if (row == NULL)
            break;
        bool of_maps = row->type == SINTER_OPTION_LIST && row->nested != NULL;
        bool of_lists = row->type == SINTER_OPTION_MAP && row->nested == NULL && row->element == SINTER_OPTION_LIST;
        if (of_lists && *path == '.') { /* its key */
            length = 1 + strcspn(path + 1, ".");
            used += append(out + used, path, length);
            path += length;
        }
        if ((of_lists || (row->type == SINTER_OPTION_LIST && !of_maps)) && *path == 0 && has_value)
            used += append(out + used, ".0", 2);
        if (of_maps && *path == '.') {
            length = strspn(path + 1, "0123456789");
            bool indexed = length > 0 && (path[1 + length] == '.' || path[1 + length] == 0);
            used += indexed ? append(out + used, path, 1 + length) : append(out + used, ".0", 2);
            path += indexed ? 1 + length : 0;
        }
        if (row->nested == NULL || *path == 0)
            break;
        used += append(out + used, ".", 1);
        path++;
        table = row->nested;
        n = row->n_nested;
    }
    append(out + used, path, strlen(path));
    return out;
}

static bool read_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out);
}

static bool read_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return end != text && *end == 0 && errno == 0;
}

static bool read_duration(const char *text, double *out)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    double v = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *out = v * units[i].seconds;
            return true;
        }
    return false;
}

/* NULL where the text is a value of that type, else what would be. */
static const char *type_complaint(sinter_option_type type, const char *text)
{
    double number;
    int64_t integer;
    switch (type) {
    case SINTER_OPTION_NUMBER:
        return read_number(text, &number) ? NULL : "a number";
    case SINTER_OPTION_INTEGER:
        return read_integer(text, &integer) ? NULL : "an integer";
    case SINTER_OPTION_BOOLEAN:
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? NULL : "true or false";
    case SINTER_OPTION_DURATION:
        return read_duration(text, &number) ? NULL : "a duration such as 2ms";
    default:
        return NULL;
    }
}

static sinter_status check_entry(const sinter_option *row, bool element, const char *path, const char *text,
                                 sinter_error *err)
{
    sinter_option_type type = element ? row->element : row->type;
    if (!element && (type == SINTER_OPTION_LIST || type == SINTER_OPTION_MAP)) {
        if (*text != 0)
            return harness_fail(err, SINTER_INVALID, path, "'%s' where a list or map belongs", text);
        return SINTER_OK; /* an empty list */
    }
    const char *complaint = type_complaint(type, text);
    if (complaint != NULL)
        return harness_fail(err, SINTER_INVALID, path, "'%s' is not %s", text, complaint);
    double number;
    bool numeric = type == SINTER_OPTION_NUMBER || type == SINTER_OPTION_INTEGER;
    if (numeric && (row->least != 0 || row->most != 0) && read_number(text, &number) &&
        (number < row->least || number > row->most))
        return harness_fail(err, SINTER_INVALID, path, "%s is not within %g and %g", text, row->least, row->most);
    if (row->choices != NULL && type == SINTER_OPTION_STRING) {
        for (uint32_t i = 0; row->choices[i] != NULL; i++)
            if (strcmp(row->choices[i], text) == 0)
                return SINTER_OK;
        return harness_fail(err, SINTER_INVALID, path, "'%s' is not one of the choices", text);
    }
    return SINTER_OK;
}

static uint32_t count_children(const sinter_options *o, const char *path)
{
    size_t length = strlen(path);
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n; i++) {
        const char *p = o->entry[i].path;
        if (strncmp(p, path, length) != 0 || p[length] != '.')
            continue;
        size_t key = strcspn(p + length + 1, ".");
        bool seen = false;
        for (uint32_t j = 0; j < i && !seen; j++)
            seen = strncmp(o->entry[j].path, p, length + 1 + key) == 0 &&
                   (o->entry[j].path[length + 1 + key] == 0 || o->entry[j].path[length + 1 + key] == '.');
        n += !seen;
    }
    return n;
}

static bool has_path(const sinter_options *o, const char *path)
{
    size_t length = strlen(path);
    for (uint32_t i = 0; i < o->n; i++)
        if (strncmp(o->entry[i].path, path, length) == 0 &&
            (o->entry[i].path[length] == 0 || o->entry[i].path[length] == '.'))
            return true;
    return false;
}

/* Required keys of one map at `prefix` ("" or "rules.0."), and of the maps inside it. */
static sinter_status check_required(const sinter_options *o, const sinter_option *table, uint32_t n, const char *prefix,
                                    sinter_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        char path[512], child[600];
        snprintf(path, sizeof path, "%s%s", prefix, table[i].key);
        bool given = has_path(o, path);
        if (table[i].required && !given)
            return harness_fail(err, SINTER_INVALID, path, "required key '%s' is missing", table[i].key);
        if (!given || table[i].nested == NULL)
            continue;
        uint32_t entries = table[i].type == SINTER_OPTION_LIST ? count_children(o, path) : 1;
        for (uint32_t e = 0; e < entries; e++) {
            if (table[i].type == SINTER_OPTION_LIST)
                snprintf(child, sizeof child, "%s.%u.", path, e);
            else
                snprintf(child, sizeof child, "%s.", path);
            sinter_status s = check_required(o, table[i].nested, table[i].n_nested, child, err);
            if (s != SINTER_OK)
                return s;
        }
    }
    return SINTER_OK;
}

sinter_status harness_options_check(sinter_options *o, const sinter_option *table, uint32_t n, sinter_error *err)
{
    o->table = table;
    o->n_table = n;
    for (uint32_t i = 0; i < n; i++)
        if (table[i].size != sizeof(sinter_option) || table[i].doc == NULL)
            harness_die("option '%s': size is wrong or doc is missing", table[i].key);
    for (uint32_t i = 0; i < o->n; i++) {
        bool element;
        o->entry[i].path = full_path(o->owner, table, n, o->entry[i].path, o->entry[i].value[0] != 0);
        const sinter_option *row = find_row(table, n, o->entry[i].path, &element);
        if (row == NULL)
            return harness_fail(err, SINTER_INVALID, o->entry[i].path, "unknown key '%s'", o->entry[i].path);
        sinter_status s = check_entry(row, element, o->entry[i].path, o->entry[i].value, err);
        if (s != SINTER_OK)
            return s;
    }
    return check_required(o, table, n, "", err);
}

/* The text at `path`, or its default; NULL: neither. */
static const char *text_at(const sinter_options *o, const char *path)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (strcmp(o->entry[i].path, path) == 0)
            return o->entry[i].value;
    bool element;
    const sinter_option *row = find_row(o->table, o->n_table, path, &element);
    return row == NULL || element ? NULL : row->default_text;
}

static bool option_string(const sinter_options *o, const char *path, const char **out)
{
    const char *t = text_at(o, path);
    if (t != NULL)
        *out = t;
    return t != NULL;
}

static bool option_number(const sinter_options *o, const char *path, double *out)
{
    const char *t = text_at(o, path);
    return t != NULL && (read_number(t, out) || read_duration(t, out));
}

static bool option_integer(const sinter_options *o, const char *path, int64_t *out)
{
    const char *t = text_at(o, path);
    return t != NULL && read_integer(t, out);
}

static bool option_boolean(const sinter_options *o, const char *path, bool *out)
{
    const char *t = text_at(o, path);
    if (t == NULL)
        return false;
    *out = strcmp(t, "true") == 0;
    return true;
}

static uint32_t option_count(const sinter_options *o, const char *path)
{
    return count_children(o, path);
}

static const char *option_key(const sinter_options *o, const char *path, uint32_t at)
{
    size_t length = strlen(path);
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n; i++) {
        const char *p = o->entry[i].path;
        if (strncmp(p, path, length) != 0 || p[length] != '.')
            continue;
        size_t key = strcspn(p + length + 1, ".");
        char *text = harness_keep(o->owner, key + 1);
        memcpy(text, p + length + 1, key);
        bool seen = false;
        for (uint32_t j = 0; j < i && !seen; j++)
            seen = strncmp(o->entry[j].path, p, length + 1 + key) == 0 &&
                   (o->entry[j].path[length + 1 + key] == 0 || o->entry[j].path[length + 1 + key] == '.');
        if (!seen && n++ == at)
            return text;
    }
    return NULL;
}

/* The line is the entry's place in the list, from 1. */
static sinter_mark option_mark(const sinter_options *o, const char *path)
{
    sinter_mark mark = {o->file, 1, 1};
    for (uint32_t i = 0; i < o->n; i++)
        if (strncmp(o->entry[i].path, path, strlen(path)) == 0) {
            mark.line = i + 1;
            break;
        }
    return mark;
}

static sinter_status options_read(const sinter_host *host, const char *file, const sinter_option *table, uint32_t n,
                                  const sinter_options **out, sinter_error *err)
{
    const harness *h = (const harness *)host;
    for (harness_file_text *f = h->files; f != NULL; f = f->next)
        if (strcmp(f->name, file) == 0) {
            sinter_status s = harness_options_check(f->options, table, n, err);
            if (s == SINTER_OK)
                *out = f->options;
            return s;
        }
    return harness_fail(err, SINTER_NOT_FOUND, file, "no such file: %s", file);
}

void harness_options_install(sinter_host *host)
{
    host->option_string = option_string;
    host->option_number = option_number;
    host->option_integer = option_integer;
    host->option_boolean = option_boolean;
    host->option_count = option_count;
    host->option_key = option_key;
    host->option_mark = option_mark;
    host->options_read = options_read;
}
