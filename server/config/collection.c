/* SPDX-License-Identifier: GPL-3.0-or-later */
/* collections/NAME.yaml: fields, languages and the settings of text ranking. Groups are in groups.c, what it
 * says of people in events.c. */
#include "collection.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const FIELD_TYPE_NAMES[FIELD_TYPES] = {"text",    "keyword",   "keywords", "integer", "number",
                                                   "boolean", "timestamp", "vector",   "geo"};

#define AT(f) offsetof(collection_raw, f)
static const char *const OPERATORS[] = {"or", "and", NULL};
static const char *const WHEN_EMPTY[] = {
    [CONFIG_EMPTY_SEARCH] = "search", [CONFIG_EMPTY_SUGGEST] = "suggest", [CONFIG_EMPTY_NOTHING] = "nothing", NULL};
static const walk_key COLLECTION_KEYS[] = {
    {"fields", WALK_NODE, AT(fields), NULL, 0, 0, NULL, true, "declare at least one: 'fields: {title: text}'"},
    {"groups", WALK_NODE, AT(groups), NULL, 0, 0, NULL, false, "weight and b of field groups, by name"},
    {"language", WALK_STRING, AT(language), "en", 0, 0, NULL, false, "of text fields that name none: a code, or none"},
    {"k1", WALK_DOUBLE, AT(c.k1), "1.2", 0, 10, NULL, false, "BM25F saturation of repeated words"},
    {"b", WALK_DOUBLE, AT(b), "0.5", 0, 1, NULL, false, "BM25F length normalisation of groups that name none"},
    {"coverage_bonus", WALK_DOUBLE, AT(c.coverage_bonus), "0", 0, 100, NULL, false,
     "weight added where all words of the query match"},
    {"operator", WALK_STRING, AT(operator), "or", 0, 0, OPERATORS, false, "or: any word may match; and: all must"},
    {"minimum_should_match", WALK_STRING, AT(c.minimum_should_match), "", 0, 0, NULL, false,
     "with or: words that must match, such as 2 or 75%"},
    {"units", WALK_BOOL, AT(c.units), "false", 0, 0, NULL, false, "normalise units and dimensions (13x13, 1/2 in)"},
    {"spelling", WALK_BOOL, AT(c.spelling), "true", 0, 0, NULL, false, "correct words that no item has"},
    {"when_empty", WALK_STRING, AT(when_empty), "search", 0, 0, WHEN_EMPTY, false,
     "where the words find nothing: search another spelling or fewer words, suggest them, or nothing"},
    {"stop_words", WALK_STRING, AT(c.stop_words), NULL, 0, 0, NULL, false,
     "default (a list for each language), none, or a file with a word a line; without it: none"},
    {"synonyms", WALK_STRING, AT(c.synonyms), NULL, 0, 0, NULL, false, "a file of synonyms, below; without it: none"},
    {"synonym_weight", WALK_DOUBLE, AT(c.synonym_weight), "0.8", 0, 1, NULL, false,
     "what a synonym counts beside the word itself"},
    {"suggest", WALK_NODE, AT(suggest), NULL, 0, 0, NULL, false, "a map, below; without it: nothing is completed"},
    {"title", WALK_STRING, AT(c.title_field), NULL, 0, 0, NULL, false,
     "the field a person calls an item by; without it: the first text field"},
    {"age", WALK_STRING, AT(c.age_field), NULL, 0, 0, NULL, false, "the timestamp field behind item.age_days"},
    {"events", WALK_NODE, AT(events), NULL, 0, 0, NULL, false,
     "event types by name, at most 32: what one is worth, or value where each brings its own"},
    {"profiles", WALK_NODE, AT(profiles), NULL, 0, 0, NULL, false, "a map, below"},
    {"counters", WALK_NODE, AT(counters), NULL, 0, 0, NULL, false, "a map, below"},
    {"rates", WALK_NODE, AT(rates), NULL, 0, 0, NULL, false, "a map, below; without it: times shown are not counted"},
    {"default_pipeline", WALK_STRING, AT(c.default_pipeline), NULL, 0, 0, NULL, false,
     "of requests that name none; without it: the pipeline of the collection's name, or its only one"},
};
const walk_table WALK_COLLECTION = {"a collection", COLLECTION_KEYS, ARRAY_LEN(COLLECTION_KEYS), false};

