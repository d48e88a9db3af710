/* Which GPUs there are, and what identifies them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core.h"

SINCE_470 nvmlReturn nvmlDeviceGetCount_v2(uint32_t* count) {
  Call call = enter(SYM_nvmlDeviceGetCount_v2, NULL, false, 0);
  if (call.result == NVML_SUCCESS && count == NULL) call.result = NVML_INVALID_ARGUMENT;
  if (call.result == NVML_SUCCESS) *count = (uint32_t)inventory_count();
  return leave(&call);
}

/* A handle of the device, unless the device answers something else. */
static nvmlReturn give_handle(nvmlDevice* out, int slot, nvmlReturn otherwise) {
  if (out == NULL) return NVML_INVALID_ARGUMENT;
  if (slot < 0) return otherwise;
  const nvmlReturn result = (nvmlReturn)GET(device_at(slot)->returnCode);
  if (result == NVML_SUCCESS) *out = handle_of(slot);
  return result;
}

SINCE_470 nvmlReturn nvmlDeviceGetHandleByIndex_v2(uint32_t index, nvmlDevice* out) {
  Call call = enter(SYM_nvmlDeviceGetHandleByIndex_v2, NULL, false, 0);
  if (call.result == NVML_SUCCESS) call.result = give_handle(out, inventory_slot(index), NVML_INVALID_ARGUMENT);
  return leave(&call);
}

static int find_text(size_t offset, const char* text) {
  for (int slot = 0; slot < FAKE_MAX_DEVICES; slot += 1) {
    const FakeDevice* device = device_at(slot);
    const bool is_listed = GET(device->kind) == 2 || inventory_index(slot) >= 0;
    if (GET(device->kind) != 0 && is_listed && strcasecmp((const char*)device + offset, text) == 0) return slot;
  }
  return -1;
}

SINCE_470 nvmlReturn nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice* out) {
  Call call = enter(SYM_nvmlDeviceGetHandleByUUID, NULL, false, 0);
  if (call.result == NVML_SUCCESS)
    call.result = uuid == NULL ? NVML_INVALID_ARGUMENT : give_handle(out, find_text(offsetof(FakeDevice, uuid), uuid), NVML_NOT_FOUND);
  return leave(&call);
}

SINCE_570 nvmlReturn nvmlDeviceGetHandleByUUIDV(const UuidV1* uuid, nvmlDevice* out) {
  Call call = enter(SYM_nvmlDeviceGetHandleByUUIDV, NULL, false, 0);
  if (call.result != NVML_SUCCESS) return leave(&call);
  if (uuid == NULL) FAIL(NVML_INVALID_ARGUMENT);
  else if (uuid->version != ABI_VERSION(UuidV1, 1)) FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
  else if (uuid->type != 1) FAIL(NVML_NOT_SUPPORTED);
  else FAIL(give_handle(out, find_text(offsetof(FakeDevice, uuid), uuid->value.str), NVML_NOT_FOUND));
  return leave(&call);
}

SINCE_470 nvmlReturn nvmlDeviceGetHandleBySerial(const char* serial, nvmlDevice* out) {
  Call call = enter(SYM_nvmlDeviceGetHandleBySerial, NULL, false, 0);
  if (call.result == NVML_SUCCESS)
    call.result =
        serial == NULL ? NVML_INVALID_ARGUMENT : give_handle(out, find_text(offsetof(FakeDevice, serial), serial), NVML_NOT_FOUND);
  return leave(&call);
}

SINCE_470 nvmlReturn nvmlDeviceGetHandleByPciBusId_v2(const char* text, nvmlDevice* out) {
  Call call = enter(SYM_nvmlDeviceGetHandleByPciBusId_v2, NULL, false, 0);
  if (call.result != NVML_SUCCESS) return leave(&call);
  unsigned domain, bus, device;
  int found = -1;
  if (text == NULL || sscanf(text, "%x:%x:%x", &domain, &bus, &device) != 3) {
    FAIL(NVML_INVALID_ARGUMENT);
    return leave(&call);
  }
  for (int index = 0; index < inventory_count() && found < 0; index += 1) {
    const FakeDevice* candidate = device_at(inventory_slot((unsigned)index));
    if (GET(candidate->pciDomain) == domain && GET(candidate->pciBus) == bus && GET(candidate->pciDevice) == device)
      found = inventory_slot((unsigned)index);
  }
  call.result = give_handle(out, found, NVML_NOT_FOUND);
  return leave(&call);
}

SINCE_470 nvmlReturn nvmlDeviceGetIndex(nvmlDevice device, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetIndex, device, {
    const int index = GET(self->kind) == 2 ? (int)GET(self->migIndex) : inventory_index(call.slot);
    if (out == NULL || index < 0) FAIL(NVML_INVALID_ARGUMENT);
    else *out = (uint32_t)index;
  });
}

#define TEXT_GETTER(name, field)                                                                      \
  SINCE_470 nvmlReturn name(nvmlDevice device, char* out, uint32_t length) {                          \
    DEVICE_CALL(name, device, {                                                                       \
      call.result = self->field[0] == '\0' ? NVML_NOT_SUPPORTED : give_text(out, length, self->field); \
    });                                                                                               \
  }
TEXT_GETTER(nvmlDeviceGetName, name)
TEXT_GETTER(nvmlDeviceGetUUID, uuid)
TEXT_GETTER(nvmlDeviceGetSerial, serial)
U32_GETTER(SINCE_470, nvmlDeviceGetMinorNumber, minor)
U32_GETTER(SINCE_470, nvmlDeviceGetPersistenceMode, persistenceMode)

/* The domain is printed with 8 digits here and with 4 in the legacy member and the kernel log. */
static void print_bus_id(char* out, size_t size, const FakeDevice* device, int digits) {
  snprintf(out, size, "%0*X:%02X:%02X.0", digits, (unsigned)GET(device->pciDomain), (unsigned)GET(device->pciBus),
           (unsigned)GET(device->pciDevice));
}

SINCE_470 nvmlReturn nvmlDeviceGetPciInfo_v3(nvmlDevice device, PciInfo* out) {
  DEVICE_CALL(nvmlDeviceGetPciInfo_v3, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else {
      memset(out, 0, sizeof *out);
      out->domain = (uint32_t)GET(self->pciDomain);
      out->bus = (uint32_t)GET(self->pciBus);
      out->device = (uint32_t)GET(self->pciDevice);
      out->pciDeviceId = (uint32_t)GET(self->pciDeviceId);
      out->pciSubSystemId = (uint32_t)GET(self->pciSubSystemId);
      print_bus_id(out->busId, sizeof out->busId, self, 8);
      print_bus_id(out->busIdLegacy, sizeof out->busIdLegacy, self, 4);
    }
  });
}

SINCE_550 nvmlReturn nvmlDeviceGetPciInfoExt(nvmlDevice device, PciInfoExt* out) {
  DEVICE_CALL(nvmlDeviceGetPciInfoExt, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (out->version != ABI_VERSION(PciInfoExt, 1)) {
      FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    } else {
      out->domain = (uint32_t)GET(self->pciDomain);
      out->bus = (uint32_t)GET(self->pciBus);
      out->device = (uint32_t)GET(self->pciDevice);
      out->pciDeviceId = (uint32_t)GET(self->pciDeviceId);
      out->pciSubSystemId = (uint32_t)GET(self->pciSubSystemId);
      out->baseClass = 3;
      out->subClass = 2;
      memset(out->busId, 0, sizeof out->busId);
      print_bus_id(out->busId, sizeof out->busId, self, 8);
    }
  });
}
