/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index on disk: documents in, commits with a stamp out. Used by the view thread alone.
 *
 * The stamp is Xapian metadata: version and schema (what postings mean), uuid, sequence applied, boot id, whether it was
 * stopped cleanly, sums of group lengths. An index of another boot that wasn't stopped cleanly may have lost unsynced
 * pages, so it is rebuilt from the journal. */
#include "recall_cxx.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>

#define INDEX_VERSION "1"
#define FLUSH_DOCUMENTS 9000u
#define WORDS_A_KEY (256u << 10)

struct text_index {
    std::string dir;
    const config_collection *schema;
    const text_analyzer *analyzer;
    std::string uuid, signature; /* as the stamp has it */
    std::string wanted;          /* while extending: what it will be; else empty */
    std::unordered_set<std::string> added; /* declared names whose words stored items may have still to give */
    text_layout layout;
    Xapian::WritableDatabase db;
    double sum[CONFIG_MAX_GROUPS] = {}, documents[CONFIG_MAX_GROUPS] = {};
    uint64_t sequence = 0;
    uint32_t changes = 0;
    Xapian::docid last = 0;
    arena *scratch = nullptr;
    std::unordered_set<uint64_t> known; /* hashes of words that spelling has */
    std::string fresh_words;
    uint32_t word_keys = 0;
    word_lists words;
    text_statistics committed = {};
};

static const int OPEN_FLAGS = Xapian::DB_CREATE_OR_OPEN | Xapian::DB_NO_SYNC | Xapian::DB_BACKEND_GLASS;

sinter_status text_xapian_error(const Xapian::Error &x, const char *doing, sinter_error *e)
{
    bool old = std::strcmp(x.get_type(), "DatabaseModifiedError") == 0 || std::strcmp(x.get_type(), "DatabaseClosedError") == 0;
    return error_set(e, old ? SINTER_UNAVAILABLE : SINTER_IO, "text index",
                     old ? "Try again: the newest view set has a newer reader." : "Stop the server and delete the index folder: it is rebuilt from the journal.",
                     "%s: %s: %s", doing, x.get_type(), x.get_msg().c_str());
}

/* ---- stamp ------------------------------------------------------------------------------------------------------ */

static std::string boot_id()
{
    char text[64] = "";
    if (FILE *f = std::fopen("/proc/sys/kernel/random/boot_id", "re")) {
        if (!std::fgets(text, sizeof text, f))
            text[0] = 0;
        std::fclose(f);
    }
    text[std::strcspn(text, "\n")] = 0;
    return text;
}

/* What postings mean: with another one they cannot be read. */
static std::string signature_of(const config_collection *schema, const text_layout &l)
{
    std::string out = "version " INDEX_VERSION;
    char line[160];
    out += schema->units ? "\nunits\n" : "\n";
    for (uint32_t g = 0; g < l.n_groups; g++) {
        std::snprintf(line, sizeof line, "group %.60s %u %u\n", schema->group[g].name ? schema->group[g].name : "", l.count_bits[g], l.length_bits[g]);
        out += line;
    }
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const config_field *f = &schema->field[i];
        bool keyword = f->type == FIELD_KEYWORD || f->type == FIELD_KEYWORDS;
        if (!f->searchable && !(keyword && f->filterable))
            continue;
        std::snprintf(line, sizeof line, " type %d group %d weight %.9g %s%s\n", int(f->type), f->searchable ? int(f->group_index) : -1,
                      f->weight, f->searchable ? text_field_code(schema, f) : "-", keyword && f->filterable ? " keyword" : "");
        out += "field ";
        out += f->name;
        out += line;
    }
    return out;
}

static std::string first_difference(const std::string &was, const std::string &is)
{
    size_t a = 0, b = 0;
    while (a < was.size() || b < is.size()) {
        size_t x = was.find('\n', a), y = is.find('\n', b);
        std::string p = was.substr(a, x == std::string::npos ? x : x - a), q = is.substr(b, y == std::string::npos ? y : y - b);
        if (p != q)
            return "\"" + p + "\" is now \"" + q + "\"";
        if (x == std::string::npos || y == std::string::npos)
            break;
        a = x + 1;
        b = y + 1;
    }
    return "its fields changed";
}