#define FIELD(f) offsetof(field_raw, f)
static const walk_key FIELD_KEYS[] = {
    {"type", WALK_STRING, FIELD(type), NULL, 0, 0, NULL, true,
     "valid: text, keyword, keywords, integer, number, boolean, timestamp, vector, geo"},
    {"searchable", WALK_BOOL, FIELD(f.searchable), NULL, 0, 0, NULL, false,
     "its words are found: text, keyword, keywords"},
    {"filterable", WALK_BOOL, FIELD(f.filterable), NULL, 0, 0, NULL, false, "filters may name it: all but text"},
    {"sortable", WALK_BOOL, FIELD(f.sortable), NULL, 0, 0, NULL, false, "keyword, integer, number, boolean, timestamp"},
    {"stored", WALK_BOOL, FIELD(f.stored), NULL, 0, 0, NULL, false, "answers may contain it"},
    {"required", WALK_BOOL, FIELD(f.required), "false", 0, 0, NULL, false, "an item without it is refused"},
    {"group", WALK_STRING, FIELD(f.group), NULL, 0, 0, NULL, false, "field group of a searchable field"},
    {"weight", WALK_DOUBLE, FIELD(f.weight), "1", 0, 1000, NULL, false, "of a searchable field"},
    {"language", WALK_STRING, FIELD(f.language), NULL, 0, 0, NULL, false,
     "of a searchable field; default: the collection's"},
    {"dimension", WALK_U32, FIELD(f.dimension), NULL, 1, 4096, NULL, false, "of a vector"},
};
const walk_table WALK_FIELD = {"a field", FIELD_KEYS, ARRAY_LEN(FIELD_KEYS), false};

/* What each type may be, and is unless the YAML says otherwise. */
static const struct {
    bool may_search, may_filter, may_sort;
    bool search, filter, sort;
} TYPES[FIELD_TYPES] = {
    [FIELD_TEXT] = {true, false, false, true, false, false},
    [FIELD_KEYWORD] = {true, true, true, false, true, true},
    [FIELD_KEYWORDS] = {true, true, false, false, true, false},
    [FIELD_INTEGER] = {false, true, true, false, true, true},
    [FIELD_NUMBER] = {false, true, true, false, true, true},
    [FIELD_BOOLEAN] = {false, true, true, false, true, true},
    [FIELD_TIMESTAMP] = {false, true, true, false, true, true},
    [FIELD_VECTOR] = {false, true, false, false, true, false},
    [FIELD_GEO] = {false, true, false, false, true, false},
};

/* ---- names --------------------------------------------------------------------------------------------------------
 */

bool config_name_matches(const char *declared, str name)
{
    const char *star = NULL;
    size_t i = 0, mark = 0;
    while (i < name.n) {
        if (*declared == '*') {
            star = ++declared;
            mark = ++i; /* one character at least */
        } else if (*declared && *declared == name.s[i]) {
            declared++, i++;
        } else if (star) {
            declared = star;
            i = ++mark;
        } else {
            return false;
        }
    }
    return !*declared;
}

/* Segments of letters, digits, _ and - joined by dots; a pattern has stars among them. */
static bool name_valid(const char *s)
{
    bool segment = false;
    for (; *s; s++) {
        if (*s == '.') {
            if (!segment) return false;
            segment = false;
            continue;
        }
        if (*s == '*' && s[1] == '*') return false;
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-' && *s != '*') return false;
        segment = true;
    }
    return segment;
}

static sinter_status check_name(const conf_node *key, const config_field *before, uint32_t n_before, sinter_error *e)
{
    const char *s = key->text;
    if (!name_valid(s) || strlen(s) > 200 || isdigit((unsigned char)*s) || *s == '-')
        return conf_error(e, key, "use letters, digits, _ and -, joined by dots; * makes a pattern",
                          "'%s' is not a field name", s);
    if (strcmp(s, "id") == 0)
        return conf_error(e, key, "choose another name", "'id' is every item's own and cannot be declared");
    for (uint32_t i = 0; i < n_before; i++) {
        if (before[i].pattern && !strchr(s, '*') && config_name_matches(before[i].name, str_of(s)))
            return conf_error(e, key, "move it above the pattern", "'%s' is never used: '%s' in line %u matches first",
                              s, before[i].name, before[i].at->line);
    }
    return SINTER_OK;
}

