/*
 * The floor under a journal: rows appended to a file, fdatasync after every group of them.
 *
 * Arguments: file, rows, rows in a group, bytes in a row. Prints the nanoseconds it took, opening and closing left out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **arguments)
{
    long rows, group;
    size_t size;
    char *block;
    int file;
    long long began;
    if (count != 5) {
        return 2;
    }
    rows = atol(arguments[2]);
    group = atol(arguments[3]);
    size = (size_t)(group * atol(arguments[4]));
    block = malloc(size);
    file = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (block == NULL || file < 0) {
        perror(arguments[1]);
        return 1;
    }
    memset(block, 'x', size);
    began = now_ns();
    for (long done = 0; done < rows; done += group) {
        if (write(file, block, size) != (ssize_t)size || fdatasync(file) != 0) {
            perror(arguments[1]);
            return 1;
        }
    }
    printf("%lld\n", now_ns() - began);
    return close(file);
}
