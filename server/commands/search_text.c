/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The printer behind search_text.h. Items' words come from outside: nothing in them may move a terminal's cursor. */
#include "search_facets.h"

#include <math.h>
#include <string.h>

enum { NAME_WIDTH = 66, LINE_WIDTH = 84, BAR_WIDTH = 24, LABEL_WIDTH = 10 };

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* One line of at most `width` characters; control characters become spaces. Returns the characters printed. */
int search_put_text(FILE *out, const char *s, int width)
{
    int printed = 0;
    const unsigned char *p = (const unsigned char *)s;
    while (*p && printed < width) {
        size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        n = strnlen((const char *)p, n);
        bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && n == 2 && p[1] < 0xa0);
        if (printed == width - 1 && p[n]) {
            fputs("…", out);
        } else if (control) {
            fputc(' ', out);
        } else {
            fwrite(p, 1, n, out);
        }
        p += n, printed++;
    }
    return printed;
}

void search_put_padded(FILE *out, const char *s, int width)
{
    for (int n = search_put_text(out, s, width); n < width; n++)
        fputc(' ', out);
}

void search_value_text(buffer *b, const Sinter__V1__Value *v)
{
    char text[32];
    switch (v->kind_case) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE: buffer_puts(b, v->string_value); break;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: buffer_printf(b, "%.10g", v->number_value); break;
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: buffer_printf(b, "%lld", (long long)v->integer_value); break;
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE: buffer_puts(b, v->boolean_value ? "yes" : "no"); break;
    case SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE:
        time_format_ms(v->timestamp_value->seconds * 1000, text);
        buffer_puts(b, text);
        break;
    case SINTER__V1__VALUE__KIND_STRINGS_VALUE:
        for (size_t i = 0; i < v->strings_value->n_values; i++)
            buffer_printf(b, "%s%s", i ? ", " : "", v->strings_value->values[i]);
        break;
    case SINTER__V1__VALUE__KIND_VECTOR_VALUE: buffer_printf(b, "%zu numbers", v->vector_value->n_values); break;
    case SINTER__V1__VALUE__KIND_GEO_VALUE:
        buffer_printf(b, "%.6g, %.6g", v->geo_value->latitude, v->geo_value->longitude);
        break;
    default: break;
    }
}

static const Sinter__V1__Value *field_of(const Sinter__V1__Hit *h, const char *name)
{
    for (size_t i = 0; name && i < h->n_fields; i++) {
        if (strcmp(h->fields[i]->key, name) == 0) return h->fields[i]->value;
    }
    return NULL;
}

/* ---- one hit's ledger ---------------------------------------------------------------------------------------------- */

/* Largest share of any ranker in any stage of any hit: the length of a whole bar. */
static double largest_share(const Sinter__V1__SearchResponse *r)
{
    double most = 0;
    for (size_t h = 0; h < r->n_hits; h++) {
        const Sinter__V1__Explanation *x = r->hits[h]->explanation;
        for (size_t s = 0; x && s < x->n_stages; s++) {
            for (size_t k = 0; k < x->stages[s]->n_rankers; k++)
                most = fmax(most, fabs(x->stages[s]->rankers[k]->contribution));
        }
    }
    return most;
}

/* In eighths of a character; a share below zero is shaded. */
static void put_bar(FILE *out, double share, double most)
{
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = most > 0 ? (int)lround(fabs(share) / most * BAR_WIDTH * 8) : 0, n = eighths / 8;
    for (int i = 0; i < n; i++)
        fputs(share < 0 ? "▒" : "█", out);
    if (eighths % 8 && n < BAR_WIDTH) fputs(share < 0 ? "▒" : part[eighths % 8], out), n++;
    for (; n < BAR_WIDTH; n++)
        fputc(' ', out);
}

static void put_features(FILE *out, Sinter__V1__FeatureShare *const *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%s %.4g", i % 4 ? ", " : "\n                 ", f[i]->name, f[i]->value);
}

static void put_ranker(FILE *out, const search_view *v, const Sinter__V1__RankerShare *k, double most)
{
    fputs("      ", out);
    search_put_padded(out, k->ranker, LABEL_WIDTH);
    fputc(' ', out);
    if (k->missing) {
        fprintf(out, "%smissing: no score from it for this item%s", search_dim(v), search_plain(v));
    } else {
        put_bar(out, k->contribution, most);
        fprintf(out, " %+.4f  %sof raw %.4g%s", k->contribution, search_dim(v), k->raw, search_plain(v));
    }
    put_features(out, k->features, k->n_features);
    fputc('\n', out);
}

static void put_stage(FILE *out, const search_view *v, const Sinter__V1__StageLedger *s, bool named, double most)
{
    if (s->n_rankers == 0) { /* a finish step tells only what it moved */
        if (s->rank_before == s->rank_after) return;
        fputs("      ", out);
        search_put_padded(out, s->name, LABEL_WIDTH);
        fprintf(out, " %splace %u → %u%s\n", search_dim(v), s->rank_before, s->rank_after, search_plain(v));
        return;
    }
    if (named)
        fprintf(out, "      %sstage %s: place %u → %u, score %.4f%s\n", search_dim(v), s->name, s->rank_before, s->rank_after,
                s->score_after, search_plain(v));
    for (size_t k = 0; k < s->n_rankers; k++)
        put_ranker(out, v, s->rankers[k], most);
    if (fabs(s->bias) >= 5e-5) fprintf(out, "      %-*s %*s %+.4f\n", LABEL_WIDTH, "bias", BAR_WIDTH, "", s->bias);
}

