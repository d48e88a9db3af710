/* ECC, retired pages, remapped rows, repairs. */
#include "core.h"

SINCE_470 nvmlReturn nvmlDeviceGetEccMode(nvmlDevice device, uint32_t* current, uint32_t* pending) {
  DEVICE_CALL(nvmlDeviceGetEccMode, device, {
    call.result = give_u32(current, &self->eccMode);
    if (call.result == NVML_SUCCESS) call.result = give_u32(pending, &self->eccPendingMode);
  });
}

/* By error (0 corrected, 1 uncorrected) and counter (0 volatile, 1 aggregate). */
static const int64_t* ecc_total(const FakeDevice* self, int error, int counter) {
  const int64_t* const totals[2][2] = {{&self->eccVolatileCorrected, &self->eccAggregateCorrected},
                                       {&self->eccVolatileUncorrected, &self->eccAggregateUncorrected}};
  const bool is_known = error >= 0 && error <= 1 && counter >= 0 && counter <= 1;
  return is_known ? totals[error][counter] : NULL;
}

static uint64_t sram_total(const FakeDevice* self, int error, int counter) {
  if (error == 0) return or_zero(counter == 0 ? &self->sramVolatileCorrected : &self->sramAggregateCorrected);
  return counter == 0 ? or_zero(&self->sramVolatileParity) + or_zero(&self->sramVolatileSecDed)
                      : or_zero(&self->sramAggregateParity) + or_zero(&self->sramAggregateSecDed);
}

