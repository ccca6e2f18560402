/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every parser of the ground floor on the same bytes; JSON strings and errors must come out as UTF-8. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str s = {(const char *)data, size};
    double d;
    int64_t i;
    uint64_t u;
    bool b;
    size_t bad;
    if (parse_double(s, &d)) require(d - d == 0);
    parse_bool(s, &b);
    parse_duration_ns(s, &u);
    parse_size(s, &u);
    if (parse_uint64(s, &u) && u <= INT64_MAX) require(parse_int64(s, &i) && (uint64_t)i == u);
    if (time_parse_ms(s, &i)) {
        char text[32];
        int64_t again;
        time_format_ms(i, text);
        if (text[0] != '-' && strlen(text) <= 24) require(time_parse_ms(str_of(text), &again) && again == i);
    }
    if (!utf8_valid(s.s, s.n, &bad)) require(bad < s.n && utf8_valid(s.s, bad, NULL));
    if (!id_problem(s.s, s.n)) require(size > 0 && size <= 256);

    buffer out = {0};
    buffer_json_string(&out, s.s, s.n);
    require(utf8_valid(out.data, out.len, NULL) && out.len >= 2);
    buffer_clear(&out);
    buffer_append(&out, s.s, s.n);
    sinter_error e = SINTER_ERROR_INIT;
    error_set(&e, SINTER_INVALID, out.data, out.data, "%s", out.data);
    require(utf8_valid(e.what, strlen(e.what), NULL) && utf8_valid(e.where, strlen(e.where), NULL));
    static const char *const NAMES[] = {"serve", "search", "import"};
    near_name(out.data, NAMES, ARRAY_LEN(NAMES));
    buffer_free(&out);
    return 0;
}
