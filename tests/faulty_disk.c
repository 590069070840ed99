/* A disk that fails as it is told, for tests: preloaded into a daemon, between it and libc.
 *
 * The folder FAULTY_DISK holds one file per fault, named after the call and read at each
 * call: "SUFFIX ERRNO [drop] [once]" makes the call fail for paths with that suffix, and
 * "SUFFIX 0 MS" makes it wait so many milliseconds. A folder's path ends in "/" here.
 *
 * The file `keep`, with a suffix, makes each good flush of such a file remember what is in
 * it; a flush or a write that fails with "drop" brings that back, as a kernel does that
 * drops pages it could not write. The file `name_max` holds the longest name, in bytes; with "told"
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
    if (number == 0) {
        char busy[PATH_MAX];
        snprintf(busy, sizeof busy, "%s/busy", getenv("FAULTY_DISK"));
        close(REAL(int, open, const char *, int, ...)(busy, O_WRONLY | O_CREAT, 0600));
        usleep(1000 * atoi(rest));
        REAL(int, unlink, const char *)(busy);
    }
    *drop = strstr(rest, "drop") != NULL;
    errno = saved;
    return number;
}

/* -- flushes -- */

static void copy(int from, int to)
{
    char buffer[65536];
    off_t offset = 0;
    ssize_t count;
    struct stat status;
    while ((count = pread(from, buffer, sizeof buffer, offset)) > 0
            && REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(to, buffer, count, offset) == count)
        offset += count;
    memset(buffer, 0, sizeof buffer);
    for (fstat(to, &status); offset < status.st_size; offset += count) {
        count = status.st_size - offset < (off_t) sizeof buffer ? status.st_size - offset : (off_t) sizeof buffer;
        if (REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(to, buffer, count, offset) != count)
            break;
    }
}

/* Remember what is in the file, or bring back what was remembered. */
static void keep(int fd, const char *path, int bring_back)
{
    char shadow[PATH_MAX], suffix[1024], own[PATH_MAX];
    struct stat status;
    if (!read_fault("keep", suffix, sizeof suffix) || !ends_with(path, strtok(suffix, "\n")))
        return;
    fstat(fd, &status);
    snprintf(shadow, sizeof shadow, "%s/good.%lu", getenv("FAULTY_DISK"), (unsigned long) status.st_ino);
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    int file = REAL(int, open, const char *, int, ...)(shadow, O_RDWR | O_CREAT | (bring_back ? 0 : O_TRUNC), 0600);
    int reader = REAL(int, open, const char *, int, ...)(own, O_RDWR);
    if (bring_back)
        copy(file, reader);
    else
        copy(reader, file);
    close(file);
    close(reader);
}

static int flush(const char *call, int (*real)(int), int fd)
{
    char path[PATH_MAX];
    int drop, number, result;
    path_of(fd, path);
    number = fault(call, path, &drop);
    result = number ? -1 : real(fd);
    if (result == 0 || drop)
        keep(fd, path, drop);
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

/* -- bytes -- */

static int refuse_write(int fd)
{
    char path[PATH_MAX];
    int drop, number;
    path_of(fd, path);
    number = fault("write", path, &drop);
    if (drop)
        keep(fd, path, 1);
    if (number)
        errno = number;
    return number;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return refuse_write(fd) ? -1
        : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, data, size, offset);
}

ssize_t splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned flags)
{
    return to_offset != NULL && refuse_write(to) ? -1
        : REAL(ssize_t, splice, int, off64_t *, int, off64_t *, size_t, unsigned)(
            from, from_offset, to, to_offset, size, flags);
}

long fpathconf(int fd, int name)
{
    char text[64];
    if (name == _PC_NAME_MAX && read_fault("name_max", text, sizeof text) && strstr(text, "told"))
        return atoi(text);
    return REAL(long, fpathconf, int, int)(fd, name);
}
