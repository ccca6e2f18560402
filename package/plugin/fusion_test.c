/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of @name@: ./test_@name@ ./@name@.so */
#include "host.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const sinter_plugin *p = host_load(argv[1]);
    sinter_instance *me;
    sinter_error err;
    static const char *const ranker[] = {"words", "taste"};
    CHECK(host_open(p, "fusion", NULL, (host_option[]){{"weights.words", "3"}}, 1, &me, &err) == SINTER_OK);
    CHECK(p->fusion->check_rankers(me, ranker, 2, &err) == SINTER_OK);

    /* Both, words alone, nobody. */
    const float words[] = {1, 1, 0}, taste[] = {1, 0, 0}, *score[] = {words, taste};
    const uint64_t present[] = {3, 1, 0};
    const sinter_fusion_batch batch = {.size = sizeof batch, .n = 3, .n_rankers = 2, .ranker = ranker, .score = score, .present = present};
    float out[3];
    CHECK(p->fusion->fuse(me, NULL, &batch, out, &err) == SINTER_OK);
    CHECK(out[0] == 2.0f && out[1] == 1.5f && out[2] == -4.0f);

    /* Shares sum to the score. */
    for (uint32_t row = 0; row < 3; row++) {
        sinter_share share[2];
        double bias;
        CHECK(p->fusion->explain(me, NULL, &batch, row, share, &bias, &err) == SINTER_OK);
        CHECK(fabs(bias + share[0].contribution + share[1].contribution - (double)out[row]) < 1e-6);
    }
    p->close(me);

    /* A weight for a ranker that is not in the stage is refused by name. */
    CHECK(host_open(p, "fusion", NULL, (host_option[]){{"weights.wrods", "3"}}, 1, &me, &err) == SINTER_OK);
    CHECK(p->fusion->check_rankers(me, ranker, 2, &err) == SINTER_INVALID && strstr(err.what, "wrods"));
    p->close(me);
    CHECK(host_live == 0);
    puts("@name@: ok");
    return 0;
}
