/* A disk that fails as it is told, for tests: preloaded into a daemon, between it and libc.
 *
 * The folder FAULTY_DISK holds one file per fault, named after the call and read at each
 * call: "SUFFIX ERRNO [drop] [once]" makes the call fail for paths with that suffix, and
 * "SUFFIX 0 MS" makes it wait so many milliseconds. A folder's path ends in "/" here.
 *
 * The file `keep`, with a suffix, makes each good flush of such a file remember what is in
 * it; a flush that fails with "drop" brings that back, as a kernel does that drops pages
 * it could not write. The file `name_max` holds the longest name, in bytes; with "told"
 * behind it, fpathconf says so.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, #name))

static int read_fault(const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    const char *folder = getenv("FAULTY_DISK");
    if (folder == NULL)
        return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = REAL(int, open, const char *, int, ...)(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t count = read(fd, text, size - 1);
    close(fd);
    text[count > 0 ? count : 0] = 0;
    return count > 0;
}

static int ends_with(const char *path, const char *suffix)
{
    size_t length = strlen(path), wanted = strlen(suffix);
    return length >= wanted && strcmp(path + length - wanted, suffix) == 0;
}

static void path_of(int fd, char *path)
{
    char link[64];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, path, PATH_MAX - 2);
    path[count > 0 ? count : 0] = 0;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        strcat(path, "/");
}

/* What the call is to do about this path: 0, or the errno to fail with; sleeps by itself. */
static int fault(const char *call, const char *path, int *drop)
{
    char text[1024], suffix[512], rest[256] = "";
    int number, saved = errno;
    *drop = 0;
    if (!read_fault(call, text, sizeof text) || sscanf(text, "%511s %d %255[^\n]", suffix, &number, rest) < 2
            || !ends_with(path, suffix)) {
        errno = saved;
        return 0;
    }
    if (strstr(rest, "once") != NULL) {
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%s/%s", getenv("FAULTY_DISK"), call);
        REAL(int, unlink, const char *)(name);
    }
    if (number == 0)
        usleep(1000 * atoi(rest));
    *drop = strstr(rest, "drop") != NULL;
    errno = saved;
    return number;
}

/* -- flushes -- */

static void shadow_of(int fd, char *path)
{
    struct stat status;
    fstat(fd, &status);
    snprintf(path, PATH_MAX, "%s/good.%lu", getenv("FAULTY_DISK"), (unsigned long) status.st_ino);
}

static void copy(int from, int to)
{
    char buffer[65536];
    off_t offset = 0;
    ssize_t count;
    while ((count = pread(from, buffer, sizeof buffer, offset)) > 0 && pwrite(to, buffer, count, offset) == count)
        offset += count;
    struct stat status;
    memset(buffer, 0, sizeof buffer);
    for (fstat(to, &status); offset < status.st_size; offset += count) {
        count = status.st_size - offset < (off_t) sizeof buffer ? status.st_size - offset : (off_t) sizeof buffer;
        if (pwrite(to, buffer, count, offset) != count)
            break;
    }
}

static int flush(const char *call, int (*real)(int), int fd)
{
    char path[PATH_MAX], shadow[PATH_MAX], suffix[1024], own[PATH_MAX];
    int drop, file, number, reader;
    path_of(fd, path);
    number = fault(call, path, &drop);
    int result = number ? -1 : real(fd);
    if (!read_fault("keep", suffix, sizeof suffix) || !ends_with(path, strtok(suffix, "\n")))
        drop = 0;
    else if (result == 0 || drop) {
        shadow_of(fd, shadow);
        snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
        file = REAL(int, open, const char *, int, ...)(shadow, O_RDWR | O_CREAT | (result == 0 ? O_TRUNC : 0), 0600);
        reader = REAL(int, open, const char *, int, ...)(own, O_RDWR);
        if (result == 0)
            copy(reader, file);
        else
            copy(file, reader);
        close(file);
        close(reader);
    }
    if (number)
        errno = number;
    return result;
}

int fsync(int fd)
{
    return flush("fsync", REAL(int, fsync, int), fd);
}

int fdatasync(int fd)
{
    return flush("fdatasync", REAL(int, fdatasync, int), fd);
}

/* -- names -- */

static int is_too_long(const char *path)
{
    char text[64];
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    return read_fault("name_max", text, sizeof text) && strlen(name) > (size_t) atoi(text);
}

static int refuse(const char *call, const char *path)
{
    int drop, number = is_too_long(path) ? ENAMETOOLONG : fault(call, path, &drop);
    if (number)
        errno = number;
    return number;
}

int unlink(const char *path)
{
    return refuse("unlink", path) ? -1 : REAL(int, unlink, const char *)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    return refuse("unlink", path) ? -1 : REAL(int, unlinkat, int, const char *, int)(folder, path, flags);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    return refuse("link", new) ? -1
        : REAL(int, linkat, int, const char *, int, const char *, int)(from, old, to, new, flags);
}

int renameat(int from, const char *old, int to, const char *new)
{
    return refuse("rename", new) ? -1
        : REAL(int, renameat, int, const char *, int, const char *)(from, old, to, new);
}

int openat64(int folder, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return refuse("open", path) ? -1 : REAL(int, openat64, int, const char *, int, ...)(folder, path, flags, mode);
}

int fstatat64(int folder, const char *path, struct stat64 *status, int flags)
{
    return refuse("stat", path) ? -1
        : REAL(int, fstatat64, int, const char *, struct stat64 *, int)(folder, path, status, flags);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    char path[PATH_MAX];
    int drop, number;
    path_of(fd, path);
    number = fault("write", path, &drop);
    if (number)
        errno = number;
    return number ? -1 : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, data, size, offset);
}

long fpathconf(int fd, int name)
{
    char text[64];
    if (name == _PC_NAME_MAX && read_fault("name_max", text, sizeof text) && strstr(text, "told"))
        return atoi(text);
    return REAL(long, fpathconf, int, int)(fd, name);
}
