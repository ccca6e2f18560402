/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One request under way, and the steps it goes through, in the order of the files that hold them:
 * request.c → words.c → candidates.c → relax.c → stages.c → finish.c → page.c → facets.c → hydrate.c → explain.c → impression.c.
 * Everything lives in the lane's arena. Private to the room. */
#ifndef SINTER_PIPELINE_SEARCH_H
#define SINTER_PIPELINE_SEARCH_H

#include "engine.h"

#define SEARCH_MAX_PAGE 1000u
#define SEARCH_MAX_REACH 10000u   /* offset + page size */
#define SEARCH_FINISH_LIST 200u   /* finishers and diversity act on the first so many */
#define SEARCH_MAX_DEGRADED 64u
#define SEARCH_MAX_SORT 8u
#define SEARCH_CURSOR_ITEMS 1000u
#define SEARCH_ALL_ITEMS 100000u  /* that all_items goes through */

/* Candidates as columns, in the order of recall; a candidate's number is its row here for the whole request. */
typedef struct candidates {
    uint32_t n;
    uint32_t *item;       /* [n] ordinals */
    float *before;        /* [n] score that recall gave */
    uint32_t *packed;     /* [n_words][n], NULL: no words */
    uint32_t n_words;
    float **source_score; /* [n_sources][n], NaN: not from it */
    float **source_rank;  /* [n_sources][n] 1-based */
    float **ranker_score; /* [n_rankers][n] SINTER_MISSING: not scored */
} candidates;

/* The person's latest events as columns, newest first. */
typedef struct history {
    bool read;
    uint32_t n;
    uint32_t *item, *event;
    float *age, *weight;
    int64_t *time_ms;
} history;

/* One ranker's part in one stage. */
typedef struct ranker_run {
    const sinter_request *request; /* with the history that it asked for */
    sinter_batch batch;   /* the whole list as the ranker saw it */
    float *score;         /* [n] by row of the stage */
    plugin_result result;
} ranker_run;

/* What a stage saw and did, kept for the ledger and for recording. Rows are the stage's: entry order. */
typedef struct stage_run {
    const snap_stage *stage;
    uint32_t n;
    uint32_t *candidate;  /* [n] */
    uint32_t *item;       /* [n] */
    float **feature;      /* [n_features][n] columns of the union */
    float *before, *fused; /* [n]; fused is the score after */
    ranker_run *ranker;   /* [n_rankers] */
    sinter_fusion_batch fusion;
    uint32_t n_kept;
    uint32_t *rank_after; /* [n] 1-based, in the whole list */
} stage_run;

/* An edit of the words or of the final list by a rule, for the ledger. */
typedef struct rule_mark {
    uint32_t item; /* UINT32_MAX: the query's */
    const char *rule, *action, *detail, *stage;
    uint32_t rank_before, rank_after; /* of the item, around the finisher that made it */
    struct rule_mark *next;
} rule_mark;

/* A line of the final list. */
typedef struct entry {
    uint32_t item;
    uint32_t candidate; /* UINT32_MAX: not recalled (inserted by a rule, or the text source's surplus) */
    float score;
    uint16_t tier; /* stages survived: scores are comparable within the highest tier only */
} entry;

/* A finish step as the ledger shows it: ranks of items before and after. */
typedef struct finish_run {
    const char *name;
    uint32_t n_before, n_after;
    entry *before, *after;
} finish_run;

/* How long one step took: kept of every search, for the figures, the slow log and, with explain, the answer. */
typedef struct timed_step {
    const char *stage, *part; /* part: of a stage; NULL: none */
    uint64_t ns;
    uint32_t in, out;
} timed_step;
#define SEARCH_MAX_STEPS (64u + SINTER_MAX_RANKERS)

typedef struct sort_key {
    const sinter_column *column; /* NULL: nobody has the field yet */
    const catalog_field *field;
    bool descending;
} sort_key;

typedef struct facets facets;     /* facets.h */
typedef struct grouping grouping; /* groups.h */
typedef struct highlighting highlighting; /* highlight.c */
/* A request of the log under way again: what it saw then comes from here instead of from the views. replay.c */
typedef struct logged {
    const Sinter__Storage__V1__Answered *answered;
    const Sinter__Storage__V1__RecordedRequest *recorded;
    bool budgets;          /* rankers' budgets hold */
    uint32_t **row;        /* [recorded stages][candidates] its row there; UINT32_MAX: it did not enter */
    uint64_t values, recomputed; /* of features; made anew, because the log lacks them */
    const char *lacks;     /* a feature that neither the log nor today's views hold; NULL: none */
    uint64_t elapsed_ns;   /* in stages and finish */
} logged;

