/* Memory, utilisation, temperature, power, clocks. */
#include "core.h"

static bool has_memory(const FakeDevice* self) { return GET(self->memTotalBytes) != FAKE_ABSENT; }

SINCE_470 nvmlReturn nvmlDeviceGetMemoryInfo(nvmlDevice device, Memory* out) {
  DEVICE_CALL(nvmlDeviceGetMemoryInfo, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (!has_memory(self)) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      /* Version 1 counts what the driver reserves as used. */
      out->total = or_zero(&self->memTotalBytes);
      out->used = or_zero(&self->memUsedBytes) + or_zero(&self->memReservedBytes);
      out->free = out->total - out->used;
    }
  });
}

SINCE_535_43 nvmlReturn nvmlDeviceGetMemoryInfo_v2(nvmlDevice device, MemoryV2* out) {
  DEVICE_CALL(nvmlDeviceGetMemoryInfo_v2, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (out->version != ABI_VERSION(MemoryV2, 2)) {
      FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    } else if (!has_memory(self)) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      out->total = or_zero(&self->memTotalBytes);
      out->reserved = or_zero(&self->memReservedBytes);
      out->used = or_zero(&self->memUsedBytes);
      out->free = out->total - out->reserved - out->used;
    }
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetBAR1MemoryInfo(nvmlDevice device, Bar1Memory* out) {
  DEVICE_CALL(nvmlDeviceGetBAR1MemoryInfo, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (GET(self->bar1TotalBytes) == FAKE_ABSENT) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      out->total = or_zero(&self->bar1TotalBytes);
      out->used = or_zero(&self->bar1UsedBytes);
      out->free = out->total - out->used;
    }
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetUtilizationRates(nvmlDevice device, Utilization* out) {
  DEVICE_CALL(nvmlDeviceGetUtilizationRates, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (GET(self->utilGpuPercent) == FAKE_ABSENT || GET(self->migMode) == 1 || GET(self->kind) == 2) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      out->gpu = (uint32_t)GET(self->utilGpuPercent);
      out->memory = (uint32_t)or_zero(&self->utilMemPercent);
    }
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetTemperature(nvmlDevice device, int sensor, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetTemperature, device, {
    call.result = sensor == 0 ? give_u32(out, &self->temperatureC) : NVML_INVALID_ARGUMENT;
  });
}

SINCE_570 nvmlReturn nvmlDeviceGetTemperatureV(nvmlDevice device, Temperature* out) {
  DEVICE_CALL(nvmlDeviceGetTemperatureV, device, {
    if (out == NULL || out->sensorType != 0) FAIL(NVML_INVALID_ARGUMENT);
    else if (out->version != ABI_VERSION(Temperature, 1)) FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    else call.result = give_u32((uint32_t*)&out->temperature, &self->temperatureC);
  });
}

SINCE_570 nvmlReturn nvmlDeviceGetMarginTemperature(nvmlDevice device, MarginTemperature* out) {
  DEVICE_CALL(nvmlDeviceGetMarginTemperature, device, {
    if (out == NULL) FAIL(NVML_INVALID_ARGUMENT);
    else if (out->version != ABI_VERSION(MarginTemperature, 1)) FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    else call.result = give_u32((uint32_t*)&out->marginTemperature, &self->marginC);
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetTemperatureThreshold(nvmlDevice device, int type, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetTemperatureThreshold, device, {
    const int64_t* const thresholds[] = {&self->shutdownC, &self->slowdownC, &self->memMaxC, &self->gpuMaxC};
    if (type < 0 || type > 7) FAIL(NVML_INVALID_ARGUMENT);
    else call.result = type > 3 ? NVML_NOT_SUPPORTED : give_u32(out, thresholds[type]);
  });
}

U32_GETTER(SINCE_470, nvmlDeviceGetPowerUsage, powerMw)
U32_GETTER(SINCE_470, nvmlDeviceGetEnforcedPowerLimit, powerLimitMw)
U32_GETTER(SINCE_470, nvmlDeviceGetPowerManagementLimit, powerManagementLimitMw)
U32_GETTER(SINCE_470, nvmlDeviceGetPerformanceState, pState)

#define U64_GETTER(since, name, field)                                                \
  since nvmlReturn name(nvmlDevice device, uint64_t* value) {                         \
    DEVICE_CALL(name, device, { call.result = give_u64(value, &self->field); });      \
  }
U64_GETTER(SINCE_470, nvmlDeviceGetTotalEnergyConsumption, energyMj)
U64_GETTER(SINCE_470, nvmlDeviceGetCurrentClocksThrottleReasons, clockReasons)
U64_GETTER(SINCE_535_43, nvmlDeviceGetCurrentClocksEventReasons, clockReasons)

SINCE_470 nvmlReturn nvmlDeviceGetClockInfo(nvmlDevice device, int type, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetClockInfo, device, {
    const int64_t* const clocks[] = {&self->graphicsClockMhz, &self->smClockMhz, &self->memClockMhz, &self->videoClockMhz};
    call.result = type < 0 || type > 3 ? NVML_INVALID_ARGUMENT : give_u32(out, clocks[type]);
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetMaxClockInfo(nvmlDevice device, int type, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetMaxClockInfo, device, {
    const int64_t* const clocks[] = {&self->maxGraphicsClockMhz, &self->maxSmClockMhz, &self->maxMemClockMhz,
                                     &self->maxVideoClockMhz};
    call.result = type < 0 || type > 3 ? NVML_INVALID_ARGUMENT : give_u32(out, clocks[type]);
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetViolationStatus(nvmlDevice device, int policy, ViolationTime* out) {
  DEVICE_CALL(nvmlDeviceGetViolationStatus, device, {
    const int64_t* const counters[] = {&self->powerViolationNs, &self->thermalViolationNs, &self->syncViolationNs,
                                       &self->boardViolationNs, &self->lowUtilViolationNs, &self->reliabilityViolationNs,
                                       NULL, NULL, NULL, NULL, &self->appViolationNs, &self->baseViolationNs};
    const bool is_known = policy >= 0 && policy < 12 && counters[policy] != NULL;
    if (!is_known || out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (GET(*counters[policy]) == FAKE_ABSENT) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      out->referenceTime = (uint64_t)monotonic_us();
      out->violationTime = (uint64_t)GET(*counters[policy]);
    }
  });
}
