/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a rule's actions. */
#include "rules.h"

typedef sinter_status read_action(rules_reader *, const char *path, const rule *, rule_action *);

static sinter_status take_text(rules_reader *r, const char *path, const char **out)
{
    const char *text;
    if (!r->host->option_string(r->options, path, &text)) return SINTER_OK;
    *out = rules_take_text(&r->inst->pool, text, strlen(text));
    return *out == NULL ? rules_no_memory(r->err) : SINTER_OK;
}

static sinter_status read_items(rules_reader *r, const char *path, rule_action *a)
{
    char at[RULES_PATH];
    rule_strings list;
    rules_path(at, path, "items");
    sinter_status s = rules_read_strings(r, at, &list);
    if (s != SINTER_OK || list.n == 0) return s;
    a->item = rules_take(&r->inst->pool, list.n * sizeof *a->item);
    if (a->item == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < list.n; i++) {
        uint32_t k = 0;
        while (k < a->n_items && strcmp(a->item[k], list.text[i].data) != 0)
            k++;
        a->item[k] = list.text[i].data;                    /* the pool's copy: NUL-terminated */
        a->n_items = k == a->n_items ? k + 1 : a->n_items; /* named twice means once */
    }
    return SINTER_OK;
}

static uint32_t read_count(rules_reader *r, const char *path, const char *key, int64_t otherwise)
{
    char at[RULES_PATH];
    int64_t v = otherwise;
    rules_path(at, path, key);
    r->host->option_integer(r->options, at, &v);
    return (uint32_t)v;
}

/* boost: factor or add; bury: factor or subtract. */
static sinter_status read_boost(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    bool up = a->act == ACT_BOOST;
    const char *other = up ? "add" : "subtract";
    char factor[RULES_PATH], amount[RULES_PATH];
    double f = 1, v = 0;
    rules_path(factor, path, "factor");
    rules_path(amount, path, other);
    bool has_factor = r->host->option_number(r->options, factor, &f),
         has_amount = r->host->option_number(r->options, amount, &v);
    if (has_factor == has_amount)
        return rules_fail(r, path, up ? "write factor: 1.5, or add: 2" : "write factor: 0.5, or subtract: 2",
                          "%s needs one of factor and %s", up ? "boost" : "bury", other);
    a->additive = has_amount;
    a->amount = has_factor ? f : up ? v : -v;
    return read_items(r, path, a);
}

/* Actions that would otherwise take hold of every item. */
static sinter_status need_target(rules_reader *r, const char *path, const rule *u, const rule_action *a,
                                 const char *name)
{
    if (a->n_items > 0 || u->filter != RULES_NONE) return SINTER_OK;
    return rules_fail(r, path, "name items, or write when: {filter: …}",
                      "%s says neither items nor, in `when`, a filter", name);
}

static sinter_status read_pin(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    a->position = read_count(r, path, "position", 1);
    a->limit = read_count(r, path, "limit", 1);
    sinter_status s = read_items(r, path, a);
    return s == SINTER_OK ? need_target(r, path, u, a, "pin") : s;
}

static sinter_status read_hide(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    sinter_status s = read_items(r, path, a);
    return s == SINTER_OK ? need_target(r, path, u, a, "hide") : s;
}

static sinter_status read_insert(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    a->position = read_count(r, path, "position", 1);
    sinter_status s = read_items(r, path, a);
    return s == SINTER_OK && a->n_items == 0 ? need_target(r, path, u, a, "insert") : s;
}

static sinter_status read_cap(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    char at[RULES_PATH];
    rules_path(at, path, "field");
    sinter_status s = take_text(r, at, &a->field);
    if (s != SINTER_OK) return s;
    const sinter_column *c = r->host->column(r->host, a->field);
    if (c == NULL) { /* not there, or not there yet: the filter language knows, and names near ones */
        char filter[300];
        snprintf(filter, sizeof filter, "EXISTS %.250s", a->field);
        if ((s = rules_compile(r, at, "cap", filter, NULL)) != SINTER_OK) return s;
    } else if (c->type != SINTER_COLUMN_KEYWORD && c->type != SINTER_COLUMN_KEYWORDS &&
               c->type != SINTER_COLUMN_INTEGER && c->type != SINTER_COLUMN_BOOLEAN) {
        return rules_fail(r, at, "use a keyword, keywords, integer or boolean field",
                          "cap: values of '%.100s' cannot be counted", a->field);
    }
    a->limit = read_count(r, path, "most", 1);
    a->among = read_count(r, path, "among", 10);
    return SINTER_OK;
}

static sinter_status read_label(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    char at[RULES_PATH];
    rules_path(at, path, "text");
    sinter_status s = take_text(r, at, &a->text);
    return s == SINTER_OK ? read_items(r, path, a) : s;
}

static sinter_status need_words(rules_reader *r, const char *path, const char *text)
{
    char small[512], *canonical = strlen(text) < sizeof small ? small : rules_take(&r->inst->pool, strlen(text) + 1);
    if (canonical == NULL) return rules_no_memory(r->err);
    if (rules_canonical(text, strlen(text), canonical) == 0)
        return rules_fail(r, path, "write words of letters or digits", "'%.100s' holds no word", text);
    return SINTER_OK;
}

static sinter_status read_add_words(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    sinter_status s = take_text(r, path, &a->text);
    return s == SINTER_OK ? need_words(r, path, a->text) : s;
}

