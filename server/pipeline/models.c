/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The model behind a use: which version it is, whether that is whole and belongs here, and the instance that serves it.
 *
 * NAME/latest is the newest deployment in the journal. When the server starts and that one is broken, the one deployed before it
 * serves, and the status says so; at any other time a broken one is refused, and what runs goes on. */
#include "models.h"

#include <stdio.h>
#include <string.h>

/* The model's file moves into the sentence, because `where` is the place in the YAML. */
static sinter_status place(sinter_error *e, const config_use *use, sinter_status s)
{
    char what[sizeof e->what];
    if (!e || !use->at) return s;
    snprintf(what, sizeof what, "model %s: %s%s%.*s", use->model, e->where, *e->where ? ": " : "",
             (int)(sizeof what - strlen(e->where) - strlen(use->model) - 12), e->what);
    error_set(e, s, NULL, e->fix, "%s", what);
    error_where(e, "%s:%u:%u", use->at->file, use->at->line, use->at->column);
    return s;
}

/* Reads, checks, opens and tries one version. On failure nothing is owed. */
static sinter_status attempt(const model_use *u, const char *name, uint64_t version, const deployment *recorded, snap_use *out,
                             sinter_error *e)
{
    const snapshot_args *args = u->args;
    model_info m;
    uint32_t cases = 0;
    plugin_instance *i = NULL;
    sinter_status s = model_read(u->data_dir, name, version, u->a, &m, e);
    if (s == SINTER_OK) s = model_verify(&m, recorded ? recorded->file : NULL, recorded ? recorded->n_files : 0, e);
    const model_wanted wanted = {.library = out->library, .collection = &u->services->public, .role = u->role,
                                 .ranker = u->ranker, .n_rankers = u->n_rankers};
    if (s == SINTER_OK) s = model_fits(&m, &wanted, e);
    if (s != SINTER_OK) return s;
    plugin_open_args open = {.role = u->role, .use = u->label, .config = u->use, .model_dir = m.dir,
                             .collection = &u->services->public, .services = &u->services->table};
    s = plugin_open(args->host, out->library, &open, &i, e);
    if (s != SINTER_OK) return s;
    bool same_role = strcmp(m.role, PLUGIN_ROLE_NAMES[u->role]) == 0;
    if (same_role) s = model_fits_inputs(&m, plugin_instance_inputs(i), e);
    if (s == SINTER_OK && same_role) s = golden_check(i, args->control_lane, m.dir, &cases, e);
    if (s != SINTER_OK) {
        plugin_instance_release(args->host, i);
        return s;
    }
    const char *options = model_options_hash(u->use, u->a);
    if (same_role && strcmp(options, m.options) != 0)
        log_warn("model.options", "%s: %s/%llu was trained with other options than the pipeline has now", u->label, name,
                 (unsigned long long)version);
    *u->golden_cases += cases;
    out->instance = i;
    out->model = arena_printf(u->a, "%s/%llu", name, (unsigned long long)version);
    out->model_until = m.until;
    return SINTER_OK;
}

static sinter_status not_trained(const model_use *u, snap_use *out)
{
    out->disabled = arena_printf(u->a, "not trained yet: sinter train %s --deploy", u->train);
    return SINTER_OK;
}

static sinter_status newest(const model_use *u, const char *name, snap_use *out, sinter_error *e)
{
    uint32_t number = u->services->catalog ? catalog_number(u->services->catalog) : 0;
    const deployment *d = deployments_newest_of(u->args->deployments, name, number), *first = d;
    char why[1600] = "", line[1600];
    if (!d) return not_trained(u, out);
    for (; d; d = d->under) {
        if (!d->version) continue;
        sinter_status s = attempt(u, name, d->version, d, out, e);
        if (s == SINTER_OK) break;
        if (!u->args->at_start) return place(e, u->use, s);
        error_line(e, line, sizeof line);
        log_error("model.broken", "%s: %s/%llu, deployed by record %llu, cannot be used: %s", u->label, name,
                  (unsigned long long)d->version, (unsigned long long)d->sequence, line);
        if (!*why) snprintf(why, sizeof why, "%s", line);
        *e = (sinter_error)SINTER_ERROR_INIT;
    }
    if (d == first) return SINTER_OK;
    if (d) {
        out->fallback = arena_printf(u->a, "serving %s, deployed before: %s/%llu cannot be used: %s", out->model, name,
                                     (unsigned long long)first->version, why);
        log_warn("model.fallback", "%s: %s", u->label, out->fallback);
    } else {
        out->disabled = arena_printf(u->a, "no version that was deployed can be used: %s/%llu: %s", name,
                                     (unsigned long long)first->version, why);
    }
    return SINTER_OK;
}

sinter_status model_use_open(const model_use *u, snap_use *out, sinter_error *e)
{
    const config_use *use = u->use;
    const char *name;
    uint64_t version;
    bool latest;
    const char *first = model_named(use->model, u->a, &latest);
    latest = latest && model_name_valid(first);
    sinter_error own = SINTER_ERROR_INIT;
    if (!e) e = &own;
    bool own_collection = !u->args->deploy_collection || strcmp(u->args->deploy_collection, u->services->public.uuid) == 0;
    if (latest && own_collection && u->args->deploy_name && strcmp(u->args->deploy_name, first) == 0) {
        sinter_status s = attempt(u, first, u->args->deploy_version, NULL, out, e);
        return s == SINTER_OK ? s : place(e, use, s);
    }
    for (uint32_t i = 0; latest && i < u->args->n_latest; i++) {
        const snap_latest *l = &u->args->latest[i];
        if (strcmp(l->name, first) != 0 || (l->collection && l->collection != catalog_number(u->services->catalog))) continue;
        if (u->args->latest[i].version == 0) return not_trained(u, out);
        sinter_status s = attempt(u, first, u->args->latest[i].version, NULL, out, e);
        return s == SINTER_OK ? s : place(e, use, s);
    }
    if (latest) return newest(u, first, out, e);
    if (model_parse(use->model, u->a, &name, &version, NULL) != SINTER_OK)
        return conf_error(e, use->at, "write NAME/latest, or NAME/VERSION as `sinter model list` shows it",
                          "'%s' is no model: a name is lower-case letters, digits, '_' and '-', a version a number from 1 up",
                          use->model);
    if (u->args->deploy_name && strcmp(u->args->deploy_name, name) == 0)
        return conf_error(e, use->at, "write model: NAME/latest there and reload, or change the version there",
                          "%s pins %s, which ignores deployments: deploying '%s' would not change it", u->label, use->model, name);
    sinter_status s = attempt(u, name, version, NULL, out, e);
    return s == SINTER_OK ? s : place(e, use, s);
}
