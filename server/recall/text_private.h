/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the text half of recall share: tokens, index terms, the posting's layout, the scorer. Private. */
#ifndef SINTER_TEXT_PRIVATE_H
#define SINTER_TEXT_PRIVATE_H

#include "recall/recall.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tokens (tokenise.c, units.c) --------------------------------------------------------------------------------- */

typedef enum {
    TOKEN_WORD,   /* letters: stemmed by language */
    TOKEN_EXACT,  /* numbers, letters with digits, CJK: one term for all languages */
    TOKEN_JOINED, /* a compound's parts joined: "wifi" beside "wi", "fi"; stemmed; takes the place of its parts */
    TOKEN_MEASURE /* number with unit, or dimensions: "36inch", "4x8"; beside its parts */
} token_kind;

/* text_normalise, and for each byte of it (and its end) where in `in` it began; *from NULL: byte for byte where it stands. */
str text_normalise_mapped(arena *a, str in, uint32_t **from);

typedef struct text_token {
    str text;
    uint32_t from, to; /* bytes of the normalised text that it was made of */
    uint32_t position; /* of its first part */
    uint16_t span;     /* positions covered: 1 but for joined and measures */
    uint8_t kind;      /* token_kind */
    bool unit;         /* the name of a unit: never a stop word */
} text_token;

typedef struct text_tokens {
    text_token *token; /* in the arena */
    uint32_t n, cap;
    uint32_t positions; /* positions used: the length */
} text_tokens;

/* Tokens of normalised text. With `units`, measures and dimensions are found. */
void text_tokenise(arena *a, str normalised, bool units, text_tokens *out);

/* A piece of text between separators, before compounds and units are seen. */
typedef struct lexeme {
    str text;
    uint32_t from, to; /* bytes of the normalised text */
    uint8_t kind;  /* lexeme_kind */
    char before;   /* the one character between the lexeme before and this; ' ' for spaces or several; LEXEME_TOUCHES: none */
    char mark;     /* ' or " right after it (a space may stand between), 0: none */
    bool dot;      /* a full stop right after it */
} lexeme;
#define LEXEME_TOUCHES '\1'
typedef enum { LEXEME_WORD, LEXEME_NUMBER, LEXEME_MIXED, LEXEME_CJK } lexeme_kind;
/* `first` to `last`: the lexemes that it was made of. */
text_token *text_token_add(arena *a, text_tokens *t, str text, uint32_t position, token_kind kind, const lexeme *first,
                           const lexeme *last);

/* Splits "4x8ft" at digits and letters into out[16] where every part is a number, x or a unit; 0: not so. */
uint32_t text_split_measure(const lexeme *x, lexeme out[16]);
/* Reads a measure or dimensions at lexeme i: adds its tokens and returns how many lexemes it took; 0: none here. */
uint32_t text_measure(arena *a, const lexeme *x, uint32_t n, uint32_t i, text_tokens *out);
/* "1,000" 1000, "1/2" 0.5, "08" 8: one spelling a number; false: as it is. */
bool text_number(str s, double *value);
str text_number_text(arena *a, double value);

/* ---- stop words and stems (stop_words.c, stem.cc) -------------------------------------------------------------------- */

#define TEXT_NO_LANGUAGE "zz" /* tag of terms that belong to no language */

/* Two letters of a language name or code ("english", "en"); NULL: not one that can be stemmed. */
const char *text_language_code(const char *name);
/* Stem of a normalised word in language `code`; in `a`. Safe on any thread. */
str text_stem(const char *code, str word, arena *a);
/* Sorted stop words of a language; NULL: none. */
const char *const *text_stop_words(const char *code, uint32_t *n);

/* ---- analyzer (analysis.c) ----------------------------------------------------------------------------------------- */

struct text_analyzer {
    const config_collection *schema;
    const char *code[CONFIG_MAX_LANGUAGES + 1]; /* [n_codes] language tags; TEXT_NO_LANGUAGE where a field has none */
    uint32_t n_codes;
    bool neutral; /* some field is not stemmed */
    uint64_t *stop; /* [n_stop] sorted hashes of stop words of all the collection's languages */
    uint32_t n_stop;
    struct text_synonyms *synonyms; /* NULL: none */
};
bool text_is_stop(const text_analyzer *t, str word);
/* Index term of a token in a language: prefix, tag, stem; longer ones hashed. In `a`. */
str text_term(arena *a, const char *code, str stem);
#define TEXT_MAX_TERM 240u
/* Term of a keyword value. */
str text_keyword_term(arena *a, const char *field, str value);
/* The declaration that holds for a field name; NULL: none. */
const config_field *text_field_of(const config_collection *schema, const char *name);
const char *text_field_code(const config_collection *schema, const config_field *f);

/* ---- synonyms (synonyms.c) ----------------------------------------------------------------------------------------- */

typedef struct text_synonyms text_synonyms;
/* Reads the schema's file into t->synonyms; its terms are of t's languages. */
sinter_status text_synonyms_read(text_analyzer *t, const char *path, sinter_error *e);
void text_synonyms_free(text_synonyms *s);
struct text_tags;
/* Gives words their synonyms: at each word the longest entry that begins there, and none that begins inside it. A run of
 * nothing but stop words that is an entry stays. Words' earlier synonyms are forgotten. */
void text_synonyms_match(const text_analyzer *t, const struct text_tags *tags, const text_said *said, uint32_t n_said,
                         text_word *word, uint32_t n_words, arena *a);

/* ---- spelling_scan.c -------------------------------------------------------------------------------------------------- */

