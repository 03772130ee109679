/* Preloaded into a program, makes one of its system calls fail:
     FAIL_CALL=pwrite|pwritev|fsync|posix_fallocate|rename|renameat2|ftruncate|write|open|read|pread|opendir|readdir|stat
                    which; open is every call that opens a file to read, stat those that look at a path
     FAIL_AT=N      the Nth such call of the process on a path that contains FAIL_PATH, and every later one
     FAIL_PATH=TEXT FAIL_RANK=R (empty: all ranks) FAIL_ERRNO=NUMBER */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(const char* call, const char* path) {
  static int count = 0;
  const char *wanted = getenv("FAIL_CALL"), *part = getenv("FAIL_PATH"), *rank = getenv("FAIL_RANK");
  const char *mine = getenv("OMPI_COMM_WORLD_RANK"), *at = getenv("FAIL_AT"), *number = getenv("FAIL_ERRNO");
  if (!wanted || !part || !at || !number || strcmp(wanted, call) != 0 || !strstr(path, part)) return 0;
  if (rank && *rank && strcmp(rank, mine ? mine : "0") != 0) return 0;
  if (++count < atoi(at)) return 0;
  errno = atoi(number);
  return 1;
}

static int fails_on(const char* call, int fd) {
  char link[64], path[4096] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 0 && fails(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return fails_on("pwrite", fd) ? -1 : REAL(pwrite)(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return fails_on("pwrite", fd) ? -1 : REAL(pwrite64)(fd, data, size, offset);
}
ssize_t pwritev(int fd, const struct iovec* data, int count, off_t offset) {
  return fails_on("pwritev", fd) ? -1 : REAL(pwritev)(fd, data, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec* data, int count, off64_t offset) {
  return fails_on("pwritev", fd) ? -1 : REAL(pwritev64)(fd, data, count, offset);
}
ssize_t write(int fd, const void* data, size_t size) { return fails_on("write", fd) ? -1 : REAL(write)(fd, data, size); }
int fsync(int fd) { return fails_on("fsync", fd) ? -1 : REAL(fsync)(fd); }
int ftruncate(int fd, off_t size) { return fails_on("ftruncate", fd) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails_on("ftruncate", fd) ? -1 : REAL(ftruncate64)(fd, size); }
int posix_fallocate(int fd, off_t offset, off_t size) {
  return fails_on("posix_fallocate", fd) ? errno : REAL(posix_fallocate)(fd, offset, size);
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return fails_on("posix_fallocate", fd) ? errno : REAL(posix_fallocate64)(fd, offset, size);
}
int rename(const char* from, const char* to) { return fails("rename", from) ? -1 : REAL(rename)(from, to); }
int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  return fails("renameat2", from) ? -1 : REAL(renameat2)(from_fd, from, to_fd, to, flags);
}

/* reading */
#define OPEN_TO_READ(name)                                                                \
  int name(const char* path, int flags, ...) {                                            \
    va_list rest;                                                                         \
    va_start(rest, flags);                                                                \
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;         \
    va_end(rest);                                                                         \
    if ((flags & O_ACCMODE) == O_RDONLY && fails("open", path)) return -1;                \
    return ((int (*)(const char*, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, mode);  \
  }
OPEN_TO_READ(open)
OPEN_TO_READ(open64)
FILE* fopen(const char* path, const char* mode) {
  return mode[0] == 'r' && fails("open", path) ? NULL : REAL(fopen)(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return mode[0] == 'r' && fails("open", path) ? NULL : REAL(fopen64)(path, mode);
}
ssize_t read(int fd, void* data, size_t size) { return fails_on("read", fd) ? -1 : REAL(read)(fd, data, size); }
ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  return fails_on("pread", fd) ? -1 : REAL(pread)(fd, data, size, offset);
}
ssize_t pread64(int fd, void* data, size_t size, off64_t offset) {
  return fails_on("pread", fd) ? -1 : REAL(pread64)(fd, data, size, offset);
}
DIR* opendir(const char* path) { return fails("opendir", path) ? NULL : REAL(opendir)(path); }
struct dirent* readdir(DIR* directory) {
  return fails_on("readdir", dirfd(directory)) ? NULL : REAL(readdir)(directory);
}
int stat(const char* path, struct stat* status) { return fails("stat", path) ? -1 : REAL(stat)(path, status); }
int lstat(const char* path, struct stat* status) { return fails("stat", path) ? -1 : REAL(lstat)(path, status); }
