/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to journal: a record as stored bytes.
 *
 * stored = XXH3-64 of the rest (8 bytes, little-endian) + a packed sinter.storage.v1.Record. The wrapper around an item
 * is put together by hand, so that the caller's packed bytes are copied once and never unpacked and packed again. */
#ifndef SINTER_JOURNAL_RECORD_H
#define SINTER_JOURNAL_RECORD_H

#include "base/base.h"
#include <sinter/storage/v1/journal.pb-c.h>

enum { RECORD_HEAD = 8 };

/* What the writer gives every record. */
typedef struct record_stamp {
    uint64_t sequence; /* not 0 */
    str write_id;      /* may be empty */
    int64_t time_ms;
    bool continued; /* more of the same write may follow */
} record_stamp;

/* Each replaces what `out` holds by the stored bytes. */
void record_item_put(buffer *out, const record_stamp *t, uint32_t collection, uint32_t ordinal, str item);
void record_item_delete(buffer *out, const record_stamp *t, uint32_t collection, uint32_t ordinal, str id);
void record_collection_made(buffer *out, const record_stamp *t, uint32_t collection, str name, str uuid);
/* `event_put`: a packed EventPut, with its id and collection inside. */
void record_event_put(buffer *out, const record_stamp *t, str event_put);
/* No body: what was here was erased. */
void record_erased(buffer *out, const record_stamp *t);
/* `record`: a packed Record with any other body; the stamp overrides what it says of itself. */
void record_any(buffer *out, const record_stamp *t, str record);

/* The packed Record in `stored`, or DATA_LOSS naming `sequence` when it is cut or its checksum does not hold. */
sinter_status record_check(str stored, uint64_t sequence, str *packed, sinter_error *e);
/* Checked and unpacked into `a`; its sequence must be `sequence`. DATA_LOSS otherwise. */
sinter_status record_read(str stored, uint64_t sequence, arena *a, Sinter__Storage__V1__Record **out, sinter_error *e);

/* Scans the top level of a packed message without unpacking it; false: malformed.
 * The id of a packed sinter.v1.Item (empty when it has none). */
bool record_scan_item(str item, str *id);
/* Collection and event id of a packed EventPut; false also where it holds no event, or two. */
bool record_scan_event(str event_put, uint32_t *collection, str *id);
/* The field number of a packed Record's body, 0: none. */
bool record_scan_body(str record, uint32_t *field);

#endif
