/* The readers of the saturation benchmark, and their publisher: one thread, faster than any server that feeds it.
 *
 *   cc -O2 -o readers readers.c && ./readers DIALECT PORT PATH READERS WINDOW BYTES SECONDS
 *
 * DIALECT is plumbline, nats or broadcast (a server that sends every message to all its clients, the sender too). The
 * publisher keeps WINDOW messages on their way, as the slowest reader of all sees it. A message is its number in twelve
 * digits and as many x as BYTES asks for; each reader checks that every message has that size and is the one after its
 * last. "began" is printed when the warm-up is over, "ended" when the time is; the last line is the account, in JSON.
 */
#define _GNU_SOURCE
#include "wire.h"
#include <inttypes.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define CONNECT "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n"
enum { CHUNK = 1 << 18, DIGITS = 12, EVENTS = 256, WARM_S = 1, PATIENCE_S = 20, MOST_WINDOW = 1 << 14 };
enum dialect { PLUMBLINE, NATS, BROADCAST };

struct reader {
    int fd;
    int ready;                  /* its subscription stands */
    uint64_t last;              /* number of the last message; they begin with 1 */
    uint64_t missing, repeated; /* messages skipped, and messages that came again or too late */
    unsigned char *half;        /* the beginning of a frame whose end has not come */
    size_t half_size;
    char *line;                 /* nats: the beginning of a message whose end has not come */
    size_t line_size;
};

static enum dialect dialect;
static struct reader *readers;
static int poll, count, publisher, ready;
static size_t bytes;
static uint64_t window, published, complete, deliveries;
static uint32_t reached[MOST_WINDOW]; /* how many readers have a message that is on its way */
static unsigned char chunk[2 * CHUNK + (1 << 20)];

static double clock_s(clockid_t which) {
    struct timespec at;
    clock_gettime(which, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static double now(void) { return clock_s(CLOCK_MONOTONIC); }
static double cpu(void) { return clock_s(CLOCK_PROCESS_CPUTIME_ID); }

static void message(struct reader *one, const char *data, size_t size) {
    uint64_t number = 0;
    if (size != bytes || data[size - 1] != 'x') fail("a message is not as it was sent");
    for (int i = 0; i < DIGITS; i++) number = number * 10 + (uint64_t)(data[i] - '0');
    if (number <= one->last || number > published) {
        one->repeated++;
        return;
    }
    one->missing += number - one->last - 1;
    for (uint64_t each = one->last + 1; each <= number; each++) /* what was lost must not hold the publisher */
        reached[each % MOST_WINDOW]++;
    one->last = number;
    deliveries++;
}

static void subscribed(struct reader *one) {
    if (!one->ready) ready++;
    one->ready = 1;
}

/* nats: whole operations; returns what is used of them. */
static size_t operations(struct reader *one, const char *text, size_t size) {
    size_t at = 0;
    for (;;) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        if (!end) return at;
        size_t next = (size_t)(end - text) + 1;
        if (!memcmp(line, "MSG ", 4)) {
            const char *space = end - 1;
            while (space[-1] != ' ') space--;
            size_t length = strtoul(space, NULL, 10);
            if (next + length + 2 > size) return at;
            message(one, text + next, length);
            next += length + 2;
        } else if (!memcmp(line, "PONG", 4)) {
            subscribed(one);
        } else if (!memcmp(line, "PING", 4)) {
            tell(one->fd, 2, "PONG\r\n", 6);
        } else if (!memcmp(line, "-ERR", 4)) {
            fail(line);
        }
        at = next;
    }
}

static void nats(struct reader *one, const char *payload, size_t size) {
    if (!one->line_size) {
        size_t used = operations(one, payload, size);
        if (used == size) return;
        payload += used;
        size -= used;
    }
    one->line = realloc(one->line, one->line_size + size);
    memcpy(one->line + one->line_size, payload, size);
    one->line_size += size;
    size_t used = operations(one, one->line, one->line_size);
    memmove(one->line, one->line + used, one->line_size -= used);
}

static void text(struct reader *one, const char *payload, size_t size) {
    if (dialect == NATS) {
        nats(one, payload, size);
    } else if (dialect == BROADCAST) {
        message(one, payload, size);
    } else if (!memcmp(payload, "{\"channel\"", 10)) { /* {"channel":"all","offset":1,"data":"…"} */
        if (size < bytes + 3 || memcmp(payload + size - 2, "\"}", 2) || payload[size - bytes - 3] != '"')
            fail("a message is not as it was sent");
        message(one, payload + size - 2 - bytes, bytes);
    } else if (memmem(payload, size, "\"ok\":true", 9)) {
        subscribed(one);
    } else {
        fail("the gateway refuses");
    }
}

/* Whole frames; returns what is used of them. */
static size_t frames(struct reader *one, unsigned char *in, size_t size) {
    size_t at = 0;
    while (at + 2 <= size) {
        size_t length = in[at + 1] & 0x7f, start = at + 2;
        if (length == 126) {
            if (at + 4 > size) break;
            length = (size_t)in[at + 2] << 8 | in[at + 3];
            start = at + 4;
        } else if (length == 127) {
            if (at + 10 > size) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | in[at + (size_t)i];
            start = at + 10;
        }
        if (start + length > size) break;
        int opcode = in[at] & 0xf;
        if (opcode == 8) fail("the server closed a connection");
        if (opcode == 9) tell(one->fd, 10, (char *)in + start, length);
        if (opcode < 8) text(one, (char *)in + start, length);
        at = start + length;
    }
    return at;
}

static void take(struct reader *one) {
    memcpy(chunk, one->half, one->half_size);
    ssize_t got = recv(one->fd, chunk + one->half_size, CHUNK, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) fail("a connection is gone");
    size_t size = one->half_size + (size_t)got, used = frames(one, chunk, size);
    one->half_size = size - used;
    if (one->half_size > 1 << 20) fail("a frame is too long");
    if (one->half_size) {
        one->half = realloc(one->half, one->half_size);
        memcpy(one->half, chunk + used, one->half_size);
    }
}

static void advance(void) {
    while (complete < published && reached[(complete + 1) % MOST_WINDOW] == (uint32_t)count)
        reached[++complete % MOST_WINDOW] = 0;
}

static void publish(void) {
    static unsigned char out[MOST_WINDOW * 320];
    char data[4096];
    size_t filled = 0;
    advance();
    while (published < complete + window) {
        int head = dialect == PLUMBLINE ? sprintf(data, "{\"publish\":\"all\",\"data\":\"")
                   : dialect == NATS    ? sprintf(data, "PUB all %zu\r\n", bytes)
                                        : 0;
        size_t size = (size_t)head;
        sprintf(data + size, "%0*llu", DIGITS, (unsigned long long)++published);
        memset(data + size + DIGITS, 'x', bytes - DIGITS);
        size += bytes;
        if (dialect == PLUMBLINE) memcpy(data + size, "\"}", 2), size += 2;
        if (dialect == NATS) memcpy(data + size, "\r\n", 2), size += 2;
        filled += frame(out + filled, dialect == NATS ? 2 : 1, data, size);
    }
    if (filled) say(publisher, out, filled);
}

static void subscribe(struct reader *one) {
    static const char hello[] = CONNECT "SUB all 1\r\nPING\r\n";
    static const char wish[] = "{\"id\":1,\"subscribe\":\"all\"}";
    if (dialect == NATS) tell(one->fd, 2, hello, sizeof hello - 1);
    if (dialect == PLUMBLINE) tell(one->fd, 1, wish, sizeof wish - 1);
    if (dialect == BROADCAST) subscribed(one);
}

static void turn(void) {
    struct epoll_event events[EVENTS];
    int here = epoll_wait(poll, events, EVENTS, 100);
    for (int i = 0; i < here; i++) take(events[i].data.ptr);
}

static void listen_to(struct reader *one) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    epoll_ctl(poll, EPOLL_CTL_ADD, one->fd, &event);
}

