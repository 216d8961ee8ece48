/*
 * A pen behind a pseudo-terminal, written from docs/protocol.md and docs/c/needlework_wire.h alone, so that it shares
 * no mistake with the simulator. Clauses of that document stand beside the code that keeps them ([S1], [A4], ...).
 *
 * Prints one line of JSON when a host may connect; ends when stdin closes or at SIGTERM. One character on stdin each:
 *   b  presses the button            c  takes the cartridge off, or puts a new one on
 *   p  presses the pedal             s  jams the motor, or frees it
 *   r  reboots: what is not volatile stays
 * It has one medium, so it never answers BUSY. Motor and depth are first-order lags.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "pen.h"

struct kept kept;
struct pen pen;

static int line_fd;
static volatile sig_atomic_t told_to_end;

void die(const char *what)
{
    fprintf(stderr, "pen: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint32_t random_u32(void) /* never 0, which means "none" for leases and tags */
{
    uint32_t value = 0;
    while (value == 0) {
        if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value && errno != EINTR) {
            die("getrandom");
        }
    }
    return value;
}

/* ---- Sending: never blocks; a frame that finds no room is lost, as on any line ---------------------------------- */

static void flush_out(void)
{
    while (pen.out_size > 0) {
        ssize_t count = write(line_fd, pen.out, pen.out_size);
        if (count <= 0) {
            return;
        }
        pen.out_size -= (size_t)count;
        memmove(pen.out, pen.out + count, pen.out_size);
    }
}

void send_frame(uint8_t kind, const uint8_t *payload, int size)
{
    uint8_t wire[NW_LINE_MAX_BYTES];
    size_t count = nw_frame_encode(kind, pen.sequence, payload, (size_t)size, wire, sizeof wire);
    if (size < 0 || count == 0) {
        abort(); /* a frame of this program's own making does not fit: a defect here */
    }
    pen.sequence++;
    if (pen.out_size + count <= OUT_BYTES) {
        memcpy(pen.out + pen.out_size, wire, count);
        pen.out_size += count;
    }
    flush_out();
}

static void boot(void)
{
    memset(&pen, 0, sizeof pen);
    nw_deframer_init(&pen.deframer);
    pen.boot_id = random_u32();
    pen.watching_retract = true; /* wherever the needles were when the power went */
    log_event(LOG_STARTED, 0);
}

static void one_millisecond(void)
{
    pen.now_ms++;
    move_parts();
    watch();
    if (pen.pressed && pen.now_ms - pen.press_ms >= DEAD_MAN_MS) {
        pen.pressed = false; /* every fresh setpoint is younger; and a wrap of pen time must not revive it */
    }
    if (pen.button_held && reached(pen.now_ms, pen.button_held_until_ms)) {
        pen.button_held = false;
    }
    if (pen.pedal_held && reached(pen.now_ms, pen.pedal_held_until_ms)) {
        pen.pedal_held = false;
    }
    if (pen.testing && reached(pen.now_ms, pen.test_ends_ms)) {
        end_self_test(NW_REFUSAL_NONE);
    }
}

static void hear_line(void)
{
    uint8_t bytes[1024];
    struct nw_frame frame;
    ssize_t count = read(line_fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count; i++) {
        if (nw_deframer_feed(&pen.deframer, bytes[i], &frame)) {
            on_frame(&frame);
        }
    }
}

static void obey(char command)
{
    switch (command) {
    case 'b': press(LOG_BUTTON); break;
    case 'p': press(LOG_PEDAL); break;
    case 'c': swap_cartridge(); break;
    case 's': kept.jammed = !kept.jammed; break;
    case 'r': boot(); tcflush(line_fd, TCIOFLUSH); break;
    default: break;
    }
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void live(void)
{
    struct pollfd commands = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t lived_until_ms = monotonic_ms();
    char typed[64];
    while (!told_to_end) {
        ssize_t typed_count = 0;
        if (poll(&commands, 1, 1) > 0) {
            typed_count = read(STDIN_FILENO, typed, sizeof typed);
            if (typed_count == 0 || (typed_count < 0 && errno != EINTR)) {
                return;
            }
        }
        /* What was pressed belongs to a millisecond whose STATUS is not yet made [T2]: begin one for it. */
        while (typed_count > 0 && lived_until_ms == monotonic_ms()) {
        }
        for (uint64_t now_ms = monotonic_ms(); lived_until_ms < now_ms;) {
            lived_until_ms++;
            one_millisecond();
            for (ssize_t i = 0; i < typed_count; i++) {
                obey(typed[i]);
            }
            typed_count = 0;
            if (lived_until_ms == now_ms) {
                hear_line(); /* after the deadline was checked up to now: bytes that waited for us extend nothing */
            }
            if (pen.connected && reached(pen.now_ms, pen.status_due_ms)) {
                pen.status_due_ms += STATUS_PERIOD_MS;
                send_status();
            }
        }
        flush_out();
    }
}

static void end_at_signal(int signal_number)
{
    (void)signal_number;
    told_to_end = 1;
}

int main(void)
{
    struct sigaction action = {.sa_handler = end_at_signal};
    struct termios raw;
    const char *path;
    int kept_open_fd;

    line_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (line_fd < 0 || grantpt(line_fd) != 0 || unlockpt(line_fd) != 0 || (path = ptsname(line_fd)) == NULL) {
        die("no pseudo-terminal");
    }
    kept_open_fd = open(path, O_RDWR | O_NOCTTY); /* without it the line hangs up whenever no host has it open */
    if (kept_open_fd < 0 || tcgetattr(kept_open_fd, &raw) != 0) {
        die(path);
    }
    cfmakeraw(&raw);
    if (tcsetattr(kept_open_fd, TCSANOW, &raw) != 0) {
        die(path);
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    assemble();
    boot();
    printf("{\"ready\": \"pen\", \"pty\": \"%s\", \"url\": \"serial://%s\", \"model\": \"" MODEL
           "\", \"serial\": \"" SERIAL "\", \"pid\": %ld}\n",
           path, path, (long)getpid());
    fflush(stdout);
    live();
    close(kept_open_fd);
    close(line_fd);
    return 0;
}
