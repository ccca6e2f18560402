/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes on the HTTP port of a real server in this process: it answers or closes the connection, and answers the next. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http/http.h"
#include "fuzz.h"

static char folder[] = "/tmp/fuzz_http.XXXXXX";
static struct sockaddr_in address;

static void put_file(const char *name, const char *text)
{
    char path[200];
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    require(file_write_atomic(path, text, strlen(text), &e) == SINTER_OK);
}

static void serve(void *config_of)
{
    char port[200], http[200];
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(port, sizeof port, "%s/port", folder);
    snprintf(http, sizeof http, "%s/http", folder);
    rpc_options o = {.port_file = port, .http_port_file = http, .front = &HTTP_FRONT};
    rpc_serve(config_of, &o, &e);
}

static void remove_folder(void)
{
    dir_remove(folder, NULL);
}

static void open_once(void)
{
    static bool open;
    pthread_t thread;
    config *c;
    char text[400], path[200];
    buffer port = {0};
    sinter_error e = SINTER_ERROR_INIT;
    if (open) return;
    open = true;
    require(mkdtemp(folder) != NULL);
    atexit(remove_folder);
    snprintf(path, sizeof path, "%s/collections", folder);
    require(dir_make(path, &e) == SINTER_OK);
    snprintf(text, sizeof text, "listen: 127.0.0.1:0\ndata_dir: %s/data\nlanes: 1\nlimits: {max_message: 4KiB}\nlog: {level: error}\n"
             "http: {listen: 127.0.0.1:0, receive: 100ms, idle: 1s, max_connections: 4096, origins: [\"*\"]}\n", folder);
    put_file("sinter.yaml", text);
    put_file("collections/shop.yaml", "fields: {title: {type: text}, price: {type: number}}\n");
    snprintf(path, sizeof path, "%s/sinter.yaml", folder);
    require(config_load(path, &c, &e) == SINTER_OK);
    require(thread_start(&thread, "server", serve, c, &e) == SINTER_OK);
    snprintf(path, sizeof path, "%s/port", folder); /* written last */
    while (access(path, F_OK) != 0)
        usleep(1000);
    snprintf(path, sizeof path, "%s/http", folder);
    require(file_read(path, 300, &port, &e) == SINTER_OK);
    const char *colon = strrchr(port.data, ':');
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    buffer_free(&port);
}

/* What comes back until the server closes, or for so long. Clients that leave in the middle of a request stay for `receive`. */
static size_t exchange(const void *data, size_t n, suseconds_t patience_us, char *into, size_t most)
{
    const struct timeval patience = {.tv_sec = patience_us / 1000000, .tv_usec = patience_us % 1000000};
    size_t got = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t sent = n ? send(fd, data, n, MSG_NOSIGNAL) : 0;
    (void)sent; /* the server may have closed already */
    for (ssize_t k; got < most - 1 && (k = recv(fd, into + got, most - 1 - got, 0)) > 0;)
        got += (size_t)k;
    into[got] = '\0';
    close(fd);
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char PING[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static char answer[1 << 16];
    open_once();
    if (exchange(data, size, 1000, answer, sizeof answer) > 0) require(strncmp(answer, "HTTP/1.", 7) == 0);
    exchange(PING, sizeof PING - 1, 60000000, answer, sizeof answer);
    require(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
    return 0;
}
