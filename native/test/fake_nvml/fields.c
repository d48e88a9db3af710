/* nvmlDeviceGetFieldValues: many values in one call, each with its own return code. */
#define _GNU_SOURCE
#include <time.h>

#include "core.h"

enum { U32 = 1, U64 = 3, S64 = 4 }; /* value types */
enum { LINK_DEPENDENT = 1 };

typedef struct {
  uint32_t id;
  int type;
  size_t offset; /* of the value in FakeDevice */
  int flags;
} Field;

#define VALUE(id, type, field, ...) {id, type, offsetof(FakeDevice, field), __VA_ARGS__}
static const Field known[] = {
    VALUE(74, U64, powerViolationNs, 0),
    VALUE(75, U64, thermalViolationNs, 0),
    VALUE(82, U32, memTemperatureC, 0),
    VALUE(83, U64, energyMj, 0),
    VALUE(91, U32, nvlinkCount, 0),
    VALUE(94, U32, pcieReplay, 0),
    VALUE(95, U32, pcieRollover, 0),
    VALUE(142, U32, remapCorrected, 0),
    VALUE(143, U32, remapUncorrected, 0),
    VALUE(144, U32, remapPending, 0),
    VALUE(145, U32, remapFailed, 0),
    VALUE(161, U64, nvlinkReplay, LINK_DEPENDENT),
    VALUE(162, U64, nvlinkRecovery, LINK_DEPENDENT),
    VALUE(163, U64, nvlinkCrcFlit, LINK_DEPENDENT),
    VALUE(169, U32, pcieL0ToRecovery, 0),
    VALUE(173, U32, pcieCorrectable, 0),
    VALUE(179, U32, pcieNonFatal, 0),
    VALUE(180, U32, pcieFatal, 0),
    VALUE(185, U32, powerMw, 0),
    VALUE(186, U32, powerInstantMw, 0),
    VALUE(193, U32, shutdownC, 0),
    VALUE(194, U32, slowdownC, 0),
    VALUE(195, U32, memMaxC, 0),
    VALUE(196, U32, gpuMaxC, 0),
    VALUE(208, U64, nvlinkReceiveErrors, LINK_DEPENDENT),
    VALUE(211, U64, nvlinkIntegrityErrors, LINK_DEPENDENT),
    VALUE(215, U64, nvlinkRecoveryFailures, LINK_DEPENDENT),
    VALUE(230, U32, recoveryAction, 0),
    VALUE(269, U64, swThermalNs, 0),
    VALUE(270, U64, hwThermalNs, 0),
    VALUE(271, U64, powerBrakeNs, 0),
    VALUE(301, U32, remapCorrectedInactive, 0),
    VALUE(302, U32, remapUncorrectedInactive, 0),
};

static void put(FieldValue* item, int type, int64_t value) {
  item->valueType = type;
  item->value.ull = 0;
  if (type == U32) item->value.ui = (uint32_t)value;
  else item->value.sll = value;
}

/* Fields by which a scope names a link: state and speed are not plain values of the device. */
static nvmlReturn link_field(const FakeDevice* self, FieldValue* item) {
  const int64_t count = GET(self->nvlinkCount);
  if (count == FAKE_ABSENT || count == 0) return NVML_NOT_SUPPORTED;
  if (item->scopeId >= (uint64_t)count) return NVML_INVALID_ARGUMENT;
  const bool is_down = (or_zero(&self->nvlinkDownMask) >> item->scopeId & 1) != 0;
  if (item->fieldId == 164) put(item, U32, is_down ? 0 : 26562);
  else put(item, U32, is_down ? 0 : 1);
  return NVML_SUCCESS;
}

static nvmlReturn answer(const FakeDevice* self, FieldValue* item) {
  if (item->fieldId == 164 || item->fieldId == 165) return link_field(self, item);
  for (size_t index = 0; index < sizeof known / sizeof known[0]; index += 1) {
    const Field* field = &known[index];
    if (field->id != item->fieldId) continue;
    const int64_t value = GET(*(const int64_t*)((const char*)self + field->offset));
    const bool is_of_link = (field->flags & LINK_DEPENDENT) != 0;
    if (value == FAKE_ABSENT || (is_of_link && or_zero(&self->nvlinkCount) == 0)) return NVML_NOT_SUPPORTED;
    if (is_of_link && item->scopeId >= or_zero(&self->nvlinkCount)) return NVML_INVALID_ARGUMENT;
    put(item, field->type, is_of_link && GET(self->nvlinkErrorLink) != (int64_t)item->scopeId ? 0 : value);
    return NVML_SUCCESS;
  }
  return NVML_NOT_SUPPORTED;
}

static bool overridden(FakeControl* shared, int slot, FieldValue* item) {
  for (int index = 0; index < FAKE_MAX_OVERRIDES; index += 1) {
    const FakeOverride* one = &shared->overrides[index];
    const int64_t device = GET(one->device), scope = GET(one->scopeId);
    if (GET(one->used) == 0 || GET(one->fieldId) != (int64_t)item->fieldId) continue;
    if ((device >= 0 && device != slot) || (scope >= 0 && scope != (int64_t)item->scopeId)) continue;
    item->result = (nvmlReturn)GET(one->returnCode);
    put(item, (int)GET(one->valueType), GET(one->value));
    return true;
  }
  return false;
}

SINCE_470 nvmlReturn nvmlDeviceGetFieldValues(nvmlDevice device, int count, FieldValue* items) {
  DEVICE_CALL(nvmlDeviceGetFieldValues, device, {
    if (count < 1 || items == NULL) FAIL(NVML_INVALID_ARGUMENT);
    for (int index = 0; call.result == NVML_SUCCESS && index < count; index += 1) {
      struct timespec now;
      clock_gettime(CLOCK_REALTIME, &now);
      items[index].timestamp = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
      items[index].latencyUsec = 1;
      if (!overridden(call.shared, call.slot, &items[index])) items[index].result = answer(self, &items[index]);
    }
  });
}