/* The lines of a signature: those of fields by the field's name, the rest as the head. */
struct signature_lines {
    std::string head;
    std::unordered_map<std::string, std::string> field; /* name: what is said of it */
};

static signature_lines lines_of(const std::string &signature)
{
    signature_lines out;
    for (size_t at = 0; at < signature.size();) {
        size_t end = signature.find('\n', at);
        std::string line = signature.substr(at, end == std::string::npos ? end : end - at);
        at = end == std::string::npos ? signature.size() : end + 1;
        size_t name_end = line.rfind(" type ");
        if (line.compare(0, 6, "field ") == 0 && name_end != std::string::npos)
            out.field[line.substr(6, name_end - 6)] = line.substr(name_end);
        else
            out.head += line + "\n";
    }
    return out;
}

/* Whether an index of `was` serves `is` once stored items have given their words of the fields that were added. A field that went
 * may have left keywords behind, which no filter names, but no words. */
static bool extends(const std::string &was, const std::string &is, std::unordered_set<std::string> &added)
{
    signature_lines before = lines_of(was), now = lines_of(is);
    added.clear();
    if (before.head != now.head)
        return false;
    for (const auto &f : before.field) {
        auto same = now.field.find(f.first);
        bool words = f.second.find(" group -1 ") == std::string::npos;
        if (same == now.field.end() ? words : same->second != f.second)
            return false;
    }
    for (const auto &f : now.field)
        if (!before.field.count(f.first))
            added.insert(f.first);
    return true;
}

/* Takes a declaration; false: the index does not serve it. */
static bool take_signature(text_index *x, const std::string &stamped, const std::string &is)
{
    if (!extends(stamped, is, x->added))
        return false;
    x->signature = x->added.empty() ? is : stamped;
    x->wanted = x->added.empty() ? "" : is;
    return true;
}

extern "C" void text_index_adopt(text_index *x, const config_collection *schema, const text_analyzer *t)
{
    text_layout layout;
    if (!text_layout_of(schema, &layout))
        return;
    x->schema = schema;
    x->analyzer = t;
    std::string is = signature_of(schema, layout);
    if (!take_signature(x, x->signature, is))
        log_error("index.adopt", "%s: its schema is another", x->dir.c_str()); /* config_same_index lets no such through */
}

extern "C" bool text_index_extending(const text_index *x)
{
    return !x->wanted.empty();
}

extern "C" bool text_index_lacks(const text_index *x, const Sinter__V1__Item *item)
{
    if (x->added.empty())
        return false;
    for (size_t i = 0; i < item->n_fields; i++) {
        const config_field *f = text_field_of(x->schema, item->fields[i]->key);
        if (f && x->added.count(f->name))
            return true;
    }
    return false;
}

extern "C" void text_index_extended(text_index *x)
{
    if (!x->wanted.empty())
        x->signature = x->wanted;
    x->wanted.clear();
    x->added.clear();
}

static std::string sums_text(const text_index *x)
{
    std::string out;
    char line[80];
    for (uint32_t g = 0; g < x->layout.n_groups; g++) {
        std::snprintf(line, sizeof line, "%.17g %.17g\n", x->sum[g], x->documents[g]);
        out += line;
    }
    return out;
}

static void read_sums(const std::string &text, uint32_t groups, double *sum, double *documents)
{
    const char *at = text.c_str();
    char *end = nullptr;
    for (uint32_t g = 0; g < groups; g++) {
        sum[g] = std::strtod(at, &end);
        documents[g] = std::strtod(end, &end);
        at = end;
    }
}

