/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Spelling: words that no item has are replaced by the nearest that some item has, or split where that makes two of them. */
#include "recall_cxx.h"

#include <algorithm>

namespace {

constexpr size_t MAX_WORD = 40;

/* Edits between two words (insert, delete, replace, swap of neighbours), or `limit` + 1 when more. */
uint32_t edits(const char *x, size_t n, const char *y, size_t m, uint32_t limit)
{
    uint32_t row[3][MAX_WORD + 1];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = uint32_t(j);
    for (size_t i = 1; i <= n; i++) {
        uint32_t *now = row[i % 3], *last = row[(i - 1) % 3], *before = row[(i + 1) % 3], least;
        least = now[0] = uint32_t(i);
        for (size_t j = 1; j <= m; j++) {
            uint32_t v = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (x[i - 1] != y[j - 1])});
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                v = std::min(v, before[j - 2] + 1);
            now[j] = v;
            least = std::min(least, v);
        }
        if (least > limit)
            return limit + 1;
    }
    return row[n % 3][m];
}

struct speller {
    text_reader *r;
    const text_analyzer *t;
    text_tags tags;
    arena *a;

    double frequency(const text_word &w) const
    {
        double most = 0;
        for (uint32_t k = 0; k < w.n_terms; k++)
            most = std::max(most, double(r->db.get_termfreq(to_string(w.term[k]))));
        return most;
    }
    double frequency_of(str surface, bool stemmed, text_word &w) const
    {
        text_word_set(&tags, surface, stemmed, a, &w);
        return frequency(w);
    }
};

struct candidate {
    str word;
    uint32_t edits;
    bool first; /* begins with the same letter */
};

/* Nearest known word; how many edits are allowed grows with the length. */
bool nearest(const speller &s, str word, text_word &out)
{
    uint32_t limit = word.n < 4 ? 0 : word.n < 8 ? 1 : 2;
    if (!limit || word.n > MAX_WORD)
        return false;
    uint32_t letters = word_letters(word.s, word.n);
    std::vector<candidate> found;
    for (const auto &list : s.r->words)
        for (size_t i = 0; i < list->size(); i++) {
            size_t n = list->start[i + 1] - list->start[i];
            if (n > word.n + limit || n + limit < word.n || n > MAX_WORD ||
                uint32_t(__builtin_popcount(letters ^ list->letters[i])) > 2 * limit)
                continue;
            const char *w = list->text.data() + list->start[i];
            uint32_t d = edits(word.s, word.n, w, n, limit);
            if (d <= limit && d)
                found.push_back({str{w, n}, d, w[0] == word.s[0]});
        }
    double best = 0;
    text_word w = out, chosen = out;
    for (const candidate &c : found) {
        str copy = {arena_strndup(s.a, c.word.s, c.word.n), c.word.n};
        double n = s.frequency_of(copy, true, w);
        double value = n > 0 ? std::log1p(n) * (c.edits == 1 ? 1 : 0.3) * (c.first ? 1 : 0.5) : 0;
        if (value > best) {
            best = value;
            chosen = w;
        }
    }
    out = chosen;
    return best > 0;
}

/* The split into two known words whose rarer one is the most frequent. */
bool split(const speller &s, str word, text_word &left, text_word &right)
{
    double best = 0;
    text_word l = left, r = right;
    for (size_t at = 1; at + 1 <= word.n && word.n <= MAX_WORD; at++) {
        if ((word.s[at] & 0xc0) == 0x80)
            continue;
        bool border = (word.s[at] >= '0' && word.s[at] <= '9') != (word.s[at - 1] >= '0' && word.s[at - 1] <= '9');
        if (!border && (at < 3 || word.n - at < 3))
            continue;
        str x = {word.s, at}, y = {word.s + at, word.n - at};
        double n = s.frequency_of(x, !std::any_of(x.s, x.s + x.n, [](char c) { return c >= '0' && c <= '9'; }), l);
        double m = n > 0 ? s.frequency_of(y, !std::any_of(y.s, y.s + y.n, [](char c) { return c >= '0' && c <= '9'; }), r) : 0;
        double value = std::min(n, m) * (border ? 4 : 1);
        if (value > best) {
            best = value;
            left = l;
            right = r;
        }
    }
    return best > 0;
}

bool correct(const speller &s, const text_query *q, std::vector<text_word> &out)
{
    bool changed = false;
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word &w = q->word[i];
        bool ascii_free = std::all_of(w.surface.s, w.surface.s + w.surface.n, [](char c) { return !(c & 0x80); });
        if (!text_word_scores(&w) || w.phrase >= 0 || w.optional || s.frequency(w) > 0) {
            out.push_back(w);
            continue;
        }
        bool digits = std::any_of(w.surface.s, w.surface.s + w.surface.n, [](char c) { return c >= '0' && c <= '9'; });
        text_word near = w, left = w, right = w;
        if (!digits && nearest(s, w.surface, near)) {
            out.push_back(near);
            changed = true;
        } else if (ascii_free && split(s, w.surface, left, right)) {
            out.push_back(left);
            out.push_back(right);
            changed = true;
        } else
            out.push_back(w);
    }
    return changed;
}

} // namespace

extern "C" sinter_status text_correct(text_reader *r, const text_analyzer *t, const catalog_collection *, text_query **q,
                                      const text_query_options *o, arena *a, sinter_error *e)
{
    try {
        speller s{r, t, {}, a};
        sinter_status status = text_tags_of(t, o ? o->language : nullptr, &s.tags, e);
        if (status != SINTER_OK)
            return status;
        std::vector<text_word> words;
        if (!correct(s, *q, words))
            return SINTER_OK;
        if (words.size() > TEXT_MAX_WORDS)
            words.resize(TEXT_MAX_WORDS);
        text_query *fresh = static_cast<text_query *>(arena_alloc(a, sizeof(text_query)));
        text_word *word = static_cast<text_word *>(arena_alloc(a, sizeof(text_word) * words.size()));
        std::copy(words.begin(), words.end(), word);
        *fresh = **q;
        fresh->word = word;
        fresh->n_words = uint32_t(words.size());
        std::string corrected;
        for (const text_word &w : words)
            if (!w.excluded && !w.optional)
                corrected += (corrected.empty() ? "" : " ") + to_string(w.surface);
        fresh->corrected = arena_strndup(a, corrected.data(), corrected.size());
        *q = fresh;
        return text_query_finish(t, o, a, fresh, e);
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "spelling", e);
    }
}
