/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Search: walks the posting lists of a query's words and keeps the best items.
 *
 * Ordinals are taken in windows of 4,096 (a chunk of the columns). In a window each list writes its packed words into a
 * row of its word, one list after the other, so that no list waits for another and nothing is compared; a bit says which
 * items were touched. Then live bits, required and excluded terms, minimum match, filter and phrases thin them out, and
 * what is left is scored by the one function that also makes the features. Nothing is looked up per document. */
#include "recall_cxx.h"

extern "C" {
#include "filter_terms.h"
}

#include <algorithm>

namespace {

constexpr uint32_t WINDOW = SINTER_CHUNK_ROWS;
constexpr uint32_t WINDOW_WORDS = WINDOW / 64;
using bitmap = uint64_t[WINDOW_WORDS];

struct stream {
    Xapian::PostingIterator at, end;
    uint32_t row;   /* of the scoring word */
    uint32_t mask;  /* of the groups it is bound to */
    bool synonym;
    Xapian::docid id; /* where it stands; 0: at its end */

    stream(const Xapian::Database &db, const std::string &term, uint32_t r, uint32_t m, bool of_synonym = false)
        : row(r), mask(m), synonym(of_synonym)
    {
        at = db.postlist_begin(term);
        end = db.postlist_end(term);
        id = at == end ? 0 : *at;
    }
    void step()
    {
        ++at;
        id = at == end ? 0 : *at;
    }
    void skip(Xapian::docid to)
    {
        if (id && id < to) {
            at.skip_to(to);
            id = at == end ? 0 : *at;
        }
    }
};

/* A synonym of several words: a posting list that is made as it is read. */
struct spoken {
    const text_synonym *synonym;
    uint32_t row, mask, groups;
    std::vector<std::vector<stream>> part; /* lists of each of its words */
};

struct phrase {
    std::vector<const text_word *> word;
    bool excluded = false;
};

/* A query on one reader: open lists and what must hold. */
struct plan {
    plan(text_reader *reader, const text_query *query, const filter *must, const catalog_set *columns, match_watch *watcher)
        : r(reader), q(query), f(must), set(columns), watch(watcher)
    {
    }
    text_reader *r;
    const text_query *q;
    const filter *f;
    const catalog_set *set;
    match_watch *watch; /* NULL: nobody looks */
    uint32_t rows = 0;
    std::vector<stream> scoring, excluded;
    std::vector<spoken> said; /* synonyms of several words */
    std::vector<std::vector<stream>> clauses; /* keyword terms of the filter: one of each must hold */
    std::vector<phrase> phrases;
    std::vector<uint8_t> counted;  /* [rows] minimum match asks for it */
    std::vector<uint8_t> required; /* [rows] a phrase needs it */
    uint32_t minimum = 0;
};

uint32_t mask_of(const text_layout &l, uint32_t groups)
{
    uint32_t mask = 0;
    for (uint32_t g = 0; g < l.n_groups; g++)
        if (!groups || groups >> g & 1)
            mask |= l.mask[g];
    return mask;
}

phrase &phrase_of(std::vector<phrase> &all, std::vector<int32_t> &numbers, int32_t number)
{
    for (size_t i = 0; i < numbers.size(); i++)
        if (numbers[i] == number)
            return all[i];
    numbers.push_back(number);
    all.emplace_back();
    return all.back();
}

constexpr uint32_t MAX_CLAUSE_TERMS = 64;

/* A clause of the filter is worth its lists where they are short against what they spare. The filter is still run: the
 * clauses only narrow it down. */
void add_clauses(plan &p, double postings)
{
    uint32_t n = 0;
    const filter_clause *clause = p.f ? filter_clauses(p.f, &n) : nullptr;
    arena *a = nullptr;
    for (uint32_t i = 0; i < n; i++) {
        double frequency = 0;
        if (clause[i].n > MAX_CLAUSE_TERMS)
            continue;
        if (!a)
            a = arena_new(4096);
        std::vector<std::string> terms;
        for (uint32_t k = 0; k < clause[i].n; k++) {
            terms.push_back(to_string(text_keyword_term(a, clause[i].term[k].field->name, clause[i].term[k].value)));
            frequency += double(p.r->db.get_termfreq(terms.back()));
        }
        if (frequency * 4 > postings)
            continue;
        p.clauses.emplace_back();
        for (const std::string &term : terms)
            p.clauses.back().emplace_back(p.r->db, term, 0, 0);
    }
    if (a)
        arena_free(a);
}

double frequency_of(const text_reader *r, const str *term, uint32_t n)
{
    double most = 0;
    for (uint32_t k = 0; k < n; k++)
        most = std::max(most, double(r->db.get_termfreq(to_string(term[k]))));
    return most;
}

/* Documents that hold it, or for several words an upper bound: those that hold the rarest. */
double frequency_of(const text_reader *r, const text_synonym &x)
{
    double least = HUGE_VAL;
    for (uint32_t k = 0; k < x.n_parts; k++)
        least = std::min(least, frequency_of(r, x.part[k].term, x.part[k].n_terms));
    return least;
}

/* Returns how many postings they have. */
double add_synonyms(plan &p, const text_word &w, uint32_t row, uint32_t mask)
{
    double postings = 0;
    for (uint32_t i = 0; i < w.n_synonyms; i++) {
        const text_synonym &x = *w.synonym[i];
        postings += p.f ? frequency_of(p.r, x) : 0;
        if (x.n_parts == 1) {
            for (uint32_t k = 0; k < x.part[0].n_terms; k++)
                p.scoring.emplace_back(p.r->db, to_string(x.part[0].term[k]), row, mask, true);
            continue;
        }
        p.said.push_back({&x, row, mask, w.groups, {}});
        for (uint32_t k = 0; k < x.n_parts; k++) {
            p.said.back().part.emplace_back();
            for (uint32_t l = 0; l < x.part[k].n_terms; l++)
                p.said.back().part.back().emplace_back(p.r->db, to_string(x.part[k].term[l]), row, mask, true);
        }
    }
    return postings;
}

void make_plan(plan &p)
{
    std::vector<int32_t> numbers;
    bool any_required = false;
    double postings = 0;
    for (uint32_t i = 0; i < p.q->n_words; i++) {
        const text_word &w = p.q->word[i];
        uint32_t mask = mask_of(p.r->layout, w.groups);
        if (w.phrase >= 0) {
            phrase &f = phrase_of(p.phrases, numbers, w.phrase);
            f.word.push_back(&w);
            f.excluded = w.excluded;
        }
        if (text_word_scores(&w)) {
            for (uint32_t k = 0; k < w.n_terms; k++) {
                p.scoring.emplace_back(p.r->db, to_string(w.term[k]), p.rows, mask);
                postings += p.f ? double(p.r->db.get_termfreq(to_string(w.term[k]))) : 0;
            }
            postings += add_synonyms(p, w, p.rows, mask);
            p.counted.push_back(!w.optional);
            p.required.push_back(w.phrase >= 0);
            any_required |= w.phrase >= 0;
            p.rows++;
        } else if (w.excluded && w.phrase < 0)
            for (uint32_t k = 0; k < w.n_terms; k++)
                p.excluded.emplace_back(p.r->db, to_string(w.term[k]), 0, mask);
    }
    p.minimum = p.q->minimum_match;
    if (!any_required)
        p.required.clear();
    add_clauses(p, p.rows ? postings : double(p.r->db.get_lastdocid()));
}

/* ---- phrases --------------------------------------------------------------------------------------------------------- */

/* The posting that a synonym of several words would have in a document; `first`: its first word's. 0: it is not there. */
uint32_t packed_of(const text_reader *r, Xapian::docid id, const spoken &x, uint32_t first)
{
    std::vector<uint32_t> at;
    uint32_t count[CONFIG_MAX_GROUPS] = {}, packed = 0;
    const text_layout *l = &r->layout;
    text_positions(r->db, id, *x.synonym, x.groups, at);
    for (uint32_t p : at)
        if (p / TEXT_GROUP_POSITIONS < l->n_groups)
            count[p / TEXT_GROUP_POSITIONS]++;
    for (uint32_t g = 0; g < l->n_groups; g++)
        if (count[g])
            packed |= text_pack(l, g, count[g], text_level(l, g, first));
    return text_packed_synonym(l, packed & x.mask);
}

/* Whether the words stand one after another, as typed; groups lie apart, so none is ever spanned. */
bool phrase_holds(const Xapian::Database &db, Xapian::docid id, const phrase &f)
{
    std::vector<uint32_t> start, here;
    for (size_t i = 0; i < f.word.size(); i++) {
        uint32_t offset = f.word[i]->position - f.word[0]->position;
        text_positions(db, id, *f.word[i], i == 0 ? start : here);
        if (i)
            start.erase(std::remove_if(start.begin(), start.end(),
                                       [&](uint32_t p) { return !std::binary_search(here.begin(), here.end(), p + offset); }),
                        start.end());
        if (start.empty())
            return false;
    }
    return true;
}

/* ---- windows ---------------------------------------------------------------------------------------------------------- */

void fill_rows(plan &p, uint32_t base, bitmap touched)
{
    Xapian::docid limit = base + WINDOW + 1;
    for (stream &s : p.scoring) {
        uint32_t *row = p.r->window.data() + size_t(s.row) * WINDOW;
        s.skip(base + 1);
        while (s.id && s.id < limit) {
            uint32_t packed = uint32_t(s.at.get_wdf()) & s.mask, at = s.id - 1 - base;
            if (packed) {
                if (s.synonym)
                    packed = text_packed_synonym(&p.r->layout, packed);
                row[at] = row[at] ? text_packed_max(&p.r->layout, row[at], packed, p.q->synonym_weight) : packed;
                touched[at >> 6] |= 1ull << (at & 63);
            }
            s.step();
        }
    }
}

/* Documents of the window that hold every word of a synonym; first[]: the first word's posting. */
void gather_parts(plan &p, spoken &x, uint32_t base, bitmap both, std::vector<uint32_t> &first)
{
    Xapian::docid limit = base + WINDOW + 1;
    std::memset(both, 0xff, sizeof(bitmap));
    for (size_t k = 0; k < x.part.size(); k++) {
        bitmap here = {};
        for (stream &s : x.part[k]) {
            s.skip(base + 1);
            for (; s.id && s.id < limit; s.step()) {
                uint32_t packed = uint32_t(s.at.get_wdf()), at = s.id - 1 - base;
                if (packed & x.mask)
                    here[at >> 6] |= 1ull << (at & 63);
                if (!k)
                    first[at] = first[at] ? text_packed_max(&p.r->layout, first[at], packed, 1) : packed;
            }
        }
        for (uint32_t w = 0; w < WINDOW_WORDS; w++)
            both[w] &= here[w];
    }
}

void fill_spoken(plan &p, uint32_t base, bitmap touched)
{
    std::vector<uint32_t> first;
    for (spoken &x : p.said) {
        bitmap both;
        first.assign(WINDOW, 0);
        gather_parts(p, x, base, both, first);
        uint32_t *row = p.r->window.data() + size_t(x.row) * WINDOW;
        for (uint32_t k = 0; k < WINDOW_WORDS; k++)
            for (uint64_t bits = both[k]; bits; bits &= bits - 1) {
                uint32_t at = k * 64 + uint32_t(__builtin_ctzll(bits));
                uint32_t packed = packed_of(p.r, base + at + 1, x, first[at]);
                if (!packed)
                    continue;
                row[at] = text_packed_max(&p.r->layout, row[at], packed, p.q->synonym_weight);
                touched[k] |= 1ull << (at & 63);
            }
    }
}

void drop_excluded(plan &p, uint32_t base, bitmap live)
{
    Xapian::docid limit = base + WINDOW + 1;
    for (stream &s : p.excluded) {
        s.skip(base + 1);
        while (s.id && s.id < limit) {
            if (uint32_t(s.at.get_wdf()) & s.mask)
                live[(s.id - 1 - base) >> 6] &= ~(1ull << ((s.id - 1 - base) & 63));
            s.step();
        }
    }
}

/* Keeps what every clause allows. */
void keep_clauses(plan &p, uint32_t base, bitmap live)
{
    Xapian::docid limit = base + WINDOW + 1;
    for (std::vector<stream> &clause : p.clauses) {
        bitmap allowed = {};
        for (stream &s : clause) {
            s.skip(base + 1);
            for (; s.id && s.id < limit; s.step())
                allowed[(s.id - 1 - base) >> 6] |= 1ull << ((s.id - 1 - base) & 63);
        }
        for (uint32_t k = 0; k < WINDOW_WORDS; k++)
            live[k] &= allowed[k];
    }
}

bool enough(const plan &p, uint32_t at)
{
    uint32_t found = 0;
    const uint32_t *window = p.r->window.data();
    for (uint32_t w = 0; w < p.rows; w++) {
        bool has = window[size_t(w) * WINDOW + at] != 0;
        if (!has && !p.required.empty() && p.required[w])
            return false;
        found += has && p.counted[w];
    }
    return found >= p.minimum;
}

/* Items of the window that match, ascending; returns how many. */
uint32_t thin_out(plan &p, uint32_t base, const bitmap live, uint32_t *item, uint8_t *pass)
{
    uint32_t n = 0;
    bool check = p.rows && (p.minimum > 1 || !p.required.empty());
    for (uint32_t k = 0; k < WINDOW_WORDS; k++)
        for (uint64_t bits = live[k]; bits; bits &= bits - 1) {
            uint32_t at = k * 64 + uint32_t(__builtin_ctzll(bits));
            if (!check || enough(p, at))
                item[n++] = base + at;
        }
    if (p.f && n) {
        filter_match(p.f, p.set, item, n, pass);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++)
            if (pass[i])
                item[kept++] = item[i];
        n = kept;
    }
    for (const phrase &f : p.phrases) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++)
            if (phrase_holds(p.r->db, item[i] + 1, f) != f.excluded)
                item[kept++] = item[i];
        n = kept;
    }
    return n;
}

