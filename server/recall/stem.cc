/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stems by Snowball, as Xapian carries it. A stemmer isn't thread-safe: each thread has its own, with a small cache. */
#include "recall_cxx.h"

namespace {

struct language {
    const char *code, *name;
};
const language LANGUAGES[] = {
    {"en", "english"},    {"de", "german"},    {"fr", "french"},     {"es", "spanish"},  {"it", "italian"},
    {"nl", "dutch"},      {"pt", "portuguese"}, {"sv", "swedish"},   {"da", "danish"},   {"no", "norwegian"},
    {"fi", "finnish"},    {"ru", "russian"},   {"hu", "hungarian"},  {"ro", "romanian"}, {"tr", "turkish"},
    {"ar", "arabic"},     {"hy", "armenian"},  {"eu", "basque"},     {"ca", "catalan"},  {"id", "indonesian"},
    {"ga", "irish"},      {"lt", "lithuanian"}, {"ne", "nepali"},    {"ta", "tamil"},
};
constexpr size_t N_LANGUAGES = sizeof LANGUAGES / sizeof *LANGUAGES;
constexpr size_t CACHE = 8192, CACHED_BYTES = 28;

struct entry {
    uint64_t key;
    uint8_t n;
    char stem[CACHED_BYTES];
};

struct stemmer {
    std::unique_ptr<Xapian::Stem> stem[N_LANGUAGES];
    std::unique_ptr<entry[]> cache;
};
thread_local stemmer mine;

size_t number_of(const char *code)
{
    for (size_t i = 0; i < N_LANGUAGES; i++)
        if (std::strcmp(LANGUAGES[i].code, code) == 0)
            return i;
    return N_LANGUAGES;
}

} // namespace

extern "C" const char *text_language_code(const char *name)
{
    for (const language &l : LANGUAGES)
        if (std::strcmp(l.code, name) == 0 || std::strcmp(l.name, name) == 0)
            return l.code;
    return std::strcmp(name, "nb") == 0 || std::strcmp(name, "nn") == 0 ? "no" : nullptr;
}

extern "C" str text_stem(const char *code, str word, arena *a)
{
    size_t k = number_of(code);
    if (k == N_LANGUAGES || word.n > 128)
        return word;
    if (!mine.cache)
        mine.cache.reset(new entry[CACHE]());
    uint64_t key = hash64_seed(word.s, word.n, k + 1);
    entry &slot = mine.cache[key % CACHE];
    if (slot.key == key && slot.n)
        return str{arena_strndup(a, slot.stem, slot.n), slot.n};
    try {
        if (!mine.stem[k])
            mine.stem[k].reset(new Xapian::Stem(LANGUAGES[k].code));
        std::string out = (*mine.stem[k])(std::string(word.s, word.n));
        if (out.empty())
            return word;
        if (out.size() <= CACHED_BYTES) {
            slot.key = key;
            slot.n = uint8_t(out.size());
            std::memcpy(slot.stem, out.data(), out.size());
        }
        return str{arena_strndup(a, out.data(), out.size()), out.size()};
    } catch (const Xapian::Error &) {
        return word;
    }
}
