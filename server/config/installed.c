/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where an installed server finds what came with it: by the place of its own binary, so that a prefix may be moved. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "walk.h"

/* BIN and PLUGINS are relative to the prefix; CMake says them (cmake/install.cmake). */
#ifndef SINTER_INSTALL_BIN
#define SINTER_INSTALL_BIN "bin"
#endif
#ifndef SINTER_INSTALL_PLUGINS
#define SINTER_INSTALL_PLUGINS "lib/sinter/plugins"
#endif
#define CONFIG_HERE "config/sinter.yaml"

/* The folder that SINTER_INSTALL_BIN lies in; false where the binary stands elsewhere. */
static bool prefix(char out[PATH_MAX])
{
    static const char BIN[] = "/" SINTER_INSTALL_BIN;
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0) return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash) return false;
    *slash = '\0';
    size_t length = strlen(out), bin = sizeof BIN - 1;
    if (length < bin || strcmp(out + length - bin, BIN) != 0) return false;
    out[length - bin] = '\0';
    return true;
}

const char *installed_plugins(arena *a)
{
    char at[PATH_MAX];
    if (!prefix(at)) return NULL;
    const char *dir = arena_printf(a, "%s/" SINTER_INSTALL_PLUGINS, at);
    return access(dir, F_OK) == 0 ? dir : NULL;
}

const char *config_default_path(void)
{
    static char path[PATH_MAX + 32];
    char at[PATH_MAX];
    if (access(CONFIG_HERE, F_OK) != 0 && prefix(at)) {
        /* As GNUInstallDirs has it: what is installed below /usr is configured in /etc. */
        snprintf(path, sizeof path, "%s/etc/sinter/sinter.yaml", strcmp(at, "/usr") == 0 ? "" : at);
        if (access(path, F_OK) == 0) return path;
    }
    return CONFIG_HERE;
}
