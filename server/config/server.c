/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sinter.yaml: where the server listens, where its data is, and its limits. */
#include "walk.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct server_raw {
    config_server s;
    const char *data_dir;
    const conf_node *plugin_dirs, *limits, *log, *experiments, *tls, *swap, *http;
} server_raw;

typedef struct http_raw {
    config_http h;
    const conf_node *origins, *hosts;
} http_raw;

typedef struct log_raw {
    const char *level, *format;
    bool impressions;
    uint64_t slow_ns;
} log_raw;

#define AT(f) offsetof(server_raw, f)
static const walk_key SERVER_KEYS[] = {
    {"listen", WALK_STRING, AT(s.listen), "127.0.0.1:7700", 0, 0, NULL, false, "host:port; port 0: any free one"},
    {"insecure", WALK_BOOL, AT(s.insecure), "false", 0, 0, NULL, false,
     "listen on an address that is not loopback without TLS"},
    {"data_dir", WALK_STRING, AT(data_dir), "../data", 0, 0, NULL, false,
     "journal, views and private copies of plugins"},
    {"plugin_dirs", WALK_NODE, AT(plugin_dirs), NULL, 0, 0, NULL, false, "folders searched for NAME.so, in order"},
    {"lanes", WALK_U32, AT(s.lanes), "0", 0, 1024, NULL, false, "worker threads; 0: one a core"},
    {"drain", WALK_DURATION, AT(s.drain_ns), "10s", 0, 600e9, NULL, false, "grace for running calls at shutdown"},
    {"commit_after", WALK_DURATION, AT(s.commit_after_ns), "250ms", 1e6, 60e9, NULL, false,
     "age of the oldest unapplied write at which the text index commits"},
    {"limits", WALK_NODE, AT(limits), NULL, 0, 0, NULL, false, "a map, below"},
    {"log", WALK_NODE, AT(log), NULL, 0, 0, NULL, false, "a map, below"},
    {"swap", WALK_NODE, AT(swap), NULL, 0, 0, NULL, false, "a map, below"},
    {"experiments", WALK_NODE, AT(experiments), NULL, 0, 0, NULL, false, "a map, below"},
    {"http", WALK_NODE, AT(http), NULL, 0, 0, NULL, false, "a map, below; without it nothing listens for HTTP"},
    {"tls", WALK_NODE, AT(tls), NULL, 0, 0, NULL, false, "not implemented: refused"},
};
const walk_table WALK_SERVER = {"sinter.yaml", SERVER_KEYS, ARRAY_LEN(SERVER_KEYS), false};

#define LIMIT(f) offsetof(config_server, f)
static const walk_key LIMIT_KEYS[] = {
    {"max_message", WALK_SIZE, LIMIT(max_message_bytes), "4MiB", 1024, 1073741824, NULL, false, "bytes of one request"},
    {"max_unpack", WALK_SIZE, LIMIT(max_unpack_bytes), "64MiB", 65536, 4294967296, NULL, false,
     "memory that one request may unpack to"},
    {"max_concurrent", WALK_U32, LIMIT(max_concurrent), "1024", 1, 1000000, NULL, false,
     "requests admitted and not yet answered"},
    {"max_streams_per_connection", WALK_U32, LIMIT(max_streams_per_connection), "256", 1, 100000, NULL, false,
     "calls of one connection at a time"},
    {"max_parked", WALK_U32, LIMIT(max_parked), "1024", 0, 1000000, NULL, false, "reads that wait for after_sequence"},
};
const walk_table WALK_LIMITS = {"limits", LIMIT_KEYS, ARRAY_LEN(LIMIT_KEYS), false};

