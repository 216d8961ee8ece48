/*
 * A wall clock that somebody sets: a library to preload into a process whose time of day is to be put to the test.
 *
 * The file that $CLOCK names holds a number of milliseconds that is added to the time of day, and to nothing else: the
 * clocks that never go back go on as they do. It is read anew each time, so a test steps the clock of a running process
 * by writing the file. The machine's own clock is left alone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    return found;
}

/* Milliseconds to add; 0 when there is no file, or nothing in it. */
static long long offset_ms(void)
{
    const char *path = getenv("CLOCK");
    char text[32];
    ssize_t length;
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return 0;
    }
    length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    return atoll(text);
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    static int (*next)(clockid_t, struct timespec *);
    long long moved_ms, moved_ns;
    int failed;
    if (next == NULL) {
        *(void **)&next = real("clock_gettime");
    }
    failed = next(which, now);
    if (failed || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)) {
        return failed;
    }
    moved_ms = offset_ms(); /* once: a test may write between two looks */
    moved_ns = now->tv_nsec + moved_ms % 1000 * 1000000LL;
    now->tv_sec += moved_ms / 1000 + (moved_ns >= 1000000000LL) - (moved_ns < 0);
    now->tv_nsec = (moved_ns + 1000000000LL) % 1000000000LL;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) {
        return -1;
    }
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (where != NULL) {
        *where = exact.tv_sec;
    }
    return exact.tv_sec;
}