static text_statistics statistics_of(const Xapian::Database &db, uint32_t groups, const double *sum, const double *documents)
{
    text_statistics s = {};
    s.documents = double(db.get_doccount());
    for (uint32_t g = 0; g < groups; g++)
        s.average[g] = documents[g] > 0 ? sum[g] / documents[g] : 1;
    return s;
}

static std::string words_key(uint32_t n)
{
    char key[24];
    std::snprintf(key, sizeof key, "words:%08u", n);
    return key;
}

static void load_words(const Xapian::Database &db, word_lists &out, uint32_t *keys)
{
    for (*keys = 0;; ++*keys) {
        std::string joined = db.get_metadata(words_key(*keys));
        if (joined.empty())
            return;
        auto list = std::make_shared<word_list>();
        list->load(joined);
        out.push_back(list);
    }
}

/* ---- spelling's words -------------------------------------------------------------------------------------------- */

uint32_t word_letters(const char *s, size_t n)
{
    uint32_t set = 0;
    for (size_t i = 0; i < n;) {
        uint32_t point = (unsigned char)s[i++];
        for (; i < n && (s[i] & 0xc0) == 0x80; i++)
            point = point * 64 + (unsigned char)s[i];
        set |= 1u << (point >= 'a' && point <= 'z' ? point - 'a' : 26 + point % 6);
    }
    return set;
}

static size_t letters_in(str w)
{
    size_t n = 0;
    for (size_t i = 0; i < w.n; i++)
        n += (w.s[i] & 0xc0) != 0x80;
    return n;
}

void word_list::load(const std::string &joined)
{
    std::vector<std::pair<size_t, str>> found;
    for (size_t at = 0; at < joined.size();) {
        size_t end = joined.find(' ', at);
        if (end == std::string::npos)
            end = joined.size();
        str w = {joined.data() + at, end - at};
        if (w.n && w.n <= WORD_MOST_BYTES)
            found.emplace_back(letters_in(w), w);
        at = end + 1;
    }
    std::stable_sort(found.begin(), found.end(), [](const auto &x, const auto &y) { return x.first < y.first; });
    text.reserve(joined.size());
    start.push_back(0);
    for (const auto &[length, w] : found) {
        text.append(w.s, w.n);
        start.push_back(uint32_t(text.size()));
        letters.push_back(word_letters(w.s, w.n));
        begin[length + 1]++;
    }
    for (size_t n = 1; n < WORD_MOST_BYTES + 3; n++)
        begin[n] += begin[n - 1];
}

/* New words of this commit go into the newest key until it is full, and into a list that readers share. */
static void save_words(text_index *x)
{
    if (x->fresh_words.empty())
        return;
    std::string joined;
    if (x->word_keys) {
        joined = x->db.get_metadata(words_key(x->word_keys - 1));
        if (joined.size() > WORDS_A_KEY)
            joined.clear();
        else
            x->words.pop_back(), x->word_keys--;
    }
    joined += x->fresh_words;
    x->fresh_words.clear();
    x->db.set_metadata(words_key(x->word_keys++), joined);
    auto list = std::make_shared<word_list>();
    list->load(joined);
    x->words.push_back(list);
}

/* ---- open ------------------------------------------------------------------------------------------------------- */

static void stamp(text_index *x, uint64_t sequence, bool clean)
{
    x->db.set_metadata("signature", x->signature);
    x->db.set_metadata("uuid", x->uuid);
    x->db.set_metadata("boot", boot_id());
    x->db.set_metadata("clean", clean ? "1" : "0");
    x->db.set_metadata("sequence", std::to_string(sequence));
    x->db.set_metadata("sums", sums_text(x));
}

static void commit_stamped(text_index *x, uint64_t sequence, bool clean)
{
    save_words(x);
    stamp(x, sequence, clean);
    x->db.commit();
    x->sequence = sequence;
    x->changes = 0;
    x->committed = statistics_of(x->db, x->layout.n_groups, x->sum, x->documents);
}

