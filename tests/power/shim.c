/* Stands between a process and the kernel: records what it asks of a folder, fails calls there, or ends it there.
 *
 * SHIM_FOLDER  the folder watched (absolute); files that end in "-shm" are left alone, SQLite makes them anew.
 * SHIM_LOG     where to record; absent: nothing is recorded. Socket bytes are recorded before they leave.
 * SHIM_CONTROL a file of 64-bit words (enum below), mapped shared: another process arms a fault while this one runs.
 *
 * A record: op (1 byte), 3 zero bytes, length of the name (u32), offset (i64), length of the data (u64), name, data.
 * op: C created, W written, T truncated to offset, S file synced, D folder synced, U unlinked, R renamed (data: new name),
 *     M folder made, K bytes handed to a socket (offset: descriptor).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, SOCKET_BYTES = 4096, PATH_BYTES = 4096 };
enum word {
  FAIL_WRITE_AT, /* the nth write from now fails; 0: none */
  FAIL_WRITE_ERRNO,
  FAIL_SYNC_AT,
  FAIL_SYNC_ERRNO,
  FAIL_STAYS, /* 1: and all that come after */
  FAIL_FILE,  /* 0: any file; else 1 + WAL, DATABASE or OTHER */
  KILL_SITE,  /* 1 + 2 * (file * 2 + kind) + when, as KILL below; 0: none */
  KILL_AT,
  KILL_COUNT,
  FIRED, /* how many faults were injected */
  WRITES,
  SYNCS,
  WORDS
};
enum { WAL, DATABASE, OTHER };
enum { WRITE, SYNC };

static const char *folder;
static size_t folder_length;
static int log_to = -1;
static volatile int64_t *control;
static int64_t nothing[WORDS];
static struct watched { char *name; int is_folder, file; } watched[DESCRIPTORS];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...)                       \
  static result (*real)(__VA_ARGS__);                 \
  if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
  const char *path;
  control = nothing;
  if ((folder = getenv("SHIM_FOLDER"))) folder_length = strlen(folder);
  if ((path = getenv("SHIM_LOG"))) log_to = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if ((path = getenv("SHIM_CONTROL"))) {
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd >= 0) {
      void *map = mmap(NULL, sizeof nothing, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (map != MAP_FAILED) control = map;
      syscall(SYS_close, fd);
    }
  }
}

static void record(char op, const char *name, int64_t offset, uint64_t length, const void *data) {
  if (log_to < 0) return;
  int saved = errno;
  struct __attribute__((packed)) { char op, zero[3]; uint32_t name; int64_t offset; uint64_t data; } head =
      {op, {0, 0, 0}, (uint32_t)strlen(name), offset, length};
  struct iovec parts[3] = {{&head, sizeof head}, {(void *)name, head.name}, {(void *)data, length}};
  pthread_mutex_lock(&guard);
  syscall(SYS_writev, log_to, parts, 3);
  pthread_mutex_unlock(&guard);
  errno = saved;
}

static const char *within(const char *path) {
  if (!folder || !path || strncmp(path, folder, folder_length)) return NULL;
  if (path[folder_length] && path[folder_length] != '/') return NULL;
  const char *rest = path[folder_length] ? path + folder_length + 1 : ".";
  size_t length = strlen(rest);
  return length > 4 && !strcmp(rest + length - 4, "-shm") ? NULL : rest;
}

static int ends(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && !strcmp(text + a - b, end);
}

static int opened(int fd, const char *path, int flags, int fresh) {
  if (fd < 0 || fd >= DESCRIPTORS) return fd;
  struct watched *one = &watched[fd];
  free(one->name);
  one->name = NULL;
  const char *name = within(path);
  if (!name) return fd;
  struct stat found;
  one->is_folder = !fstat(fd, &found) && S_ISDIR(found.st_mode);
  one->file = ends(name, ".db-wal") ? WAL : ends(name, ".db") ? DATABASE : OTHER;
  one->name = strdup(name);
  if (!one->is_folder && fresh) record('C', name, 0, 0, NULL);
  if (!one->is_folder && !fresh && (flags & O_TRUNC)) record('T', name, 0, 0, NULL);
  return fd;
}

static const char *name_of(int fd) { return fd >= 0 && fd < DESCRIPTORS ? watched[fd].name : NULL; }

