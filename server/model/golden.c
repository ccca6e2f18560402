/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Golden cases: scored when a model is made, and again whenever it is opened. */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char MAGIC[8] = {'S', 'N', 'T', 'R', 'G', 'O', 'L', 'D'};
enum { FORMAT = 1, FILE_MOST = 256 << 20 };

/* ---- bytes ---------------------------------------------------------------------------------------------------------------- */

static uint32_t rows(const golden_case *c)
{
    return c->batch ? c->batch->n : c->fusion->n;
}

static void walk_case(codec *k, golden_case *c)
{
    codec_case(k, c);
    if (!k->bad) codec_scores(k, &c->score, rows(c));
}

sinter_status golden_write(const char *dir, const golden_case *c, uint32_t n, sinter_error *e)
{
    buffer b = {0};
    arena *a = arena_new(1 << 14);
    codec k = {.out = &b, .a = a};
    uint32_t head[2] = {FORMAT, n};
    buffer_append(&b, MAGIC, sizeof MAGIC);
    buffer_append(&b, head, sizeof head);
    for (uint32_t i = 0; i < n; i++) {
        golden_case copy = c[i];
        walk_case(&k, &copy);
    }
    uint64_t sum = hash64(b.data, b.len);
    buffer_append(&b, &sum, sizeof sum);
    char *path = xasprintf("%s/" MODEL_GOLDEN, dir);
    sinter_status s = k.bad ? error_set(e, SINTER_INTERNAL, path, NULL, "a golden case is too large to be kept")
                            : file_write_atomic(path, b.data, b.len, e);
    free(path);
    arena_free(a);
    buffer_free(&b);
    return s;
}

static sinter_status broken(const char *path, const char *what, sinter_error *e)
{
    return error_set(e, SINTER_DATA_LOSS, path, "train or copy the model again", "not golden cases: %s", what);
}

sinter_status golden_parse(const char *path, str bytes, arena *a, golden_case **c, uint32_t *n, sinter_error *e)
{
    uint32_t head[2];
    uint64_t sum;
    size_t least = sizeof MAGIC + sizeof head + sizeof sum;
    if (bytes.n < least || memcmp(bytes.s, MAGIC, sizeof MAGIC) != 0) return broken(path, "it begins otherwise, or is cut short", e);
    memcpy(head, bytes.s + sizeof MAGIC, sizeof head);
    memcpy(&sum, bytes.s + bytes.n - sizeof sum, sizeof sum);
    if (hash64(bytes.s, bytes.n - sizeof sum) != sum) return broken(path, "its checksum does not hold", e);
    if (head[0] != FORMAT || head[1] > GOLDEN_MAX_CASES) return broken(path, "another format, or too many cases", e);
    codec k = {.reading = true, .a = a, .in = {bytes.s + least - sizeof sum, bytes.n - least}};
    *n = head[1];
    *c = ARENA_ARRAY(a, golden_case, *n + 1);
    for (uint32_t i = 0; i < *n && !k.bad; i++) walk_case(&k, &(*c)[i]);
    return k.bad || k.in.n ? broken(path, "a case is cut short or too long", e) : SINTER_OK;
}

/* ---- scores --------------------------------------------------------------------------------------------------------------- */

static sinter_status score_one(plugin_instance *i, plugin_call *call, const golden_case *c, float *score, sinter_error *e)
{
    plugin_result r;
    plugin_role role = plugin_instance_role(i);
    if ((role == PLUGIN_RANKER) != (c->batch != NULL) || (role != PLUGIN_RANKER && role != PLUGIN_FUSION))
        return error_set(e, SINTER_DATA_LOSS, NULL, "train the model again", "golden cases of another role than '%s'",
                         PLUGIN_ROLE_NAMES[role]);
    if (c->batch) {
        const sinter_batch *b = c->batch;
        const sinter_request request = {.size = sizeof request, .request_id = {"golden", 6}, .query = b->query, .user = b->user,
                                        .context = b->request_context, .seed = b->seed, .deadline_ns = UINT64_MAX};
        plugin_rank(i, call, &request, b, 0, score, &r);
    } else {
        plugin_fuse(i, call, c->fusion, score, &r);
    }
    if (r.outcome == PLUGIN_DONE) return SINTER_OK;
    if (r.outcome == PLUGIN_DECLINED) { /* an opinion too */
        for (uint32_t k = 0; k < rows(c); k++) score[k] = SINTER_MISSING;
        return SINTER_OK;
    }
    if (e) *e = r.error;
    return r.error.status ? r.error.status : SINTER_INTERNAL;
}

sinter_status golden_score(plugin_instance *i, uint32_t lane, golden_case *c, uint32_t n, arena *a, sinter_error *e)
{
    arena *memory = arena_new(1 << 16), *scratch = arena_new(1 << 16);
    plugin_call call = {.lane = lane, .memory = memory, .scratch = scratch};
    sinter_status s = SINTER_OK;
    plugin_call_begin(&call);
    for (uint32_t k = 0; k < n && s == SINTER_OK; k++) {
        float *score = ARENA_ARRAY(a, float, rows(&c[k]) + 1);
        s = score_one(i, &call, &c[k], score, e);
        c[k].score = score;
        arena_reset(memory);
        arena_reset(scratch);
    }
    plugin_call_end(&call);
    arena_free(memory);
    arena_free(scratch);
    return s;
}

static bool close_to(float is, float expected)
{
    if (sinter_is_missing(is) || sinter_is_missing(expected)) return sinter_is_missing(is) && sinter_is_missing(expected);
    return fabs((double)is - (double)expected) <= 1e-5 * fmax(1, fabs((double)expected));
}

static void score_text(float f, char out[32])
{
    if (sinter_is_missing(f))
        snprintf(out, 32, "no score");
    else
        snprintf(out, 32, "%.9g", (double)f);
}

static sinter_status compare(const char *path, const golden_case *expected, const golden_case *is, uint32_t n, sinter_error *e)
{
    char a[32], b[32];
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t r = 0; r < rows(&is[k]); r++) {
            if (close_to(is[k].score[r], expected[k].score[r])) continue;
            score_text(is[k].score[r], a);
            score_text(expected[k].score[r], b);
            return error_set(e, SINTER_DATA_LOSS, path, "train the model again with this build of the plugin, or put its files back",
                             "golden case %u of %u, row %u: the model gives %s; when it was made it gave %s", k + 1, n, r + 1, a, b);
        }
    return SINTER_OK;
}

sinter_status golden_check(plugin_instance *i, uint32_t lane, const char *dir, uint32_t *cases, sinter_error *e)
{
    arena *a = arena_new(1 << 16);
    char *path = xasprintf("%s/" MODEL_GOLDEN, dir);
    buffer bytes = {0};
    golden_case *expected = NULL;
    uint32_t n = 0;
    sinter_status s = file_read(path, FILE_MOST, &bytes, e);
    if (s == SINTER_OK) s = golden_parse(path, (str){bytes.data, bytes.len}, a, &expected, &n, e);
    if (s == SINTER_OK) {
        golden_case *is = ARENA_ARRAY(a, golden_case, n + 1);
        memcpy(is, expected, n * sizeof *is);
        s = golden_score(i, lane, is, n, a, e);
        if (s == SINTER_OK)
            s = compare(path, expected, is, n, e);
        else if (e && !strstr(e->where, MODEL_GOLDEN))
            error_where(e, "%s", path);
    }
    if (s == SINTER_OK) *cases = n;
    buffer_free(&bytes);
    free(path);
    arena_free(a);
    return s;
}
