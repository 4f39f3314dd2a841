/* Kills the process at the k-th file operation below one directory, for crash tests:
 *   cc -shared -fPIC -O1 -o shim.so kill_shim.c -ldl -pthread
 *   LD_PRELOAD=shim.so KILL_BELOW=/dir KILL_AT=17 KILL_COUNT=/counter UV_USE_IO_URING=0 node ...
 * Counted are calls that change what a crash leaves: creating open, write in all its forms, ftruncate,
 * fsync, fdatasync, rename, link, unlink, mkdir. The k-th is not done, or, with KILL_TORN=1 and a
 * write, done for its first half. With KILL_ERRNO=28 nothing dies: from the k-th on each fails so, as on
 * a full disk. KILL_AT=0 only counts. The count is kept in the first eight bytes of
 * the file KILL_COUNT, which survives the kill. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *below;
static size_t below_length;
static uint64_t kill_at;
static int torn;
static int failure;
static _Atomic uint64_t local_count;
static _Atomic uint64_t *count = &local_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define NEXT(name, type) ((type)dlsym(RTLD_NEXT, name))

static void read_settings(void) {
  const char *at = getenv("KILL_AT");
  const char *path = getenv("KILL_COUNT");
  const char *number = getenv("KILL_ERRNO");
  failure = number == NULL ? 0 : atoi(number);
  torn = getenv("KILL_TORN") != NULL;
  kill_at = at == NULL ? 0 : strtoull(at, NULL, 10);
  if (path != NULL) {
    int fd = NEXT("open64", int (*)(const char *, int, ...))(path, O_RDWR | O_CREAT, 0600);
    if (fd >= 0 && NEXT("ftruncate64", int (*)(int, off64_t))(fd, 8) == 0) {
      void *page = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (page != MAP_FAILED) count = page;
      atomic_store(count, 0);
    }
    if (fd >= 0) close(fd);
  }
  below = getenv("KILL_BELOW");
  below_length = below == NULL ? 0 : strlen(below);
}

static int is_below(const char *path) {
  pthread_once(&once, read_settings);
  return below_length > 0 && path != NULL && strncmp(path, below, below_length) == 0 &&
         (path[below_length] == '/' || path[below_length] == 0);
}

static int is_fd_below(int fd) {
  char link[64];
  char path[PATH_MAX];
  pthread_once(&once, read_settings);
  if (below_length == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_below(path);
}

enum { kGoOn, kDie, kFail };

/* What is to become of an operation that counts. */
static int next_step(void) {
  uint64_t number = atomic_fetch_add(count, 1) + 1;
  if (kill_at == 0 || number < kill_at) return kGoOn;
  if (failure != 0) {
    errno = failure;
    return kFail;
  }
  return number == kill_at ? kDie : kGoOn;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Counts, dies or returns whether the operation is to fail. */
static int fails(int is_ours) {
  int step = is_ours ? next_step() : kGoOn;
  if (step == kDie) die();
  return step == kFail;
}

typedef int (*open_type)(const char *, int, ...);

#define OPEN(name)                                        \
  int name(const char *path, int flags, ...) {            \
    mode_t mode = 0;                                      \
    if (flags & O_CREAT) {                                \
      va_list rest;                                       \
      va_start(rest, flags);                              \
      mode = va_arg(rest, mode_t);                        \
      va_end(rest);                                       \
      if (fails(is_below(path))) return -1;               \
    }                                                     \
    return NEXT(#name, open_type)(path, flags, mode);     \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t size) {
  ssize_t (*next)(int, const void *, size_t) = NEXT("write", ssize_t(*)(int, const void *, size_t));
  int step = is_fd_below(fd) ? next_step() : kGoOn;
  if (step == kDie && torn) next(fd, data, size / 2);
  if (step == kDie) die();
  return step == kFail ? -1 : next(fd, data, size);
}

#define PWRITE(name)                                                \
  ssize_t name(int fd, const void *data, size_t size, off64_t at) { \
    ssize_t (*next)(int, const void *, size_t, off64_t) =           \
        NEXT(#name, ssize_t(*)(int, const void *, size_t, off64_t)); \
    int step = is_fd_below(fd) ? next_step() : kGoOn;               \
    if (step == kDie && torn) next(fd, data, size / 2, at);         \
    if (step == kDie) die();                                        \
    return step == kFail ? -1 : next(fd, data, size, at);           \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FD_CALL(name, result, parameters, arguments)  \
  result name parameters {                            \
    if (fails(is_fd_below(fd))) return -1;            \
    return NEXT(#name, result(*) parameters)arguments; \
  }
FD_CALL(writev, ssize_t, (int fd, const struct iovec *parts, int n), (fd, parts, n))
FD_CALL(pwritev, ssize_t, (int fd, const struct iovec *parts, int n, off64_t at), (fd, parts, n, at))
FD_CALL(pwritev64, ssize_t, (int fd, const struct iovec *parts, int n, off64_t at),
        (fd, parts, n, at))
FD_CALL(ftruncate, int, (int fd, off64_t size), (fd, size))
FD_CALL(ftruncate64, int, (int fd, off64_t size), (fd, size))
FD_CALL(fsync, int, (int fd), (fd))
FD_CALL(fdatasync, int, (int fd), (fd))

#define PATH_CALL(name, parameters, arguments)      \
  int name parameters {                             \
    if (fails(is_below(path))) return -1;           \
    return NEXT(#name, int(*) parameters)arguments; \
  }
PATH_CALL(rename, (const char *from, const char *path), (from, path))
PATH_CALL(link, (const char *from, const char *path), (from, path))
PATH_CALL(unlink, (const char *path), (path))
PATH_CALL(mkdir, (const char *path, mode_t mode), (path, mode))