static void kill_at(int fd, int kind, int after) {
  if (!control[KILL_SITE] || watched[fd].file == OTHER) return;
  if (control[KILL_SITE] != 1 + 2 * (watched[fd].file * 2 + kind) + after) return;
  if (__sync_add_and_fetch(&control[KILL_COUNT], 1) != control[KILL_AT]) return;
  control[FIRED]++;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int fails(int fd, int at, int code) {
  if (!control[at]) return 0;
  if (control[FAIL_FILE] && control[FAIL_FILE] != 1 + watched[fd].file) return 0;
  int64_t left = control[at] > 1 ? __sync_sub_and_fetch(&control[at], 1) : 0;
  if (left) return 0;
  if (!control[FAIL_STAYS]) control[at] = 0;
  control[FIRED]++;
  errno = (int)control[code];
  return 1;
}

static int write_fails(int fd) {
  if (!name_of(fd)) return 0;
  __sync_add_and_fetch(&control[WRITES], 1);
  if (fails(fd, FAIL_WRITE_AT, FAIL_WRITE_ERRNO)) return 1;
  kill_at(fd, WRITE, 0);
  return 0;
}

static ssize_t written(int fd, off_t at, ssize_t done, const void *data) {
  if (done > 0 && name_of(fd)) {
    record('W', name_of(fd), at, done, data);
    kill_at(fd, WRITE, 1);
  }
  return done;
}

#define MODE(flags)                                                              \
  va_list rest;                                                                  \
  va_start(rest, flags);                                                         \
  int mode = ((flags) & (O_CREAT | O_TMPFILE)) ? va_arg(rest, int) : 0;          \
  va_end(rest)
#define OPENS(name)                                                              \
  int name(const char *path, int flags, ...) {                                   \
    MODE(flags);                                                                 \
    REAL(int, #name, const char *, int, ...);                                    \
    int fresh = (flags & O_CREAT) && access(path, F_OK);                         \
    return opened(real(path, flags, mode), path, flags, fresh);                  \
  }
OPENS(open)
OPENS(open64)

int openat(int at, const char *path, int flags, ...) {
  MODE(flags);
  REAL(int, "openat", int, const char *, int, ...);
  int fresh = (flags & O_CREAT) && faccessat(at, path, F_OK, 0);
  return opened(real(at, path, flags, mode), path, flags, fresh);
}

int openat64(int at, const char *path, int flags, ...) {
  MODE(flags);
  REAL(int, "openat64", int, const char *, int, ...);
  int fresh = (flags & O_CREAT) && faccessat(at, path, F_OK, 0);
  return opened(real(at, path, flags, mode), path, flags, fresh);
}

int close(int fd) {
  REAL(int, "close", int);
  if (name_of(fd)) {
    free(watched[fd].name);
    watched[fd].name = NULL;
  }
  return real(fd);
}

static int is_socket(int fd) {
  struct stat found;
  return log_to >= 0 && fd > 2 && !name_of(fd) && !fstat(fd, &found) && S_ISSOCK(found.st_mode);
}

static void sent(int fd, const void *data, size_t length) {
  record('K', "", fd, length < SOCKET_BYTES ? length : SOCKET_BYTES, data);
}

static void sent_parts(int fd, const struct iovec *parts, int count) {
  for (int each = 0; each < count; each++) sent(fd, parts[each].iov_base, parts[each].iov_len);
}

ssize_t write(int fd, const void *data, size_t length) {
  REAL(ssize_t, "write", int, const void *, size_t);
  if (is_socket(fd)) sent(fd, data, length);
  if (!name_of(fd)) return real(fd, data, length);
  if (write_fails(fd)) return -1;
  off_t at = lseek(fd, 0, SEEK_CUR);
  return written(fd, at, real(fd, data, length), data);
}

#define PLACED_WRITE(name, offset)                                               \
  ssize_t name(int fd, const void *data, size_t length, offset at) {             \
    REAL(ssize_t, #name, int, const void *, size_t, offset);                     \
    if (write_fails(fd)) return -1;                                              \
    return written(fd, at, real(fd, data, length, at), data);                    \
  }
PLACED_WRITE(pwrite, off_t)
PLACED_WRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  if (is_socket(fd)) sent_parts(fd, parts, count);
  if (!name_of(fd)) return real(fd, parts, count);
  if (write_fails(fd)) return -1;
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = real(fd, parts, count), left = done;
  for (int each = 0; each < count && left > 0; each++) {
    ssize_t now = parts[each].iov_len < (size_t)left ? (ssize_t)parts[each].iov_len : left;
    record('W', name_of(fd), at, now, parts[each].iov_base);
    at += now;
    left -= now;
  }
  return done;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
  REAL(ssize_t, "send", int, const void *, size_t, int);
  if (is_socket(fd)) sent(fd, data, length);
  return real(fd, data, length, flags);
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
  REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t);
  if (is_socket(fd)) sent(fd, data, length);
  return real(fd, data, length, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
  if (is_socket(fd)) sent_parts(fd, message->msg_iov, (int)message->msg_iovlen);
  return real(fd, message, flags);
}

#define TRUNCATES(name, offset)                                                  \
  int name(int fd, offset length) {                                              \
    REAL(int, #name, int, offset);                                               \
    int done = real(fd, length);                                                 \
    if (!done && name_of(fd)) record('T', name_of(fd), length, 0, NULL);         \
    return done;                                                                 \
  }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

static int synced(int fd, long call) {
  if (!name_of(fd)) return (int)syscall(call, fd);
  __sync_add_and_fetch(&control[SYNCS], 1);
  if (fails(fd, FAIL_SYNC_AT, FAIL_SYNC_ERRNO)) return -1;
  kill_at(fd, SYNC, 0);
  int done = (int)syscall(call, fd);
  if (!done) {
    record(watched[fd].is_folder ? 'D' : 'S', name_of(fd), 0, 0, NULL);
    kill_at(fd, SYNC, 1);
  }
  return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  int done = real(path);
  if (!done && within(path)) record('U', within(path), 0, 0, NULL);
  return done;
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  int done = real(path, mode);
  if (!done && within(path)) record('M', within(path), 0, 0, NULL);
  return done;
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  int done = real(from, to);
  const char *before = within(from), *after = within(to);
  if (done || !before || !after) return done;
  record('R', before, 0, strlen(after), after);
  for (int fd = 0; fd < DESCRIPTORS; fd++)
    if (watched[fd].name && !strcmp(watched[fd].name, before)) {
      free(watched[fd].name);
      watched[fd].name = strdup(after);
    }
  return done;
}
