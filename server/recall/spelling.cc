/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Spelling: words that no item has are replaced by the nearest that some item has, joined with a neighbour, or split in two.
 *
 * How many edits are allowed grows with a word's length: none below 4 letters, one below 8, two from there on. */
#include "recall_cxx.h"

#include <algorithm>

namespace {

/* Code points of a word; what is beyond WORD_MOST_BYTES is left out. */
struct letters {
    uint32_t c[WORD_MOST_BYTES + 1], n = 0;

    explicit letters(str s)
    {
        for (size_t i = 0; i < s.n && n < WORD_MOST_BYTES;) {
            uint32_t point = (unsigned char)s.s[i++];
            for (; i < s.n && (s.s[i] & 0xc0) == 0x80; i++)
                point = point << 6 | (unsigned char)s.s[i];
            c[n++] = point;
        }
    }
};

/* Edits between two words (insert, delete, replace, swap of neighbours), or `limit` + 1 when more. What both begin and end with
 * costs nothing, and no cell further than `limit` off the diagonal can matter. */
uint32_t edits(const letters &one, const letters &other, uint32_t limit)
{
    uint32_t row[3][WORD_MOST_BYTES + 2], n = one.n, m = other.n;
    const uint32_t *x = one.c, *y = other.c;
    for (; n && m && *x == *y; n--, m--)
        x++, y++;
    for (; n && m && x[n - 1] == y[m - 1]; n--)
        m--;
    if (n > m + limit || m > n + limit)
        return limit + 1;
    for (uint32_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t *now = row[i % 3], *last = row[(i - 1) % 3], *before = row[(i + 1) % 3], least;
        uint32_t from = i > limit ? i - limit : 1, to = std::min(i + limit, m);
        least = now[from - 1] = from == 1 ? i : limit + 1;
        if (to == i + limit)
            last[to] = limit + 1; /* off the band of the row before */
        for (uint32_t j = from; j <= to; j++) {
            uint32_t v = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (x[i - 1] != y[j - 1])});
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                v = std::min(v, before[j - 2] + 1);
            now[j] = v;
            least = std::min(least, v);
        }
        if (least > limit)
            return limit + 1;
    }
    return std::min(row[n % 3][m], limit + 1);
}

bool has_digit(str s)
{
    return std::any_of(s.s, s.s + s.n, [](char c) { return c >= '0' && c <= '9'; });
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
    double frequency_of(str surface, text_word &w) const
    {
        text_word_set(&tags, surface, !has_digit(surface), a, &w);
        w.synonym = nullptr;
        w.n_synonyms = 0;
        return frequency(w);
    }
};

/* A near word, and what its frequency is worth. */
struct candidate {
    str word;
    double worth;
};

void add_near(const word_list &list, const letters &word, uint32_t set, uint32_t limit, std::vector<uint32_t> &close,
              std::vector<candidate> &out)
{
    for (size_t n = word.n > limit ? word.n - limit : 1; n <= word.n + limit && n <= WORD_MOST_BYTES; n++) {
        uint32_t from = list.length_begin(n), to = list.length_begin(n + 1);
        if (close.size() < to - from)
            close.resize(to - from);
        uint32_t found = text_close_letters(list.letters.data() + from, to - from, set, limit, close.data());
        for (uint32_t i = 0; i < found; i++) {
            str w = list.word(from + close[i]);
            letters other(w);
            uint32_t d = edits(word, other, limit);
            if (d && d <= limit)
                out.push_back({w, (d == 1 ? 1 : 0.3) * (other.c[0] == word.c[0] ? 1 : 0.5)});
        }
    }
}

/* Nearest word that more than `more_than` items hold; its value, 0: none. What could not win is not looked up. */
double nearest(const speller &s, str surface, double more_than, text_word &out)
{
    letters word(surface);
    uint32_t limit = word.n < 4 ? 0 : word.n < 8 ? 1 : 2;
    if (!limit || surface.n > WORD_MOST_BYTES)
        return 0;
    uint32_t set = word_letters(surface.s, surface.n);
    std::vector<candidate> found;
    std::vector<uint32_t> close;
    for (const auto &list : s.r->words)
        add_near(*list, word, set, limit, close, found);
    std::stable_sort(found.begin(), found.end(), [](const candidate &x, const candidate &y) { return x.worth > y.worth; });
    double best = 0, most = std::log1p(s.r->statistics.documents);
    text_word w = out, chosen = out;
    for (const candidate &c : found) {
        if (best >= c.worth * most)
            break;
        str copy = {arena_strndup(s.a, c.word.s, c.word.n), c.word.n};
        double n = s.frequency_of(copy, w);
        if (n > more_than && std::log1p(n) * c.worth > best) {
            best = std::log1p(n) * c.worth;
            chosen = w;
        }
    }
    out = chosen;
    return best;
}

