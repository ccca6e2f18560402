/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of @name@: ./test_@name@ ./@name@.so */
#include "host.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    const sinter_plugin *p = host_load(argv[1]);
    sinter_instance *me;
    sinter_error err;
    CHECK(host_open(p, "rewriter", NULL, (host_option[]){{"also.sofa", "couch"}, {"also.tv", "television"}}, 2, &me, &err) == SINTER_OK);

    CHECK(p->rewriter->rewrite(me, NULL, host_request("red sofa"), &host_sink, &err) == SINTER_OK);
    CHECK(host_n_edits == 1 && strcmp(host_edits[0].kind, "words") == 0 && strcmp(host_edits[0].text, "couch") == 0);
    CHECK(strcmp(host_edits[0].rule, "sofa") == 0 && host_edits[0].value == 0); /* added, the query is not replaced */

    host_next();
    CHECK(p->rewriter->rewrite(me, NULL, host_request("red sofas"), &host_sink, &err) == SINTER_OK);
    CHECK(host_n_edits == 0);

    p->close(me);
    CHECK(host_live == 0);
    puts("@name@: ok");
    return 0;
}
