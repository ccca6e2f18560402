/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How C++ files of this room see its C headers and Xapian; and the two handles that they share. Private. */
#ifndef SINTER_RECALL_CXX_H
#define SINTER_RECALL_CXX_H

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>
#include <xapian.h>

extern "C" {
#include "text_private.h"
}

#define WORD_MOST_BYTES 40u /* longer ones are not spelt after */

/* Words as written, of one or more commits: what spelling chooses from, shorter ones first. Immutable. */
struct word_list {
    std::string text;              /* all words, one after another */
    std::vector<uint32_t> start;   /* [n + 1] */
    std::vector<uint32_t> letters; /* [n] set of characters, for a quick no */
    uint32_t begin[WORD_MOST_BYTES + 3] = {}; /* of words of so many letters */
    size_t size() const { return letters.size(); }
    str word(size_t i) const { return str{text.data() + start[i], start[i + 1] - start[i]}; }
    uint32_t length_begin(size_t n) const { return begin[n < WORD_MOST_BYTES + 2 ? n : WORD_MOST_BYTES + 2]; }
    void load(const std::string &joined); /* separated by spaces */
};
using word_lists = std::vector<std::shared_ptr<const word_list>>;
uint32_t word_letters(const char *s, size_t n);

/* One lane's view of the index; its scratch grows to what requests need and stays. */
struct text_reader {
    Xapian::Database db;
    text_layout layout;
    text_statistics statistics;
    word_lists words;
    std::vector<uint32_t> window; /* [words][WINDOW] packed */
    std::vector<uint32_t> block, kept;
    std::vector<uint64_t> keys;
};

static inline std::string to_string(str s) { return std::string(s.s, s.n); }

/* Positions of a word in a document, in the groups it is bound to (0: all), ascending; of a synonym: where its words begin to
 * stand side by side. text_positions.cc */
void text_positions(const Xapian::Database &db, Xapian::docid id, const text_word &w, std::vector<uint32_t> &out);
void text_positions(const Xapian::Database &db, Xapian::docid id, const text_synonym &x, uint32_t groups, std::vector<uint32_t> &out);

/* A Xapian error as ours: too old a reader is UNAVAILABLE, the rest IO. */
sinter_status text_xapian_error(const Xapian::Error &x, const char *doing, sinter_error *e);

#endif
