/*
 * The least a publisher can be: MQTT 3.1.1 over a socket, QoS 1, so many messages under way at once.
 *
 * Arguments: port on loopback, messages, bytes in a payload, window. Prints the nanoseconds from the first PUBLISH to
 * the last PUBACK. Packets are sent as many together as the window has room for, which is what a buffer would do too.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "bench/floor"

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int line, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(line, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            fail("send");
        }
        bytes += sent;
        size -= (size_t)sent;
    }
}

static int connected(int port)
{
    static const unsigned char hello[] = {0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 5, 'f', 'l', 'o', 'o', 'r'};
    unsigned char answer[4];
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int on = 1, line = socket(AF_INET, SOCK_STREAM, 0);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (line < 0 || connect(line, (struct sockaddr *)&there, sizeof there) != 0) {
        fail("connect");
    }
    setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    send_all(line, hello, sizeof hello);
    if (recv(line, answer, 4, MSG_WAITALL) != 4 || answer[0] != 0x20 || answer[3] != 0) {
        fail("CONNACK");
    }
    return line;
}

/* One PUBLISH without its packet identifier filled in; where that stands goes to `id`. */
static size_t packet(unsigned char *into, size_t payload, size_t *id)
{
    size_t left = 2 + strlen(TOPIC) + 2 + payload, at = 1;
    into[0] = 0x32;
    do {
        into[at++] = (unsigned char)(left % 128 | (left >= 128 ? 128 : 0));
        left /= 128;
    } while (left > 0);
    into[at++] = 0;
    into[at++] = (unsigned char)strlen(TOPIC);
    memcpy(into + at, TOPIC, strlen(TOPIC));
    at += strlen(TOPIC);
    *id = at;
    memset(into + at + 2, 'x', payload);
    return at + 2 + payload;
}

int main(int count, char **arguments)
{
    long messages, window, sent = 0, acknowledged = 0;
    size_t payload, size, id, held = 0;
    unsigned char *packets, answers[4096];
    long long began;
    int line;
    if (count != 5) {
        return 2;
    }
    messages = atol(arguments[2]);
    payload = (size_t)atol(arguments[3]);
    window = atol(arguments[4]);
    packets = malloc((payload + 64) * (size_t)window);
    if (packets == NULL) {
        fail("malloc");
    }
    line = connected(atoi(arguments[1]));
    began = now_ns();
    while (acknowledged < messages) {
        ssize_t got;
        size = 0;
        while (sent < messages && sent - acknowledged < window) {
            size_t one = packet(packets + size, payload, &id);
            packets[size + id] = (unsigned char)((sent % 65535 + 1) >> 8);
            packets[size + id + 1] = (unsigned char)(sent % 65535 + 1);
            size += one;
            sent++;
        }
        send_all(line, packets, size);
        got = recv(line, answers + held, sizeof answers - held, 0);
        if (got <= 0) {
            fail("PUBACK");
        }
        held += (size_t)got;
        for (size_t at = 0; at + 4 <= held; at += 4) {
            if (answers[at] != 0x40) {
                fprintf(stderr, "no PUBACK: %02x\n", answers[at]);
                return 1;
            }
        }
        acknowledged += (long)(held / 4);
        memmove(answers, answers + held / 4 * 4, held % 4);
        held %= 4;
    }
    printf("%lld\n", now_ns() - began);
    return close(line);
}
