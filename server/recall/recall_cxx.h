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

/* Words as written, of one or more commits: what spelling chooses from. Immutable. */
struct word_list {
    std::string text;            /* all words, one after another */
    std::vector<uint32_t> start; /* [n + 1] */
    std::vector<uint32_t> letters; /* [n] set of characters, for a quick no */
    size_t size() const { return letters.size(); }
    void add(const char *s, size_t n);
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

/* A Xapian error as ours: too old a reader is UNAVAILABLE, the rest IO. */
sinter_status text_xapian_error(const Xapian::Error &x, const char *doing, sinter_error *e);

#endif