static void speak(double until) {
    while (now() < until) {
        turn();
        publish();
    }
}

static void account(double seconds, double cpu_s, uint64_t measured) {
    uint64_t lost = 0, repeated = 0;
    for (int i = 0; i < count; i++) {
        lost += readers[i].missing + published - readers[i].last;
        repeated += readers[i].repeated;
    }
    printf("{\"seconds\": %.6f, \"cpu_s\": %.6f, \"deliveries\": %" PRIu64 ", \"published\": %" PRIu64
           ", \"delivered\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"repeated\": %" PRIu64 "}\n",
           seconds, cpu_s, measured, published, deliveries, lost, repeated);
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: readers plumbline|nats|broadcast PORT PATH READERS WINDOW BYTES SECONDS\n");
        return 2;
    }
    dialect = argv[1][0] == 'p' ? PLUMBLINE : argv[1][0] == 'n' ? NATS : BROADCAST;
    count = atoi(argv[4]);
    window = strtoul(argv[5], NULL, 10);
    bytes = strtoul(argv[6], NULL, 10);
    if (count < 1 || window < 1 || window >= MOST_WINDOW || bytes <= DIGITS || bytes > 256) fail("out of range");
    poll = epoll_create1(0);
    readers = calloc((size_t)count, sizeof *readers);
    for (int i = 0; i < count; i++) {
        readers[i].fd = opened(atoi(argv[2]), argv[3]);
        listen_to(&readers[i]);
        subscribe(&readers[i]);
    }
    for (double end = now() + PATIENCE_S; ready < count && now() < end;) turn();
    errno = 0;
    if (ready < count) fail("not all subscriptions stand");
    /* A server that sends everything to all would send to the publisher too: there, the first reader is it. */
    struct reader speaker = {.fd = dialect == BROADCAST ? readers[0].fd : opened(atoi(argv[2]), argv[3])};
    publisher = speaker.fd;
    if (dialect == NATS) tell(publisher, 2, CONNECT, sizeof CONNECT - 1);
    if (dialect != BROADCAST) listen_to(&speaker);
    speak(now() + WARM_S);
    puts("began");
    fflush(stdout);
    double began = now(), spent = cpu();
    uint64_t before = deliveries;
    speak(began + atof(argv[7]));
    double seconds = now() - began, cpu_s = cpu() - spent;
    uint64_t measured = deliveries - before;
    puts("ended");
    fflush(stdout);
    for (double end = now() + PATIENCE_S; complete < published && now() < end; advance()) turn();
    account(seconds, cpu_s, measured);
    return 0;
}