void clear_rows(plan &p, const bitmap touched)
{
    for (uint32_t k = 0; k < WINDOW_WORDS; k++)
        for (uint64_t bits = touched[k]; bits; bits &= bits - 1) {
            uint32_t at = k * 64 + uint32_t(__builtin_ctzll(bits));
            for (uint32_t w = 0; w < p.rows; w++)
                p.r->window[size_t(w) * WINDOW + at] = 0;
        }
}

uint32_t least_item(const std::vector<stream> &streams)
{
    uint32_t least = UINT32_MAX;
    for (const stream &s : streams)
        if (s.id && s.id - 1 < least)
            least = s.id - 1;
    return least;
}

/* The first window from `from` on that a word and every clause reach. */
uint32_t next_base(plan &p, uint32_t from, uint32_t all)
{
    uint32_t first = from;
    for (std::vector<stream> &clause : p.clauses) {
        for (stream &s : clause)
            s.skip(from + 1);
        first = std::max(first, least_item(clause));
    }
    if (p.rows) {
        uint32_t least = least_item(p.scoring);
        for (const spoken &x : p.said) {
            uint32_t all_parts = 0;
            for (const std::vector<stream> &part : x.part)
                all_parts = std::max(all_parts, least_item(part));
            least = std::min(least, all_parts);
        }
        first = std::max(first, least);
    }
    return first >= all ? all : std::max(from, first / WINDOW * WINDOW);
}

