/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Languages with a Snowball stemmer, by ISO 639-1 code and by name. */
#include "config/config.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *code, *name;
} LANGUAGES[] = {
    {"ar", "arabic"},    {"hy", "armenian"},   {"eu", "basque"},     {"ca", "catalan"},  {"da", "danish"},
    {"nl", "dutch"},     {"en", "english"},    {"fi", "finnish"},    {"fr", "french"},   {"de", "german"},
    {"hu", "hungarian"}, {"id", "indonesian"}, {"ga", "irish"},      {"it", "italian"},  {"lt", "lithuanian"},
    {"ne", "nepali"},    {"no", "norwegian"},  {"pt", "portuguese"}, {"ro", "romanian"}, {"ru", "russian"},
    {"es", "spanish"},   {"sv", "swedish"},    {"ta", "tamil"},      {"tr", "turkish"},  {"none", "none"},
};

const char *config_language(const char *s)
{
    for (size_t i = 0; i < ARRAY_LEN(LANGUAGES); i++) {
        if (strcasecmp(s, LANGUAGES[i].code) == 0 || strcasecmp(s, LANGUAGES[i].name) == 0) return LANGUAGES[i].code;
    }
    return NULL;
}