#define SWAP(f) offsetof(config_server, swap.f)
static const walk_key SWAP_KEYS[] = {
    {"rehearse", WALK_U32, SWAP(rehearse), "200", 0, 10000, NULL, false,
     "newest recorded requests that a change is rehearsed on before it is published; 0: none"},
    {"max_errors", WALK_DOUBLE, SWAP(max_errors), "0", 0, 1, NULL, false,
     "rehearsal: share of the requests in which a plugin may fail, be late or give no number where the incumbent did not"},
    {"max_p99_ratio", WALK_DOUBLE, SWAP(max_p99_ratio), "3", 1, 1000, NULL, false,
     "rehearsal: 99th percentile of the stages' time, in that of the incumbent"},
    {"p99_slack", WALK_DURATION, SWAP(p99_slack_ns), "25ms", 0, 60e9, NULL, false,
     "rehearsal and watch: a 99th percentile that is no more than this above the incumbent's is fine whatever its ratio"},
    {"min_agreement", WALK_DOUBLE, SWAP(min_agreement), "0", 0, 1, NULL, false,
     "rehearsal: least rank-biased overlap with the incumbent's order; --force overrides it"},
    {"watch", WALK_DURATION, SWAP(watch_ns), "60s", 0, 86400e9, NULL, false,
     "how long a change is watched after it was published; 0s: not at all"},
    {"watch_searches", WALK_U32, SWAP(watch_searches), "100", 1, 1000000, NULL, false,
     "watch: searches of a pipeline that must have been answered before anything is concluded"},
    {"watch_errors", WALK_DOUBLE, SWAP(watch_errors), "0.01", 0, 1, NULL, false,
     "watch: share of a pipeline's searches in which a plugin may fail or give no number, above the incumbent's"},
    {"watch_late", WALK_DOUBLE, SWAP(watch_late), "0.1", 0, 1, NULL, false,
     "watch: share of a pipeline's searches in which a plugin's budget may end, above the incumbent's"},
    {"watch_p99_ratio", WALK_DOUBLE, SWAP(watch_p99_ratio), "3", 1, 1000, NULL, false,
     "watch: 99th percentile of a pipeline's searches, in that of the incumbent before"},
    {"hold", WALK_U32, SWAP(hold), "2", 0, 32, NULL, false,
     "replaced snapshots that stay in memory, for rollback and replay; one more while a change is watched"},
};
const walk_table WALK_SWAP = {"swap", SWAP_KEYS, ARRAY_LEN(SWAP_KEYS), false};

static const char *const LEVELS[] = {"debug", "info", "warn", "error", NULL};
static const char *const FORMATS[] = {"text", "json", NULL};
static const walk_key LOG_KEYS[] = {
    {"level", WALK_STRING, offsetof(log_raw, level), "info", 0, 0, LEVELS, false,
     "least level written: debug, info, warn, error"},
    {"format", WALK_STRING, offsetof(log_raw, format), "text", 0, 0, FORMATS, false, "text or json lines"},
    {"impressions", WALK_BOOL, offsetof(log_raw, impressions), "true", 0, 0, NULL, false,
     "record what was shown, for training and evaluation"},
    {"slow", WALK_DURATION, offsetof(log_raw, slow_ns), "0s", 0, 3600e9, NULL, false,
     "searches that take longer are logged with the time of each step; 0s: none"},
};
const walk_table WALK_LOG = {"log", LOG_KEYS, ARRAY_LEN(LOG_KEYS), false};