/* ---- fields -------------------------------------------------------------------------------------------------------
 */

static sinter_status read_type(const conf_node *at, const char *name, field_type *out, sinter_error *e)
{
    for (int t = 0; t < FIELD_TYPES; t++) {
        if (strcmp(name, FIELD_TYPE_NAMES[t]) != 0) continue;
        *out = (field_type)t;
        return SINTER_OK;
    }
    return walk_unknown(at, "type", name, FIELD_TYPE_NAMES, FIELD_TYPES, e);
}

static sinter_status refuse_flag(const conf_node *map, const config_field *f, const char *flag, bool set, bool may,
                                 const char *fix, sinter_error *e)
{
    if (!set || may) return SINTER_OK;
    const conf_node *at = conf_get(map, flag);
    return conf_error(e, at, fix, "a %s field cannot be %s", FIELD_TYPE_NAMES[f->type], flag);
}

/* Keys that mean nothing for this field. */
static sinter_status refuse_idle(const conf_node *map, const config_field *f, sinter_error *e)
{
    static const char *const ONLY_SEARCHABLE[] = {"group", "weight", "language"};
    for (size_t i = 0; i < ARRAY_LEN(ONLY_SEARCHABLE); i++) {
        const conf_node *at = conf_get(map, ONLY_SEARCHABLE[i]);
        if (at && !f->searchable)
            return conf_error(e, at, "remove it, or say 'searchable: true'",
                              "%s is of searchable fields; '%s' is not one", ONLY_SEARCHABLE[i], f->name);
    }
    const conf_node *dimension = conf_get(map, "dimension");
    if (dimension && f->type != FIELD_VECTOR)
        return conf_error(e, dimension, "remove it", "dimension is of vector fields; '%s' is %s", f->name,
                          FIELD_TYPE_NAMES[f->type]);
    if (!dimension && f->type == FIELD_VECTOR)
        return conf_error(e, map, "write 'dimension: N', 1 to 4096", "the vector field '%s' has no dimension", f->name);
    return SINTER_OK;
}

static sinter_status check_flags(const conf_node *map, const config_field *f, sinter_error *e)
{
    static const char *const AS_KEYWORD = "declare a keyword field beside it";
    bool text = f->type == FIELD_TEXT;
    sinter_status s = refuse_flag(map, f, "searchable", f->searchable, TYPES[f->type].may_search,
                                  "searchable are text, keyword and keywords", e);
    if (s == SINTER_OK)
        s = refuse_flag(map, f, "filterable", f->filterable, TYPES[f->type].may_filter, text ? AS_KEYWORD : NULL, e);
    if (s == SINTER_OK)
        s = refuse_flag(map, f, "sortable", f->sortable, TYPES[f->type].may_sort,
                        text ? AS_KEYWORD : "sortable are keyword, integer, number, boolean and timestamp", e);
    return s == SINTER_OK ? refuse_idle(map, f, e) : s;
}

static sinter_status read_language(const conf_node *at, const char **language, sinter_error *e)
{
    const char *code = config_language(*language);
    if (!code)
        return conf_error(e, at, "write a code such as en, de, fr, or none (Chinese, Japanese and Korean need none)",
                          "no stemmer for the language '%s'", *language);
    *language = code;
    return SINTER_OK;
}