/* An experiment that the request is in. */
typedef struct taken_arm {
    const snap_experiment *experiment;
    experiment_place place;
    uint32_t effective; /* the arm whose settings answer: control's where its own is stopped */
    Sinter__Storage__V1__Exposure__Why why;
    bool named;         /* by the request */
} taken_arm;

typedef struct search {
    pipeline_lane *lane;
    logged *logged;                /* NULL: an ordinary search */
    arena *a;
    const snapshot *snapshot;
    const snap_pipeline *pipeline; /* NULL: plain text order */
    const snap_collection *collection;
    const view_set *views;
    const view_collection *view;
    const catalog_set *set;
    text_reader *reader;
    plugin_call call;

    const Sinter__V1__SearchRequest *in;
    Sinter__V1__SearchResponse *out;
    uint64_t begun_ns; /* on its lane */
    uint64_t deadline_ns, started_ns, answered_ns;
    uint64_t timeout_ns; /* CLOCK_MONOTONIC from which on only what is ready is answered; UINT64_MAX: no timeout */
    const struct search *shown_by; /* a shadow's: the search that answered; NULL: this one answers */
    taken_arm *taken;              /* [n_taken] */
    uint32_t n_taken;
    const Sinter__V1__QueryOptions *options; /* the request's, with what arms set; NULL: none */
    Sinter__V1__QueryOptions arm_options;
    bool arms_set_options;
    uint32_t page_size, offset;
    Sinter__V1__Explain explain;
    sinter_request request;       /* what plugins see */
    sinter_query public_query;
    sinter_user user;             /* without a history */
    bool kept;                    /* among the latest answers */
    str stored;                   /* packed UserPut: attributes that PutUser stored; empty: none */
    sinter_context context;
    history history;              /* when somebody asked for it */

    text_query *query;
    text_query_options query_options;
    bool typos;                   /* unknown words are corrected */
    config_when_empty when_empty;
    char **dropped;               /* [n_dropped] words that the search went on without */
    uint32_t n_dropped;
    text_scorer *scorer;          /* NULL: no words */
    filter *filter;               /* NULL: none */
    facets *facets;               /* NULL: none asked for */
    grouping *groups;             /* NULL: no group_by */
    highlighting *highlights;     /* NULL: none asked for */
    bool all_seen;                /* the walk that counts over all matches was made */
    uint64_t counting_ns;         /* spent in it on counting, where explain asks for timings */
    sort_key sort[SEARCH_MAX_SORT];
    uint32_t n_sort;
    const uint32_t *shown;        /* [n_shown] ordinals that the cursor says were shown */
    uint32_t n_shown;
    const uint64_t *group_mark;   /* [n_group_marks] lines that the cursor says were shown */
    uint32_t n_group_marks;
    str sort_after;               /* sort cursor: position after which to go on; empty: from the start */

    candidates found;
    stage_run *stage;             /* [n_stages] */
    uint32_t n_stages;            /* that were run */
    entry *list;                  /* [n_list] the final order */
    uint32_t n_list;
    uint64_t surplus_asked;       /* limit that the text source was asked for; beyond it there may be more */
    finish_run *finish;           /* [n_finish] */
    entry *page;                  /* [n_page] */
    uint32_t n_page;
    double *propensity;           /* [n_propensity] of the first places, where the pipeline explores; all others: 1 */
    uint32_t n_propensity, shuffled; /* shuffled: the first so many were put in order by chance; 0: none */
    uint32_t *hidden;             /* [n_hidden] ordinals that rules hid: no surplus brings them back */
    uint32_t n_hidden;
    rule_mark *rules, **rules_end;
    Sinter__V1__Degraded *degraded[SEARCH_MAX_DEGRADED];
    timed_step *step; /* [n_steps] */
    uint32_t n_steps;
    const char **note;
    size_t n_notes;
} search;

/* Each returns OK or an API status with the field's path in `where`. */
sinter_status search_read_request(search *s, sinter_error *e);   /* request.c: validate, resolve collection, pipeline, sort, cursor */
sinter_status search_arms(search *s, sinter_error *e);           /* arms.c: experiments; sets pipeline and options */
sinter_status search_words(search *s, sinter_error *e);          /* words.c: parse, correct, rewrite, compile the filter */
sinter_status search_seen(search *s, sinter_error *e);           /* seen.c: the person's own items leave the filter */
sinter_status search_candidates(search *s, sinter_error *e);     /* candidates.c: run sources, merge */
sinter_status search_sorted(search *s, sinter_error *e);         /* sorted.c: instead of candidates and stages */
sinter_status search_relax(search *s, bool *again, sinter_error *e); /* relax.c: nothing found: other words; again: recall them */
sinter_status search_stages(search *s, sinter_error *e);         /* stages.c */
sinter_status search_finish(search *s, sinter_error *e);         /* finish.c */
sinter_status search_diversity(search *s, const snap_finish *f, entry *list, uint32_t n, sinter_error *e); /* diversity.c */
void search_explore(search *s, const snap_finish *f);            /* explore.c: the first places by chance, and how likely */
sinter_status search_page(search *s, sinter_error *e);           /* page.c: surplus, page, next cursor */
sinter_status search_count(search *s, sinter_error *e);          /* walk.c: counts over all matches, where no step has made them */
void search_answer_facets(search *s);                            /* facets_answer.c */
void search_answer_groups(search *s);                            /* groups.c: what each hit belongs to */
sinter_status search_hydrate(search *s, sinter_error *e);        /* hydrate.c: ids and stored fields */
sinter_status search_explain(search *s, sinter_error *e);        /* explain.c: the ledger */