static sinter_status read_replace_words(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    char at[RULES_PATH];
    rules_path(at, path, "to");
    sinter_status s = take_text(r, at, &a->text);
    if (s == SINTER_OK) s = need_words(r, at, a->text);
    rules_path(at, path, "from");
    if (s == SINTER_OK) s = take_text(r, at, &a->from);
    return s == SINTER_OK && a->from != NULL ? need_words(r, at, a->from) : s;
}

static sinter_status read_boost_words(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    char at[RULES_PATH];
    rule_strings list;
    rules_path(at, path, "factor");
    r->host->option_number(r->options, at, &a->amount);
    rules_path(at, path, "words");
    sinter_status s = rules_read_strings(r, at, &list);
    if (s != SINTER_OK) return s;
    a->item = rules_take(&r->inst->pool, (list.n + 1) * sizeof *a->item);
    if (a->item == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < list.n && s == SINTER_OK; i++) {
        char *word = rules_take(&r->inst->pool, list.text[i].size + 1);
        if (word == NULL) return rules_no_memory(r->err);
        rules_canonical(list.text[i].data, list.text[i].size, word);
        a->item[a->n_items++] = word;
        if (*word == 0 || strchr(word, ' ') != NULL)
            s = rules_fail(r, at, "write one word an entry", "boost_words: '%.100s' is not one word",
                           list.text[i].data);
    }
    return s;
}

static sinter_status read_add_filter(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    sinter_status s = take_text(r, path, &a->text);
    return s == SINTER_OK ? rules_compile(r, path, "add_filter", a->text, NULL) : s;
}

static sinter_status read_redirect(rules_reader *r, const char *path, const rule *u, rule_action *a)
{
    (void)u;
    sinter_status s = take_text(r, path, &a->text);
    if (s != SINTER_OK) return s;
    bool known = strncmp(a->text, "https://", 8) == 0 || strncmp(a->text, "http://", 7) == 0 ||
                 (a->text[0] == '/' && a->text[1] != '/');
    for (const char *p = a->text; *p != 0; p++)
        known = known && (unsigned char)*p > ' ' && *p != 127;
    if (!known || strlen(a->text) > 2048)
        return rules_fail(r, path, "use https://HOST/PATH, or /PATH", "redirect: '%.100s' is not a URL", a->text);
    return SINTER_OK;
}

static const struct {
    const char *key;
    rule_act act;
    uint32_t roles;
    read_action *read;
} kinds[] = {
    {"boost", ACT_BOOST, ROLE_RANKER | ROLE_FINISHER, read_boost},
    {"bury", ACT_BURY, ROLE_RANKER | ROLE_FINISHER, read_boost},
    {"pin", ACT_PIN, ROLE_FINISHER, read_pin},
    {"hide", ACT_HIDE, ROLE_FINISHER, read_hide},
    {"insert", ACT_INSERT, ROLE_FINISHER, read_insert},
    {"cap", ACT_CAP, ROLE_FINISHER, read_cap},
    {"label", ACT_LABEL, ROLE_FINISHER, read_label},
    {"add_words", ACT_ADD_WORDS, ROLE_REWRITER, read_add_words},
    {"replace_words", ACT_REPLACE_WORDS, ROLE_REWRITER, read_replace_words},
    {"boost_words", ACT_BOOST_WORDS, ROLE_REWRITER, read_boost_words},
    {"add_filter", ACT_ADD_FILTER, ROLE_REWRITER, read_add_filter},
    {"redirect", ACT_REDIRECT, ROLE_REWRITER, read_redirect},
};

/* The actions of one map, in the order in which it names them. */
static sinter_status read_map(rules_reader *r, const char *path, rule *u)
{
    uint32_t n = r->host->option_count(r->options, path);
    for (uint32_t k = 0; k < n; k++) {
        const char *key = r->host->option_key(r->options, path, k);
        for (size_t i = 0; key != NULL && i < sizeof kinds / sizeof *kinds; i++) {
            if (strcmp(kinds[i].key, key) != 0) continue;
            char at[RULES_PATH];
            rules_path(at, path, key);
            rule_action *a = &u->action[u->n_actions];
            *a = (rule_action){.act = kinds[i].act, .roles = kinds[i].roles};
            sinter_status s = kinds[i].read(r, at, u, a);
            if (s != SINTER_OK) return s;
            u->roles |= a->roles;
            u->n_actions++;
            if (a->act == ACT_BOOST || a->act == ACT_BURY) {
                r->inst->n_boosts++;
                r->inst->n_boost_items += a->n_items;
            }
        }
    }
    return SINTER_OK;
}

sinter_status rules_read_then(rules_reader *r, const char *path, rule *u)
{
    uint32_t maps = r->host->option_count(r->options, path), actions = 0;
    char at[RULES_PATH];
    for (uint32_t i = 0; i < maps; i++) {
        snprintf(at, sizeof at, "%.240s.%u", path, i);
        actions += r->host->option_count(r->options, at);
    }
    if (actions == 0)
        return rules_fail(r, path, "write at least one action, such as then: {boost: {factor: 2}}", "no action");
    u->action = rules_take(&r->inst->pool, actions * sizeof *u->action);
    if (u->action == NULL) return rules_no_memory(r->err);
    for (uint32_t i = 0; i < maps; i++) {
        snprintf(at, sizeof at, "%.240s.%u", path, i);
        sinter_status s = read_map(r, at, u);
        if (s != SINTER_OK) return s;
    }
    return u->n_actions > 0 ? SINTER_OK : rules_fail(r, path, NULL, "no action");
}
