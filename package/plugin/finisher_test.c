/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of @name@: ./test_@name@ ./@name@.so */
#include "host.h"

static uint32_t finish(const sinter_plugin *p, const sinter_instance *me, const uint32_t *item, uint32_t n)
{
    static const float score[4] = {4, 3, 2, 1};
    const sinter_list list = {.size = sizeof list, .n = n, .item = item, .score = score, .n_top = n};
    sinter_error err = SINTER_ERROR_INIT;
    host_next();
    CHECK(p->finisher->finish(me, NULL, host_request("shoe"), &list, &host_sink, &err) == SINTER_OK);
    return host_n_edits;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const sinter_plugin *p = host_load(argv[1]);
    sinter_instance *me;
    sinter_error err;
    CHECK(host_open(p, "finisher", NULL, (host_option[]){{"which", "even"}, {"position", "2"}}, 2, &me, &err) == SINTER_OK);

    /* The best even item comes to place 2; where it stands there or higher, nothing happens; nor where there is none. */
    CHECK(finish(p, me, (uint32_t[]){1, 3, 5, 8}, 4) == 1);
    CHECK(strcmp(host_edits[0].kind, "move") == 0 && host_edits[0].item == 8 && host_edits[0].position == 2);
    CHECK(finish(p, me, (uint32_t[]){1, 4, 5, 8}, 4) == 0);
    CHECK(finish(p, me, (uint32_t[]){1, 3, 5, 7}, 4) == 0);
    CHECK(finish(p, me, (uint32_t[]){0}, 0) == 0);

    host_next();
    p->close(me);
    CHECK(host_live == 0);
    puts("@name@: ok");
    return 0;
}