/* Why the index that is there cannot be used; empty: it can. */
static std::string unusable(text_index *x, const Xapian::Database &db, bool *schema_differs)
{
    std::string signature = db.get_metadata("signature");
    if (signature.empty())
        return "it has no stamp";
    if (db.get_metadata("uuid") != x->uuid)
        return "it belongs to another collection (uuid)";
    if (signature != x->signature && !take_signature(x, signature, x->signature)) {
        *schema_differs = true;
        return "the schema changed: " + first_difference(signature, x->signature);
    }
    if (db.get_metadata("clean") != "1" && db.get_metadata("boot") != boot_id())
        return "the machine restarted without a clean stop";
    db.get_doccount();
    return "";
}

static bool try_open(text_index *x, std::string &why, bool *schema_differs)
{
    try {
        if (access((x->dir + "/iamglass").c_str(), F_OK) != 0) {
            why = "there is none yet";
            return false;
        }
        {
            Xapian::Database db(x->dir);
            why = unusable(x, db, schema_differs);
            if (!why.empty())
                return false;
            x->sequence = std::strtoull(db.get_metadata("sequence").c_str(), nullptr, 10);
            read_sums(db.get_metadata("sums"), x->layout.n_groups, x->sum, x->documents);
            load_words(db, x->words, &x->word_keys);
            if (db.get_metadata("clean") == "1") { /* from now on it isn't; on disk before anything else changes */
                Xapian::WritableDatabase synced(x->dir, Xapian::DB_OPEN);
                synced.set_metadata("clean", "0");
                synced.set_metadata("boot", boot_id());
                synced.commit();
            }
        }
        x->db = Xapian::WritableDatabase(x->dir, OPEN_FLAGS);
        x->last = x->db.get_lastdocid();
        x->committed = statistics_of(x->db, x->layout.n_groups, x->sum, x->documents);
        for (const auto &list : x->words)
            for (size_t i = 0; i < list->size(); i++)
                x->known.insert(hash64(list->word(i).s, list->word(i).n));
        return true;
    } catch (const Xapian::DatabaseLockError &) {
        throw;
    } catch (const Xapian::Error &error) {
        why = "it cannot be read: " + error.get_msg();
        return false;
    }
}

static void make_empty(text_index *x)
{
    sinter_error ignored;
    std::memset(&ignored, 0, sizeof ignored);
    ignored.size = sizeof ignored;
    text_index_extended(x); /* nothing is stored yet */
    x->words.clear();
    x->known.clear();
    x->word_keys = 0;
    x->sequence = 0;
    x->last = 0;
    for (uint32_t g = 0; g < CONFIG_MAX_GROUPS; g++)
        x->sum[g] = x->documents[g] = 0;
    dir_remove(x->dir.c_str(), &ignored);
    dir_make(x->dir.c_str(), &ignored);
    x->db = Xapian::WritableDatabase(x->dir, Xapian::DB_CREATE_OR_OVERWRITE | Xapian::DB_NO_SYNC | Xapian::DB_BACKEND_GLASS);
    commit_stamped(x, 0, false);
}

extern "C" sinter_status text_index_open(const char *dir, const config_collection *schema, const char *uuid, const text_analyzer *t,
                                         bool may_rebuild, text_index **out, text_index_state *state, uint64_t *sequence,
                                         char reason[256], sinter_error *e)
{
    *out = nullptr;
    auto x = std::make_unique<text_index>();
    x->dir = dir;
    x->schema = schema;
    x->analyzer = t;
    x->uuid = uuid;
    if (!text_layout_of(schema, &x->layout))
        return error_set(e, SINTER_INVALID, schema->file, "Counts and lengths of all groups fit 28 bits: lower count_bits or length_bits.",
                         "collection %s: the widths of its field groups do not fit a posting", schema->name);
    x->signature = signature_of(schema, x->layout);
    std::string why;
    bool schema_differs = false;
    for (const char *left : {".compact", ".old"}) /* by a compaction that did not come to its end */
        dir_remove((x->dir + left).c_str(), nullptr);
    try {
        bool ready = try_open(x.get(), why, &schema_differs);
        if (!ready && schema_differs && !may_rebuild)
            return error_set(e, SINTER_PRECONDITION, schema->file, "Start with `sinter serve --rebuild-index`, or take the change back.",
                             "collection %s: its index was made by another schema: %s", schema->name, why.c_str());
        if (!ready)
            make_empty(x.get());
        *state = ready ? TEXT_INDEX_READY : TEXT_INDEX_REBUILD;
    } catch (const Xapian::DatabaseLockError &error) {
        return error_set(e, SINTER_PRECONDITION, dir, "Stop the other server, or give this one a data directory of its own.",
                         "the index is open in another process: %s", error.get_msg().c_str());
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "opening the index", e);
    }
    if (reason)
        std::snprintf(reason, 256, "%s", why.c_str());
    *sequence = x->sequence;
    x->scratch = arena_new(1u << 20);
    *out = x.release();
    return SINTER_OK;
}