/* Parts of these that completions take too: collection, view and reader by in->collection; the mask of in->fields; an item's fields. */
sinter_status search_find_collection(search *s, sinter_error *e);
sinter_status search_check_mask(const search *s, sinter_error *e);
sinter_status search_read_fields(search *s, uint32_t item, Sinter__V1__Hit *hit, sinter_error *e);

/* Values as the answer holds them. facets_answer.c */
Sinter__V1__Value *search_time_value(search *s, int64_t ms);
Sinter__V1__Value *search_word_value(search *s, const catalog_field *f, uint32_t id);
Sinter__V1__Value *search_integer_value(search *s, int64_t n);
/* facets_read.c: facets of the request; the filter in the parts that they set aside; one more filter that holds for all. */
sinter_status search_read_facets(search *s, sinter_error *e);
sinter_status search_split_filter(search *s, sinter_error *e);
void search_narrow(search *s, filter *f);
/* facets.c: counts a block of matches of what is left of the filter; moves those of the whole filter to the front. */
uint32_t search_count_facets(search *s, uint32_t *item, uint32_t n);
void search_forget_facets(search *s); /* what was counted: other words are searched instead */

/* A block of matches, ascending: moves those of interest to the front and returns how many; takes them. */
typedef uint32_t block_keep(void *ctx, uint32_t *item, uint32_t n);
typedef void block_take(void *ctx, const uint32_t *item, uint32_t n);

/* walk.c: a walk over matches that ends at the timeout, and counts what is to be counted over all of them if it is the first. */
typedef struct walk {
    match_watch watch;
    const filter *filter; /* to walk with */
    search *search;
    bool counts;
    /* Each block of matches of the whole filter: `keep` moves those of interest to the front, `fn` takes them; may be NULL. */
    block_keep *keep;
    block_take *fn;
    void *ctx;
} walk;
sinter_status search_read_highlights(search *s, sinter_error *e); /* highlight.c */
/* groups.c: group_by of the request; matches of each group; the page in lines, by the final order. */
sinter_status search_read_groups(search *s, sinter_error *e);
void search_count_groups(search *s, const uint32_t *item, uint32_t n);
sinter_status search_group_page(search *s, sinter_error *e);
uint32_t search_position(const search *s, uint32_t hit, uint32_t skipped); /* 1-based place of a hit of the page: its line's */

void walk_begin(walk *w, search *s, block_keep *keep, block_take *fn, void *ctx);
void walk_end(walk *w); /* says what was left out */
/* All that the filter lets through and `keep` (may be NULL) leaves, in ordinal order: at most `limit`, and how many there are. */
void walk_items(search *s, uint32_t limit, block_keep *keep, void *ctx, text_hits *out);

/* Generated messages have no const: text that outlives the answer, put into one without a copy. */
static inline char *message_text(const char *s)
{
    return (char *)(uintptr_t)(s ? s : "");
}

/* search.c: the parts of the line that a replay shares. */
void search_begin(search *s, pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, uint64_t deadline_ns);
sinter_status search_answer(search *s, sinter_error *e);
/* An ordinary search on a snapshot of one's choice, without counting it: everything that it saw stays in *out. */
sinter_status search_on(pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, search **out, sinter_error *e);
/* replay.c: a logged request again. The lane is the control thread's, begun. */
sinter_status search_replay(pipeline_lane *l, const snapshot *snap, const Sinter__V1__SearchRequest *in, logged *x, search **out,
                            sinter_error *e);
sinter_status replay_feature(search *s, const snap_stage *stage, stage_run *run, uint32_t f, const feature_source *src, sinter_error *e);
float replay_context(search *s, const feature *f, const feature_source *src);

/* recorded.c: the log of impressions, read backwards on the control thread. */
typedef struct recorded_place {
    uint64_t answered, recorded; /* sequences in the log; recorded 0: not recorded whole */
} recorded_place;
/* The newest recorded requests of pipelines, newest first: at most `most` in place[]; looks at no more than `depth` records. */
sinter_status recorded_newest(engine *g, const char *const *pipeline, uint32_t n_pipelines, uint32_t most, uint64_t depth,
                              recorded_place *place, uint32_t *n, sinter_error *e);