/* The split into two known words whose rarer one is the most frequent. */
bool split(const speller &s, str word, text_word &left, text_word &right)
{
    double best = 0;
    text_word l = left, r = right;
    for (size_t at = 1; at + 1 <= word.n && word.n <= WORD_MOST_BYTES; at++) {
        if ((word.s[at] & 0xc0) == 0x80)
            continue;
        bool border = (word.s[at] >= '0' && word.s[at] <= '9') != (word.s[at - 1] >= '0' && word.s[at - 1] <= '9');
        if (!border && (at < 3 || word.n - at < 3))
            continue;
        double n = s.frequency_of({word.s, at}, l);
        double m = n > 0 ? s.frequency_of({word.s + at, word.n - at}, r) : 0;
        double value = std::min(n, m) * (border ? 4 : 1);
        if (value > best) {
            best = value;
            left = l;
            right = r;
        }
    }
    return best > 0;
}

/* A word that spelling may touch. */
bool plain(const text_word &w)
{
    return text_word_scores(&w) && w.phrase < 0 && !w.optional && !w.n_synonyms;
}

/* The most frequent word that word i makes with the word beside it; which one that is; 0: none. */
double joined(const speller &s, const text_query *q, uint32_t i, text_word &out, uint32_t &other)
{
    double best = 0;
    text_word w = out;
    for (uint32_t k = 0; k + 1 < q->n_said; k++) {
        const text_said &x = q->said[k], &y = q->said[k + 1];
        if (x.run != y.run || x.word == UINT32_MAX || y.word == UINT32_MAX || x.word == y.word || (x.word != i && y.word != i))
            continue;
        uint32_t neighbour = x.word == i ? y.word : x.word;
        size_t n = x.surface.n + y.surface.n;
        if (!plain(q->word[neighbour]) || q->word[neighbour].groups != q->word[i].groups || n > WORD_MOST_BYTES)
            continue;
        char *both = static_cast<char *>(arena_alloc(s.a, n + 1));
        std::memcpy(both, x.surface.s, x.surface.n);
        std::memcpy(both + x.surface.n, y.surface.s, y.surface.n);
        double frequency = s.frequency_of({both, n}, w);
        if (frequency > best) {
            best = frequency;
            out = w;
            other = neighbour;
        }
    }
    return best;
}

/* Words as they become: each of the query's is so many of `word`, from `first` on; a joined one is its neighbour's. */
struct rewording {
    std::vector<text_word> word;
    std::vector<std::pair<uint32_t, uint32_t>> now; /* [q->n_words] first, how many */
    std::vector<bool> joined;                       /* [q->n_words] into another: said no more */

    explicit rewording(const text_query *q) : now(q->n_words), joined(q->n_words, false)
    {
    }
    void put(uint32_t i, const text_word &w)
    {
        now[i] = {uint32_t(word.size()), 1};
        word.push_back(w);
    }
    void put(uint32_t i, const text_word &left, const text_word &right)
    {
        now[i] = {uint32_t(word.size()), 2};
        word.push_back(left);
        word.push_back(right);
    }
};

std::vector<text_said> say_again(const text_query *q, const rewording &w)
{
    std::vector<text_said> out;
    for (uint32_t i = 0; i < q->n_said; i++) {
        text_said said = q->said[i];
        if (said.word == UINT32_MAX) {
            out.push_back(said);
            continue;
        }
        if (w.joined[said.word])
            continue;
        auto [first, n] = w.now[said.word];
        bool same = n == 1 && str_eq(w.word[first].surface, q->word[said.word].surface);
        for (uint32_t k = 0; k < n; k++) {
            said.word = first + k < TEXT_MAX_WORDS ? first + k : UINT32_MAX;
            if (!same) {
                said.surface = w.word[first + k].surface;
                said.stemmed = !has_digit(said.surface);
            }
            out.push_back(said);
        }
    }
    return out;
}