uint32_t number_of_items(const plan &p)
{
    return p.set ? p.set->n_items : p.r->db.get_lastdocid();
}

/* Without a set every document lives; a word's row says which there are, so only wordless queries look at the index. */
void all_live(const plan &p, uint32_t base, bitmap live)
{
    uint32_t all = number_of_items(p), here = std::min(all - base, WINDOW), whole = here / 64;
    uint32_t chunk = base >> SINTER_CHUNK_BITS; /* a window is a chunk */
    std::memset(live, 0, sizeof(bitmap));
    std::memset(live, 0xff, whole * sizeof(uint64_t));
    if (here % 64)
        live[whole] = (1ull << here % 64) - 1;
    if (p.set && chunk < p.set->n_chunks)
        for (uint32_t k = 0; k < WINDOW_WORDS; k++)
            live[k] &= p.set->live[chunk][k];
}

/* Calls fn(items, n, packed [rows][n]) for each window that has matches; fn says whether to go on. */
template <class F> void each_window(plan &p, bool want_packed, F fn)
{
    uint32_t all = number_of_items(p);
    std::vector<uint32_t> &block = p.r->block;
    if (p.r->window.size() < size_t(p.rows) * WINDOW)
        p.r->window.resize(size_t(p.rows) * WINDOW, 0);
    if (block.size() < size_t(p.rows + 2) * WINDOW)
        block.resize(size_t(p.rows + 2) * WINDOW);
    uint32_t *item = block.data(), *packed = item + 2 * WINDOW;
    uint8_t *pass = reinterpret_cast<uint8_t *>(item + WINDOW);
    for (uint32_t base = next_base(p, 0, all); base < all; base = next_base(p, base + WINDOW, all)) {
        bitmap touched = {}, live;
        if (!match_goes_on(p.watch, base))
            return;
        all_live(p, base, live);
        if (p.rows) {
            fill_rows(p, base, touched);
            if (!p.said.empty())
                fill_spoken(p, base, touched);
            for (uint32_t k = 0; k < WINDOW_WORDS; k++)
                live[k] &= touched[k];
        }
        drop_excluded(p, base, live);
        keep_clauses(p, base, live);
        uint32_t n = thin_out(p, base, live, item, pass);
        if (n && p.watch && p.watch->fn)
            n = p.watch->fn(p.watch->ctx, item, n);
        for (uint32_t w = 0; want_packed && w < p.rows; w++) {
            const uint32_t *row = p.r->window.data() + size_t(w) * WINDOW;
            for (uint32_t i = 0; i < n; i++)
                packed[size_t(w) * n + i] = row[item[i] - base];
        }
        clear_rows(p, touched);
        if (n && !fn(item, n, packed))
            return;
    }
}