/* NOT_FOUND: the log has no such request. */
sinter_status recorded_find(engine *g, const char *request_id, recorded_place *out, sinter_error *e);
/* What was asked and seen, in `a`; of a place without a record the second is NULL. The request is as it can be asked again: by its
 * own id, through its own pipeline, without fields, facets and a time limit. */
sinter_status recorded_read(engine *g, const recorded_place *at, arena *a, const Sinter__Storage__V1__Answered **answered,
                            const Sinter__Storage__V1__RecordedRequest **recorded, Sinter__V1__SearchRequest **request, sinter_error *e);

/* history.c: the history, read when first asked for; the request as a plugin's use sees it, with the history it wants. */
const history *search_history(search *s);
const sinter_request *search_request_of(search *s, const snap_use *use);

/* What features are made from, but for the candidates. */
static inline feature_source search_source(const search *s)
{
    return (feature_source){.columns = s->set,
                            .profiles = s->view->profiles,
                            .reader = s->reader,
                            .query = s->query,
                            .scorer = s->scorer,
                            .asked = str_of(s->in->query),
                            .request = &s->request,
                            .a = s->a};
}

/* impression.c: how many records its answer leaves: none, its impression, or the recorded request as well. */
uint32_t impression_records(const search *s);

/* arms.c: the assignment as answers and impressions tell it; NULL: in no experiment. Shadows are ranked behind the answer. */
void search_tell_arms(search *s, Sinter__V1__Assignment *out);
Sinter__Storage__V1__Experimented *search_experimented(search *s);
char **search_arm_names(search *s); /* [n_taken] */
void search_shadows(search *s, Sinter__Storage__V1__Experimented *out);
/* search.c: the same question through another pipeline, on the same lane and in its memory; nothing of it is logged. */
sinter_status search_shadow(search *s, const snap_pipeline *p, search **out, sinter_error *e);
/* impression.c: a request of experiments that got no answer. */
void log_failed(search *s, sinter_status status);

/* Shared by the steps. */
void search_degraded(search *s, const char *name, Sinter__V1__Degraded__Code code, const char *reason, uint32_t scored,
                     uint32_t n);
void search_plugin_degraded(search *s, const snap_use *use, const plugin_result *r, uint32_t n);
/* Names are kept, not copied: they live as long as the request. */
void search_step(search *s, const char *stage, const char *part, uint64_t since_ns, uint32_t in, uint32_t out);
void search_timings(search *s); /* figures.c: the steps in the answer */
void search_figures(search *s); /* figures.c: what the search just answered came to: counts, times, the slow log */
void search_note(search *s, const char *text);
rule_mark *search_rule(search *s, uint32_t item, const char *rule, const char *action, const char *detail, const char *stage);
void search_public_query(search *s); /* words.c: s->request's query from s->query */
/* Fills a stage_run's features and runs one ranker over it. Also used for impressions. stages.c */
sinter_status stage_features(search *s, const snap_pipeline *p, const snap_stage *stage, stage_run *run, sinter_error *e);
void stage_rank(search *s, const snap_ranker *r, stage_run *run, ranker_run *out, uint64_t budget_ns);
/* The text search of a request, with another limit; of those matches alone that `keep` moves to the front. candidates.c */
sinter_status search_text(search *s, uint32_t limit, bool packed, text_hits *out, sinter_error *e);
sinter_status search_text_kept(search *s, uint32_t limit, block_keep *keep, void *ctx,
                               text_hits *out, sinter_error *e);
/* page.c: whether the text source has more than the list, and the list with its surplus up to `reach` items. */
bool search_may_lengthen(const search *s);
sinter_status search_lengthen(search *s, uint32_t reach, sinter_error *e);
/* Whether the request's timeout has come: from here on only what is ready. */
bool search_late(const search *s);

/* Cursors. cursor.c: text is base64url with a checksum and a hash of the question it belongs to. */
typedef struct cursor {
    const uint32_t *item; /* [n_items] shown so far, by pipeline order */
    const uint64_t *mark; /* [n_marks] lines of groups shown so far */
    uint32_t n_items, n_marks;
    str key; /* a sort's last line */
} cursor;
uint64_t cursor_question(const Sinter__V1__SearchRequest *in);
char *cursor_items(arena *a, uint64_t question, const uint32_t *item, uint32_t n);
char *cursor_groups(arena *a, uint64_t question, const uint64_t *mark, uint32_t n);
char *cursor_sort(arena *a, uint64_t question, str key);
/* INVALID when broken or of another question. Exactly one of items, marks and key is set. */
sinter_status cursor_read(arena *a, const char *text, uint64_t question, cursor *out, sinter_error *e);

#endif
