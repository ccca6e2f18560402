/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judgments: which item is how good an answer to which query. */
#include "learn/learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tsv.h"

static const char *const QUERY[] = {"query", "query_id", NULL};
static const char *const ITEM[] = {"item", "item_id", NULL};
static const char *const GRADE[] = {"grade", "relevance", NULL};
static const char *const ID[] = {"id", "query_id", NULL};
static const char *const TEXT[] = {"query", "text", NULL};
static const char *const USER[] = {"user", "user_id", NULL};
static const char *const SESSION[] = {"session", "session_id", NULL};
static const char *const TIME[] = {"time", NULL};
static const char ATTRIBUTE[] = "user."; /* and the attribute's name */

typedef struct row {
    const char *query, *item;
    double grade;
    uint32_t at; /* in the file */
} row;

typedef struct memory {
    tsv judged, queries;
    judged_item *item;
    uint32_t *by_id; /* queries in the order of their ids */
    const char **attribute, **value; /* [n_attributes], [n_queries][n_attributes] */
} memory;

static int by_query_and_item(const void *x, const void *y) {
    const row *p = x, *q = y;
    int c = strcmp(p->query, q->query);
    if (!c) c = strcmp(p->item, q->item);
    return c ? c : p->at < q->at ? -1 : p->at > q->at;
}

static sinter_status read_rows(const tsv *t, row **out, sinter_error *e) {
    uint32_t query, item, grade;
    sinter_status s = tsv_column(t, QUERY, &query, e);
    if (!s) s = tsv_column(t, ITEM, &item, e);
    if (!s) s = tsv_column(t, GRADE, &grade, e);
    if (s) return s;
    row *rows = *out = xcalloc(t->rows + 1, sizeof *rows);
    for (uint32_t i = 0; i < t->rows; i++) {
        rows[i] = (row){.query = tsv_cell(t, i, query), .item = tsv_cell(t, i, item), .at = i};
        const char *text = tsv_cell(t, i, grade);
        if (!parse_double(str_of(text), &rows[i].grade) || !(fabs(rows[i].grade) <= 100))
            return tsv_error(t, i, e, "a number from -100 to 100", "the grade '%s' is not valid", text);
        const char *problem = id_problem(rows[i].item, strlen(rows[i].item));
        if (problem) return tsv_error(t, i, e, "an item's id, 1 to 256 bytes", "the item: %s", problem);
    }
    qsort(rows, t->rows, sizeof *rows, by_query_and_item);
    return SINTER_OK;
}

/* Gathers sorted rows into queries; a pair that is judged alike twice counts once. */
static sinter_status gather(judgments *j, const tsv *t, const row *rows, sinter_error *e) {
    memory *m = j->memory;
    m->item = xcalloc(t->rows + 1, sizeof *m->item);
    j->query = xcalloc(t->rows + 1, sizeof *j->query);
    for (uint32_t i = 0; i < t->rows; i++) {
        judged_query *q = j->n_queries ? &j->query[j->n_queries - 1] : NULL;
        if (!q || strcmp(q->id, rows[i].query) != 0) {
            q = &j->query[j->n_queries++];
            *q = (judged_query){.id = rows[i].query, .text = rows[i].query, .item = m->item + j->n_judgments};
        } else if (strcmp(rows[i].item, rows[i - 1].item) == 0) {
            if (rows[i].grade == rows[i - 1].grade) continue;
            return tsv_error(t, rows[i].at, e, "judge a query's item once",
                             "item '%s' has two grades for '%s': %g on line %u, %g here", rows[i].item, q->id,
                             rows[i - 1].grade, t->line[rows[i - 1].at], rows[i].grade);
        }
        m->item[j->n_judgments++] = (judged_item){rows[i].item, rows[i].grade};
        q->n++;
    }
    return SINTER_OK;
}

/* ---- order
 * ----------------------------------------------------------------------------------------------------------------- */

typedef struct placed {
    judged_query query;
    uint32_t first; /* row in the file */
} placed;

static int by_first(const void *x, const void *y) {
    const placed *p = x, *q = y;
    return p->first < q->first ? -1 : p->first > q->first;
}

/* From the order of ids to the order of first appearance, so that a figure does not depend on how ids sort. */
static void order_queries(judgments *j, const row *rows, uint32_t n) {
    placed *p = xcalloc(j->n_queries + 1, sizeof *p);
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(rows[i].query, rows[i - 1].query) != 0) p[at] = (placed){j->query[at], UINT32_MAX}, at++;
        if (rows[i].at < p[at - 1].first) p[at - 1].first = rows[i].at;
    }
    qsort(p, j->n_queries, sizeof *p, by_first);
    for (uint32_t i = 0; i < j->n_queries; i++)
        j->query[i] = p[i].query;
    free(p);
}

