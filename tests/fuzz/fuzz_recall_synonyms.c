/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a file of synonyms: read, or refused with file, line and column; what is read gives a query's words no more than they
 * may have, and never themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recall/text_private.h"
#include "fuzz.h"

static const config_field FIELDS[] = {
    {.name = "title", .type = FIELD_TEXT, .searchable = true, .weight = 1, .language = "en"},
    {.name = "body", .type = FIELD_TEXT, .searchable = true, .weight = 1, .language = "de"},
};

static void check_word(const text_word *w)
{
    require(w->n_synonyms <= TEXT_MAX_SYNONYMS);
    for (uint32_t i = 0; i < w->n_synonyms; i++) {
        const text_synonym *x = w->synonym[i];
        require(x->n_parts >= 1 && x->n_parts <= 8);
        for (uint32_t k = 0; k < x->n_parts; k++) require(x->part[k].n_terms >= 1 && x->part[k].n_terms <= 3);
        if (x->n_parts == 1) require(!str_eq(x->part[0].term[0], w->term[0]));
    }
}

/* The file's own bytes are as good a query as any: they hold what it lists. */
static void check_query(const text_analyzer *t, const uint8_t *data, size_t size, const char *language)
{
    arena *a = arena_new(1u << 14);
    text_query *q;
    sinter_error e = SINTER_ERROR_INIT;
    text_query_options o = {.operator_and = -1, .language = language};
    if (text_query_parse(t, NULL, (str){(const char *)data, size < 4096 ? size : 4096}, &o, a, &q, &e) == SINTER_OK)
        for (uint32_t i = 0; i < q->n_words; i++) check_word(&q->word[i]);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    int fd = fuzz_file(data, size, path);
    config_collection schema = {.name = "test", .file = "test.yaml", .field = FIELDS, .n_fields = 2, .n_groups = 1, .language = {"en", "de"},
                                .n_languages = 2, .units = true, .minimum_should_match = "", .stop_words = "default", .synonyms = path};
    text_analyzer *t = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (text_analyzer_new(&schema, &t, &e)) {
        require(e.what[0] && strncmp(e.where, path, strlen(path)) == 0);
    } else {
        check_query(t, data, size, NULL);
        check_query(t, data, size, "de");
        text_analyzer_free(t);
    }
    close(fd);
    return 0;
}
