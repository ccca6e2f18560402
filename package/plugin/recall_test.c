/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of @name@: ./test_@name@ ./@name@.so */
#include "host.h"

/* Two filters: the shelf is every tenth item, the request wants those below 55. */
static bool passes(const char *text, uint32_t item)
{
    return strcmp(text, "tenth") == 0 ? item % 10 == 0 : item < 55;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const sinter_plugin *p = host_load(argv[1]);
    sinter_instance *me;
    sinter_filter *wanted;
    sinter_error err;
    host_filter = passes;
    CHECK(host_open(p, "recall", NULL, (host_option[]){{"shelf", "tenth"}}, 1, &me, &err) == SINTER_OK);
    CHECK(host.filter_compile(&host, "below", &wanted, &err) == SINTER_OK);

    /* Its own filter and the request's; what is excluded stays out; best first. */
    const uint32_t exclude[] = {20};
    uint32_t item[8], n;
    float score[8];
    CHECK(p->recall->recall(me, NULL, host_request("shoe"), wanted, exclude, 1, 8, item, score, &n, &err) == SINTER_OK);
    CHECK(n == 5 && item[0] == 0 && item[1] == 10 && item[2] == 30 && item[3] == 40 && item[4] == 50);
    for (uint32_t i = 1; i < n; i++) CHECK(score[i] < score[i - 1]);

    /* The limit is kept. */
    CHECK(p->recall->recall(me, NULL, host_request("shoe"), NULL, NULL, 0, 3, item, score, &n, &err) == SINTER_OK);
    CHECK(n == 3 && item[2] == 20);

    host_next();
    host.filter_free(wanted);
    p->close(me);
    CHECK(host_live == 0);
    puts("@name@: ok");
    return 0;
}