static const walk_key EXPERIMENTS_KEYS[] = {
    {"allow_override", WALK_BOOL, offsetof(config_server, allow_override), "false", 0, 0, NULL, false,
     "requests may name their arms: previews and tests"},
};
const walk_table WALK_EXPERIMENTS = {"experiments", EXPERIMENTS_KEYS, ARRAY_LEN(EXPERIMENTS_KEYS), false};
#define HTTP(f) offsetof(http_raw, f)
static const walk_key HTTP_KEYS[] = {
    {"listen", WALK_STRING, HTTP(h.listen), "127.0.0.1:7701", 0, 0, NULL, false, "host:port; port 0: any free one"},
    {"origins", WALK_NODE, HTTP(origins), NULL, 0, 0, NULL, false,
     "a list of other sites whose pages may call, such as https://shop.example; \"*\": any"},
    {"hosts", WALK_NODE, HTTP(hosts), NULL, 0, 0, NULL, false,
     "a list of names that requests may call the server by, beside localhost and plain addresses"},
    {"max_connections", WALK_U32, HTTP(h.max_connections), "512", 1, 100000, NULL, false, "connections at a time"},
    {"receive", WALK_DURATION, HTTP(h.receive_ns), "30s", 1e8, 3600e9, NULL, false,
     "a request must have come whole by then, a stream's head"},
    {"idle", WALK_DURATION, HTTP(h.idle_ns), "60s", 1e9, 3600e9, NULL, false,
     "a connection that asks nothing, or takes nothing, is closed"},
};
const walk_table WALK_HTTP = {"http", HTTP_KEYS, ARRAY_LEN(HTTP_KEYS), false};

static sinter_status read_plugin_dirs(const conf_node *at, const char *file, config_server *out, arena *a,
                                      sinter_error *e)
{
    const char *installed = installed_plugins(a), *beside = at ? NULL : walk_path(file, "../plugins", a);
    if (beside && installed && access(beside, F_OK) != 0) beside = NULL;
    uint32_t n = at ? at->n : beside != NULL;
    const char **dir = ARENA_ARRAY(a, const char *, n + 1);
    out->plugin_dirs = dir;
    out->n_plugin_dirs = n + (installed != NULL);
    dir[n] = installed;
    if (beside) dir[0] = beside;
    if (!at) return SINTER_OK;
    sinter_status s = walk_is(at, CONF_LIST, "plugin_dirs", e);
    for (uint32_t i = 0; s == SINTER_OK && i < n; i++) {
        s = walk_is(at->value[i], CONF_SCALAR, "an entry of plugin_dirs", e);
        if (s == SINTER_OK && !*at->value[i]->text)
            s = conf_error(e, at->value[i], NULL, "an entry of plugin_dirs is empty");
        if (s == SINTER_OK) dir[i] = walk_path(file, at->value[i]->text, a);
    }
    return s;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(host, "localhost") == 0;
}

static sinter_status check_listen(const char *listen, bool insecure, const conf_node *at, sinter_error *e)
{
    static const char *const FIX = "write HOST:PORT, such as 127.0.0.1:7700 or [::1]:7700";
    const char *colon = strrchr(listen, ':');
    uint64_t port;
    char host[256];
    if (!colon || !parse_uint64(str_of(colon + 1), &port) || port > 65535 || colon == listen)
        return conf_error(e, at, FIX, "listen is '%s', not an address with a port", listen);
    size_t n = (size_t)(colon - listen);
    bool bracketed = listen[0] == '[' && colon[-1] == ']' && n > 2;
    if (n >= sizeof host || (!bracketed && memchr(listen, ':', n)))
        return conf_error(e, at, FIX, "listen is '%s', not an address with a port", listen);
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? n - 2 : n), listen + bracketed);
    if (insecure || is_loopback(host)) return SINTER_OK;
    return conf_error(e, at, "listen on 127.0.0.1, or say 'insecure: true' where the network is trusted",
                      "listen is '%s', which others can reach without TLS", listen);
}

static sinter_status read_texts(const conf_node *at, const char *what, const char *const **out, uint32_t *n, arena *a, sinter_error *e)
{
    if (!at) return SINTER_OK;
    sinter_status s = walk_is(at, CONF_LIST, what, e);
    if (s != SINTER_OK) return s;
    const char **list = ARENA_ARRAY(a, const char *, at->n + 1);
    for (uint32_t i = 0; s == SINTER_OK && i < at->n; i++) {
        s = walk_is(at->value[i], CONF_SCALAR, "an entry of the list", e);
        if (s == SINTER_OK && !*at->value[i]->text) s = conf_error(e, at->value[i], NULL, "an entry of %s is empty", what);
        list[i] = at->value[i]->text;
    }
    *out = list;
    *n = at->n;
    return s;
}

