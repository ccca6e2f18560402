/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where words and synonyms stand in an item: for phrases, explanations and proximity, all of them over few items. */
#include "recall_cxx.h"

#include <algorithm>

static void add_positions(const Xapian::Database &db, Xapian::docid id, const str *terms, uint32_t n, uint32_t groups,
                   std::vector<uint32_t> &out)
{
    for (uint32_t k = 0; k < n; k++) {
        std::string term = to_string(terms[k]);
        for (auto at = db.positionlist_begin(id, term), end = db.positionlist_end(id, term); at != end; ++at)
            if (!groups || groups >> (*at / TEXT_GROUP_POSITIONS) & 1)
                out.push_back(*at);
    }
    if (n > 1)
        std::sort(out.begin(), out.end());
}

void text_positions(const Xapian::Database &db, Xapian::docid id, const text_word &w, std::vector<uint32_t> &out)
{
    out.clear();
    add_positions(db, id, w.term, w.n_terms, w.groups, out);
}

/* Where all the words of a synonym begin to stand side by side. */
void text_positions(const Xapian::Database &db, Xapian::docid id, const text_synonym &x, uint32_t groups, std::vector<uint32_t> &out)
{
    std::vector<uint32_t> here;
    out.clear();
    for (uint32_t k = 0; k < x.n_parts && (!k || !out.empty()); k++) {
        here.clear();
        add_positions(db, id, x.part[k].term, x.part[k].n_terms, groups, k ? here : out);
        if (k)
            out.erase(std::remove_if(out.begin(), out.end(),
                                     [&](uint32_t p) { return !std::binary_search(here.begin(), here.end(), p + k); }),
                      out.end());
    }
}

/* ---- which alternative: for explanations ------------------------------------------------------------------------------ */

extern "C" sinter_status text_alternatives(text_reader *r, const text_query *q, const uint32_t *item, uint32_t n, arena *a,
                                           uint64_t **out, sinter_error *e)
{
    *out = static_cast<uint64_t *>(arena_zalloc(a, sizeof(uint64_t) * (size_t(text_query_scoring(q)) * n + 1)));
    uint32_t row = 0;
    std::vector<uint32_t> at;
    try {
        for (uint32_t i = 0; i < q->n_words; i++) {
            const text_word &w = q->word[i];
            if (!text_word_scores(&w))
                continue;
            for (uint32_t k = 0; k < n; k++)
                for (uint32_t m = 0; m <= w.n_synonyms; m++) {
                    if (m)
                        text_positions(r->db, item[k] + 1, *w.synonym[m - 1], w.groups, at);
                    else
                        text_positions(r->db, item[k] + 1, w, at);
                    (*out)[size_t(row) * n + k] |= uint64_t(!at.empty()) << m;
                }
            row++;
        }
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "reading positions", e);
    }
}

/* ---- proximity: late stages only ---------------------------------------------------------------------------------------- */

namespace {

struct occurrence {
    uint32_t position, word;
};

/* The most words in the least room: best of (words ÷ span) over windows that hold every matched word. */
float smallest_window(std::vector<occurrence> &all, uint32_t words)
{
    std::sort(all.begin(), all.end(), [](const occurrence &x, const occurrence &y) { return x.position < y.position; });
    std::vector<uint32_t> count(TEXT_MAX_WORDS, 0);
    uint32_t distinct = 0, least = UINT32_MAX;
    for (size_t left = 0, right = 0; right < all.size(); right++) {
        distinct += count[all[right].word]++ == 0;
        while (distinct == words) {
            least = std::min(least, all[right].position - all[left].position + 1);
            distinct -= --count[all[left++].word] == 0;
        }
    }
    return least == UINT32_MAX ? 0.0f : float(words) / float(std::max(least, words));
}

} // namespace

extern "C" sinter_status text_proximity(text_reader *r, const text_query *q, uint32_t group, const uint32_t *item, uint32_t n,
                                        float *out, uint32_t stride, arena *, sinter_error *e)
{
    if (n > 100)
        return error_set(e, SINTER_INVALID, "text.proximity", "Use it in a stage that keeps at most 100.", "proximity of %u items", n);
    try {
        std::vector<occurrence> all;
        std::vector<uint32_t> positions;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t words = 0;
            all.clear();
            for (uint32_t k = 0; k < q->n_words; k++) {
                const text_word &w = q->word[k];
                if (!text_word_scores(&w) || w.optional || (w.groups && !(w.groups >> group & 1)))
                    continue;
                size_t before = all.size();
                for (uint32_t m = 0; m <= w.n_synonyms; m++) {
                    if (m)
                        text_positions(r->db, item[i] + 1, *w.synonym[m - 1], w.groups, positions);
                    else
                        text_positions(r->db, item[i] + 1, w, positions);
                    for (uint32_t p : positions)
                        if (p / TEXT_GROUP_POSITIONS == group)
                            all.push_back({p, words});
                }
                words += all.size() > before;
            }
            out[size_t(i) * stride] = words ? smallest_window(all, words) : 0.0f;
        }
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "reading positions", e);
    }
}