static void put_rule(FILE *out, const Sinter__V1__RuleFired *f)
{
    fputs("      rule       ", out);
    search_put_text(out, f->rule, 40);
    fprintf(out, ": %s", f->action);
    if (*f->detail) {
        fputs(", ", out);
        search_put_text(out, f->detail, LINE_WIDTH);
    }
    fprintf(out, " (in %s)\n", f->stage);
}

/* Words that the item holds by a synonym alone. */
static void put_words(FILE *out, const Sinter__V1__SourceScore *s)
{
    for (size_t i = 0; i < s->n_words; i++) {
        const Sinter__V1__WordMatch *w = s->words[i];
        if (w->exact) continue;
        fputs("      word       ", out);
        search_put_text(out, w->word, 40);
        for (size_t k = 0; k < w->n_synonyms; k++) {
            fputs(k ? ", " : ": its synonym ", out);
            search_put_text(out, w->synonyms[k], 40);
        }
        fputc('\n', out);
    }
}

static void put_ledger(FILE *out, const search_view *v, const Sinter__V1__Explanation *x, double most)
{
    size_t scoring = 0;
    for (size_t i = 0; i < x->n_stages; i++)
        scoring += x->stages[i]->n_rankers > 0;
    for (size_t i = 0; i < x->n_stages; i++)
        put_stage(out, v, x->stages[i], scoring > 1, most);
    for (size_t i = 0; i < x->n_sources; i++)
        put_words(out, x->sources[i]);
    for (size_t i = 0; i < x->n_rules; i++)
        put_rule(out, x->rules[i]);
}

/* ---- hits ------------------------------------------------------------------------------------------------------------ */

static void put_field(FILE *out, const search_view *v, const char *name, const Sinter__V1__Value *value)
{
    buffer b = {0};
    search_value_text(&b, value);
    if (b.len > 0) {
        fprintf(out, "      %s%s:%s ", search_dim(v), name, search_plain(v));
        search_put_text(out, b.data, LINE_WIDTH);
        fputc('\n', out);
    }
    buffer_free(&b);
}

/* `n` characters of a text, control characters as spaces; returns what is behind them. */
static const char *put_characters(FILE *out, const char *s, uint32_t n)
{
    for (; n > 0 && *s; n--) {
        if ((unsigned char)*s >= 0x20 && *s != 0x7f)
            fputc(*s, out);
        else
            fputc(' ', out);
        for (s++; ((unsigned char)*s & 0xc0) == 0x80; s++) fputc(*s, out);
    }
    return s;
}

/* What matches is bold, or in brackets where there are no colours. */
static void put_fragment(FILE *out, const search_view *v, const Sinter__V1__HighlightFragment *f)
{
    const char *at = f->text;
    uint32_t passed = 0;
    if (f->offset) fputs("…", out);
    for (size_t i = 0; i < f->n_spans; i++) {
        at = put_characters(out, at, f->spans[i]->start - passed);
        fputs(v->colour ? search_bold(v) : "[", out);
        at = put_characters(out, at, f->spans[i]->end - f->spans[i]->start);
        fputs(v->colour ? search_plain(v) : "]", out);
        passed = f->spans[i]->end;
    }
    put_characters(out, at, UINT32_MAX);
    fputs(f->more ? "…\n" : "\n", out);
}

static void put_highlights(FILE *out, const search_view *v, const Sinter__V1__Hit *h)
{
    for (size_t i = 0; i < h->n_highlights; i++)
        for (size_t k = 0; k < h->highlights[i]->n_parts; k++) {
            fprintf(out, "      %s%s:%s ", search_dim(v), h->highlights[i]->field, search_plain(v));
            put_fragment(out, v, h->highlights[i]->parts[k]);
        }
}

static bool names_field(const search_view *v, const char *name)
{
    return (v->title_field && strcmp(name, v->title_field) == 0) || (v->summary_field && strcmp(name, v->summary_field) == 0);
}

/* A further item of the line before stands under it, without a number. */
static void put_place(FILE *out, const search_view *v, const Sinter__V1__Hit *h, size_t place, bool follows)
{
    fputs(search_bold(v), out);
    if (follows)
        fputs("     ", out);
    else
        fprintf(out, "%3zu  ", h->group_line ? h->group_line : place);
}

static void put_group(FILE *out, const search_view *v, const Sinter__V1__Hit *h)
{
    if (!h->group_key) return;
    buffer key = {0};
    search_value_text(&key, h->group_key);
    fprintf(out, "     %s", search_dim(v));
    search_put_text(out, key.data ? key.data : "", LINE_WIDTH);
    fprintf(out, ": %llu match%s%s\n", (unsigned long long)h->group_matches, h->group_matches == 1 ? "" : "es", search_plain(v));
    buffer_free(&key);
}

