/* Event sets. A set reads the ring of the control file from the moment at which a device was registered; sets come from a
 * static pool and are never reused, so that a use after free is noticed and harmless. */
#include <string.h>

#include "core.h"

enum { MAX_SETS = 4096, ALIVE = 1, FREED = 2 };

struct FakeEventSet {
  int state;
  bool is_system;
  pthread_mutex_t lock;
  int64_t system_mask;
  int64_t masks[FAKE_MAX_DEVICES];  /* event bits by slot */
  int64_t since[FAKE_MAX_DEVICES];  /* number of the first event that counts */
  int64_t next;                     /* number of the event to look at next */
  int64_t repeated;                 /* deliveries of that event so far */
};

static struct FakeEventSet sets[MAX_SETS];
static int sets_made;

static int state_of(nvmlEventSet set) {
  if (set < sets || set >= sets + MAX_SETS) return 0;
  return __atomic_load_n(&set->state, __ATOMIC_ACQUIRE);
}

static nvmlReturn create(FakeControl* shared, nvmlEventSet* out, bool is_system) {
  if (out == NULL) return NVML_INVALID_ARGUMENT;
  const int index = __atomic_fetch_add(&sets_made, 1, __ATOMIC_ACQ_REL);
  if (index >= MAX_SETS) return NVML_UNKNOWN;
  struct FakeEventSet* const set = &sets[index];
  pthread_mutex_init(&set->lock, NULL);
  set->is_system = is_system;
  set->next = GET(shared->header.eventHead);
  __atomic_store_n(&set->state, ALIVE, __ATOMIC_RELEASE);
  ADD(shared->header.eventSets, 1);
  *out = set;
  return NVML_SUCCESS;
}

