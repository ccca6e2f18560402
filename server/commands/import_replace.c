/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The items that a file lacks. They are known by their ordinals, which are never given again: an item that somebody else adds
 * while the file is read has another and stays. */
#include "import_replace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000, MOST_ORDINALS = 1000000 };

struct replacement {
    dictionary ids; /* ordinal: id */
    arena *texts;
    uint32_t *ordinal; /* [n] of the items there before, ascending */
    size_t n, cap;
    uint8_t *seen; /* [seen_n] by ordinal */
    size_t seen_n;
    uint64_t kept, unread, deleted, gone;
};

/* ---- before ---- */

static void add(replacement *r, uint32_t ordinal, const char *id)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 4096;
        r->ordinal = xrealloc(r->ordinal, r->cap * sizeof *r->ordinal);
    }
    r->ordinal[r->n++] = ordinal;
    dictionary_put(&r->ids, ordinal, str_of(id), r->texts);
}

static sinter_status list(import_run *m, replacement *r, sinter_error *e)
{
    client_stream *stream;
    Sinter__V1__ListItemsRequest q = SINTER__V1__LIST_ITEMS_REQUEST__INIT;
    q.collection = (char *)(uintptr_t)m->collection;
    q.page_size = PAGE;
    sinter_status s = client_stream_open(m->c, "sinter.v1.CatalogService/ListItems", &sinter__v1__list_items_response__descriptor,
                                         CLIENT_NO_TIMEOUT, &stream, e);
    if (s != SINTER_OK) return s;
    s = client_stream_send(stream, &q.base, e);
    if (s == SINTER_OK) s = client_stream_finish_sending(stream, e);
    for (ProtobufCMessage *answer = NULL; s == SINTER_OK;) {
        s = client_stream_receive(stream, &answer, e);
        if (s != SINTER_OK || !answer) break;
        const Sinter__V1__ListItemsResponse *page = (const Sinter__V1__ListItemsResponse *)answer;
        for (size_t i = 0; i < page->n_items && i < page->n_ordinals; i++) add(r, page->ordinals[i], page->items[i]->id);
        protobuf_c_message_free_unpacked(answer, NULL);
    }
    client_stream_close(stream);
    return s;
}

int replacement_begin(import_run *m, replacement **out)
{
    sinter_error e = SINTER_ERROR_INIT;
    replacement *r = *out = xcalloc(1, sizeof *r);
    r->texts = arena_new(1 << 16);
    if (list(m, r, &e) != SINTER_OK) return client_fail(m->kind->command, m->c, &e);
    r->seen_n = r->n ? (size_t)r->ordinal[r->n - 1] + 1 : 0;
    r->seen = xcalloc(r->seen_n + 1, 1);
    return EXIT_OK;
}

void replacement_free(replacement *r)
{
    if (!r) return;
    dictionary_free(&r->ids);
    arena_free(r->texts);
    free(r->ordinal);
    free(r->seen);
    free(r);
}

void replacement_see(replacement *r, const char *id)
{
    if (!id || !*id) {
        r->unread++;
        return;
    }
    uint32_t ordinal = dictionary_find(&r->ids, str_of(id));
    if (ordinal == DICTIONARY_NONE || ordinal >= r->seen_n || r->seen[ordinal]) return;
    r->seen[ordinal] = 1;
    r->kept++;
}

/* ---- after ---- */

static sinter_status delete_some(import_run *m, uint32_t *ordinal, size_t n, const char *write_id, replacement *r, sinter_error *e)
{
    Sinter__V1__DeleteItemsRequest q = SINTER__V1__DELETE_ITEMS_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    q.collection = (char *)(uintptr_t)m->collection;
    q.ordinals = ordinal;
    q.n_ordinals = n;
    q.write_id = (char *)(uintptr_t)write_id;
    sinter_status s = SINTER_UNAVAILABLE;
    for (int k = 0; k < IMPORT_TRIES; k++) {
        s = client_call(m->c, "sinter.v1.CatalogService/DeleteItems", &q.base, &sinter__v1__delete_items_response__descriptor,
                        UINT64_C(600000000000), &answer, e);
        if (s == SINTER_OK || !import_worth_another_try(e)) break;
        fprintf(stderr, "sinter %s: %s; trying again\n", m->kind->command, e->what);
        import_wait(k);
    }
    if (s != SINTER_OK) return s;
    const Sinter__V1__DeleteItemsResponse *a = (const Sinter__V1__DeleteItemsResponse *)answer;
    r->deleted += a->deleted;
    if (a->sequence > m->sequence) m->sequence = a->sequence;
    protobuf_c_message_free_unpacked(answer, NULL);
    return SINTER_OK;
}

static int delete_gone(import_run *m, replacement *r, uint32_t *gone, size_t n)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status s = SINTER_OK;
    char write_id[40];
    for (size_t at = 0; at < n && s == SINTER_OK; at += MOST_ORDINALS) {
        uuid_make(write_id);
        s = delete_some(m, gone + at, n - at < MOST_ORDINALS ? n - at : MOST_ORDINALS, write_id, r, &e);
    }
    return s == SINTER_OK ? EXIT_OK : client_fail(m->kind->command, m->c, &e);
}

static int refuse(const import_run *m, const char *what, uint64_t n, uint64_t of)
{
    fprintf(stderr, "sinter %s: nothing was deleted: %" PRIu64 " %s", m->kind->command, n, what);
    if (of) fprintf(stderr, " %" PRIu64 " in the collection", of);
    fputs("; --force deletes all the same\n", stderr);
    return EXIT_REFUSED;
}

int replacement_end(import_run *m, replacement *r, bool force, bool dry_run)
{
    uint32_t *gone = xmalloc((r->n + 1) * sizeof *gone);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (!r->seen[r->ordinal[i]]) gone[n++] = r->ordinal[i];
    r->gone = n;
    int code = EXIT_OK;
    if (n && r->unread && !force)
        code = refuse(m, "rows have no id that can be read, and may be any of the items", r->unread, 0);
    else if (n * 2 > r->n && !force)
        code = refuse(m, "items are not in the file, more than half of the", n, r->n);
    else if (dry_run)
        r->deleted = n;
    else if (n)
        code = delete_gone(m, r, gone, n);
    free(gone);
    return code;
}

replacement_counts replacement_tell(const replacement *r)
{
    return (replacement_counts){.before = r->n, .kept = r->kept, .gone = r->gone, .deleted = r->deleted};
}