static sinter_status read_field(const conf_node *key, const conf_node *map, const char *language, config_field *out,
                                arena *a, sinter_error *e)
{
    field_raw raw = {0};
    sinter_status s;
    if (map->kind == CONF_SCALAR) { /* title: text */
        raw.type = map->text;
        raw.f.weight = 1;
        s = read_type(map, raw.type, &raw.f.type, e);
    } else {
        s = walk_map(map, &WALK_FIELD, &raw, a, e);
        if (s == SINTER_OK) s = read_type(conf_get(map, "type"), raw.type, &raw.f.type, e);
    }
    if (s != SINTER_OK) return s;
    raw.f.name = key->text;
    raw.f.at = key;
    raw.f.pattern = strchr(key->text, '*') != NULL;
    if (!conf_get(map, "searchable")) raw.f.searchable = TYPES[raw.f.type].search;
    if (!conf_get(map, "filterable")) raw.f.filterable = TYPES[raw.f.type].filter;
    if (!conf_get(map, "sortable")) raw.f.sortable = TYPES[raw.f.type].sort;
    if (!conf_get(map, "stored")) raw.f.stored = true;
    if (raw.f.pattern && raw.f.required)
        return conf_error(e, conf_get(map, "required"), "remove it", "a pattern cannot be required");
    s = check_flags(map, &raw.f, e);
    if (s == SINTER_OK && raw.f.language) s = read_language(conf_get(map, "language"), &raw.f.language, e);
    if (!raw.f.language) raw.f.language = language;
    *out = raw.f;
    return s;
}

static sinter_status read_fields(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e)
{
    const conf_node *at = raw->fields;
    sinter_status s = walk_is(at, CONF_MAP, "fields", e);
    if (s != SINTER_OK) return s;
    if (at->n == 0) return conf_error(e, at, "declare at least one: 'fields: {title: text}'", "fields is empty");
    if (at->n > 2000) return conf_error(e, at, "use patterns", "%u fields are declared; at most 2000", at->n);
    config_field *field = ARENA_ARRAY(a, config_field, at->n);
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) {
        s = check_name(at->key[i], field, i, e);
        if (s == SINTER_OK) s = read_field(at->key[i], at->value[i], raw->language, &field[i], a, e);
    }
    c->field = field;
    c->n_fields = at->n;
    return s;
}

/* ---- languages ------------------------------------------------------------------------------------------------------
 */

static sinter_status add_language(config_collection *c, const char *language, const conf_node *at, sinter_error *e)
{
    if (strcmp(language, "none") == 0) return SINTER_OK;
    for (uint32_t i = 0; i < c->n_languages; i++) {
        if (strcmp(c->language[i], language) == 0) return SINTER_OK;
    }
    if (c->n_languages == CONFIG_MAX_LANGUAGES)
        return conf_error(e, at, "a collection has at most 3 languages; use none for the rest",
                          "'%s' is the fourth language, after %s, %s and %s", language, c->language[0], c->language[1],
                          c->language[2]);
    c->language[c->n_languages++] = language;
    return SINTER_OK;
}

/* The collection's own stands first, if any field speaks it; else the first field's. */
static sinter_status collect_languages(const collection_raw *raw, config_collection *c, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < c->n_fields && s == SINTER_OK; i++) {
            const config_field *f = &c->field[i];
            const conf_node *at = conf_get(raw->fields->value[i], "language");
            if (f->searchable && (pass || strcmp(f->language, raw->language) == 0))
                s = add_language(c, f->language, at ? at : f->at, e);
        }
    }
    return s;
}

/* ---- the rest -------------------------------------------------------------------------------------------------------
 */

static const config_field *find_field(const config_collection *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_fields; i++) {
        const config_field *f = &c->field[i];
        if (f->pattern ? config_name_matches(f->name, str_of(name)) : strcmp(f->name, name) == 0) return f;
    }
    return NULL;
}

const config_field *collection_field(const config_collection *c, const conf_node *at, const char *name, sinter_error *e)
{
    const config_field *f = find_field(c, name);
    if (f) return f;
    const char *names[256];
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_fields && n < ARRAY_LEN(names); i++)
        names[n++] = c->field[i].name;
    walk_unknown(at, "field", name, names, n, e);
    return NULL;
}

