/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may call from a browser. The server asks nobody for a password, so that a page of another site must not be able to speak to it
 * through its visitor's browser: requests with a foreign Origin are refused unless the configuration names it, and so are those that
 * call the server by a name it does not know (DNS that was made to point here). Clients that are no browsers send no Origin. */
#include "inside.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool listed(const char *const *list, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcasecmp(list[i], name) == 0) return true;
    return false;
}

/* "shop.example:80" → "shop.example", "[::1]:80" → "::1". */
static bool host_of(const char *head, char *out, size_t size)
{
    size_t n = strcspn(head, *head == '[' ? "]" : ":");
    bool bracketed = *head == '[';
    if (n - bracketed == 0 || n - bracketed >= size) return false;
    snprintf(out, size, "%.*s", (int)(n - bracketed), head + bracketed);
    return true;
}

static bool host_is_known(const config_http *h, const char *head)
{
    char host[256], own[256];
    unsigned char address[16];
    if (!head) return true; /* HTTP/1.0 */
    if (!host_of(head, host, sizeof host)) return false;
    if (strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) return true;
    return listed(h->host, h->n_hosts, host) || (host_of(h->listen, own, sizeof own) && strcasecmp(own, host) == 0);
}

static bool origin_is_own(const char *origin, const char *host)
{
    const char *after = strstr(origin, "://");
    return host && after && strcasecmp(after + 3, host) == 0;
}

static void refuse(request *r, const char *where, const char *fix, const char *what, const char *value)
{
    sinter_error e = SINTER_ERROR_INIT;
    r->of->f->count.foreign++;
    error_set(&e, SINTER_PERMISSION, where, fix, what, value);
    request_refuse(r, SINTER_PERMISSION, &e);
}

bool guard_allows(request *r)
{
    const config_http *h = r->of->f->config;
    const char *host = request_head(r, MHD_HTTP_HEADER_HOST), *origin = request_head(r, MHD_HTTP_HEADER_ORIGIN);
    if (!host_is_known(h, host)) {
        refuse(r, "Host", "name it in http.hosts of sinter.yaml", "this server is not called '%s'", host);
        return false;
    }
    if (!origin || origin_is_own(origin, host)) return true;
    request_header(r, "Vary", "Origin");
    if (!listed(h->origin, h->n_origins, origin) && !listed(h->origin, h->n_origins, "*")) {
        refuse(r, "Origin", "name it in http.origins of sinter.yaml", "pages of %s may not call this server", origin);
        return false;
    }
    request_header(r, "Access-Control-Allow-Origin", origin); /* lives as long as the request */
    return true;
}

static void preflight_whole(request *r)
{
    request_header(r, "Access-Control-Allow-Methods", "POST");
    request_header(r, "Access-Control-Allow-Headers", "Content-Type, Sinter-Timeout");
    request_header(r, "Access-Control-Max-Age", "600");
    request_answer(r, 204, "text/plain");
}

/* What a browser asks before it lets a page call. */
const route PREFLIGHT = {.path = "/", .methods = "OPTIONS", .guarded = true, .whole = preflight_whole};
