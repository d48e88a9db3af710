/* What every file of the fake needs: the mapped control, the gate that every call goes through, handles. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "abi.h"
#include "control.h"
#include "symbols.h"

/* The driver that this build passes for: 470000, 535043, 535104, 550000, 570000 or 610000. Newer symbols are not
 * exported, as with a real older library. */
#ifndef FAKE_DRIVER
#define FAKE_DRIVER 610000
#endif
#define FAKE_EXPORT __attribute__((visibility("default")))
#define FAKE_HIDE __attribute__((visibility("hidden")))
#define SINCE_470 FAKE_EXPORT
#if FAKE_DRIVER >= 535043
#define SINCE_535_43 FAKE_EXPORT
#else
#define SINCE_535_43 FAKE_HIDE
#endif
#if FAKE_DRIVER >= 535104
#define SINCE_535_104 FAKE_EXPORT
#else
#define SINCE_535_104 FAKE_HIDE
#endif
#if FAKE_DRIVER >= 550000
#define SINCE_550 FAKE_EXPORT
#else
#define SINCE_550 FAKE_HIDE
#endif
#if FAKE_DRIVER >= 570000
#define SINCE_570 FAKE_EXPORT
#else
#define SINCE_570 FAKE_HIDE
#endif
#if FAKE_DRIVER >= 610000
#define SINCE_610 FAKE_EXPORT
#else
#define SINCE_610 FAKE_HIDE
#endif

/* Control words are shared with other threads and processes. */
#define GET(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define PUT(word, value) __atomic_store_n(&(word), (int64_t)(value), __ATOMIC_RELEASE)
#define ADD(word, value) __atomic_add_fetch(&(word), (int64_t)(value), __ATOMIC_ACQ_REL)

/* control.c: the mapping. Never unmapped: a blocked call may still be reading an earlier one. */
FakeControl* control(void);
/* Looks the path up and maps it unless it is mapped already; false without a usable file. */
bool control_open(void);
/* Sleeps until the control file is written after waker_open(), for at most `milliseconds`. Belongs to the calling thread. */
typedef struct {
  int descriptor;
  const FakeControl* watched;
} Waker;
Waker waker_open(void);
void waker_wait(const Waker* waker, int milliseconds);
int64_t monotonic_us(void);
int64_t thread_cpu_ns(void);
void sleep_us(int64_t microseconds);

/* session.c: reference count, generation, handles. */
typedef struct {
  FakeControl* shared; /* the mapping that counted the call in */
  int symbol;
  int slot; /* device slot, -1 without */
  nvmlReturn result;
  int64_t began_cpu_ns;
} Call;
enum { NO_SESSION = 1 }; /* for calls that are allowed before nvmlInit */
/* Counts, sleeps and blocks as the rules say. With a `result` other than 0 the body is to be skipped. */
Call enter(int symbol, nvmlDevice device, bool has_device, int flags);
nvmlReturn leave(Call* call);
/* Blocks while a rule of this symbol says so, and gives its forced return; for calls that wait inside. */
nvmlReturn gate(int symbol, int slot, int64_t number);
bool session_open(void);
bool session_is_open(void);
int session_close(void);
int inventory_count(void);
int inventory_slot(unsigned index); /* -1 past the end */
int inventory_index(int slot);
nvmlDevice handle_of(int slot);
nvmlDevice foreign_handle(void);
int slot_of(nvmlDevice device); /* -1 for a stale or foreign handle */

static inline FakeDevice* device_at(int slot) { return &control()->devices[slot]; }

/* One call on a device; the body sets call.result or leaves it 0. */
#define DEVICE_CALL(name, device, ...)                         \
  Call call = enter(SYM_##name, (device), true, 0);            \
  if (call.result == NVML_SUCCESS) {                           \
    FakeDevice* const self = device_at(call.slot);             \
    (void)self;                                                \
    __VA_ARGS__                                                \
  }                                                            \
  return leave(&call)
#define FAIL(code) call.result = (code)

/* Stores a value of a device; false (and NOT_SUPPORTED by the caller) where it is FAKE_ABSENT. */
static inline nvmlReturn give_u32(uint32_t* out, const int64_t* word) {
  const int64_t value = GET(*word);
  if (out == NULL) return NVML_INVALID_ARGUMENT;
  if (value == FAKE_ABSENT) return NVML_NOT_SUPPORTED;
  *out = (uint32_t)value;
  return NVML_SUCCESS;
}
static inline nvmlReturn give_u64(uint64_t* out, const int64_t* word) {
  const int64_t value = GET(*word);
  if (out == NULL) return NVML_INVALID_ARGUMENT;
  if (value == FAKE_ABSENT) return NVML_NOT_SUPPORTED;
  *out = (uint64_t)value;
  return NVML_SUCCESS;
}
/* 0 for an absent value, for structs whose other members are there. */
static inline uint64_t or_zero(const int64_t* word) {
  const int64_t value = GET(*word);
  return value == FAKE_ABSENT ? 0 : (uint64_t)value;
}
nvmlReturn give_text(char* out, uint32_t length, const char* text);

#define U32_GETTER(since, name, field)                                                \
  since nvmlReturn name(nvmlDevice device, uint32_t* value) {                         \
    DEVICE_CALL(name, device, { call.result = give_u32(value, &self->field); });      \
  }
