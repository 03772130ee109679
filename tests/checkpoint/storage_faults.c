/* Preloaded into a program: a disk that fills up, a quota, a file system without locks, for as long as it is told.
     STORAGE_FAULTS   rules "CALL,PATH,ERRNO,FROM,TO" with ';' between them: the calls number FROM to TO (0: all later ones) of this
                      process whose path contains PATH (with * and ? in it) fail; each rule counts for itself
     STORAGE_MENDED   a file: no call fails any more as soon as it is there
     STORAGE_RANK     of the rank that is hit (left out: all)
   CALL: write pwrite pread fsync fsync-folder fdatasync flock fcntl-lock fallocate posix_fallocate */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
enum { most_rules = 16 };

static int is_hit(void) {
  const char *rank = getenv("STORAGE_RANK"), *own = getenv("OMPI_COMM_WORLD_RANK"), *mended = getenv("STORAGE_MENDED");
  if (mended && access(mended, F_OK) == 0) return 0;
  return !rank || !*rank || strcmp(rank, own ? own : "0") == 0;
}

/* The errno of the rule that this call falls under; 0: it is made. */
static int fault(const char* call, int fd) {
  static int counts[most_rules];
  const char* rules = getenv("STORAGE_FAULTS");
  char link[64], path[4096] = "", text[4096], pattern[256];
  int error = 0;
  if (!rules || !is_hit()) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, path, sizeof path - 1) < 0) return 0;
  snprintf(text, sizeof text, "%s", rules);
  char* rest = text;
  for (int n = 0; n < most_rules && rest; ++n) {
    char* rule = strsep(&rest, ";");
    const char *wanted = strsep(&rule, ","), *part = strsep(&rule, ","), *number = strsep(&rule, ",");
    const char *from = strsep(&rule, ","), *to = rule;
    if (!to || strcmp(wanted, call) != 0) continue;
    snprintf(pattern, sizeof pattern, "*%s*", part);
    if (fnmatch(pattern, path, 0) != 0) continue;
    const int count = ++counts[n], last = atoi(to);
    if (!error && count >= atoi(from) && (last == 0 || count <= last)) error = atoi(number);
  }
  return error;
}

static int fails(const char* call, int fd) {
  const int before = errno, error = fault(call, fd);
  errno = error ? error : before;
  return error != 0;
}

static int is_folder(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

ssize_t write(int fd, const void* data, size_t size) { return fails("write", fd) ? -1 : REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return fails("pwrite", fd) ? -1 : REAL(pwrite)(fd, data, size, offset);
}
ssize_t pread(int fd, void* data, size_t size, off_t offset) { return fails("pread", fd) ? -1 : REAL(pread)(fd, data, size, offset); }
int fsync(int fd) { return fails(is_folder(fd) ? "fsync-folder" : "fsync", fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails("fdatasync", fd) ? -1 : REAL(fdatasync)(fd); }
int flock(int fd, int operation) { return fails("flock", fd) ? -1 : REAL(flock)(fd, operation); }
int fallocate(int fd, int mode, off_t offset, off_t size) { return fails("fallocate", fd) ? -1 : REAL(fallocate)(fd, mode, offset, size); }
int posix_fallocate(int fd, off_t offset, off_t size) {
  return fails("posix_fallocate", fd) ? errno : REAL(posix_fallocate)(fd, offset, size);
}
int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  if (command == F_OFD_SETLK && fails("fcntl-lock", fd)) return -1;
  return REAL(fcntl)(fd, command, argument);
}