static sinter_status check_title(const conf_node *root, config_collection *c, sinter_error *e)
{
    if (c->title_field) {
        const conf_node *at = conf_get(root, "title");
        const config_field *f = collection_field(c, at, c->title_field, e);
        if (!f) return SINTER_INVALID;
        if (f->type == FIELD_TEXT || f->type == FIELD_KEYWORD) return SINTER_OK;
        return conf_error(e, at, "name a text or keyword field", "title is '%s', a %s field", c->title_field,
                          FIELD_TYPE_NAMES[f->type]);
    }
    for (uint32_t i = 0; i < c->n_fields && !c->title_field; i++) {
        if (c->field[i].type == FIELD_TEXT && !c->field[i].pattern) c->title_field = c->field[i].name;
    }
    return SINTER_OK;
}

static sinter_status check_age(const conf_node *root, config_collection *c, sinter_error *e)
{
    if (!c->age_field) return SINTER_OK;
    const conf_node *at = conf_get(root, "age");
    const config_field *f = collection_field(c, at, c->age_field, e);
    if (!f) return SINTER_INVALID;
    if (f->type == FIELD_TIMESTAMP) return SINTER_OK;
    return conf_error(e, at, "name a timestamp field", "age is '%s', a %s field", c->age_field,
                      FIELD_TYPE_NAMES[f->type]);
}

sinter_status walk_minimum(const conf_node *at, const char *text, sinter_error *e)
{
    str s = str_of(text);
    uint64_t v;
    if (s.n == 0) return SINTER_OK;
    bool percent = s.s[s.n - 1] == '%';
    if (percent) s.n--;
    if (parse_uint64(s, &v) && v >= 1 && v <= (percent ? 100 : 64)) return SINTER_OK;
    return conf_error(e, at, "write a number of words, 1 to 64, or 1% to 100%", "minimum_should_match is '%s'", text);
}

static sinter_status check_stop_words(const conf_node *root, config_collection *c, arena *a, sinter_error *e)
{
    if (!c->stop_words || strcmp(c->stop_words, "default") == 0) return SINTER_OK;
    bool none = strcmp(c->stop_words, "none") == 0;
    const char *path = none ? NULL : walk_path(root->file, c->stop_words, a);
    c->stop_words = path;
    if (none || access(path, R_OK) == 0) return SINTER_OK;
    return conf_error(e, conf_get(root, "stop_words"), "write default, none, or a file relative to this one",
                      "stop_words: no file '%s'", path);
}

static sinter_status check_synonyms(const conf_node *root, config_collection *c, arena *a, sinter_error *e)
{
    if (!c->synonyms) return SINTER_OK;
    c->synonyms = walk_path(root->file, c->synonyms, a);
    if (access(c->synonyms, R_OK) == 0) return SINTER_OK;
    return conf_error(e, conf_get(root, "synonyms"), "write a file relative to this one", "synonyms: no file '%s'", c->synonyms);
}

sinter_status collection_read(const char *name, const conf_node *root, config_collection *out, arena *a,
                              sinter_error *e)
{
    collection_raw raw = {0};
    sinter_status s = walk_map(root, &WALK_COLLECTION, &raw, a, e);
    if (s != SINTER_OK) return s;
    config_collection c = raw.c;
    c.name = name;
    c.file = root->file;
    c.at = root;
    c.operator_and = strcmp(raw.operator, "and") == 0;
    while (strcmp(WHEN_EMPTY[c.when_empty], raw.when_empty) != 0) c.when_empty++;
    const conf_node *at = conf_get(root, "language");
    s = read_language(at ? at : root, &raw.language, e);
    if (s == SINTER_OK) s = read_fields(&raw, &c, a, e);
    if (s == SINTER_OK) s = groups_resolve(&raw, &c, a, e);
    if (s == SINTER_OK) s = collect_languages(&raw, &c, e);
    if (s == SINTER_OK) s = check_title(root, &c, e);
    if (s == SINTER_OK) s = check_age(root, &c, e);
    if (s == SINTER_OK) s = walk_minimum(conf_get(root, "minimum_should_match"), c.minimum_should_match, e);
    if (s == SINTER_OK) s = check_stop_words(root, &c, a, e);
    if (s == SINTER_OK) s = check_synonyms(root, &c, a, e);
    if (s == SINTER_OK) s = suggest_resolve(&raw, &c, a, e);
    if (s == SINTER_OK) s = events_resolve(&raw, &c, a, e);
    *out = c;
    return s;
}