/* ---- the best ------------------------------------------------------------------------------------------------------------ */

/* Higher score first, then smaller ordinal, as one ascending number. Scores are not negative. */
uint64_t key_of(float score, uint32_t item)
{
    uint32_t bits;
    std::memcpy(&bits, &score, sizeof bits);
    return uint64_t(~bits) << 32 | item;
}

float score_of(uint64_t key)
{
    uint32_t bits = ~uint32_t(key >> 32);
    float score;
    std::memcpy(&score, &bits, sizeof score);
    return score;
}

/* Keeps the `limit` smallest keys; packed words of an entry stay in its slot. */
struct best {
    std::vector<uint64_t> &keys;   /* [n][2]: key, slot */
    std::vector<uint32_t> &packed; /* [slots][rows] */
    uint32_t limit, rows, n = 0, cap;
    uint64_t worst = UINT64_MAX;
    bool with_packed;

    best(text_reader *r, uint32_t l, uint32_t w, bool keep_packed)
        : keys(r->keys), packed(r->kept), limit(l), rows(w), cap(std::max(2 * l, 64u)), with_packed(keep_packed)
    {
        if (keys.size() < size_t(cap) * 2)
            keys.resize(size_t(cap) * 2);
        if (with_packed && packed.size() < size_t(cap) * rows)
            packed.resize(size_t(cap) * rows);
        for (uint32_t i = 0; i < cap; i++)
            keys[2 * i + 1] = i;
    }
    struct pair {
        uint64_t key, slot;
    };
    pair *pairs() { return reinterpret_cast<pair *>(keys.data()); }
    void cut()
    {
        if (n <= limit || !limit)
            return;
        std::nth_element(pairs(), pairs() + limit - 1, pairs() + n, [](const pair &x, const pair &y) { return x.key < y.key; });
        worst = pairs()[limit - 1].key;
        n = limit; /* the slots of what was cut stay behind it, to be used again */
    }
    void add(float score, uint32_t item, const uint32_t *row, uint32_t stride)
    {
        uint64_t key = key_of(score, item);
        if (key >= worst)
            return;
        if (n == cap)
            cut();
        pair &p = pairs()[n++];
        p.key = key;
        uint32_t *slot = with_packed ? packed.data() + p.slot * rows : nullptr;
        for (uint32_t w = 0; slot && w < rows; w++)
            slot[w] = row[size_t(w) * stride];
    }
    void sort()
    {
        cut();
        std::sort(pairs(), pairs() + n, [](const pair &x, const pair &y) { return x.key < y.key; });
    }
};

