/* The floor: a bare epoll server that sends every message it gets to all clients, one send() each.
 *
 *   cc -O2 -o floor floor.c && ./floor
 *
 * It speaks just enough of RFC 6455 for the load generator, which sends one fixed key and masks with zeros: no SHA-1, no
 * unmasking, no queues. What it costs per delivery is the kernel's price; no server can be below it with one send each.
 * It prints its port on one line when it accepts connections.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1 << 17, BUFFER = 1 << 17, EVENTS = 1024 };
static const char ANSWER[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: %s\r\n\r\n";

static char state[MOST]; /* 0: no connection, 1: asked for nothing yet, 2: open */
static int place[MOST], clients[MOST], count;
static unsigned char input[BUFFER], frame[BUFFER];

static void forget(int fd) {
    if (state[fd] == 2) {
        int last = clients[--count];
        clients[place[fd]] = last;
        place[last] = place[fd];
    }
    state[fd] = 0;
    close(fd);
}

static void broadcast(const unsigned char *payload, size_t size) {
    size_t head = 2;
    frame[0] = 0x81;
    if (size < 126) {
        frame[1] = (unsigned char)size;
    } else {
        frame[1] = 126;
        frame[2] = (unsigned char)(size >> 8);
        frame[3] = (unsigned char)size;
        head = 4;
    }
    memcpy(frame + head, payload, size);
    for (int i = 0; i < count; i++)
        if (send(clients[i], frame, head + size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
            perror("send");
}

static void take(int fd, const char *answer) {
    ssize_t got = recv(fd, input, sizeof input, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) forget(fd);
        return;
    }
    if (state[fd] == 1) { /* the generator's request fits one segment */
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) { forget(fd); return; }
        state[fd] = 2;
        place[fd] = count;
        clients[count++] = fd;
        return;
    }
    for (ssize_t at = 0; at + 6 <= got;) {
        size_t size = input[at + 1] & 0x7f, start = (size_t)at + 6;
        if (size == 126) {
            size = (size_t)input[at + 2] << 8 | input[at + 3];
            start += 2;
        }
        if (start + size > (size_t)got) break;
        if ((input[at] & 0xf) == 8) { forget(fd); return; }
        if ((input[at] & 0xf) == 1 || (input[at] & 0xf) == 2) broadcast(input + start, size);
        at = (ssize_t)(start + size);
    }
}

int main(int argc, char **argv) {
    char answer[256];
    if (argc != 2) {
        fprintf(stderr, "usage: floor SEC_WEBSOCKET_ACCEPT\n");
        return 2;
    }
    snprintf(answer, sizeof answer, ANSWER, argv[1]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof where;
    if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, 4096)) {
        perror("floor");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&where, &length);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (state[fd]) take(fd, answer);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= MOST) { close(fd); continue; }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                state[fd] = 1;
                event.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}
