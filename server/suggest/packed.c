/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks a packed Record field by field (protobuf's wire format) and takes out what completions need; all else is stepped over. */
#include "packed.h"

/* Numbers of storage/v1/journal.proto and v1/search.proto. */
enum { RECORD_ANSWERED = 9 };
enum {
    ANSWERED_REQUEST = 2,
    ANSWERED_TIME = 6,
    ANSWERED_COLLECTION = 9,
    ANSWERED_TOTAL = 13,
    ANSWERED_USER = 14,
    ANSWERED_SESSION = 15,
    ANSWERED_CORRECTED = 40,
    ANSWERED_DROPPED = 41,
};
enum { REQUEST_QUERY = 2, REQUEST_OFFSET = 6, REQUEST_CURSOR = 7 };

typedef struct field {
    uint32_t number;
    uint64_t value; /* of a varint */
    str bytes;      /* of a length-delimited one */
} field;

static bool varint(str *in, uint64_t *out)
{
    *out = 0;
    for (uint32_t shift = 0; shift < 64 && in->n; shift += 7) {
        unsigned char c = (unsigned char)*in->s;
        in->s++;
        in->n--;
        *out |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) return true;
    }
    return false;
}

/* False: the end, or malformed (*in is not empty then). */
static bool next(str *in, field *out)
{
    uint64_t tag, n = 0;
    if (!in->n || !varint(in, &tag)) return false;
    *out = (field){.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case 0: return varint(in, &out->value);
    case 1: n = 8; break;
    case 2:
        if (!varint(in, &n)) return false;
        break;
    case 5: n = 4; break;
    default: return false;
    }
    if (n > in->n) return false;
    out->bytes = (str){in->s, (size_t)n};
    in->s += n;
    in->n -= (size_t)n;
    return true;
}

static void read_request(str in, packed_answer *out)
{
    field f;
    while (next(&in, &f)) {
        if (f.number == REQUEST_QUERY) out->query = f.bytes;
        if (f.number == REQUEST_OFFSET) out->later_page |= f.value > 0;
        if (f.number == REQUEST_CURSOR) out->later_page |= f.bytes.n > 0;
    }
}

bool packed_answer_read(str record, packed_answer *out)
{
    field f;
    str answered = {NULL, 0};
    *out = (packed_answer){0};
    while (next(&record, &f))
        if (f.number == RECORD_ANSWERED) answered = f.bytes;
    if (!answered.s || record.n) return false;
    while (next(&answered, &f)) {
        switch (f.number) {
        case ANSWERED_REQUEST: read_request(f.bytes, out); break;
        case ANSWERED_TIME: out->time_ms = (int64_t)f.value; break;
        case ANSWERED_COLLECTION: out->collection = (uint32_t)f.value; break;
        case ANSWERED_TOTAL: out->total = f.value; break;
        case ANSWERED_USER: out->user_id = f.bytes; break;
        case ANSWERED_SESSION: out->session_id = f.bytes; break;
        case ANSWERED_CORRECTED: out->corrected = f.bytes; break;
        case ANSWERED_DROPPED: out->words_dropped = f.value != 0; break;
        default: break;
        }
    }
    return !answered.n;
}