/* Of sets of letters, the places of those that `limit` (1 or 2) edits could make of `wanted`; out: room for n. Returns how many. */
uint32_t text_close_letters(const uint32_t *letters, uint32_t n, uint32_t wanted, uint32_t limit, uint32_t *out);

/* ---- query (query.c) -------------------------------------------------------------------------------------------------- */

/* Language tags that a query's words are looked up in. */
typedef struct text_tags {
    const char *code[CONFIG_MAX_LANGUAGES + 1];
    uint32_t n;
} text_tags;
sinter_status text_tags_of(const text_analyzer *t, const char *language, text_tags *out, sinter_error *e);
/* Sets surface, stem and terms of a word; `stemmed`: of letters alone. */
void text_word_set(const text_tags *tags, str surface, bool stemmed, arena *a, text_word *w);
/* Counts what minimum_match counts and sets it, the joined text, `empty`. */
sinter_status text_query_finish(const text_analyzer *t, const text_query_options *o, arena *a, text_query *q, sinter_error *e);

/* ---- layout of a posting (packing.c) ---------------------------------------------------------------------------------- */

#define TEXT_MAX_LENGTH_LEVELS 256u

typedef struct text_layout {
    uint32_t n_groups;
    uint8_t count_bits[CONFIG_MAX_GROUPS], length_bits[CONFIG_MAX_GROUPS];
    uint8_t shift[CONFIG_MAX_GROUPS];    /* of the group's field: count in the low bits, then length */
    uint32_t mask[CONFIG_MAX_GROUPS];    /* of the whole field, in place */
    float length[CONFIG_MAX_GROUPS][TEXT_MAX_LENGTH_LEVELS]; /* what a level stands for; [0] is 0 */
} text_layout;

/* Widths by number of groups, or as the schema says; false: they do not fit 28 bits. */
bool text_layout_of(const config_collection *schema, text_layout *out);
uint32_t text_length_level(const text_layout *l, uint32_t group, double length);
uint32_t text_pack(const text_layout *l, uint32_t group, double count, uint32_t level);
static inline uint32_t text_count(const text_layout *l, uint32_t group, uint32_t packed)
{
    return packed >> l->shift[group] & ((1u << l->count_bits[group]) - 1);
}
static inline uint32_t text_level(const text_layout *l, uint32_t group, uint32_t packed)
{
    return packed >> (l->shift[group] + l->count_bits[group]) & ((1u << l->length_bits[group]) - 1);
}
/* The four bits above a posting say, group by group, that the count is of a synonym: it weighs less. */
#define TEXT_SYNONYM_SHIFT 28u
static inline bool text_of_synonym(uint32_t packed, uint32_t group)
{
    return packed >> (TEXT_SYNONYM_SHIFT + group) & 1;
}
static inline uint32_t text_packed_synonym(const text_layout *l, uint32_t packed)
{
    uint32_t out = packed;
    for (uint32_t g = 0; g < l->n_groups; g++)
        out |= (uint32_t)(text_count(l, g, packed) > 0) << (TEXT_SYNONYM_SHIFT + g);
    return out;
}
/* Group by group the larger: how alternatives of one word are joined. A synonym's count is taken `weight` times. */
static inline uint32_t text_packed_max(const text_layout *l, uint32_t x, uint32_t y, double weight)
{
    uint32_t out = 0;
    if (!x || !y)
        return x | y;
    for (uint32_t g = 0; g < l->n_groups; g++) {
        double p = text_count(l, g, x), q = text_count(l, g, y);
        uint32_t whole = l->mask[g] | 1u << (TEXT_SYNONYM_SHIFT + g);
        p *= text_of_synonym(x, g) ? weight : 1;
        q *= text_of_synonym(y, g) ? weight : 1;
        out |= (p > q || (p == q && !text_of_synonym(x, g)) ? x : y) & whole;
    }
    return out;
}

/* ---- documents (text_document.c) ---------------------------------------------------------------------------------------- */

typedef struct text_posting {
    str term;
    uint32_t packed;
    uint32_t n_positions;
    const uint32_t *position; /* ascending */
} text_posting;

typedef struct text_document {
    text_posting *posting; /* [n] */
    uint32_t n;
    str *keyword; /* [n_keywords] terms of filterable keywords */
    uint32_t n_keywords;
    str *surface; /* [n_surfaces] distinct words as written: for spelling */
    uint32_t n_surfaces;
    double length[CONFIG_MAX_GROUPS]; /* weighted words of each group */
} text_document;

/* What the index holds of an item. */
void text_document_of(const text_analyzer *t, const text_layout *l, const Sinter__V1__Item *item, arena *a, text_document *out);

#define TEXT_GROUP_POSITIONS (1u << 20)
#define TEXT_FIELD_GAP 64u

/* ---- scorer (bm25f.c) ---------------------------------------------------------------------------------------------------- */

struct text_scorer {
    const text_layout *layout;
    text_weights weights;
    uint32_t n_words;
    double *idf; /* [n_words] of scoring words, boost included */
    double idf_total;
    bool synonyms; /* some word has them */
    double synonym_weight;
    float average[CONFIG_MAX_GROUPS];
    float *norm[CONFIG_MAX_GROUPS]; /* [levels] weight ÷ (1 − b + b · length ÷ average) */
};

typedef struct text_statistics {
    double documents;
    double average[CONFIG_MAX_GROUPS];
} text_statistics;

/* frequency[n_words]: documents that hold the word. */
text_scorer *text_scorer_make(const text_layout *l, const text_statistics *st, const text_weights *w, uint32_t n_words,
                              const double *frequency, const double *boost, arena *a);
bool text_word_scores(const text_word *w);

#ifdef __cplusplus
}
#endif
#endif
