/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Id features: texts as 32-bit hashes, for models that learn something of each. A dictionary holds the hash of each item's id
 * and each keyword; what a request brings is hashed once. */
#include "features/features.h"

#include "registry.h"

#include <stdio.h>
#include <string.h>

const feature_kind ID_FEATURE_KINDS[ID_FEATURE_KINDS_N] = {
#define X(id, name, per_request, doc) {name, doc, per_request},
    ID_FEATURE_KIND_MAP(X)
#undef X
};

/* ---- names ------------------------------------------------------------------------------------------------------------ */

static bool resolve_plain(const char *name, id_feature_kind_id *kind)
{
    for (uint32_t k = 0; k < ID_FEATURE_KINDS_N; k++) {
        *kind = (id_feature_kind_id)k;
        if (strcmp(ID_FEATURE_KINDS[k].name, name) == 0 && !strpbrk(name, FEATURE_CAPITALS)) return true;
    }
    return false;
}

static bool resolve(const feature_scope *scope, const char *name, id_feature *out)
{
    id_feature_kind_id kind;
    const char *rest = NULL;
    if (!resolve_plain(name, &kind)) {
        if ((rest = name_after(name, "item."))) {
            const config_field *f = name_declaration(scope->schema, rest, strlen(rest));
            if (!f || f->type != FIELD_KEYWORD) return false;
            kind = ID_FEATURE_ITEM_FIELD;
        } else if ((rest = name_after(name, "user."))) {
            kind = ID_FEATURE_USER_ATTRIBUTE;
        } else if ((rest = name_after(name, "context."))) {
            kind = ID_FEATURE_CONTEXT_ATTRIBUTE;
        } else {
            return false;
        }
    }
    *out = (id_feature){.kind = (uint16_t)kind, .per_request = ID_FEATURE_KINDS[kind].per_request, .name = name, .attribute = rest};
    return true;
}

sinter_status id_feature_resolve(const feature_scope *scope, const char *name, id_feature *out, sinter_error *e)
{
    if (resolve(scope, name, out)) return SINTER_OK;
    const char *rest = name_after(name, "item.");
    const config_field *d = rest ? name_declaration(scope->schema, rest, strlen(rest)) : NULL;
    if (d)
        return error_set(e, SINTER_INVALID, NULL, "an id feature is a keyword field; numbers are features",
                         "id feature '%s': '%s' is a %s field", name, rest, FIELD_TYPE_NAMES[d->type]);
    arena *a = arena_new(4096);
    const char *const *names;
    uint32_t n = id_feature_names(scope, a, &names);
    const char *near = near_name(name, names, n);
    error_set(e, SINTER_NOT_FOUND, NULL, "all names are in docs/features.md; e.g. item.id, item.FIELD, user.id, query.text",
              "unknown id feature '%s'", name);
    if (near) error_fix(e, "did you mean '%s'? All names are in docs/features.md", near);
    arena_free(a);
    return SINTER_NOT_FOUND;
}

uint32_t id_feature_names(const feature_scope *scope, arena *a, const char *const **out)
{
    name_list l = {.a = a};
    for (uint32_t k = 0; k < ID_FEATURE_KINDS_N; k++)
        if (!strpbrk(ID_FEATURE_KINDS[k].name, FEATURE_CAPITALS)) name_add(&l, ID_FEATURE_KINDS[k].name);
    for (uint32_t i = 0; i < scope->schema->n_fields; i++) {
        const config_field *f = &scope->schema->field[i];
        if (!f->pattern && f->type == FIELD_KEYWORD) name_add(&l, arena_printf(a, "item.%s", f->name));
    }
    *out = l.name;
    return l.n;
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

/* Numbers that may have a fraction are features, not names of anything. */
static uint32_t attribute_hash(const sinter_attribute *a, uint32_t n, const char *name)
{
    char digits[24];
    for (uint32_t i = 0; i < n; i++) {
        if (!str_is((str){a[i].name.data, a[i].name.size}, name)) continue;
        const sinter_value *v = &a[i].value;
        switch (v->type) {
        case SINTER_VALUE_STRING: return v->u.string.size ? hash_id(v->u.string.data, v->u.string.size) : 0;
        case SINTER_VALUE_INTEGER: return hash_id(digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)v->u.integer));
        case SINTER_VALUE_BOOLEAN: return v->u.boolean ? hash_id("true", 4) : hash_id("false", 5);
        default: return 0;
        }
    }
    return 0;
}

static uint32_t of_request(const id_feature *f, const feature_source *s)
{
    const sinter_user *u = s->request->user;
    const sinter_context *c = s->request->context;
    switch (f->kind) {
    case ID_FEATURE_USER: return u->user_id.size ? hash_id(u->user_id.data, u->user_id.size) : 0;
    case ID_FEATURE_USER_ATTRIBUTE: return attribute_hash(u->attribute, u->n_attributes, f->attribute);
    case ID_FEATURE_CONTEXT_ATTRIBUTE: return attribute_hash(c->attribute, c->n_attributes, f->attribute);
    case ID_FEATURE_QUERY: {
        str text = profile_query_text(s->asked, s->a);
        return text.n ? hash_id(text.s, text.n) : 0;
    }
    case ID_FEATURE_SESSION_QUERY: {
        str user = {u->user_id.data, u->user_id.size}, session = {u->session_id.data, u->session_id.size};
        if (!s->profiles) return 0;
        return profile_session_of(s->profiles, profile_find_person(s->profiles, user, session), c->now_ms).query;
    }
    default: return 0;
    }
}

void id_feature_fill(const id_feature *f, const feature_source *s, uint32_t *out, uint32_t stride)
{
    const catalog_collection *c = s->columns->owner;
    const catalog_field *field = f->kind == ID_FEATURE_ITEM_FIELD ? catalog_find_field(c, f->attribute) : NULL;
    const sinter_column *column = field ? catalog_column(s->columns, f->attribute) : NULL;
    uint32_t same = f->per_request ? of_request(f, s) : 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t h = same;
        if (f->kind == ID_FEATURE_ITEM) h = catalog_item_hash(c, s->item[i]);
        if (column) h = catalog_keyword_hash(c, field, column_keyword(column, s->item[i]));
        out[(size_t)i * stride] = h;
    }
}