void write_hits(best &b, bool want_packed, arena *a, text_hits *out)
{
    b.sort();
    out->n = b.n;
    out->item = static_cast<uint32_t *>(arena_alloc(a, sizeof(uint32_t) * (b.n + 1)));
    out->score = static_cast<float *>(arena_alloc(a, sizeof(float) * (b.n + 1)));
    out->packed = want_packed ? static_cast<uint32_t *>(arena_alloc(a, sizeof(uint32_t) * (size_t(b.rows) * b.n + 1))) : nullptr;
    for (uint32_t i = 0; i < b.n; i++) {
        const best::pair &p = b.pairs()[i];
        out->item[i] = uint32_t(p.key);
        out->score[i] = score_of(p.key);
        for (uint32_t w = 0; want_packed && w < b.rows; w++)
            out->packed[size_t(w) * b.n + i] = b.packed[p.slot * b.rows + w];
    }
}

} // namespace

static_assert(SINTER_CHUNK_ROWS % 64 == 0, "a window is whole words of live bits");

extern "C" text_scorer *text_scorer_new(text_reader *r, const text_query *q, const text_weights *w, arena *a, sinter_error *e)
{
    double *frequency = static_cast<double *>(arena_alloc(a, sizeof(double) * (q->n_words + 1)));
    double *boost = static_cast<double *>(arena_alloc(a, sizeof(double) * (q->n_words + 1)));
    uint32_t n = 0;
    bool any = false;
    try {
        for (uint32_t i = 0; i < q->n_words; i++) {
            const text_word &word = q->word[i];
            if (!text_word_scores(&word))
                continue;
            frequency[n] = frequency_of(r, word.term, word.n_terms);
            for (uint32_t k = 0; k < word.n_synonyms; k++)
                frequency[n] = std::max(frequency[n], frequency_of(r, *word.synonym[k]));
            any |= word.n_synonyms > 0;
            boost[n++] = word.boost;
        }
    } catch (const Xapian::Error &error) {
        text_xapian_error(error, "reading word statistics", e);
        return nullptr;
    }
    text_scorer *s = text_scorer_make(&r->layout, &r->statistics, w, n, frequency, boost, a);
    s->synonyms = any;
    s->synonym_weight = q->synonym_weight;
    return s;
}

