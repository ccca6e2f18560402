/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a rule's conditions: words, attributes, places, times, and the filter that says which items are meant. */
#include "rules.h"

#include <stdlib.h>

/* ---- numbers and times
 * ------------------------------------------------------------------------------------------------- */

bool rules_parse_number(const char *text, size_t n, double *out)
{
    char copy[64], *end;
    if (n == 0 || n >= sizeof copy || strspn(text, "+-.0123456789eE") < n) return false;
    memcpy(copy, text, n);
    copy[n] = 0;
    *out = strtod(copy, &end);
    return *end == 0 && *out - *out == 0;
}

/* Exactly `digits` digits. */
static bool take_digits(const char **at, uint32_t digits, int64_t least, int64_t most, int64_t *out)
{
    *out = 0;
    for (uint32_t i = 0; i < digits; i++, ++*at) {
        if (**at < '0' || **at > '9') return false;
        *out = *out * 10 + (**at - '0');
    }
    return *out >= least && *out <= most;
}

static bool take(const char **at, const char *any_of)
{
    if (**at == 0 || strchr(any_of, **at) == NULL) return false;
    ++*at;
    return true;
}

bool rules_parse_offset(const char *text, int32_t *minutes)
{
    int64_t hour, minute;
    bool minus = *text == '-';
    if (!take(&text, "+-") || !take_digits(&text, 2, 0, 14, &hour) || !take(&text, ":") ||
        !take_digits(&text, 2, 0, 59, &minute))
        return false;
    *minutes = (int32_t)(hour * 60 + minute) * (minus ? -1 : 1);
    return *text == 0;
}