/* "https://shop.example": what browsers send as Origin, letter for letter. */
static sinter_status check_origins(const http_raw *raw, sinter_error *e)
{
    for (uint32_t i = 0; i < raw->h.n_origins; i++) {
        const char *o = raw->h.origin[i], *host = strstr(o, "://");
        if (strcmp(o, "*") == 0 || (host && host[3] && !strchr(host + 3, '/'))) continue;
        return conf_error(e, raw->origins->value[i], "write scheme and host, such as https://shop.example, without a path",
                          "'%s' is not an origin", o);
    }
    return SINTER_OK;
}

static sinter_status read_http(const conf_node *at, config_server *out, arena *a, sinter_error *e)
{
    http_raw raw = {0};
    out->http.listen = "";
    if (conf_null(at)) return SINTER_OK;
    sinter_status s = walk_map(at, &WALK_HTTP, &raw, a, e);
    if (s == SINTER_OK) s = read_texts(raw.origins, "origins", &raw.h.origin, &raw.h.n_origins, a, e);
    if (s == SINTER_OK) s = read_texts(raw.hosts, "hosts", &raw.h.host, &raw.h.n_hosts, a, e);
    if (s == SINTER_OK) s = check_origins(&raw, e);
    const conf_node *listen_at = s == SINTER_OK ? conf_get(at, "listen") : NULL;
    if (s == SINTER_OK) s = check_listen(raw.h.listen, out->insecure, listen_at ? listen_at : at, e);
    if (s == SINTER_OK) out->http = raw.h;
    return s;
}

static sinter_status read_log(const conf_node *at, config_server *out, arena *a, sinter_error *e)
{
    log_raw raw = {0};
    sinter_status s = walk_map(at, &WALK_LOG, &raw, a, e);
    if (s != SINTER_OK) return s;
    log_level_parse(raw.level, &out->log_level);
    out->log_json = strcmp(raw.format, "json") == 0;
    out->impressions = raw.impressions;
    out->log_slow_ns = raw.slow_ns;
    return SINTER_OK;
}

sinter_status server_read(const conf_node *root, config_server *out, arena *a, sinter_error *e)
{
    server_raw raw = {0};
    const conf_node none = {
        .kind = CONF_MAP, .file = root->file, .line = root->line, .column = root->column, .text = ""};
    sinter_status s = walk_map(root, &WALK_SERVER, &raw, a, e);
    if (s != SINTER_OK) return s;
    if (raw.tls) {
        s = conf_error(e, raw.tls, "remove it; for a trusted network say 'insecure: true'", "tls is not implemented");
        if (e) e->status = SINTER_UNIMPLEMENTED;
        return SINTER_UNIMPLEMENTED;
    }
    *out = raw.s;
    out->data_dir = walk_path(root->file, raw.data_dir, a);
    s = walk_map(raw.limits ? raw.limits : &none, &WALK_LIMITS, out, a, e);
    if (s == SINTER_OK) s = walk_map(raw.swap ? raw.swap : &none, &WALK_SWAP, out, a, e);
    if (s == SINTER_OK) s = walk_map(raw.experiments ? raw.experiments : &none, &WALK_EXPERIMENTS, out, a, e);
    if (s == SINTER_OK) s = read_log(raw.log ? raw.log : &none, out, a, e);
    if (s == SINTER_OK) s = read_plugin_dirs(raw.plugin_dirs, root->file, out, a, e);
    out->swap_at = raw.swap ? raw.swap : root;
    const conf_node *listen_at = conf_get(root, "listen");
    if (s == SINTER_OK) s = check_listen(out->listen, out->insecure, listen_at ? listen_at : root, e);
    if (s == SINTER_OK) s = read_http(raw.http, out, a, e);
    return s;
}
