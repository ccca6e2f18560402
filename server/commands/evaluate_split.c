/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter evaluate --split FILE`: how well a pipeline foretells what people did after training.
 *
 * The file holds events that never entered the journal. Its users ask the running server, each for themselves: without words,
 * with every item but those of their own history as a candidate, through all stages of the pipeline. What the file says they
 * did is relevant. So the pipeline is measured as it stands, profiles, features, models, fusion and all, and the profiles are
 * those of the journal: as of the end of training where nothing was recorded since. */
#include "evaluate.h"

#include <stdio.h>
#include <string.h>

typedef struct split_columns {
    const char *user, *item;
} split_columns;

/* The other columns of an import may stand there too, so that one --map serves both commands. */
static sinter_status read_map(const evaluate_arguments *a, split_columns *out, sinter_error *e)
{
    static const char *const OTHERS[] = {"value", "time", "session", "type", "id", "query", "request", "position"};
    *out = (split_columns){0};
    for (size_t i = 0; i < a->map.n; i++) {
        const char *text = a->map.item[i], *equals = strchr(text, '=');
        size_t n = equals ? (size_t)(equals - text) : 0, other = 0;
        while (other < ARRAY_LEN(OTHERS) && (strlen(OTHERS[other]) != n || strncmp(OTHERS[other], text, n) != 0))
            other++;
        if (n == 4 && equals[1] && strncmp(text, "user", n) == 0)
            out->user = equals + 1;
        else if (n == 4 && equals[1] && strncmp(text, "item", n) == 0)
            out->item = equals + 1;
        else if (!n || !equals[1] || other == ARRAY_LEN(OTHERS))
            return error_set(e, SINTER_INVALID, "--map", "as in --map user=customer,item=sku", "'%s' maps no column", text);
    }
    return SINTER_OK;
}

sinter_status evaluate_split_check(const evaluate_arguments *a, sinter_error *e)
{
    split_columns columns;
    if (!a->split && a->map.n)
        return error_set(e, SINTER_INVALID, "--map", "leave it out, or give --split", "it names columns of a split");
    if (!a->split) return SINTER_OK;
    const struct {
        bool set;
        const char *name;
    } alone[] = {{a->judgments, "--judgments"}, {a->queries, "--queries"}, {a->syntax, "--syntax"}};
    for (size_t i = 0; i < ARRAY_LEN(alone); i++)
        if (alone[i].set)
            return error_set(e, SINTER_INVALID, alone[i].name, "give one of them", "it does not go with --split");
    return read_map(a, &columns, e);
}

sinter_status evaluate_split_read(const evaluate_arguments *a, judgments **out, sinter_error *e)
{
    split_columns columns;
    sinter_status s = read_map(a, &columns, e);
    return s ? s : judgments_of_events(a->split, columns.user, columns.item, out, e);
}

void evaluate_split_request(Sinter__V1__SearchRequest *r)
{
    r->exclude_seen = true;
    r->all_items = true;
}

void evaluate_split_notes(const evaluate_arguments *a, const Sinter__V1__SearchResponse *r, bool *said)
{
    if (*said || a->quiet) return;
    *said = true;
    fprintf(stderr, "a server's note: %s\n", r->assignment->notes[0]);
}