static int by_id(const void *x, const void *y, void *queries) {
    const judged_query *q = queries;
    return strcmp(q[*(const uint32_t *)x].id, q[*(const uint32_t *)y].id);
}

static void index_queries(judgments *j) {
    memory *m = j->memory;
    m->by_id = xcalloc(j->n_queries + 1, sizeof *m->by_id);
    for (uint32_t i = 0; i < j->n_queries; i++)
        m->by_id[i] = i;
    qsort_r(m->by_id, j->n_queries, sizeof *m->by_id, by_id, j->query);
}

const judged_query *judgments_find(const judgments *j, const char *id) {
    const memory *m = j->memory;
    for (uint32_t low = 0, high = j->n_queries; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const judged_query *q = &j->query[m->by_id[middle]];
        int c = strcmp(id, q->id);
        if (c == 0) return q;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- words and people of queries named by id
 * -------------------------------------------------------------------------------------------- */

/* Columns of the file of queries; UINT32_MAX: not there. */
typedef struct query_columns {
    uint32_t id, text, user, session, time, *attribute; /* [n_attributes] */
} query_columns;

static sinter_status find_columns(judgments *j, const tsv *t, query_columns *c, sinter_error *e) {
    memory *m = j->memory;
    sinter_status s = tsv_column(t, ID, &c->id, e);
    if (!s) s = tsv_column(t, TEXT, &c->text, e);
    if (s) return s;
    c->user = tsv_find(t, USER);
    c->session = tsv_find(t, SESSION);
    c->time = tsv_find(t, TIME);
    c->attribute = xcalloc(t->columns, sizeof *c->attribute);
    m->attribute = xcalloc(t->columns, sizeof *m->attribute);
    for (uint32_t i = 0; i < t->columns; i++) {
        if (strncmp(t->header[i], ATTRIBUTE, strlen(ATTRIBUTE)) != 0 || !t->header[i][strlen(ATTRIBUTE)]) continue;
        c->attribute[j->n_attributes] = i;
        m->attribute[j->n_attributes++] = t->header[i] + strlen(ATTRIBUTE);
    }
    m->value = xcalloc((size_t)j->n_queries * j->n_attributes + 1, sizeof *m->value);
    j->attribute = m->attribute;
    return SINTER_OK;
}

/* An id of a person or a session; an empty cell is none. */
static sinter_status give_id(const tsv *t, uint32_t at, uint32_t column, const char **out, sinter_error *e) {
    if (column == UINT32_MAX || !tsv_cell(t, at, column)[0]) return SINTER_OK;
    *out = tsv_cell(t, at, column);
    const char *problem = id_problem(*out, strlen(*out));
    return problem ? tsv_error(t, at, e, "an id, 1 to 256 bytes", "the %s: %s", t->header[column], problem) : SINTER_OK;
}

/* Who asks, from where the file says so. */
static sinter_status give_person(judgments *j, judged_query *q, const tsv *t, uint32_t at, const query_columns *c,
                                 sinter_error *e) {
    memory *m = j->memory;
    sinter_status s = give_id(t, at, c->user, &q->user, e);
    if (!s) s = give_id(t, at, c->session, &q->session, e);
    if (s) return s;
    const char **value = m->value + (size_t)(q - j->query) * j->n_attributes;
    for (uint32_t i = 0; i < j->n_attributes; i++)
        value[i] = tsv_cell(t, at, c->attribute[i]);
    q->attribute = value;
    const char *time = c->time == UINT32_MAX ? "" : tsv_cell(t, at, c->time);
    q->timed = *time;
    if (*time && !time_parse_ms(str_of(time), &q->time_ms))
        return tsv_error(t, at, e, "as in 2026-01-31T09:30:00Z", "the time '%s' is not valid", time);
    return SINTER_OK;
}

static sinter_status give_rows(judgments *j, const tsv *t, const query_columns *c, sinter_error *e) {
    for (uint32_t i = 0; i < j->n_queries; i++)
        j->query[i].text = NULL;
    for (uint32_t i = 0; i < t->rows; i++) {
        judged_query *q = (judged_query *)(uintptr_t)judgments_find(j, tsv_cell(t, i, c->id));
        if (!q) continue;
        if (q->text) return tsv_error(t, i, e, "name each query once", "the query '%s' is here twice", q->id);
        q->text = tsv_cell(t, i, c->text);
        sinter_status s = give_person(j, q, t, i, c, e);
        if (s) return s;
    }
    for (uint32_t i = 0; i < j->n_queries; i++)
        if (!j->query[i].text)
            return error_set(e, SINTER_INVALID, t->path,
                             "give the words of every judged query, or leave out its judgments",
                             "no query '%s', which has judgments", j->query[i].id);
    return SINTER_OK;
}

static sinter_status read_queries(judgments *j, const char *path, sinter_error *e) {
    memory *m = j->memory;
    static const char *const WORDS[] = {"query", NULL};
    if (!path && tsv_find(&m->judged, WORDS) == UINT32_MAX)
        return error_set(e, SINTER_INVALID, m->judged.path, "give the file with --queries",
                         "queries are named by id, and no file gives their words");
    if (!path) return SINTER_OK;
    sinter_status s = tsv_read(path, &m->queries, e);
    query_columns c = {0};
    if (!s) s = find_columns(j, &m->queries, &c, e);
    if (!s) s = give_rows(j, &m->queries, &c, e);
    free(c.attribute);
    return s;
}

sinter_status judgments_read(const char *path, const char *queries, judgments **out, sinter_error *e) {
    judgments *j = xcalloc(1, sizeof *j);
    memory *m = j->memory = xcalloc(1, sizeof *m);
    row *rows = NULL;
    sinter_status s = tsv_read(path, &m->judged, e);
    if (!s) s = read_rows(&m->judged, &rows, e);
    if (!s) s = gather(j, &m->judged, rows, e);
    if (!s && !j->n_queries)
        s = error_set(e, SINTER_INVALID, path, "a line a judgment: query, item, grade", "the file has no judgments");
    if (!s) {
        order_queries(j, rows, m->judged.rows);
        index_queries(j);
        s = read_queries(j, queries, e);
    }
    free(rows);
    if (s) {
        judgments_free(j);
        return s;
    }
    *out = j;
    return SINTER_OK;
}

/* ---- events
 * ---------------------------------------------------------------------------------------------------------------- */

static sinter_status event_column(const tsv *t, const char *name, const char *const *usual, uint32_t *out, sinter_error *e) {
    const char *one[] = {name, NULL};
    return tsv_column(t, name ? one : usual, out, e);
}

static sinter_status read_event_rows(const tsv *t, const char *user, const char *item, row **out, sinter_error *e) {
    uint32_t who, what;
    sinter_status s = event_column(t, user, USER, &who, e);
    if (!s) s = event_column(t, item, ITEM, &what, e);
    if (s) return s;
    row *rows = *out = xcalloc(t->rows + 1, sizeof *rows);
    for (uint32_t i = 0; i < t->rows; i++) {
        rows[i] = (row){.query = tsv_cell(t, i, who), .item = tsv_cell(t, i, what), .grade = 1, .at = i};
        const char *problem = id_problem(rows[i].item, strlen(rows[i].item));
        if (problem) return tsv_error(t, i, e, "an item's id, 1 to 256 bytes", "the item: %s", problem);
        problem = id_problem(rows[i].query, strlen(rows[i].query));
        if (problem) return tsv_error(t, i, e, "a user's id, 1 to 256 bytes", "the user: %s", problem);
    }
    qsort(rows, t->rows, sizeof *rows, by_query_and_item);
    return SINTER_OK;
}

sinter_status judgments_of_events(const char *path, const char *user, const char *item, judgments **out, sinter_error *e) {
    judgments *j = xcalloc(1, sizeof *j);
    memory *m = j->memory = xcalloc(1, sizeof *m);
    row *rows = NULL;
    sinter_status s = tsv_read(path, &m->judged, e);
    if (!s) s = read_event_rows(&m->judged, user, item, &rows, e);
    if (!s) s = gather(j, &m->judged, rows, e);
    if (!s && !j->n_queries) s = error_set(e, SINTER_INVALID, path, "a line an event: user, item", "the file has no events");
    if (!s) {
        order_queries(j, rows, m->judged.rows);
        index_queries(j);
        for (uint32_t i = 0; i < j->n_queries; i++) {
            j->query[i].user = j->query[i].id;
            j->query[i].text = "";
        }
    }
    free(rows);
    if (s) {
        judgments_free(j);
        return s;
    }
    *out = j;
    return SINTER_OK;
}

void judgments_free(judgments *j) {
    if (!j) return;
    memory *m = j->memory;
    tsv_free(&m->judged);
    tsv_free(&m->queries);
    free(m->item);
    free(m->by_id);
    free(m->attribute);
    free(m->value);
    free(m);
    free(j->query);
    free(j);
}
