/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells the service manager how far the server is: systemd's protocol of one datagram, without its library. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"

void notify_manager(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') to.sun_path[0] = '\0'; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t sent = fd < 0 ? -1
                          : sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    if (sent < 0) log_warn("notify", "%s does not take '%s': %s", path, state, strerror(errno));
    if (fd >= 0) close(fd);
}
