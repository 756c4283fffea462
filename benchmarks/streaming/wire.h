/* A client's side of RFC 6455, as far as the readers of the benchmarks need it: one fixed key, masks of zeros. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static inline void fail(const char *what) {
    fprintf(stderr, "readers: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static inline void say(int fd, const void *data, size_t size) { /* nothing is left half said */
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (sent < 0) fail("send");
        done += (size_t)sent;
    }
}

static inline size_t frame(unsigned char *at, int opcode, const char *payload, size_t size) {
    size_t head = size < 126 ? 2 : 4;
    at[0] = (unsigned char)(0x80 | opcode);
    at[1] = (unsigned char)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) at[2] = (unsigned char)(size >> 8), at[3] = (unsigned char)size;
    memset(at + head, 0, 4);
    memcpy(at + head + 4, payload, size);
    return head + 4 + size;
}

static inline void tell(int fd, int opcode, const char *payload, size_t size) {
    unsigned char out[1024];
    if (size > sizeof out - 8) fail("too long to say");
    say(fd, out, frame(out, opcode, payload, size));
}

static inline int opened(int port, const char *path) {
    char head[2048];
    size_t got = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int size = snprintf(head, sizeof head,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: cGx1bWJsaW5lIGxvYWQgMQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        path, port);
    say(fd, head, (size_t)size);
    do { /* byte by byte: what follows the head is read with the rest */
        if (got == sizeof head - 1 || recv(fd, head + got, 1, 0) != 1) fail("no answer to the handshake");
        head[++got] = 0;
    } while (!strstr(head, "\r\n\r\n"));
    errno = 0;
    if (memcmp(head, "HTTP/1.1 101", 12)) fail(head);
    return fd;
}
