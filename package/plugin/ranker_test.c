/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of @name@: ./test_@name@ ./@name@.so */
#include "host.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const sinter_plugin *p = host_load(argv[1]);
    sinter_instance *me;
    sinter_error err;
    CHECK(host_open(p, "ranker", NULL, (host_option[]){{"strength", "2"}}, 1, &me, &err) == SINTER_OK);

    /* It asks for the feature that it was told. */
    sinter_inputs want = {.size = sizeof want};
    CHECK(p->inputs(me, &want, &err) == SINTER_OK && want.n_features == 1 && strcmp(want.feature[0], "text.bm25") == 0);

    /* More of it scores higher, none scores nothing, and an item without the feature is missing. */
    const float feature[] = {0, 1, 10, NAN};
    sinter_batch batch = host_batch(feature, 1, 4);
    float score[4];
    CHECK(p->ranker->score(me, NULL, &batch, score, &err) == SINTER_OK);
    CHECK(score[0] == 0);
    CHECK(fabs((double)score[1] - 2 * log(2)) < 1e-6);
    CHECK(score[2] > score[1]);
    CHECK(sinter_is_missing(score[3]));

    /* The explanation is the score. */
    host_next();
    CHECK(p->ranker->explain(me, NULL, &batch, 2, &host_sink, &err) == SINTER_OK);
    CHECK(host_n_edits == 1 && host_edits[0].value == (double)score[2]);

    p->close(me);
    CHECK(host_live == 0); /* all memory was given back */
    puts("@name@: ok");
    return 0;
}
