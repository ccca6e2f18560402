/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stock Xapian over the same words: C++ because it has no C interface. */
#include "bench_floor.h"

#include <cstdio>
#include <string>
#include <sys/stat.h>
#include <vector>
#include <xapian.h>

struct floor_index {
    Xapian::Database db;
};

static std::string word_of(uint16_t word)
{
    char text[8];
    corpus_word(word, text);
    return text;
}

static void build(const std::string &dir, const corpus *c)
{
    std::string loose = dir + ".loose";
    {
        Xapian::WritableDatabase db(loose, Xapian::DB_CREATE_OR_OVERWRITE | Xapian::DB_NO_SYNC);
        for (uint32_t i = 0; i < c->n; i++) {
            const corpus_document &d = c->document[i];
            Xapian::Document document;
            for (uint32_t k = 0; k < d.n_title + d.n_body; k++)
                document.add_term(word_of(d.word[k]));
            db.add_document(document);
        }
        db.commit();
        db.compact(dir);
    }
}

extern "C" floor_index *floor_open(const char *dir, const corpus *c)
{
    try {
        struct stat there;
        if (stat(dir, &there) != 0)
            build(dir, c);
        return new floor_index{Xapian::Database(dir)};
    } catch (const Xapian::Error &error) {
        fprintf(stderr, "bench: Xapian: %s\n", error.get_description().c_str());
        return nullptr;
    }
}

extern "C" uint32_t floor_search(floor_index *f, const corpus_query *q, uint32_t limit, uint32_t *item)
{
    std::vector<std::string> words;
    for (uint32_t k = 0; k < q->n; k++)
        words.push_back(word_of(q->word[k]));
    Xapian::Enquire enquire(f->db);
    enquire.set_query(Xapian::Query(Xapian::Query::OP_OR, words.begin(), words.end()));
    Xapian::MSet found = enquire.get_mset(0, limit);
    uint32_t n = 0;
    for (auto at = found.begin(); at != found.end(); ++at)
        item[n++] = *at - 1;
    return n;
}

extern "C" void floor_close(floor_index *f)
{
    delete f;
}

extern "C" const char *floor_version(void)
{
    return Xapian::version_string();
}