SINCE_470 nvmlReturn nvmlDeviceGetTotalEccErrors(nvmlDevice device, int error, int counter, uint64_t* out) {
  DEVICE_CALL(nvmlDeviceGetTotalEccErrors, device, {
    const int64_t* total = ecc_total(self, error, counter);
    call.result = total == NULL ? NVML_INVALID_ARGUMENT : give_u64(out, total);
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetMemoryErrorCounter(nvmlDevice device, int error, int counter, int location, uint64_t* out) {
  DEVICE_CALL(nvmlDeviceGetMemoryErrorCounter, device, {
    const int64_t* total = ecc_total(self, error, counter);
    enum { DRAM = 2, SRAM = 7 };
    if (total == NULL || location < 0 || location > SRAM || out == NULL) FAIL(NVML_INVALID_ARGUMENT);
    else if (GET(*total) == FAKE_ABSENT || (location != DRAM && location != SRAM)) FAIL(NVML_NOT_SUPPORTED);
    else if (location == SRAM) *out = sram_total(self, error, counter);
    else {
      const uint64_t all = or_zero(total);
      const uint64_t sram = sram_total(self, error, counter);
      *out = all > sram ? all - sram : 0;
    }
  });
}

SINCE_550 nvmlReturn nvmlDeviceGetSramEccErrorStatus(nvmlDevice device, EccSramStatus* out) {
  DEVICE_CALL(nvmlDeviceGetSramEccErrorStatus, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (out->version != ABI_VERSION(EccSramStatus, 1)) {
      FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    } else if (GET(self->sramThresholdExceeded) == FAKE_ABSENT) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      out->aggregateUncParity = or_zero(&self->sramAggregateParity);
      out->aggregateUncSecDed = or_zero(&self->sramAggregateSecDed);
      out->aggregateCor = or_zero(&self->sramAggregateCorrected);
      out->volatileUncParity = or_zero(&self->sramVolatileParity);
      out->volatileUncSecDed = or_zero(&self->sramVolatileSecDed);
      out->volatileCor = or_zero(&self->sramVolatileCorrected);
      out->aggregateUncBucketL2 = or_zero(&self->sramBucketL2);
      out->aggregateUncBucketSm = or_zero(&self->sramBucketSm);
      out->aggregateUncBucketPcie = or_zero(&self->sramBucketPcie);
      out->aggregateUncBucketMcu = or_zero(&self->sramBucketMcu);
      out->aggregateUncBucketOther = or_zero(&self->sramBucketOther);
      out->bThresholdExceeded = (uint32_t)or_zero(&self->sramThresholdExceeded);
    }
  });
}

static nvmlReturn retired(const FakeDevice* self, int cause, uint32_t* count, uint64_t* addresses, uint64_t* timestamps) {
  if (cause < 0 || cause > 1 || count == NULL) return NVML_INVALID_ARGUMENT;
  const int64_t pages = GET(*(cause == 0 ? &self->retiredSingleBit : &self->retiredDoubleBit));
  if (pages == FAKE_ABSENT) return NVML_NOT_SUPPORTED;
  const uint32_t room = *count;
  *count = (uint32_t)pages;
  if (room < (uint32_t)pages) return NVML_INSUFFICIENT_SIZE;
  for (uint32_t index = 0; index < (uint32_t)pages; index += 1) {
    if (addresses != NULL) addresses[index] = 0x1000ULL * (index + 1);
    if (timestamps != NULL) timestamps[index] = 1700000000ULL + index;
  }
  return NVML_SUCCESS;
}

SINCE_470 nvmlReturn nvmlDeviceGetRetiredPages(nvmlDevice device, int cause, uint32_t* count, uint64_t* addresses) {
  DEVICE_CALL(nvmlDeviceGetRetiredPages, device, { call.result = retired(self, cause, count, addresses, NULL); });
}

SINCE_470 nvmlReturn nvmlDeviceGetRetiredPages_v2(nvmlDevice device, int cause, uint32_t* count, uint64_t* addresses,
                                                  uint64_t* timestamps) {
  DEVICE_CALL(nvmlDeviceGetRetiredPages_v2, device, { call.result = retired(self, cause, count, addresses, timestamps); });
}

U32_GETTER(SINCE_470, nvmlDeviceGetRetiredPagesPendingStatus, retiredPending)

/* The driver refuses these while a MIG GPU has instances. */
static nvmlReturn remap_support(int slot) {
  const FakeDevice* self = device_at(slot);
  if (GET(self->remapPending) == FAKE_ABSENT) return NVML_NOT_SUPPORTED;
  for (int other = 0; other < FAKE_MAX_DEVICES && GET(self->migMode) == 1; other += 1) {
    const FakeDevice* mig = device_at(other);
    if (GET(mig->kind) == 2 && GET(mig->present) != 0 && GET(mig->parent) == slot) return NVML_NOT_SUPPORTED;
  }
  return NVML_SUCCESS;
}

SINCE_470 nvmlReturn nvmlDeviceGetRemappedRows(nvmlDevice device, uint32_t* corrected, uint32_t* uncorrected, uint32_t* pending,
                                               uint32_t* failed) {
  DEVICE_CALL(nvmlDeviceGetRemappedRows, device, {
    call.result = remap_support(call.slot);
    if (corrected == NULL || uncorrected == NULL || pending == NULL || failed == NULL) FAIL(NVML_INVALID_ARGUMENT);
    if (call.result == NVML_SUCCESS) {
      *corrected = (uint32_t)or_zero(&self->remapCorrected);
      *uncorrected = (uint32_t)or_zero(&self->remapUncorrected);
      *pending = (uint32_t)or_zero(&self->remapPending);
      *failed = (uint32_t)or_zero(&self->remapFailed);
    }
  });
}

SINCE_610 nvmlReturn nvmlDeviceGetRemappedRows_v2(nvmlDevice device, RemappedRowsV2* out) {
  DEVICE_CALL(nvmlDeviceGetRemappedRows_v2, device, {
    call.result = out == NULL ? NVML_INVALID_ARGUMENT : remap_support(call.slot);
    if (call.result == NVML_SUCCESS) {
      out->corrActiveRemaps = (uint32_t)or_zero(&self->remapCorrected);
      out->corrInactiveRemaps = (uint32_t)or_zero(&self->remapCorrectedInactive);
      out->uncActiveRemaps = (uint32_t)or_zero(&self->remapUncorrected);
      out->uncInactiveRemaps = (uint32_t)or_zero(&self->remapUncorrectedInactive);
      out->bPending = (uint32_t)or_zero(&self->remapPending);
      out->bFailureOccurred = (uint32_t)or_zero(&self->remapFailed);
    }
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetRowRemapperHistogram(nvmlDevice device, RowRemapperHistogram* out) {
  DEVICE_CALL(nvmlDeviceGetRowRemapperHistogram, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (GET(self->histogramMax) == FAKE_ABSENT) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      out->max = (uint32_t)or_zero(&self->histogramMax);
      out->high = (uint32_t)or_zero(&self->histogramHigh);
      out->partial = (uint32_t)or_zero(&self->histogramPartial);
      out->low = (uint32_t)or_zero(&self->histogramLow);
      out->none = (uint32_t)or_zero(&self->histogramNone);
    }
  });
}

SINCE_610 nvmlReturn nvmlDeviceGetRepairStatus(nvmlDevice device, RepairStatus* out) {
  DEVICE_CALL(nvmlDeviceGetRepairStatus, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (out->version != ABI_VERSION(RepairStatus, 1)) {
      FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    } else {
      call.result = give_u32(&out->bChannelRepairPending, &self->channelRepairPending);
      if (call.result == NVML_SUCCESS) call.result = give_u32(&out->bTpcRepairPending, &self->tpcRepairPending);
    }
  });
}

SINCE_610 nvmlReturn nvmlDeviceGetUnrepairableMemoryFlag_v1(nvmlDevice device, UnrepairableMemory* out) {
  DEVICE_CALL(nvmlDeviceGetUnrepairableMemoryFlag_v1, device, {
    call.result = out == NULL ? NVML_INVALID_ARGUMENT : give_u32(&out->bUnrepairableMemory, &self->unrepairableMemory);
  });
}
