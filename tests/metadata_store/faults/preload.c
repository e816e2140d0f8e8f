/* Faults between a process and the C library: compiled by preloaded.py, put in by LD_PRELOAD, armed through ctypes.
 *
 * Calls on paths below a root are counted, logged, and made to fail as planned. The numbers of operations and actions
 * are the positions in plans.py. Before faults_arm() nothing happens. One thread at a time is supposed to write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN, WRITE, FSYNC, FDATASYNC, LINK, RENAME, UNLINK, MKDIR, RMDIR, FTRUNCATE, READ, CLOSE };
enum { NONE, KILL_BEFORE, KILL_HALF, KILL_AFTER, FAIL, FAIL_AFTER, SHORT };
static const char *const NAMES[] = {"open",  "write", "fsync", "fdatasync", "link", "rename",
                                    "unlink", "mkdir", "rmdir", "ftruncate", "read", "close"};

static char root[PATH_MAX], part[PATH_MAX];
static unsigned mask;
static long nth, times, count, byte_meant;
static int action, error_number, log_fd = -1, armed;

void faults_arm(const char *root_, const char *part_, unsigned mask_, long nth_, long times_, int action_, int error_,
                int log_, long byte_) {
    snprintf(root, sizeof root, "%s", root_);
    snprintf(part, sizeof part, "%s", part_);
    mask = mask_, nth = nth_, times = times_, action = action_, error_number = error_, log_fd = log_, byte_meant = byte_, count = 0;
    armed = 1;
}

void faults_disarm(void) { armed = 0; }

static void die(void) { syscall(SYS_kill, syscall(SYS_getpid), SIGKILL); }

static int below(const char *path) {
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0);
}

/* The path of a call, absolute; 0 if it is not below the root. */
static int by_name(int folder, const char *name, char *path) {
    char start[PATH_MAX] = "";
    if (!armed || !name) return 0;
    if (name[0] != '/') {
        char link[64];
        ssize_t n;
        if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        n = readlink(link, start, sizeof start - 2);
        if (n < 0) return 0;
        start[n] = '/', start[n + 1] = 0;
    }
    if (snprintf(path, PATH_MAX, "%s%s", start, name) >= PATH_MAX) return 0;
    return below(path);
}

static int by_descriptor(int fd, char *path) {
    char link[64];
    ssize_t n;
    if (!armed || fd == log_fd) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return below(path);
}

static void note(int op, int fd, const char *path, long long size, int error) {
    char line[PATH_MAX + 128];
    int n;
    if (log_fd < 0) return;
    n = snprintf(line, sizeof line, "%s\t%d\t%lld\t%d\t%s\n", NAMES[op], fd, size, error, path);
    syscall(SYS_write, log_fd, line, (size_t)n);
}

/* What happens to this call: NONE, or the planned action. Kills before the call happen here. */
static int fate(int op, int fd, const char *path) {
    int hit;
    if (!(mask >> op & 1) || (part[0] && !strstr(path, part))) return NONE;
    count++;
    hit = nth > 0 && count >= nth && (times == 0 || count < nth + times) ? action : NONE;
    if (hit == KILL_BEFORE || (hit == KILL_HALF && op != WRITE)) {
        note(op, fd, path, 0, -1);
        die();
    }
    return hit;
}

#define REAL(type, name, ...)                                        \
    static type (*real)(__VA_ARGS__);                                \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A call that returns 0 or -1. */
#define PLAIN(op, fd, path, call)                                                            \
    do {                                                                                     \
        int hit = fate(op, fd, path), result, error;                                         \
        if (hit == FAIL) {                                                                   \
            note(op, fd, path, 0, error_number);                                             \
            errno = error_number;                                                            \
            return -1;                                                                       \
        }                                                                                    \
        result = call, error = result < 0 ? errno : 0;                                       \
        if (hit == FAIL_AFTER && result >= 0) result = -1, error = error_number;             \
        note(op, fd, path, 0, error);                                                        \
        if (hit == KILL_AFTER) die();                                                        \
        errno = error;                                                                       \
        return result;                                                                       \
    } while (0)

/* A call that moves bytes and returns how many. */
#define MOVING(op, fd, path, wanted, call)                                                   \
    do {                                                                                     \
        int hit = fate(op, fd, path), error;                                                 \
        size_t some = wanted;                                                                \
        ssize_t result;                                                                      \
        if (hit == FAIL) {                                                                   \
            note(op, fd, path, 0, error_number);                                             \
            errno = error_number;                                                            \
            return -1;                                                                       \
        }                                                                                    \
        if ((hit == SHORT || hit == KILL_HALF) && some > 1) some /= 2;                       \
        result = call, error = result < 0 ? errno : 0;                                       \
        if (hit == FAIL_AFTER && result >= 0) result = -1, error = error_number;             \
        note(op, fd, path, result, error);                                                   \
        if (hit == KILL_AFTER || hit == KILL_HALF) die();                                    \
        errno = error;                                                                       \
        return result;                                                                       \
    } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    REAL(ssize_t, write, int, const void *, size_t);
    if (!by_descriptor(fd, path)) return real(fd, data, size);
    MOVING(WRITE, fd, path, size, real(fd, data, some));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    char path[PATH_MAX];
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    if (!by_descriptor(fd, path)) return real(fd, data, size, at);
    MOVING(WRITE, fd, path, size, real(fd, data, some, at));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