static nvmlReturn destroy(FakeControl* shared, nvmlEventSet set) {
  int expected = ALIVE;
  if (set >= sets && set < sets + MAX_SETS &&
      __atomic_compare_exchange_n(&set->state, &expected, FREED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    ADD(shared->header.eventSets, -1);
    return NVML_SUCCESS;
  }
  ADD(shared->header.doubleFrees, 1);
  return NVML_INVALID_ARGUMENT;
}

/* Whether the set is usable; a freed one is counted. */
static bool check(FakeControl* shared, nvmlEventSet set) {
  const int state = state_of(set);
  if (state == FREED) ADD(shared->header.freedSetUses, 1);
  return state == ALIVE;
}

/* Takes the next event that the set has asked for. */
static bool take(FakeControl* shared, struct FakeEventSet* set, FakeEvent* out) {
  bool is_found = false;
  pthread_mutex_lock(&set->lock);
  const int64_t head = GET(shared->header.eventHead);
  if (head - set->next > FAKE_MAX_EVENTS) {
    ADD(shared->header.eventsDropped, head - set->next - FAKE_MAX_EVENTS);
    set->next = head - FAKE_MAX_EVENTS;
    set->repeated = 0;
  }
  for (; set->next < head && !is_found;) {
    const FakeEvent* const event = &shared->events[set->next % FAKE_MAX_EVENTS];
    const int64_t device = GET(event->device), type = GET(event->type), repeat = GET(event->repeat);
    const bool is_wanted =
        set->is_system ? device == -2 && (set->system_mask & type) != 0
                       : device == -1 || (device >= 0 && device < FAKE_MAX_DEVICES && (set->masks[device] & type) != 0 &&
                                          set->next >= set->since[device]);
    if (is_wanted && set->repeated < (repeat < 1 ? 1 : repeat)) {
      *out = (FakeEvent){.device = device,
                         .type = type,
                         .data = GET(event->data) + set->repeated * GET(event->step),
                         .gpuInstance = GET(event->gpuInstance),
                         .computeInstance = GET(event->computeInstance)};
      set->repeated += 1;
      is_found = true;
    } else {
      set->next += 1;
      set->repeated = 0;
    }
  }
  pthread_mutex_unlock(&set->lock);
  if (is_found) ADD(shared->header.eventsDelivered, 1);
  return is_found;
}

/* What a wait answers at once although there is no event: a lost GPU in the set fails it for ever, without a name. */
static nvmlReturn failure(FakeControl* shared, const struct FakeEventSet* set) {
  if (set->is_system) return NVML_SUCCESS;
  if (GET(shared->header.driverLoaded) == 0) return (nvmlReturn)GET(shared->header.goneReturn);
  if (GET(shared->header.accessLost) != 0) return NVML_UNKNOWN;
  for (int slot = 0; slot < FAKE_MAX_DEVICES; slot += 1) {
    const bool is_lost = GET(shared->devices[slot].returnCode) == NVML_GPU_IS_LOST;
    if (is_lost && __atomic_load_n(&set->masks[slot], __ATOMIC_ACQUIRE) != 0) return NVML_GPU_IS_LOST;
  }
  return NVML_SUCCESS;
}

static nvmlReturn wait_for(FakeControl* shared, int symbol, struct FakeEventSet* set, uint32_t milliseconds, FakeEvent* out) {
  const int64_t number = GET(shared->rules[symbol].calls);
  const int64_t deadline = monotonic_us() + (int64_t)milliseconds * 1000;
  /* Before the first look: what is written from here on ends the wait. */
  const Waker waker = waker_open();
  nvmlReturn result = NVML_SUCCESS;
  for (;;) {
    /* A rule that comes while the call waits holds or ends this call, not the next. */
    result = gate(symbol, -1, number);
    if (result != NVML_SUCCESS || take(shared, set, out)) break;
    result = failure(shared, set);
    const int64_t left = deadline - monotonic_us();
    if (result != NVML_SUCCESS) break;
    if (left <= 0) {
      result = NVML_TIMEOUT;
      break;
    }
    waker_wait(&waker, (int)((left + 999) / 1000));
  }
  return result;
}

SINCE_470 nvmlReturn nvmlEventSetCreate(nvmlEventSet* out) {
  Call call = enter(SYM_nvmlEventSetCreate, NULL, false, 0);
  if (call.result == NVML_SUCCESS) call.result = create(call.shared, out, false);
  return leave(&call);
}

SINCE_470 nvmlReturn nvmlEventSetFree(nvmlEventSet set) {
  Call call = enter(SYM_nvmlEventSetFree, NULL, false, 0);
  if (call.result == NVML_SUCCESS) call.result = destroy(call.shared, set);
  return leave(&call);
}

SINCE_470 nvmlReturn nvmlDeviceGetSupportedEventTypes(nvmlDevice device, uint64_t* out) {
  DEVICE_CALL(nvmlDeviceGetSupportedEventTypes, device, { call.result = give_u64(out, &self->supportedEvents); });
}

SINCE_470 nvmlReturn nvmlDeviceRegisterEvents(nvmlDevice device, uint64_t types, nvmlEventSet set) {
  DEVICE_CALL(nvmlDeviceRegisterEvents, device, {
    if (!check(call.shared, set) || set->is_system) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if ((types & ~or_zero(&self->supportedEvents)) != 0) {
      FAIL(NVML_NOT_SUPPORTED); /* one bit too many and nothing is registered */
    } else {
      pthread_mutex_lock(&set->lock);
      if (set->masks[call.slot] == 0) set->since[call.slot] = GET(call.shared->header.eventHead);
      __atomic_or_fetch(&set->masks[call.slot], (int64_t)types, __ATOMIC_ACQ_REL);
      pthread_mutex_unlock(&set->lock);
    }
  });
}

SINCE_470 nvmlReturn nvmlEventSetWait_v2(nvmlEventSet set, EventData* data, uint32_t milliseconds) {
  Call call = enter(SYM_nvmlEventSetWait_v2, NULL, false, 0);
  if (call.result != NVML_SUCCESS) return leave(&call);
  if (!check(call.shared, set) || set->is_system || data == NULL) {
    call.result = NVML_INVALID_ARGUMENT;
    return leave(&call);
  }
  FakeEvent event;
  call.result = wait_for(call.shared, SYM_nvmlEventSetWait_v2, set, milliseconds, &event);
  if (call.result == NVML_SUCCESS) {
    memset(data, 0, sizeof *data);
    data->device = event.device < 0 ? foreign_handle() : handle_of((int)event.device);
    data->eventType = (uint64_t)event.type;
    data->eventData = (uint64_t)event.data;
    data->gpuInstanceId = (uint32_t)event.gpuInstance;
    data->computeInstanceId = (uint32_t)event.computeInstance;
  }
  return leave(&call);
}

/* System event sets work before nvmlInit and after nvmlShutdown: that is their purpose. */
#define REQUEST(name, type, version_number, ...)                                        \
  Call call = enter(SYM_##name, NULL, false, NO_SESSION);                               \
  if (call.shared == NULL && control_open()) call = enter(SYM_##name, NULL, false, NO_SESSION); \
  if (call.result == NVML_SUCCESS) {                                                    \
    if (request == NULL) FAIL(NVML_INVALID_ARGUMENT);                                   \
    else if (request->version != ABI_VERSION(type, version_number)) FAIL(NVML_ARGUMENT_VERSION_MISMATCH); \
    else __VA_ARGS__                                                                    \
  }                                                                                     \
  return leave(&call)

SINCE_610 nvmlReturn nvmlSystemEventSetCreate(SystemEventSetRequest* request) {
  REQUEST(nvmlSystemEventSetCreate, SystemEventSetRequest, 1, { call.result = create(call.shared, &request->set, true); });
}

SINCE_610 nvmlReturn nvmlSystemEventSetFree(SystemEventSetRequest* request) {
  REQUEST(nvmlSystemEventSetFree, SystemEventSetRequest, 1, { call.result = destroy(call.shared, request->set); });
}

SINCE_610 nvmlReturn nvmlSystemRegisterEvents(SystemRegisterEventRequest* request) {
  REQUEST(nvmlSystemRegisterEvents, SystemRegisterEventRequest, 1, {
    if (!check(call.shared, request->set) || !request->set->is_system) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else {
      pthread_mutex_lock(&request->set->lock);
      request->set->system_mask |= (int64_t)request->eventTypes;
      pthread_mutex_unlock(&request->set->lock);
    }
  });
}

SINCE_610 nvmlReturn nvmlSystemEventSetWait(SystemEventSetWaitRequest* request) {
  REQUEST(nvmlSystemEventSetWait, SystemEventSetWaitRequest, 1, {
    if (!check(call.shared, request->set) || !request->set->is_system || request->data == NULL || request->dataSize == 0) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else {
      FakeEvent event;
      uint32_t count = 0;
      call.result = wait_for(call.shared, SYM_nvmlSystemEventSetWait, request->set, request->timeoutms, &event);
      if (call.result == NVML_SUCCESS) {
        do {
          request->data[count] = (SystemEventData){.eventType = (uint64_t)event.type, .gpuId = (uint32_t)event.data};
          count += 1;
        } while (count < request->dataSize && take(call.shared, request->set, &event));
      }
      request->numEvent = count;
    }
  });
}