extern "C" sinter_status text_search(text_reader *r, const text_query *q, const text_scorer *s, const filter *f,
                                     const catalog_set *set, uint32_t limit, bool want_packed, bool exact_total, arena *a,
                                     text_hits *out, sinter_error *e)
{
    return text_search_watched(r, q, s, f, set, limit, want_packed, exact_total, nullptr, a, out, e);
}

extern "C" sinter_status text_search_watched(text_reader *r, const text_query *q, const text_scorer *s, const filter *f,
                                             const catalog_set *set, uint32_t limit, bool want_packed, bool exact_total,
                                             match_watch *watch, arena *a, text_hits *out, sinter_error *e)
{
    *out = text_hits{};
    try {
        plan p{r, q, f, set, watch};
        make_plan(p);
        best b(r, limit, p.rows, want_packed);
        std::vector<float> score(WINDOW);
        bool exact = true;
        each_window(p, true, [&](const uint32_t *item, uint32_t n, const uint32_t *packed) {
            out->total += n;
            if (p.rows)
                text_bm25f(s, packed, n, score.data(), 1);
            for (uint32_t i = 0; i < n; i++)
                b.add(p.rows ? score[i] : 0.0f, item[i], packed + i, n);
            exact = p.rows || exact_total || out->total < limit; /* without words the first items are the best */
            return exact;
        });
        out->n_words = p.rows;
        out->total_is_exact = exact && !(watch && watch->stopped);
        write_hits(b, want_packed, a, out);
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        std::fill(r->window.begin(), r->window.end(), 0);
        return text_xapian_error(error, "searching", e);
    }
}

