/* Finds and maps the control file; waits for it to change. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

static FakeControl* current;
static char current_path[4096];
static dev_t current_device;
static ino_t current_inode;

FakeControl* control(void) { return __atomic_load_n(&current, __ATOMIC_ACQUIRE); }

static void find_path(char* out, size_t size) {
  const char* given = getenv("FAKE_NVML_CONTROL");
  if (given != NULL && given[0] != '\0') {
    snprintf(out, size, "%s", given);
    return;
  }
  Dl_info info;
  const char* library = dladdr((const void*)&find_path, &info) != 0 ? info.dli_fname : "";
  const char* slash = strrchr(library, '/');
  const int folder = slash == NULL ? 0 : (int)(slash - library + 1);
  snprintf(out, size, "%.*scontrol", folder, library);
}

bool control_open(void) {
  char path[sizeof current_path];
  find_path(path, sizeof path);
  const int descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  struct stat info;
  bool is_usable = fstat(descriptor, &info) == 0 && (size_t)info.st_size >= sizeof(FakeControl);
  if (is_usable && (control() == NULL || info.st_dev != current_device || info.st_ino != current_inode)) {
    FakeControl* mapped = mmap(NULL, sizeof(FakeControl), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    is_usable = mapped != MAP_FAILED && GET(mapped->header.magic) == FAKE_MAGIC &&
                GET(mapped->header.layout) == FAKE_LAYOUT && GET(mapped->header.size) == (int64_t)sizeof(FakeControl);
    if (is_usable) {
      memcpy(current_path, path, sizeof path);
      current_device = info.st_dev;
      current_inode = info.st_ino;
      __atomic_store_n(&current, mapped, __ATOMIC_RELEASE);
    } else if (mapped != MAP_FAILED) {
      munmap(mapped, sizeof(FakeControl));
    }
  }
  close(descriptor);
  return is_usable;
}

enum { POLL_MS = 20 };

/* One for each thread, kept until it ends: to close an inotify descriptor takes the kernel some 15 ms, which would delay
 * every event by so much. */
static _Thread_local Waker own_waker = {-1, NULL};
static pthread_key_t waker_key;

static void waker_close(void* descriptor) { close((int)(intptr_t)descriptor - 1); }
static void make_waker_key(void) { pthread_key_create(&waker_key, waker_close); }

Waker waker_open(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_waker_key);
  if (own_waker.descriptor >= 0 && own_waker.watched == control()) return own_waker;
  if (own_waker.descriptor >= 0) close(own_waker.descriptor);
  own_waker = (Waker){inotify_init1(IN_CLOEXEC | IN_NONBLOCK), control()};
  if (own_waker.descriptor >= 0 && inotify_add_watch(own_waker.descriptor, current_path, IN_MODIFY) < 0) {
    close(own_waker.descriptor);
    own_waker.descriptor = -1;
  }
  pthread_setspecific(waker_key, (void*)(intptr_t)(own_waker.descriptor + 1));
  return own_waker;
}

void waker_wait(const Waker* waker, int milliseconds) {
  struct pollfd wanted = {waker->descriptor, POLLIN, 0};
  const int timeout = milliseconds < 0 || milliseconds > POLL_MS ? POLL_MS : milliseconds;
  if (poll(&wanted, 1, timeout) > 0) {
    char drained[4096];
    while (read(waker->descriptor, drained, sizeof drained) > 0) continue;
  }
}

int64_t thread_cpu_ns(void) {
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

int64_t monotonic_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void sleep_us(int64_t microseconds) {
  struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}