bool rules_parse_hours(const char *text, uint32_t *from, uint32_t *until)
{
    int64_t hour, minute, at[2];
    for (int i = 0; i < 2; i++) {
        if ((i == 1 && !take(&text, "-")) || !take_digits(&text, 2, 0, 24, &hour) || !take(&text, ":") ||
            !take_digits(&text, 2, 0, 59, &minute))
            return false;
        at[i] = hour * 60 + minute;
    }
    *from = (uint32_t)at[0];
    *until = (uint32_t)at[1];
    return *text == 0 && at[0] < 1440 && at[1] <= 1440 && at[0] != at[1];
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar. */
static int64_t day_number(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool rules_parse_time(const char *text, int64_t *ms)
{
    static const uint8_t month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day, hour = 0, minute = 0, second = 0;
    if (!take_digits(&text, 4, 1, 9999, &year) || !take(&text, "-") || !take_digits(&text, 2, 1, 12, &month) ||
        !take(&text, "-") || !take_digits(&text, 2, 1, month_days[month - 1], &day))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month == 2 && day == 29 && !leap) return false;
    *ms = day_number(year, month, day) * 86400000;
    if (*text == 0) return true;
    if (!take(&text, "Tt ") || !take_digits(&text, 2, 0, 23, &hour) || !take(&text, ":") ||
        !take_digits(&text, 2, 0, 59, &minute) || !take(&text, ":") || !take_digits(&text, 2, 0, 60, &second))
        return false;
    *ms += ((hour * 60 + minute) * 60 + second) * 1000;
    if (take(&text, ".")) {
        int64_t unit = 100;
        if (*text < '0' || *text > '9') return false;
        for (; *text >= '0' && *text <= '9'; text++, unit /= 10)
            *ms += (*text - '0') * unit;
    }
    if (take(&text, "Zz")) return *text == 0;
    int32_t offset;
    if (!rules_parse_offset(text, &offset)) return false;
    *ms -= offset * 60000ll;
    return true;
}

/* ---- words
 * --------------------------------------------------------------------------------------------------------------- */

/* Canonical texts of a list as ids of a dictionary; with `split` each word of them is an entry. */
static sinter_status read_words(rules_reader *r, const char *path, rules_dictionary *d, bool split, rule_ids *out)
{
    rule_strings list;
    sinter_status s = rules_read_strings(r, path, &list);
    if (s != SINTER_OK || list.n == 0) return s;
    size_t room = 0;
    for (uint32_t i = 0; i < list.n; i++)
        room += list.text[i].size;
    char *text = rules_take(&r->inst->pool, 2 * room + 1);
    out->id = rules_take(&r->inst->pool, (split ? room : list.n) * sizeof *out->id);
    if (text == NULL || out->id == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < list.n; i++) {
        size_t n = rules_canonical(list.text[i].data, list.text[i].size, text);
        const char *at = text;
        sinter_str word = {text, n};
        if (n == 0)
            return rules_fail(r, path, "write words of letters or digits", "'%.100s' holds no word", list.text[i].data);
        while (!split || rules_next_word(&at, text + n, &word)) {
            uint32_t id = rules_intern(&r->inst->pool, d, word.data, word.size);
            if (id == RULES_NONE) return rules_no_memory(r->err);
            out->id[out->n++] = id;
            if (!split) break;
        }
    }
    return SINTER_OK;
}

static sinter_status read_query(rules_reader *r, const char *path, rule *u)
{
    sinter_instance *inst = r->inst;
    const struct {
        const char *key;
        rules_dictionary *dictionary;
        bool split;
        rule_ids *out;
    } kinds[] = {{"exact", &inst->exact, false, &u->exact},
                 {"starts_with", &inst->starts_with, false, &u->starts_with},
                 {"words", &inst->word, true, &u->words},
                 {"any_word", &inst->word, true, &u->any_word}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char at[RULES_PATH];
        rules_path(at, path, kinds[i].key);
        sinter_status s = read_words(r, at, kinds[i].dictionary, kinds[i].split, kinds[i].out);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

/* ---- attributes
 * ------------------------------------------------------------------------------------------------------------ */

static bool take_op(const char **at, rule_op *op)
{
    static const struct {
        const char *symbol;
        rule_op op;
    } ops[] = {{"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"=", OP_EQ}, {"<", OP_LT}, {">", OP_GT}};
    *at += strspn(*at, " ");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strncmp(*at, ops[i].symbol, strlen(ops[i].symbol)) == 0) {
            *at += strlen(ops[i].symbol);
            *op = ops[i].op;
            *at += strspn(*at, " ");
            return true;
        }
    return false;
}

/* "gold", "!= gold", ">= 3", ">= 18 < 30". */
static sinter_status read_alternative(rules_reader *r, const char *path, const char *text, rule_alternative *out)
{
    enum { MOST = 8 };
    rule_comparison *all = rules_take(&r->inst->pool, MOST * sizeof *all);
    if (all == NULL) return rules_no_memory(r->err);
    const char *at = text;
    rule_op op = OP_EQ;
    bool operated = take_op(&at, &op);
    do {
        rule_comparison *c = &all[out->n];
        bool ordered = op != OP_EQ && op != OP_NE;
        size_t n = strcspn(at, " <>=!");
        double ignored;
        if (!ordered && (!operated || !rules_parse_number(at, n, &ignored)))
            n = strlen(at); /* a text: all of the rest */
        *c = (rule_comparison){.op = op, .text = {at, n}};
        c->numeric = rules_parse_number(at, n, &c->number);
        if (ordered && !c->numeric)
            return rules_fail(r, path, "write a number, as in '>= 3'",
                              "'%.100s' compares with something that is not a number", text);
        out->n++;
        at += n;
        at += strspn(at, " ");
    } while (*at != 0 && out->n < MOST && take_op(&at, &op));
    if (*at != 0)
        return rules_fail(r, path, "write a value, '>= 3', or '>= 18 < 30'", "'%.100s' is not understood at '%.50s'",
                          text, at);
    out->all = all;
    return SINTER_OK;
}

static sinter_status read_attribute(rules_reader *r, const char *path, const char *name, rule_attribute *a)
{
    char *copy = rules_take_text(&r->inst->pool, name, strlen(name));
    rule_strings list;
    sinter_status s = rules_read_strings(r, path, &list);
    if (s != SINTER_OK) return s;
    if (list.n == 0)
        return rules_fail(r, path, "write a value, a list of values, or a comparison",
                          "attribute '%.100s' has no value", name);
    rule_alternative *any = rules_take(&r->inst->pool, list.n * sizeof *any);
    if (any == NULL || copy == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < list.n && s == SINTER_OK; i++)
        s = read_alternative(r, path, list.text[i].data, &any[i]);
    *a = (rule_attribute){.name = {copy, strlen(copy)}, .any = any, .n = list.n};
    return s;
}

static sinter_status read_attributes(rules_reader *r, const char *path, rule_attribute **out, uint32_t *n)
{
    uint32_t count = r->host->option_count(r->options, path);
    if (count == 0) return SINTER_OK;
    *out = rules_take(&r->inst->pool, count * sizeof **out);
    if (*out == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = r->host->option_key(r->options, path, i);
        if (name == NULL || *name == 0 || strchr(name, '.') != NULL || strlen(name) > 100)
            return rules_fail(r, path, "attribute names have 1 to 100 bytes and no dot",
                              "'%.100s' is not an attribute's name", name == NULL ? "" : name);
        char at[RULES_PATH];
        rules_path(at, path, name);
        sinter_status s = read_attribute(r, at, name, &(*out)[i]);
        if (s != SINTER_OK) return s;
    }
    *n = count;
    return SINTER_OK;
}

static sinter_status read_context(rules_reader *r, const char *path, rule *u)
{
    char at[RULES_PATH];
    rules_path(at, path, "locale");
    sinter_status s = rules_read_strings(r, at, &u->locale);
    rules_path(at, path, "device");
    if (s == SINTER_OK) s = rules_read_strings(r, at, &u->device);
    rules_path(at, path, "attributes");
    return s == SINTER_OK ? read_attributes(r, at, &u->context, &u->n_context) : s;
}

/* ---- times and items
 * ---------------------------------------------------------------------------------------------------------- */

static sinter_status read_moment(rules_reader *r, const char *path, const char *key, int64_t *out)
{
    char at[RULES_PATH];
    const char *text;
    rules_path(at, path, key);
    if (r->host->option_string(r->options, at, &text) && !rules_parse_time(text, out))
        return rules_fail(r, at, "use RFC 3339, such as 2026-11-27T08:00:00Z, or a date", "%s: '%.100s' is not a time",
                          key, text);
    return SINTER_OK;
}

static sinter_status read_days(rules_reader *r, const char *path, rule *u)
{
    static const char names[] = "montuewedthufrisatsun";
    rule_strings days;
    sinter_status s = rules_read_strings(r, path, &days);
    for (uint32_t i = 0; i < days.n && s == SINTER_OK; i++) {
        uint32_t day = 0;
        while (day < 7 && (days.text[i].size != 3 || memcmp(days.text[i].data, names + 3 * (size_t)day, 3) != 0))
            day++;
        if (day == 7)
            return rules_fail(r, path, "use mon, tue, wed, thu, fri, sat, sun", "days: '%.100s' is not a day",
                              days.text[i].data);
        u->days |= (uint8_t)(1u << day);
    }
    return s;
}

static sinter_status read_times(rules_reader *r, const char *path, rule *u)
{
    char at[RULES_PATH];
    const char *text;
    sinter_status s = read_moment(r, path, "from", &u->from_ms);
    if (s == SINTER_OK) s = read_moment(r, path, "until", &u->until_ms);
    if (s != SINTER_OK) return s;
    rules_path(at, path, "until");
    if (u->from_ms >= u->until_ms)
        return rules_fail(r, at, "let it end after it starts", "until: it ends before it starts");
    rules_path(at, path, "hours");
    if (r->host->option_string(r->options, at, &text) && !rules_parse_hours(text, &u->minute_from, &u->minute_until))
        return rules_fail(r, at, "write two times of day, such as 08:00-18:00",
                          "hours: '%.100s' is not a part of the day", text);
    rules_path(at, path, "utc_offset");
    if (r->host->option_string(r->options, at, &text) && !rules_parse_offset(text, &u->offset_minutes))
        return rules_fail(r, at, "write hours and minutes, such as '+01:00'", "utc_offset: '%.100s' is not an offset",
                          text);
    rules_path(at, path, "days");
    return read_days(r, at, u);
}

/* Rules that say the same of items share one compiled filter, matched once a block. */
static sinter_status read_filter(rules_reader *r, const char *path, rule *u)
{
    const char *text;
    if (!r->host->option_string(r->options, path, &text)) return SINTER_OK;
    sinter_instance *inst = r->inst;
    uint32_t before = inst->filter_text.n;
    u->filter = rules_intern(&inst->pool, &inst->filter_text, text, strlen(text));
    if (u->filter == RULES_NONE) return rules_no_memory(r->err);
    if (u->filter < before) return SINTER_OK;
    if (inst->filter == NULL && (inst->filter = rules_take(&inst->pool, RULES_MOST * sizeof(sinter_filter *))) == NULL)
        return rules_no_memory(r->err);
    sinter_status s = rules_compile(r, path, "filter", text, &inst->filter[u->filter]);
    if (s != SINTER_OK) return s;
    inst->n_filters = u->filter + 1;
    return SINTER_OK;
}

sinter_status rules_read_when(rules_reader *r, const char *path, rule *u)
{
    char at[RULES_PATH];
    bool empty;
    rules_path(at, path, "query");
    sinter_status s = read_query(r, at, u);
    rules_path(at, path, "empty_query");
    if (s == SINTER_OK && r->host->option_boolean(r->options, at, &empty)) u->empty_query = empty;
    rules_path(at, path, "user");
    if (s == SINTER_OK) s = read_attributes(r, at, &u->user, &u->n_user);
    rules_path(at, path, "context");
    if (s == SINTER_OK) s = read_context(r, at, u);
    if (s == SINTER_OK) s = read_times(r, path, u);
    rules_path(at, path, "filter");
    return s == SINTER_OK ? read_filter(r, at, u) : s;
}