/* ---- documents ----------------------------------------------------------------------------------------------------- */

/* A document's data is its group lengths, so that a replacement can be subtracted. */
static std::string lengths_data(const text_document &d, uint32_t groups)
{
    std::string out;
    for (uint32_t g = 0; g < groups; g++) {
        float f = float(d.length[g]);
        out.append(reinterpret_cast<const char *>(&f), sizeof f);
    }
    return out;
}

static void count_lengths(text_index *x, const std::string &data, double sign)
{
    for (uint32_t g = 0; g < x->layout.n_groups && data.size() >= (g + 1) * sizeof(float); g++) {
        float f;
        std::memcpy(&f, data.data() + g * sizeof f, sizeof f);
        x->sum[g] += sign * double(f);
        x->documents[g] += f > 0 ? sign : 0;
    }
}

static void subtract_old(text_index *x, Xapian::docid id)
{
    if (id > x->last)
        return;
    try {
        count_lengths(x, x->db.get_document(id).get_data(), -1);
    } catch (const Xapian::DocNotFoundError &) {
    }
}

static void add_fresh_words(text_index *x, const text_document &d)
{
    for (uint32_t i = 0; i < d.n_surfaces; i++)
        if (x->known.insert(hash64(d.surface[i].s, d.surface[i].n)).second) {
            x->fresh_words.append(d.surface[i].s, d.surface[i].n);
            x->fresh_words += ' ';
        }
}

extern "C" sinter_status text_index_put(text_index *x, const catalog_collection *, uint32_t ordinal, const Sinter__V1__Item *item,
                                        sinter_error *e)
{
    try {
        text_document d;
        arena_reset(x->scratch);
        text_document_of(x->analyzer, &x->layout, item, x->scratch, &d);
        Xapian::Document document;
        std::string term;
        for (uint32_t i = 0; i < d.n; i++) {
            const text_posting &p = d.posting[i];
            term.assign(p.term.s, p.term.n);
            document.add_term(term, p.packed);
            for (uint32_t k = 0; k < p.n_positions; k++)
                document.add_posting(term, p.position[k], 0);
        }
        for (uint32_t i = 0; i < d.n_keywords; i++)
            document.add_boolean_term(to_string(d.keyword[i]));
        std::string data = lengths_data(d, x->layout.n_groups);
        document.set_data(data);
        Xapian::docid id = ordinal + 1;
        subtract_old(x, id);
        x->db.replace_document(id, document);
        count_lengths(x, data, 1);
        add_fresh_words(x, d);
        x->last = std::max(x->last, id);
        if (++x->changes >= FLUSH_DOCUMENTS) /* before Xapian flushes by itself, without our stamp */
            commit_stamped(x, x->sequence, false);
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "indexing an item", e);
    }
}