sinter_status finish(const speller &s, const text_query_options *o, const rewording &w, text_query **q, sinter_error *e)
{
    std::vector<text_said> all = say_again(*q, w);
    text_query *fresh = static_cast<text_query *>(arena_alloc(s.a, sizeof(text_query)));
    uint32_t n = uint32_t(std::min(w.word.size(), size_t(TEXT_MAX_WORDS)));
    text_word *word = static_cast<text_word *>(arena_alloc(s.a, sizeof(text_word) * (n + 1)));
    text_said *said = static_cast<text_said *>(arena_alloc(s.a, sizeof(text_said) * (all.size() + 1)));
    std::copy(w.word.begin(), w.word.begin() + n, word);
    std::copy(all.begin(), all.end(), said);
    *fresh = **q;
    fresh->word = word;
    fresh->n_words = n;
    fresh->said = said;
    fresh->n_said = uint32_t(all.size());
    text_synonyms_match(s.t, &s.tags, said, fresh->n_said, word, n, s.a);
    std::string text;
    for (uint32_t i = 0; i < n; i++)
        if (!word[i].excluded && !word[i].optional)
            text += (text.empty() ? "" : " ") + to_string(word[i].surface);
    fresh->corrected = arena_strndup(s.a, text.data(), text.size());
    *q = fresh;
    return text_query_finish(s.t, o, s.a, fresh, e);
}

bool correct_word(const speller &s, const text_query *q, uint32_t i, rewording &out)
{
    const text_word &w = q->word[i];
    uint32_t other = 0;
    text_word near = w, left = w, right = w;
    bool ascii = std::all_of(w.surface.s, w.surface.s + w.surface.n, [](char c) { return !(c & 0x80); });
    if (joined(s, q, i, near, other) > 0 && !out.joined[other]) {
        if (other < i) {
            out.word[out.now[other].first] = near;
            out.now[other].second = 1;
            out.joined[i] = true;
        } else {
            out.put(i, near);
            out.joined[other] = true;
        }
        return true;
    }
    if (!has_digit(w.surface) && nearest(s, w.surface, 0, near) > 0)
        out.put(i, near);
    else if (ascii && split(s, w.surface, left, right))
        out.put(i, left, right);
    else
        out.put(i, w);
    return out.now[i].second > 1 || !str_eq(out.word[out.now[i].first].surface, w.surface);
}

bool correct(const speller &s, const text_query *q, rewording &out)
{
    bool changed = false;
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word &w = q->word[i];
        if (out.joined[i])
            continue;
        if (!plain(w) || s.frequency(w) > 0)
            out.put(i, w);
        else
            changed |= correct_word(s, q, i, out);
    }
    return changed;
}

/* ---- other spellings of words that the collection knows --------------------------------------------------------------- */

struct variant {
    uint32_t word, other; /* other: joined with it; UINT32_MAX: none */
    double value;
    text_word to;
};

std::vector<variant> variants_of(const speller &s, const text_query *q)
{
    std::vector<variant> out;
    for (uint32_t i = 0; i < q->n_words; i++) {
        const text_word &w = q->word[i];
        if (!plain(w) || has_digit(w.surface))
            continue;
        variant v = {i, UINT32_MAX, 0, w};
        double own = s.frequency(w);
        v.value = nearest(s, w.surface, own, v.to);
        if (v.value > 0)
            out.push_back(v);
        v.to = w;
        v.value = joined(s, q, i, v.to, v.other);
        if (v.value > 0 && v.other > i)
            out.push_back(v); /* its value is a frequency, above any logarithm: joining comes first */
    }
    std::stable_sort(out.begin(), out.end(), [](const variant &x, const variant &y) { return x.value > y.value; });
    return out;
}

rewording reword(const text_query *q, const variant &v)
{
    rewording out(q);
    if (v.other != UINT32_MAX)
        out.joined[v.other] = true;
    for (uint32_t i = 0; i < q->n_words; i++)
        if (!out.joined[i])
            out.put(i, i == v.word ? v.to : q->word[i]);
    return out;
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
        rewording w(*q);
        return correct(s, *q, w) ? finish(s, o, w, q, e) : SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "spelling", e);
    }
}

extern "C" sinter_status text_variants(text_reader *r, const text_analyzer *t, const text_query *q, const text_query_options *o,
                                       uint32_t most, arena *a, text_query **out, uint32_t *n, sinter_error *e)
{
    *n = 0;
    try {
        speller s{r, t, {}, a};
        sinter_status status = text_tags_of(t, o ? o->language : nullptr, &s.tags, e);
        for (const variant &v : variants_of(s, q)) {
            if (status != SINTER_OK || *n == most)
                break;
            out[*n] = const_cast<text_query *>(q);
            status = finish(s, o, reword(q, v), &out[*n], e);
            ++*n;
        }
        return status;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "spelling", e);
    }
}