ssize_t writev(int fd, const struct iovec *parts, int n) {
    char path[PATH_MAX];
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (!by_descriptor(fd, path)) return real(fd, parts, n);
    MOVING(WRITE, fd, path, (size_t)n, real(fd, parts, (int)some));
}

/* Whether a read is one that the fault is about. */
static int meant(int fd, char *path, off64_t at, size_t size) {
    if (!(mask >> READ & 1) || !by_descriptor(fd, path)) return 0;
    return byte_meant < 0 || (at <= byte_meant && byte_meant < at + (off64_t)size);
}

ssize_t read(int fd, void *data, size_t size) {
    char path[PATH_MAX];
    REAL(ssize_t, read, int, void *, size_t);
    if (!meant(fd, path, lseek64(fd, 0, SEEK_CUR), size)) return real(fd, data, size);
    MOVING(READ, fd, path, size, real(fd, data, some));
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    char path[PATH_MAX];
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    if (!meant(fd, path, at, size)) return real(fd, data, size, at);
    MOVING(READ, fd, path, size, real(fd, data, some, at));
}

ssize_t pread(int fd, void *data, size_t size, off_t at) { return pread64(fd, data, size, at); }

int fsync(int fd) {
    char path[PATH_MAX];
    REAL(int, fsync, int);
    if (!by_descriptor(fd, path)) return real(fd);
    PLAIN(FSYNC, fd, path, real(fd));
}

int fdatasync(int fd) {
    char path[PATH_MAX];
    REAL(int, fdatasync, int);
    if (!by_descriptor(fd, path)) return real(fd);
    PLAIN(FDATASYNC, fd, path, real(fd));
}

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    REAL(int, ftruncate64, int, off64_t);
    if (!by_descriptor(fd, path)) return real(fd, size);
    PLAIN(FTRUNCATE, fd, path, real(fd, size));
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int close(int fd) {
    char path[PATH_MAX];
    REAL(int, close, int);
    if (!by_descriptor(fd, path)) return real(fd);
    PLAIN(CLOSE, fd, path, real(fd));
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char path[PATH_MAX];
    REAL(int, linkat, int, const char *, int, const char *, int);
    if (!by_name(to, new, path)) return real(from, old, to, new, flags);
    PLAIN(LINK, -1, path, real(from, old, to, new, flags));
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int renameat(int from, const char *old, int to, const char *new) {
    char path[PATH_MAX];
    REAL(int, renameat, int, const char *, int, const char *);
    if (!by_name(to, new, path)) return real(from, old, to, new);
    PLAIN(RENAME, -1, path, real(from, old, to, new));
}

int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    REAL(int, unlinkat, int, const char *, int);
    if (!by_name(folder, name, path)) return real(folder, name, flags);
    PLAIN(flags & AT_REMOVEDIR ? RMDIR : UNLINK, -1, path, real(folder, name, flags));
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    REAL(int, mkdirat, int, const char *, mode_t);
    if (!by_name(folder, name, path)) return real(folder, name, mode);
    PLAIN(MKDIR, -1, path, real(folder, name, mode));
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* An open that may make or empty a file is an effect; others are only logged. */
static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int hit = NONE, fd, error;
    REAL(int, openat64, int, const char *, int, ...);
    if (!by_name(folder, name, path)) return real(folder, name, flags, mode);
    if (flags & (O_CREAT | O_TRUNC)) hit = fate(OPEN, -1, path);
    if (hit == FAIL) {
        note(OPEN, -1, path, 0, error_number);
        errno = error_number;
        return -1;
    }
    fd = real(folder, name, flags, mode), error = fd < 0 ? errno : 0;
    note(OPEN, fd, path, flags & (O_CREAT | O_TRUNC) ? 1 : 0, error);
    if (hit == KILL_AFTER) die();
    errno = error;
    return fd;
}

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }

#define OPENING(folder)                    \
    va_list more;                          \
    mode_t mode;                           \
    va_start(more, flags);                 \
    mode = mode_of(flags, more);           \
    va_end(more);                          \
    return opened(folder, name, flags, mode)

int open(const char *name, int flags, ...) { OPENING(AT_FDCWD); }
int open64(const char *name, int flags, ...) { OPENING(AT_FDCWD); }
int openat(int folder, const char *name, int flags, ...) { OPENING(folder); }
int openat64(int folder, const char *name, int flags, ...) { OPENING(folder); }
