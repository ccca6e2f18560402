/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that a rules file may hold, from which the host checks types and ranges and names what is unknown. */
#include "rules.h"

#define OPTION(t, k, d, ...)                                                                                           \
    {                                                                                                                  \
        .size = sizeof(sinter_option), .type = SINTER_OPTION_##t, .key = (k), .doc = (d), __VA_ARGS__                  \
    }
#define STRINGS       .element = SINTER_OPTION_STRING
#define NESTED(table) .nested = (table), .n_nested = sizeof(table) / sizeof((table)[0])
#define ITEMS         OPTION(LIST, "items", "Ids of the items meant; default: those that pass the rule's filter.", STRINGS)

static const sinter_option query_options[] = {
    OPTION(LIST, "exact", "The whole query is one of these.", STRINGS),
    OPTION(LIST, "starts_with", "The query starts with one of these.", STRINGS),
    OPTION(LIST, "words", "All of these words, or their stems, are in the query, in any order.", STRINGS),
    OPTION(LIST, "any_word", "At least one of these words, or their stems, is in the query.", STRINGS),
};

static const sinter_option context_options[] = {
    OPTION(LIST, "locale", "The request's locale is one of these; 'de' also means 'de-AT'.", STRINGS),
    OPTION(LIST, "device", "The request's device is one of these.", STRINGS),
    OPTION(MAP, "attributes",
           "Attribute of the request's context: value, list of values, or comparison such as '>= 3'.",
           .element = SINTER_OPTION_LIST),
};

static const sinter_option when_options[] = {
    OPTION(MAP, "query", "What the words must be; the kinds given must all hold.", NESTED(query_options)),
    OPTION(BOOLEAN, "empty_query", "true: only requests without words; false: only those with words."),
    OPTION(FILTER, "filter", "The items that the actions are for; default: all."),
    OPTION(MAP, "user", "Attribute of the user: value, list of values, or comparison such as '>= 3'.",
           .element = SINTER_OPTION_LIST),
    OPTION(MAP, "context", "Where the request comes from.", NESTED(context_options)),
    OPTION(STRING, "from", "Start, RFC 3339 ('2026-11-27T08:00:00Z') or a date; inclusive."),
    OPTION(STRING, "until", "End, RFC 3339 or a date; exclusive."),
    OPTION(STRING, "hours", "Time of day, '08:00-18:00'; over midnight where the second is earlier."),
    OPTION(LIST, "days", "Days of the week: mon, tue, wed, thu, fri, sat, sun.", STRINGS),
    OPTION(STRING, "utc_offset", "Offset of hours and days from UTC, '+01:00'; default: UTC."),
};

static const sinter_option boost_options[] = {
    ITEMS,
    OPTION(NUMBER, "factor", "Above 1. Finisher: the score is multiplied by it; ranker: adds its base-2 logarithm.",
           .least = 1, .most = 1e6),
    OPTION(NUMBER, "add", "Above 0: added to the score.", .least = 1e-9, .most = 1e9),
};

static const sinter_option bury_options[] = {
    ITEMS,
    OPTION(NUMBER, "factor", "Below 1. Finisher: the score is multiplied by it; ranker: adds its base-2 logarithm.",
           .least = 1e-6, .most = 1),
    OPTION(NUMBER, "subtract", "Above 0: taken from the score.", .least = 1e-9, .most = 1e9),
};

static const sinter_option pin_options[] = {
    ITEMS,
    OPTION(INTEGER, "position", "Position of the first item, from 1; default 1.", .default_text = "1", .least = 1,
           .most = 200),
    OPTION(INTEGER, "limit", "Without items: at most so many of those that pass the filter; default 1.",
           .default_text = "1", .least = 1, .most = 200),
};

static const sinter_option hide_options[] = {ITEMS};

static const sinter_option insert_options[] = {
    OPTION(LIST, "items", "Ids of the items brought in, whether found or not.", STRINGS, .required = true),
    OPTION(INTEGER, "position", "Position of the first item, from 1; default 1.", .default_text = "1", .least = 1,
           .most = 200),
};

static const sinter_option cap_options[] = {
    OPTION(STRING, "field", "A keyword, keywords, integer or boolean field.", .required = true),
    OPTION(INTEGER, "most", "At most so many items of one value.", .required = true, .least = 1, .most = 200),
    OPTION(INTEGER, "among", "Among the first so many positions; the rest move down. Default 10.", .default_text = "10",
           .least = 1, .most = 200),
};

static const sinter_option label_options[] = {
    ITEMS,
    OPTION(STRING, "text", "What the label says.", .required = true),
};

static const sinter_option replace_options[] = {
    OPTION(STRING, "from", "Words replaced; default: the whole query."),
    OPTION(STRING, "to", "Words put in their place.", .required = true),
};

static const sinter_option boost_words_options[] = {
    OPTION(LIST, "words", "Words of the query whose weight changes.", STRINGS, .required = true),
    OPTION(NUMBER, "factor", "What their weight is multiplied by.", .required = true, .least = 1e-6, .most = 1e6),
};

static const sinter_option then_options[] = {
    OPTION(MAP, "boost", "Raises the items (ranker, finisher).", NESTED(boost_options)),
    OPTION(MAP, "bury", "Lowers the items (ranker, finisher).", NESTED(bury_options)),
    OPTION(MAP, "pin", "Puts items of the list at a position (finisher).", NESTED(pin_options)),
    OPTION(MAP, "hide", "Takes the items out of the list (finisher).", NESTED(hide_options)),
    OPTION(MAP, "insert", "Brings items in at a position (finisher).", NESTED(insert_options)),
    OPTION(MAP, "cap", "At most so many of one field value near the top (finisher).", NESTED(cap_options)),
    OPTION(MAP, "label", "Writes a label on the items' explanation (finisher).", NESTED(label_options)),
    OPTION(STRING, "add_words", "Words added to the query (rewriter)."),
    OPTION(MAP, "replace_words", "Words put in the place of others (rewriter).", NESTED(replace_options)),
    OPTION(MAP, "boost_words", "Changes the weight of words of the query (rewriter).", NESTED(boost_words_options)),
    OPTION(FILTER, "add_filter", "A filter that the request gets as well (rewriter)."),
    OPTION(STRING, "redirect", "A URL, or a path, that the client is sent to (rewriter)."),
};

static const sinter_option rule_options[] = {
    OPTION(STRING, "id", "The rule's name in explanations; unique.", .required = true),
    OPTION(STRING, "note", "A sentence for people, shown in explanations."),
    OPTION(BOOLEAN, "enabled", "false: the rule is checked and left out; default true.", .default_text = "true"),
    OPTION(INTEGER, "priority", "Higher first; default 0. Equal: the order of the file.", .default_text = "0",
           .least = -1e9, .most = 1e9),
    OPTION(MAP, "when", "Conditions; all must hold. None: always.", NESTED(when_options)),
    OPTION(LIST, "then", "Actions: one map, or a list of them.", NESTED(then_options), .required = true),
};

const sinter_option rules_options[RULES_N_OPTIONS] = {
    OPTION(FILE, "file", "A YAML file with `rules:`."),
    OPTION(LIST, "rules", "Rules written here; those of `file` come first.", NESTED(rule_options)),
};

const sinter_option rules_file_options[RULES_N_FILE_OPTIONS] = {
    OPTION(LIST, "rules", "The rules, in order.", NESTED(rule_options), .required = true),
};