extern "C" sinter_status text_index_delete(text_index *x, uint32_t ordinal, sinter_error *e)
{
    try {
        subtract_old(x, ordinal + 1);
        x->db.delete_document(Xapian::docid(ordinal + 1));
        if (++x->changes >= FLUSH_DOCUMENTS)
            commit_stamped(x, x->sequence, false);
        return SINTER_OK;
    } catch (const Xapian::DocNotFoundError &) {
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "deleting an item", e);
    }
}

extern "C" sinter_status text_index_commit(text_index *x, uint64_t sequence, sinter_error *e)
{
    try {
        commit_stamped(x, sequence, false);
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "committing the index", e);
    }
}

extern "C" sinter_status text_index_compact(text_index *x, sinter_error *e)
{
    std::string fresh = x->dir + ".compact", old = x->dir + ".old";
    try {
        commit_stamped(x, x->sequence, false);
        dir_remove(fresh.c_str(), e);
        dir_remove(old.c_str(), e);
        x->db.compact(fresh, Xapian::DBCOMPACT_NO_RENUMBER);
        x->db.close();
        if (rename(x->dir.c_str(), old.c_str()) != 0 || rename(fresh.c_str(), x->dir.c_str()) != 0)
            return error_set(e, SINTER_IO, x->dir.c_str(), "Restart: the index is rebuilt from the journal.", "cannot swap the compacted index in: %s", std::strerror(errno));
        dir_remove(old.c_str(), e);
        x->db = Xapian::WritableDatabase(x->dir, OPEN_FLAGS);
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "compacting the index", e);
    }
}

static void sync_files(const std::string &dir)
{
    DIR *d = opendir(dir.c_str());
    if (!d)
        return;
    while (struct dirent *entry = readdir(d)) {
        if (entry->d_name[0] == '.')
            continue;
        int fd = open((dir + "/" + entry->d_name).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            fsync(fd);
            close(fd);
        }
    }
    fsync(dirfd(d));
    closedir(d);
}

extern "C" void text_index_close(text_index *x, bool clean)
{
    if (!x)
        return;
    try {
        if (clean) {
            if (x->changes)
                commit_stamped(x, x->sequence, false);
            x->db.close();
            sync_files(x->dir);
            Xapian::WritableDatabase synced(x->dir, Xapian::DB_OPEN);
            synced.set_metadata("clean", "1");
            synced.commit();
        } else
            x->db.close();
    } catch (const Xapian::Error &error) {
        log_warn("index.close", "%s: %s", x->dir.c_str(), error.get_msg().c_str());
    }
    arena_free(x->scratch);
    delete x;
}

/* ---- readers ----------------------------------------------------------------------------------------------------------- */

extern "C" sinter_status text_reader_open(const text_index *x, text_reader **out, sinter_error *e)
{
    *out = nullptr;
    try {
        auto r = std::make_unique<text_reader>();
        r->db = Xapian::Database(x->dir);
        r->layout = x->layout;
        r->statistics = x->committed;
        r->words = x->words;
        *out = r.release();
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "opening a reader", e);
    }
}

extern "C" sinter_status text_reader_open_dir(const char *dir, const config_collection *schema, text_reader **out, sinter_error *e)
{
    *out = nullptr;
    try {
        auto r = std::make_unique<text_reader>();
        double sum[CONFIG_MAX_GROUPS] = {}, documents[CONFIG_MAX_GROUPS] = {};
        uint32_t keys;
        r->db = Xapian::Database(dir);
        if (!text_layout_of(schema, &r->layout) || r->db.get_metadata("signature") != signature_of(schema, r->layout))
            return error_set(e, SINTER_PRECONDITION, dir, "Let the server rebuild it.", "the index was made by another schema");
        read_sums(r->db.get_metadata("sums"), r->layout.n_groups, sum, documents);
        r->statistics = statistics_of(r->db, r->layout.n_groups, sum, documents);
        load_words(r->db, r->words, &keys);
        *out = r.release();
        return SINTER_OK;
    } catch (const Xapian::Error &error) {
        return text_xapian_error(error, "opening a reader", e);
    }
}

extern "C" void text_reader_close(text_reader *r)
{
    delete r;
}