static void put_hit(FILE *out, const search_view *v, const Sinter__V1__Hit *h, size_t place, bool follows, double most)
{
    const Sinter__V1__Value *title = field_of(h, v->title_field), *summary = field_of(h, v->summary_field);
    buffer name = {0};
    if (title) search_value_text(&name, title);
    if (name.len == 0) buffer_puts(&name, h->id);
    put_place(out, v, h, place, follows);
    search_put_padded(out, name.data, NAME_WIDTH);
    fprintf(out, "%s  %9.4f", search_plain(v), h->score);
    if (strcmp(name.data, h->id) != 0) fprintf(out, "  %s%s%s", search_dim(v), h->id, search_plain(v));
    fputc('\n', out);
    buffer_clear(&name);
    if (summary) search_value_text(&name, summary);
    if (name.len > 0) {
        fprintf(out, "     %s", search_dim(v));
        search_put_text(out, name.data, LINE_WIDTH);
        fprintf(out, "%s\n", search_plain(v));
    }
    for (size_t i = 0; v->n_fields && i < h->n_fields; i++) {
        if (!names_field(v, h->fields[i]->key)) put_field(out, v, h->fields[i]->key, h->fields[i]->value);
    }
    put_highlights(out, v, h);
    if (!follows) put_group(out, v, h);
    if (h->explanation) put_ledger(out, v, h->explanation, most);
    buffer_free(&name);
}

/* ---- what surrounds the hits ------------------------------------------------------------------------------------------ */

static void put_head(FILE *out, const search_view *v, const Sinter__V1__SearchResponse *r)
{
    fprintf(out, "%s%s", search_bold(v), v->collection);
    if (*v->query) {
        fputs(": ", out);
        search_put_text(out, v->query, LINE_WIDTH);
    }
    fprintf(out, "%s\n%s%s%llu match%s in %.1f ms", search_plain(v), search_dim(v), r->total_is_exact ? "" : "about ",
            (unsigned long long)r->total, r->total == 1 ? "" : "es", v->milliseconds);
    if (r->groups) fprintf(out, " in %llu group%s", (unsigned long long)r->groups, r->groups == 1 ? "" : "s");
    if (r->assignment) fprintf(out, ", pipeline %s", r->assignment->pipeline);
    fprintf(out, "%s\n", search_plain(v));
    if (*r->corrected_query) fprintf(out, "searched instead: %s\n", r->corrected_query);
    if (r->redirect) fprintf(out, "redirect to %s (rule %s)\n", r->redirect->url, r->redirect->rule);
    for (size_t i = 0; r->assignment && i < r->assignment->n_notes; i++)
        fprintf(out, "note: %s\n", r->assignment->notes[i]);
}

/* "CODE_NOT_FINITE" → "not finite" */
static void put_code(FILE *out, Sinter__V1__Degraded__Code code)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(&sinter__v1__degraded__code__descriptor, (int)code);
    for (const char *p = v ? v->name + strlen("CODE_") : ""; *p; p++)
        fputc(*p == '_' ? ' ' : *p >= 'A' && *p <= 'Z' ? *p + 32 : *p, out);
}

static void put_degraded(FILE *out, const Sinter__V1__Degraded *d)
{
    fprintf(out, "degraded: %s was ", d->name);
    put_code(out, d->code);
    if (*d->reason) fprintf(out, ": %s", d->reason);
    if (d->candidates) fprintf(out, " (%u of %u candidates scored)", d->candidates_scored, d->candidates);
    fputc('\n', out);
}

static void put_timings(FILE *out, const search_view *v, const Sinter__V1__SearchResponse *r)
{
    if (r->n_timings == 0) return;
    fputs(search_dim(v), out);
    for (size_t i = 0; i < r->n_timings; i++) {
        const Sinter__V1__StageTiming *t = r->timings[i];
        fprintf(out, "%s%s %.2f ms", i ? " · " : "", t->name, t->milliseconds);
        if (t->candidates_out) fprintf(out, " (%u)", t->candidates_out);
    }
    fprintf(out, "%s\n", search_plain(v));
}

void search_print(FILE *out, const search_view *v, const Sinter__V1__SearchResponse *r)
{
    double most = largest_share(r);
    put_head(out, v, r);
    fputc('\n', out);
    for (size_t i = 0; i < r->n_hits; i++)
        put_hit(out, v, r->hits[i], i + 1 + v->offset, i > 0 && r->hits[i]->group_line && r->hits[i]->group_line == r->hits[i - 1]->group_line,
                most);
    if (r->n_hits == 0) fputs("     nothing found\n", out);
    fputc('\n', out);
    facets_print(out, v, r);
    for (size_t i = 0; i < r->n_degraded; i++)
        put_degraded(out, r->degraded[i]);
    put_timings(out, v, r);
    if (*r->cursor) fprintf(out, "%smore: --cursor %s%s\n", search_dim(v), r->cursor, search_plain(v));
}
