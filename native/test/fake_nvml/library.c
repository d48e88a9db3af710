/* Initialisation, shutdown, and what concerns the whole system. */
#include <stdio.h>

#include "core.h"

static nvmlReturn init(int symbol) {
  const bool is_first = !session_is_open();
  if (is_first && !control_open()) return NVML_DRIVER_NOT_LOADED;
  Call call = enter(symbol, NULL, false, NO_SESSION);
  const FakeHeader* const header = &call.shared->header;
  if (call.result == NVML_SUCCESS && GET(header->driverLoaded) == 0) call.result = NVML_DRIVER_NOT_LOADED;
  if (call.result == NVML_SUCCESS && GET(header->accessLost) != 0) call.result = NVML_UNKNOWN;
  if (call.result == NVML_SUCCESS && !session_is_open() && GET(header->versionMismatch) != 0)
    call.result = NVML_LIB_RM_VERSION_MISMATCH;
  if (call.result == NVML_SUCCESS) session_open();
  return leave(&call);
}

SINCE_470 nvmlReturn nvmlInit_v2(void) { return init(SYM_nvmlInit_v2); }
SINCE_470 nvmlReturn nvmlInitWithFlags(uint32_t flags) {
  (void)flags;
  return init(SYM_nvmlInitWithFlags);
}

SINCE_470 nvmlReturn nvmlShutdown(void) {
  Call call = enter(SYM_nvmlShutdown, NULL, false, NO_SESSION);
  if (call.shared != NULL && call.result == NVML_SUCCESS) call.result = session_close();
  return leave(&call);
}

SINCE_470 const char* nvmlErrorString(nvmlReturn code) {
  static const char* const texts[] = {
      "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions", "Already Initialized",
      "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout", "Interrupt Request Issue",
      "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost", "GPU requires reset",
      "GPU access blocked by the operating system", "Driver/library version mismatch", "In use by another client",
      "Insufficient Memory", "No data", "vGPU ECC not supported", "Insufficient resources", "Frequency not supported",
      "Argument version mismatch", "Deprecated", "Not ready", "GPU not found", "Invalid state", "Reset type not supported"};
  const bool is_known = code >= 0 && (size_t)code < sizeof texts / sizeof texts[0];
  return is_known ? texts[code] : "Unknown Error";
}

static nvmlReturn system_text(int symbol, char* out, uint32_t length, size_t offset) {
  Call call = enter(symbol, NULL, false, 0);
  if (call.result == NVML_SUCCESS) call.result = give_text(out, length, (const char*)call.shared + offset);
  return leave(&call);
}
SINCE_470 nvmlReturn nvmlSystemGetDriverVersion(char* out, uint32_t length) {
  return system_text(SYM_nvmlSystemGetDriverVersion, out, length, offsetof(FakeControl, driverVersion));
}
SINCE_470 nvmlReturn nvmlSystemGetNVMLVersion(char* out, uint32_t length) {
  return system_text(SYM_nvmlSystemGetNVMLVersion, out, length, offsetof(FakeControl, nvmlVersion));
}

static nvmlReturn cuda_version(int symbol, int* out) {
  Call call = enter(symbol, NULL, false, 0);
  if (call.result == NVML_SUCCESS && out == NULL) call.result = NVML_INVALID_ARGUMENT;
  if (call.result == NVML_SUCCESS) *out = (int)GET(call.shared->header.cudaVersion);
  return leave(&call);
}
SINCE_470 nvmlReturn nvmlSystemGetCudaDriverVersion(int* out) { return cuda_version(SYM_nvmlSystemGetCudaDriverVersion, out); }
SINCE_470 nvmlReturn nvmlSystemGetCudaDriverVersion_v2(int* out) {
  return cuda_version(SYM_nvmlSystemGetCudaDriverVersion_v2, out);
}

SINCE_470 nvmlReturn nvmlSystemGetProcessName(uint32_t pid, char* out, uint32_t length) {
  Call call = enter(SYM_nvmlSystemGetProcessName, NULL, false, 0);
  char name[FAKE_LONG_TEXT];
  snprintf(name, sizeof name, "fake-process-%u", pid);
  if (call.result == NVML_SUCCESS) call.result = give_text(out, length, name);
  return leave(&call);
}
