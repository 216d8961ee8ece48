/*
 * What a power cut leaves of a file: a library to preload into a process whose disk is to be put to the test.
 *
 * `kill -9` takes a process and leaves the system's page cache, so a program that never syncs loses nothing by it. This
 * library keeps, beside each file below the folder $POWERCUT, a second one with ".synced" behind its name, which gets
 * what was written only when the file is synced: the least that a disk may hold after its power was cut. Whoever kills
 * the process puts the second files in place of the first and sees what is left of what was promised.
 *
 * Names and lengths of files are taken to be on the disk at once, contents never before fsync or fdatasync.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 64
#define RANGES 4096

struct range {
    off_t from, size;
};

struct file {
    dev_t device;
    ino_t inode;
    int shadow; /* descriptor of the second file */
    int whole;  /* what is written anew cannot be told from what is not: copy everything at the next sync */
    size_t count;
    struct range ranges[RANGES];
};

static struct file files[FILES];
static size_t known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    return found;
}

/* The entry of an open file, made when absent; NULL when it is none of ours. The lock is held. */
static struct file *entry_of(int descriptor)
{
    static const char *folder;
    struct stat about;
    char link[64], path[PATH_MAX], shadow[PATH_MAX + 8];
    ssize_t length;
    struct file *found;
    if (folder == NULL) {
        folder = getenv("POWERCUT");
    }
    if (folder == NULL || fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
        return NULL;
    }
    for (size_t at = 0; at < known; at++) {
        if (files[at].device == about.st_dev && files[at].inode == about.st_ino) {
            return &files[at];
        }
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || strncmp(path, folder, strlen(folder)) != 0) {
        return NULL;
    }
    path[length] = 0;
    if (strstr(path, ".synced") != NULL || strstr(path, "-shm") != NULL || known == FILES) {
        return NULL;
    }
    snprintf(shadow, sizeof shadow, "%s.synced", path);
    found = &files[known];
    found->shadow = open(shadow, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (found->shadow < 0) {
        return NULL;
    }
    found->device = about.st_dev;
    found->inode = about.st_ino;
    found->whole = 1; /* what an earlier process wrote and did not sync is synced with ours */
    found->count = 0;
    known++;
    return found;
}

static void note(int descriptor, off_t from, ssize_t size)
{
    struct file *file;
    if (size <= 0) {
        return;
    }
    pthread_mutex_lock(&lock);
    file = entry_of(descriptor);
    if (file != NULL && !file->whole) {
        if (file->count == RANGES) {
            file->whole = 1;
        } else {
            file->ranges[file->count].from = from;
            file->ranges[file->count].size = size;
            file->count++;
        }
    }
    pthread_mutex_unlock(&lock);
}

typedef ssize_t (*pwrite_type)(int, const void *, size_t, off_t);

static void copy(int descriptor, int shadow, off_t from, off_t size)
{
    static pwrite_type put;
    char block[65536];
    if (put == NULL) {
        *(void **)&put = real("pwrite64");
    }
    while (size > 0) {
        ssize_t got = pread(descriptor, block, size < (off_t)sizeof block ? (size_t)size : sizeof block, from);
        if (got <= 0) {
            return;
        }
        if (put(shadow, block, (size_t)got, from) != got) {
            abort();
        }
        from += got;
        size -= got;
    }
}

static void sync_shadow(int descriptor)
{
    struct file *file;
    struct stat about;
    pthread_mutex_lock(&lock);
    file = entry_of(descriptor);
    if (file != NULL && fstat(descriptor, &about) == 0) {
        if (file->whole) {
            copy(descriptor, file->shadow, 0, about.st_size);
        }
        for (size_t at = 0; at < file->count && !file->whole; at++) {
            copy(descriptor, file->shadow, file->ranges[at].from, file->ranges[at].size);
        }
        if (ftruncate(file->shadow, about.st_size) != 0) {
            abort();
        }
        file->whole = 0;
        file->count = 0;
    }
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t from)
{
    static pwrite_type next;
    ssize_t done;
    if (next == NULL) {
        *(void **)&next = real("pwrite64");
    }
    done = next(descriptor, bytes, size, from);
    note(descriptor, from, done);
    return done;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t from)
{
    return pwrite64(descriptor, bytes, size, from);
}

ssize_t write(int descriptor, const void *bytes, size_t size)
{
    static ssize_t (*next)(int, const void *, size_t);
    off_t from;
    ssize_t done;
    int kept;
    if (next == NULL) {
        *(void **)&next = real("write");
    }
    done = next(descriptor, bytes, size);
    kept = errno;
    from = done > 0 ? lseek(descriptor, 0, SEEK_CUR) - done : -1;
    if (from >= 0) { /* a pipe and a socket have no place to write to */
        note(descriptor, from, done);
    }
    errno = kept;
    return done;
}

int fdatasync(int descriptor)
{
    static int (*next)(int);
    int failed;
    if (next == NULL) {
        *(void **)&next = real("fdatasync");
    }
    failed = next(descriptor);
    if (!failed) {
        sync_shadow(descriptor);
    }
    return failed;
}

int fsync(int descriptor)
{
    static int (*next)(int);
    int failed;
    if (next == NULL) {
        *(void **)&next = real("fsync");
    }
    failed = next(descriptor);
    if (!failed) {
        sync_shadow(descriptor);
    }
    return failed;
}

/* A file that goes takes its second one along, and its number in the file system may be given to another. */
static void forget(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return;
    }
    pthread_mutex_lock(&lock);
    for (size_t at = 0; at < known; at++) {
        if (files[at].device == about.st_dev && files[at].inode == about.st_ino) {
            close(files[at].shadow);
            files[at] = files[--known];
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

int unlink(const char *path)
{
    static int (*next)(const char *);
    char shadow[PATH_MAX + 8];
    const char *folder = getenv("POWERCUT");
    if (next == NULL) {
        *(void **)&next = real("unlink");
    }
    if (folder != NULL && strncmp(path, folder, strlen(folder)) == 0) {
        forget(path);
        snprintf(shadow, sizeof shadow, "%s.synced", path);
        next(shadow); /* where there is none, nothing is to be done */
    }
    return next(path);
}
