/* The gate that every call goes through, the reference count, the inventory and its handles. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"

enum { GENERATIONS = 64 };
struct FakeHandle { int slot; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int references;
static int generation;
static pid_t session_pid;
static int inventory[FAKE_MAX_DEVICES];
static int inventory_size;
/* Handles of earlier sessions stay distinct addresses, so that their use is noticed. */
static struct FakeHandle handles[GENERATIONS][FAKE_MAX_DEVICES];
static struct FakeHandle foreign;

static int load(const int* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static void read_inventory(void) {
  FakeControl* const shared = control();
  int size = 0;
  for (int slot = 0; slot < FAKE_MAX_DEVICES; slot += 1) {
    const FakeDevice* device = &shared->devices[slot];
    if (GET(device->kind) == 1 && GET(device->present) != 0) __atomic_store_n(&inventory[size++], slot, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&inventory_size, size, __ATOMIC_RELEASE);
}

bool session_is_open(void) { return load(&references) > 0; }

bool session_open(void) {
  pthread_mutex_lock(&lock);
  if (references == 0) {
    generation = (generation + 1) % GENERATIONS;
    session_pid = getpid();
    read_inventory();
  }
  __atomic_add_fetch(&references, 1, __ATOMIC_ACQ_REL);
  pthread_mutex_unlock(&lock);
  ADD(control()->header.inits, 1);
  ADD(control()->header.references, 1);
  return true;
}

int session_close(void) {
  FakeHeader* const header = &control()->header;
  pthread_mutex_lock(&lock);
  const bool is_surplus = references == 0;
  if (!is_surplus && __atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL) == 0 && GET(header->inside) > 1)
    ADD(header->shutdownsWhileInside, 1);
  pthread_mutex_unlock(&lock);
  ADD(header->shutdowns, 1);
  if (is_surplus) ADD(header->surplusShutdowns, 1);
  else ADD(header->references, -1);
  return NVML_SUCCESS;
}

int inventory_count(void) {
  if (GET(control()->header.inventoryLive) != 0) {
    pthread_mutex_lock(&lock);
    read_inventory();
    pthread_mutex_unlock(&lock);
  }
  return load(&inventory_size);
}

int inventory_slot(unsigned index) {
  return index < (unsigned)inventory_count() ? load(&inventory[index]) : -1;
}

int inventory_index(int slot) {
  const int count = inventory_count();
  for (int index = 0; index < count; index += 1)
    if (load(&inventory[index]) == slot) return index;
  return -1;
}

nvmlDevice handle_of(int slot) { return &handles[load(&generation)][slot]; }
nvmlDevice foreign_handle(void) { return &foreign; }

int slot_of(nvmlDevice device) {
  const ptrdiff_t slot = (ptrdiff_t)(((uintptr_t)device - (uintptr_t)handles[load(&generation)]) / sizeof(struct FakeHandle));
  const bool is_ours = (uintptr_t)device >= (uintptr_t)handles[load(&generation)] && slot < FAKE_MAX_DEVICES;
  return is_ours && GET(control()->devices[slot].kind) != 0 ? (int)slot : -1;
}

static void count_thread(FakeControl* shared) {
  static __thread FakeControl* counted_in;
  if (counted_in == shared) return;
  counted_in = shared;
  const int64_t number = ADD(shared->header.threads, 1);
  if (number <= FAKE_MAX_THREADS) PUT(shared->threadIds[number - 1], syscall(SYS_gettid));
}

static bool names_device(int64_t wanted, int slot) { return wanted < 0 || wanted == slot; }

static bool is_blocked(const FakeRule* rule, int slot, int64_t number) {
  return GET(rule->block) != 0 && names_device(GET(rule->blockDevice), slot) && number >= GET(rule->blockFrom);
}

static void hold(FakeRule* rule, int slot, int64_t number) {
  if (!is_blocked(rule, slot, number)) return;
  FakeHeader* const header = &control()->header;
  /* Not cancellable and not interruptible, as a thread inside the driver is not. */
  int state;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  ADD(rule->blocked, 1);
  ADD(header->blocked, 1);
  const Waker waker = waker_open();
  while (is_blocked(rule, slot, number)) waker_wait(&waker, -1);
  ADD(header->blocked, -1);
  ADD(rule->blocked, -1);
  pthread_setcancelstate(state, NULL);
}

static nvmlReturn forced(const FakeRule* rule, int slot, int64_t number) {
  const int64_t to = GET(rule->returnTo);
  const bool applies = names_device(GET(rule->returnDevice), slot) && number >= GET(rule->returnFrom) && (to == 0 || number <= to);
  return applies ? (nvmlReturn)GET(rule->returnCode) : NVML_SUCCESS;
}

static int64_t delay_us(const FakeRule* rule, int64_t number) {
  const int64_t to = GET(rule->slowTo), every = GET(rule->slowEvery);
  const bool is_slow = number >= GET(rule->slowFrom) && (to == 0 || number <= to) && (every == 0 || number % every == 0);
  return GET(rule->latencyUs) + (is_slow ? GET(rule->slowUs) : 0);
}

nvmlReturn gate(int symbol, int slot, int64_t number) {
  FakeControl* const shared = control();
  FakeRule* const any = &shared->rules[SYM_any];
  FakeRule* const own = &shared->rules[symbol];
  hold(any, slot, number);
  hold(own, slot, number);
  const nvmlReturn result = forced(own, slot, number);
  return result != NVML_SUCCESS ? result : forced(any, slot, number);
}

static nvmlReturn session_result(FakeControl* shared, int flags) {
  FakeHeader* const header = &shared->header;
  if ((flags & NO_SESSION) != 0) return NVML_SUCCESS;
  if (!session_is_open()) {
    ADD(header->uninitializedCalls, 1);
    return NVML_UNINITIALIZED;
  }
  if (getpid() != session_pid) ADD(header->forkedCalls, 1);
  if (GET(header->driverLoaded) == 0) return (nvmlReturn)GET(header->goneReturn);
  if (GET(header->accessLost) != 0) return NVML_UNKNOWN;
  return NVML_SUCCESS;
}

Call enter(int symbol, nvmlDevice device, bool has_device, int flags) {
  FakeControl* const shared = control();
  Call call = {shared, symbol, -1, NVML_SUCCESS, thread_cpu_ns()};
  if (shared == NULL) {
    call.result = (flags & NO_SESSION) != 0 ? NVML_DRIVER_NOT_LOADED : NVML_UNINITIALIZED;
    return call;
  }
  FakeRule* const rule = &shared->rules[symbol];
  count_thread(shared);
  ADD(shared->rules[SYM_any].calls, 1);
  const int64_t number = ADD(rule->calls, 1);
  ADD(rule->inside, 1);
  const int64_t inside = ADD(shared->header.inside, 1);
  if (inside > GET(shared->header.maxInside)) PUT(shared->header.maxInside, inside);
  PUT(rule->lastThread, syscall(SYS_gettid));
  PUT(rule->lastAtMs, monotonic_us() / 1000);

  /* The device is known before the rules, which may name it. */
  nvmlReturn device_result = NVML_SUCCESS;
  if (has_device && session_is_open()) {
    call.slot = slot_of(device);
    if (call.slot < 0) {
      ADD(shared->header.staleHandles, 1);
      device_result = NVML_INVALID_ARGUMENT;
    } else {
      device_result = (nvmlReturn)GET(device_at(call.slot)->returnCode);
    }
  }
  const int64_t delay = delay_us(rule, number) + delay_us(&shared->rules[SYM_any], number);
  if (delay > 0) sleep_us(delay);
  call.result = gate(symbol, call.slot, number);
  if (call.result == NVML_SUCCESS) call.result = session_result(shared, flags);
  if (call.result == NVML_SUCCESS && has_device) {
    call.result = device_result;
    /* What the device answers may have changed while the call was held. */
    if (call.slot >= 0) call.result = (nvmlReturn)GET(device_at(call.slot)->returnCode);
  }
  return call;
}

nvmlReturn leave(Call* call) {
  FakeControl* const shared = call->shared;
  if (shared == NULL) return call->result;
  FakeRule* const rule = &shared->rules[call->symbol];
  if (call->result != NVML_SUCCESS) ADD(rule->errors, 1);
  ADD(rule->inside, -1);
  ADD(shared->header.inside, -1);
  ADD(shared->header.cpuNs, thread_cpu_ns() - call->began_cpu_ns);
  return call->result;
}

nvmlReturn give_text(char* out, uint32_t length, const char* text) {
  if (out == NULL) return NVML_INVALID_ARGUMENT;
  const size_t needed = strnlen(text, FAKE_LONG_TEXT - 1) + 1;
  if (needed > length) return NVML_INSUFFICIENT_SIZE;
  memcpy(out, text, needed - 1);
  out[needed - 1] = '\0';
  return NVML_SUCCESS;
}
