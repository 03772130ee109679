// Preloaded: the system gives no thread to std::threads that a library starts, as at a limit of memory or threads.
//   NO_THREADS_FOR  a part of that library's path, as libtorch_cpu
// What std::thread hands over is an object of the library that starts it; its table of virtual functions tells which one.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*), void* argument) {
  static int (*real)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  if (!real) real = (int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*))dlsym(RTLD_NEXT, "pthread_create");
  const char* wanted = getenv("NO_THREADS_FOR");
  Dl_info of_routine, of_table;
  if (wanted && argument && dladdr((void*)routine, &of_routine) && of_routine.dli_fname && strstr(of_routine.dli_fname, "libstdc++") &&
      dladdr(*(void**)argument, &of_table) && of_table.dli_fname && strstr(of_table.dli_fname, wanted))
    return EAGAIN;
  return real(thread, attributes, routine, argument);
}
