/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the plugin room's tests share: a host over a scratch folder, and plugins of the zoo by name. */
#ifndef SINTER_TEST_PLUGIN_SUPPORT_H
#define SINTER_TEST_PLUGIN_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "plugin/plugin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static plugin_host *host;
static char folder[64];

__attribute__((unused)) static int support_begin(void **state)
{
    (void)state;
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(folder, sizeof folder, "/tmp/sinter-plugin-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/private", folder);
    return plugin_host_new(dir, 2, &host, &e) == SINTER_OK ? 0 : 1;
}

__attribute__((unused)) static int support_end(void **state)
{
    (void)state;
    plugin_host_free(host);
    return dir_remove(folder, NULL) == SINTER_OK ? 0 : 1;
}

__attribute__((unused)) static const char *zoo_path(const char *name)
{
    static char path[1024];
    const char *build = getenv("SINTER_BUILD");
    snprintf(path, sizeof path, "%s/zoo/%s.so", build ? build : ".", name);
    return path;
}

/* "what | fix" with the file's path replaced by FILE; where must be that path. */
__attribute__((unused)) static void expect_error(const sinter_error *e, const char *where, const char *what,
                                                 const char *fix)
{
    assert_string_equal(e->where, where);
    assert_string_equal(e->what, what);
    assert_string_equal(e->fix, fix);
}

__attribute__((unused)) static const plugin_library *zoo_load(const char *name)
{
    const plugin_library *l = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    char line[2048];
    if (plugin_load_file(host, zoo_path(name), NULL, &l, &e) != SINTER_OK)
        fail_msg("%s", error_line(&e, line, sizeof line));
    return l;
}

/* Opens a plugin of the zoo with options given as YAML flow text ("{}" for none). The library stays with the instance.
 */
__attribute__((unused)) static plugin_instance *zoo_open(const char *name, plugin_role role, const char *yaml,
                                                         const plugin_services *services, arena *a)
{
    const plugin_library *l = zoo_load(name);
    const conf_node *map;
    sinter_error e = SINTER_ERROR_INIT;
    plugin_instance *i = NULL;
    char line[2048];
    if (conf_parse_text("test.yaml", str_of(yaml), a, &map, &e) != SINTER_OK) fail_msg("%s", e.what);
    config_use use = {.name = name, .plugin = name, .options = map, .at = map};
    sinter_collection collection = {.size = sizeof collection, .name = "shop", .uuid = "u-1", .n_items = 5000};
    plugin_open_args args = {
        .role = role, .use = "test.use", .config = &use, .collection = &collection, .services = services};
    if (plugin_open(host, l, &args, &i, &e) != SINTER_OK) fail_msg("%s", error_line(&e, line, sizeof line));
    plugin_library_release(host, l);
    return i;
}

#endif
