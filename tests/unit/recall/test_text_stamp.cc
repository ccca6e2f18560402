// SPDX-License-Identifier: GPL-3.0-or-later
// The index's stamp: when an index that is there may be used, and why not.
#include <xapian.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <unistd.h>
extern "C" {
#include <cmocka.h>
#include "recall/recall.h"
}

namespace {

config_field fields[2];
config_collection schema;
text_analyzer *analyzer;
std::string dir;

sinter_error no_error()
{
    sinter_error e;
    std::memset(&e, 0, sizeof e);
    e.size = sizeof e;
    return e;
}

void make_schema()
{
    std::memset(&schema, 0, sizeof schema);
    std::memset(fields, 0, sizeof fields);
    fields[0].name = "title";
    fields[0].type = FIELD_TEXT;
    fields[0].searchable = true;
    fields[0].weight = 1;
    schema.name = "test";
    schema.file = "test.yaml";
    schema.field = fields;
    schema.n_fields = 1;
    schema.n_groups = 1;
    schema.group[0].name = "title";
    schema.group[0].weight = 1;
    schema.k1 = 1.2;
    schema.language[0] = "en";
    schema.n_languages = 1;
    schema.minimum_should_match = "";
}

text_index *open_index(text_index_state expected, uint64_t expected_sequence, std::string *why, const char *uuid = "uuid")
{
    sinter_error e = no_error();
    text_index *x = nullptr;
    text_index_state state;
    uint64_t sequence;
    char reason[256];
    if (text_index_open(dir.c_str(), &schema, uuid, analyzer, true, &x, &state, &sequence, reason, &e) != SINTER_OK)
        fail_msg("%s", e.what);
    assert_int_equal(state, expected);
    assert_int_equal(sequence, expected_sequence);
    if (why)
        *why = reason;
    return x;
}

int setup(void **)
{
    char name[] = "/tmp/text_stamp.XXXXXX";
    sinter_error e = no_error();
    dir = std::string(mkdtemp(name)) + "/index";
    make_schema();
    assert_int_equal(text_analyzer_new(&schema, &analyzer, &e), SINTER_OK);
    text_index *x = open_index(TEXT_INDEX_REBUILD, 0, nullptr);
    assert_int_equal(text_index_commit(x, 41, &e), SINTER_OK);
    text_index_close(x, false);
    return 0;
}

int teardown(void **)
{
    sinter_error e = no_error();
    text_analyzer_free(analyzer);
    dir_remove(dir.substr(0, dir.rfind('/')).c_str(), &e);
    return 0;
}

void set_stamp(const char *key, const char *value)
{
    Xapian::WritableDatabase db(dir, Xapian::DB_OPEN);
    db.set_metadata(key, value);
    db.commit();
}

void the_same_boot_uses_an_index_that_was_killed(void **)
{
    text_index_close(open_index(TEXT_INDEX_READY, 41, nullptr), false);
    text_index_close(open_index(TEXT_INDEX_READY, 41, nullptr), false);
}

void another_boot_rebuilds_what_was_not_stopped(void **)
{
    std::string why;
    set_stamp("boot", "another");
    text_index_close(open_index(TEXT_INDEX_REBUILD, 0, &why), false);
    assert_non_null(std::strstr(why.c_str(), "restarted"));
}

void another_boot_uses_what_was_stopped_and_only_once(void **)
{
    text_index_close(open_index(TEXT_INDEX_READY, 41, nullptr), true);
    set_stamp("boot", "another");
    text_index_close(open_index(TEXT_INDEX_READY, 41, nullptr), false);
    set_stamp("boot", "another");
    text_index_close(open_index(TEXT_INDEX_REBUILD, 0, nullptr), false);
}

void another_schema_is_refused_or_rebuilt(void **)
{
    sinter_error e = no_error();
    text_index *x;
    text_index_state state;
    uint64_t sequence;
    std::string why;
    fields[0].language = "de";
    assert_int_equal(text_index_open(dir.c_str(), &schema, "uuid", analyzer, false, &x, &state, &sequence, nullptr, &e),
                     SINTER_PRECONDITION);
    assert_non_null(std::strstr(e.what, "title"));
    text_index_close(open_index(TEXT_INDEX_REBUILD, 0, &why), false);
    assert_non_null(std::strstr(why.c_str(), "schema"));
}

void weights_at_query_time_need_no_rebuild(void **)
{
    schema.group[0].weight = 5;
    schema.group[0].b = 0.1;
    schema.k1 = 2;
    text_index_close(open_index(TEXT_INDEX_READY, 41, nullptr), false);
}

void another_collections_index_is_rebuilt(void **)
{
    std::string why;
    text_index_close(open_index(TEXT_INDEX_REBUILD, 0, &why, "else"), false);
    assert_non_null(std::strstr(why.c_str(), "uuid"));
}

void a_broken_index_is_rebuilt(void **)
{
    std::string why;
    std::ofstream(dir + "/iamglass", std::ios::trunc) << "nonsense";
    text_index_close(open_index(TEXT_INDEX_REBUILD, 0, &why), false);
    assert_non_null(std::strstr(why.c_str(), "read"));
}

void a_second_writer_is_refused(void **)
{
    sinter_error e = no_error();
    text_index *x = open_index(TEXT_INDEX_READY, 41, nullptr), *y;
    text_index_state state;
    uint64_t sequence;
    assert_int_equal(text_index_open(dir.c_str(), &schema, "uuid", analyzer, true, &y, &state, &sequence, nullptr, &e),
                     SINTER_PRECONDITION);
    text_index_close(x, false);
}

void compaction_keeps_stamp_and_documents(void **)
{
    sinter_error e = no_error();
    text_index *x = open_index(TEXT_INDEX_READY, 41, nullptr);
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    for (uint32_t i = 0; i < 20; i += 2)
        assert_int_equal(text_index_put(x, nullptr, i, &item, &e), SINTER_OK);
    assert_int_equal(text_index_commit(x, 50, &e), SINTER_OK);
    assert_int_equal(text_index_compact(x, &e), SINTER_OK);
    assert_int_equal(text_index_put(x, nullptr, 20, &item, &e), SINTER_OK);
    assert_int_equal(text_index_commit(x, 51, &e), SINTER_OK);
    text_index_close(x, true);
    Xapian::Database db(dir);
    assert_int_equal(db.get_doccount(), 11);
    assert_int_equal(db.get_lastdocid(), 21);
    assert_string_equal(db.get_metadata("sequence").c_str(), "51");
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_boot_uses_an_index_that_was_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(another_boot_rebuilds_what_was_not_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(another_boot_uses_what_was_stopped_and_only_once, setup, teardown),
        cmocka_unit_test_setup_teardown(another_schema_is_refused_or_rebuilt, setup, teardown),
        cmocka_unit_test_setup_teardown(weights_at_query_time_need_no_rebuild, setup, teardown),
        cmocka_unit_test_setup_teardown(another_collections_index_is_rebuilt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_index_is_rebuilt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_writer_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(compaction_keeps_stamp_and_documents, setup, teardown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