extern "C" sinter_status text_match_all(text_reader *r, const text_query *q, const filter *f, const catalog_set *set,
                                        match_watch *watch, sinter_error *e)
{
    try {
        plan p{r, q, f, set, watch};
        make_plan(p);
        each_window(p, false, [](const uint32_t *, uint32_t, const uint32_t *) { return true; });
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        std::fill(r->window.begin(), r->window.end(), 0);
        return text_xapian_error(error, "matching", e);
    }
}

/* Whether the document holds all words of a synonym in some order: ids are asked for in rising order. */
static bool stands_in(spoken &x, Xapian::docid id, const text_layout *l, uint32_t *first)
{
    *first = 0;
    for (size_t k = 0; k < x.part.size(); k++) {
        bool here = false;
        for (stream &s : x.part[k]) {
            s.skip(id);
            if (s.id != id)
                continue;
            uint32_t packed = uint32_t(s.at.get_wdf());
            here |= (packed & x.mask) != 0;
            if (!k)
                *first = text_packed_max(l, *first, packed, 1);
        }
        if (!here)
            return false;
    }
    return true;
}

extern "C" sinter_status text_packed(text_reader *r, const text_query *q, const uint32_t *item, uint32_t n, arena *a,
                                     uint32_t **packed, sinter_error *e)
{
    try {
        plan p{r, q, nullptr, nullptr, nullptr};
        make_plan(p);
        *packed = static_cast<uint32_t *>(arena_zalloc(a, sizeof(uint32_t) * (size_t(p.rows) * n + 1)));
        uint32_t *order = static_cast<uint32_t *>(arena_alloc(a, sizeof(uint32_t) * (n + 1)));
        for (uint32_t i = 0; i < n; i++)
            order[i] = i;
        std::sort(order, order + n, [&](uint32_t x, uint32_t y) { return item[x] < item[y]; });
        for (stream &s : p.scoring)
            for (uint32_t i = 0; i < n && s.id; i++) {
                s.skip(item[order[i]] + 1);
                uint32_t here = s.id == item[order[i]] + 1 ? uint32_t(s.at.get_wdf()) & s.mask : 0;
                if (!here)
                    continue;
                uint32_t *slot = *packed + size_t(s.row) * n + order[i];
                *slot = text_packed_max(&r->layout, *slot, s.synonym ? text_packed_synonym(&r->layout, here) : here,
                                        q->synonym_weight);
            }
        for (spoken &x : p.said)
            for (uint32_t i = 0; i < n; i++) {
                uint32_t first, *slot = *packed + size_t(x.row) * n + order[i];
                if (stands_in(x, item[order[i]] + 1, &r->layout, &first))
                    *slot = text_packed_max(&r->layout, *slot, packed_of(r, item[order[i]] + 1, x, first), q->synonym_weight);
            }
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "reading packed words", e);
    }
}
