/* PCIe, NVLink, fabric. */
#include <string.h>

#include "core.h"

U32_GETTER(SINCE_470, nvmlDeviceGetPcieReplayCounter, pcieReplay)
U32_GETTER(SINCE_470, nvmlDeviceGetCurrPcieLinkGeneration, pcieGeneration)
U32_GETTER(SINCE_470, nvmlDeviceGetCurrPcieLinkWidth, pcieWidth)
U32_GETTER(SINCE_470, nvmlDeviceGetMaxPcieLinkGeneration, pcieMaxGeneration)
U32_GETTER(SINCE_470, nvmlDeviceGetMaxPcieLinkWidth, pcieMaxWidth)

SINCE_470 nvmlReturn nvmlDeviceGetPcieThroughput(nvmlDevice device, int counter, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetPcieThroughput, device, {
    /* Measures for 20 ms, by definition. */
    if (counter == 0 || counter == 1) sleep_us(20000);
    call.result = counter == 0   ? give_u32(out, &self->pcieTxKbps)
                  : counter == 1 ? give_u32(out, &self->pcieRxKbps)
                                 : NVML_INVALID_ARGUMENT;
  });
}

static nvmlReturn link_result(const FakeDevice* self, uint32_t link, const void* out) {
  const int64_t count = GET(self->nvlinkCount);
  if (count == FAKE_ABSENT || count == 0) return NVML_NOT_SUPPORTED;
  return link < (uint64_t)count && out != NULL ? NVML_SUCCESS : NVML_INVALID_ARGUMENT;
}

SINCE_470 nvmlReturn nvmlDeviceGetNvLinkState(nvmlDevice device, uint32_t link, uint32_t* is_active) {
  DEVICE_CALL(nvmlDeviceGetNvLinkState, device, {
    call.result = link_result(self, link, is_active);
    if (call.result == NVML_SUCCESS) *is_active = (or_zero(&self->nvlinkDownMask) >> link & 1) == 0;
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetNvLinkVersion(nvmlDevice device, uint32_t link, uint32_t* version) {
  DEVICE_CALL(nvmlDeviceGetNvLinkVersion, device, {
    call.result = link_result(self, link, version);
    if (call.result == NVML_SUCCESS) call.result = give_u32(version, &self->nvlinkVersion);
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetNvLinkErrorCounter(nvmlDevice device, uint32_t link, int counter, uint64_t* out) {
  DEVICE_CALL(nvmlDeviceGetNvLinkErrorCounter, device, {
    const int64_t* const counters[] = {&self->nvlinkReplay, &self->nvlinkRecovery, &self->nvlinkCrcFlit, &self->nvlinkCrcData};
    call.result = counter < 0 || counter > 3 ? NVML_INVALID_ARGUMENT : link_result(self, link, out);
    if (call.result == NVML_SUCCESS) call.result = give_u64(out, counters[counter]);
    if (call.result == NVML_SUCCESS && GET(self->nvlinkErrorLink) != (int64_t)link) *out = 0;
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice device, uint32_t link, int* out) {
  DEVICE_CALL(nvmlDeviceGetNvLinkRemoteDeviceType, device, {
    call.result = link_result(self, link, out);
    if (call.result == NVML_SUCCESS) *out = 2; /* a switch */
  });
}

static void fill_fabric(FabricInfoV3* out, const FakeDevice* self) {
  memset(out->clusterUuid, 0xc1, sizeof out->clusterUuid);
  out->status = (nvmlReturn)or_zero(&self->fabricStatus);
  out->cliqueId = (uint32_t)or_zero(&self->fabricClique);
  out->state = (int32_t)or_zero(&self->fabricState);
  out->healthMask = (uint32_t)or_zero(&self->fabricHealthMask);
  out->healthSummary = (uint8_t)or_zero(&self->fabricHealthSummary);
}

SINCE_535_43 nvmlReturn nvmlDeviceGetGpuFabricInfo(nvmlDevice device, FabricInfo* out) {
  DEVICE_CALL(nvmlDeviceGetGpuFabricInfo, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (GET(self->fabricState) == FAKE_ABSENT) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      FabricInfoV3 full;
      fill_fabric(&full, self);
      memcpy(out->clusterUuid, full.clusterUuid, sizeof out->clusterUuid);
      out->status = full.status;
      out->cliqueId = full.cliqueId;
      out->state = full.state;
    }
  });
}

/* Version 3 came with R570; the caller's version word says how much room there is. */
SINCE_535_104 nvmlReturn nvmlDeviceGetGpuFabricInfoV(nvmlDevice device, void* out) {
  DEVICE_CALL(nvmlDeviceGetGpuFabricInfoV, device, {
    const uint32_t version = out == NULL ? 0 : *(const uint32_t*)out;
    const bool is_v3 = FAKE_DRIVER >= 570000 && version == ABI_VERSION(FabricInfoV3, 3);
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (version != ABI_VERSION(FabricInfoV2, 2) && !is_v3) {
      FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    } else if (GET(self->fabricState) == FAKE_ABSENT) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      FabricInfoV3 full = {.version = version};
      fill_fabric(&full, self);
      if (is_v3) memcpy(out, &full, offsetof(FabricInfoV3, healthSummary) + 1);
      else memcpy(out, &full, sizeof(FabricInfoV2));
    }
  });
}
