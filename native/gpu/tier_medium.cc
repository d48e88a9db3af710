#include <algorithm>
#include <array>

#include "gpu/sample.h"
#include "gpu/tiers.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;

constexpr std::uint32_t kMaxLinks = 36;
constexpr int kThresholdSlowdown = 1;
constexpr int kViolationPower = 0, kViolationThermal = 1;
constexpr int kCorrected = 0, kUncorrected = 1, kVolatile = 0, kAggregate = 1;

void sample_ecc(Sample& sample) {
  int current = 0, pending = 0;
  const bool is_known = sample.ok<Symbol::ecc_mode>(&current, &pending);
  sample.set(GpusField::eccMode, is_known ? current : kAbsent);
  const auto total = [&](int error, int counter) {
    if (is_known && current == 0) return kAbsent;
    return sample.number<Symbol::ecc_total, std::uint64_t>(error, counter);
  };
  sample.set(GpusField::eccVolatileUncorrected, total(kUncorrected, kVolatile));
  sample.set(GpusField::eccAggregateUncorrected, total(kUncorrected, kAggregate));
  sample.set(GpusField::eccVolatileCorrected, total(kCorrected, kVolatile));
  sample.set(GpusField::eccAggregateCorrected, total(kCorrected, kAggregate));
  nvml::SramEcc sram{};
  sram.version = nvml::version_word<nvml::SramEcc>(1);
  sample.set(GpusField::sramThresholdExceeded,
             sample.ok<Symbol::sram_ecc>(&sram) ? (sram.threshold_exceeded != 0 ? 1.0 : 0.0) : kAbsent);
}

void sample_fabric(Sample& sample) {
  double state = kAbsent, status = kAbsent, health = kAbsent, summary = kAbsent;
  const auto take = [&](const auto& fabric) {
    state = fabric.state;
    status = fabric.status;
    if constexpr (requires { fabric.health_mask; }) health = fabric.health_mask;
    if constexpr (requires { fabric.health_summary; }) summary = fabric.health_summary;
    return true;
  };
  const auto versioned = [&](auto fabric, std::uint32_t version) {
    fabric.version = nvml::version_word<decltype(fabric)>(version);
    return sample.ok<Symbol::fabric_versioned>(static_cast<void*>(&fabric)) && take(fabric);
  };
  if (!versioned(nvml::FabricV3{}, 3) && !versioned(nvml::FabricV2{}, 2)) {
    nvml::Fabric fabric{};
    if (sample.ok<Symbol::fabric>(&fabric)) take(fabric);
  }
  sample.set(GpusField::fabricState, state);
  sample.set(GpusField::fabricStatus, status);
  sample.set(GpusField::fabricHealth, health);
  sample.set(GpusField::fabricHealthSummary, summary);
}

/// The sum over all links of the given counters; absent where no link has any of them.
template <std::size_t N>
double link_errors(Sample& sample, std::uint32_t links, const std::uint32_t (&ids)[N]) {
  std::array<nvml::FieldValue, kMaxLinks * N> fields{};
  std::size_t count = 0;
  for (std::uint32_t link = 0; link < links; ++link) {
    for (const auto id : ids) {
      fields[count].field = id;
      fields[count++].scope = link;
    }
  }
  if (!read_fields(sample, fields, count)) return kAbsent;
  double sum = 0;
  bool is_known = false;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = decode(fields[i]);
    if (!(value >= 0)) continue;
    is_known = true;
    sum += value;
  }
  return is_known ? sum : kAbsent;
}

void sample_nvlink(Sample& sample, double link_count) {
  std::uint32_t links = 0, down = 0;
  const auto limit = link_count >= 0 ? std::min<std::uint32_t>(static_cast<std::uint32_t>(link_count), kMaxLinks) : kMaxLinks;
  for (; links < limit; ++links) {
    int state = 0;
    // Past the last link: INVALID_ARGUMENT, by some drivers NOT_SUPPORTED.
    if (!sample.ok<Symbol::nvlink_state>(links, &state)) break;
    down += state == 0;
  }
  sample.set(GpusField::nvlinkCount, links > 0 ? links : link_count == 0 ? 0 : kAbsent);
  sample.set(GpusField::nvlinkDown, links > 0 ? down : kAbsent);
  double errors = kAbsent;
  if (links > 0) {
    const double old = link_errors(sample, links, {nvml::kFieldNvlinkReplay, nvml::kFieldNvlinkRecovery, nvml::kFieldNvlinkCrc});
    const double current = link_errors(
        sample, links, {nvml::kFieldNvlinkReceiveErrors, nvml::kFieldNvlinkIntegrity, nvml::kFieldNvlinkRecoveryFailed});
    const bool has_old = old >= 0, has_current = current >= 0;
    errors = has_old || has_current ? (has_old ? old : 0) + (has_current ? current : 0) : kAbsent;
  }
  sample.set(GpusField::nvlinkErrors, errors);
}

double violation(Sample& sample, double field, int policy) {
  if (field >= 0) return field;
  nvml::Violation time{};
  return sample.ok<Symbol::violation>(policy, &time) ? static_cast<double>(time.violation_time) : kAbsent;
}

void sample_batch(Sample& sample) {
  enum Index { kMemTemp, kLinks, kReplay, kCorr, kUnc, kPending, kFailed, kPower, kThermal, kSwSlow, kHwSlow, kBrake, kAction, kEnd };
  constexpr std::uint32_t ids[kEnd] = {
      nvml::kFieldMemoryTemperature, nvml::kFieldNvlinkCount,     nvml::kFieldPcieReplay,
      nvml::kFieldRemapCorrected,    nvml::kFieldRemapUncorrected, nvml::kFieldRemapPending,
      nvml::kFieldRemapFailed,       nvml::kFieldPowerViolation,  nvml::kFieldThermalViolation,
      nvml::kFieldSwThermalSlowdown, nvml::kFieldHwThermalSlowdown, nvml::kFieldPowerBrake,
      nvml::kFieldRecoveryAction,
  };
  std::array<nvml::FieldValue, kEnd> fields{};
  for (std::size_t i = 0; i < kEnd; ++i) fields[i].field = ids[i];
  const bool is_read = read_fields(sample, fields, kEnd);
  const auto value = [&](Index index) { return is_read ? decode(fields[index]) : kAbsent; };

  sample.set(GpusField::memTemperatureC, value(kMemTemp));
  double remap[4] = {value(kCorr), value(kUnc), value(kPending), value(kFailed)};
  if (!(remap[2] >= 0)) {
    std::uint32_t rows[4] = {};
    if (sample.ok<Symbol::remapped_rows>(&rows[0], &rows[1], &rows[2], &rows[3])) std::copy(rows, rows + 4, remap);
  }
  sample.set(GpusField::remapCorrected, remap[0]);
  sample.set(GpusField::remapUncorrected, remap[1]);
  sample.set(GpusField::remapPending, remap[2]);
  sample.set(GpusField::remapFailed, remap[3]);
  const double replay = value(kReplay);
  sample.set(GpusField::pcieReplay, replay >= 0 ? replay : sample.number<Symbol::pcie_replay>());
  sample.set(GpusField::powerViolationNs, violation(sample, value(kPower), kViolationPower));
  sample.set(GpusField::thermalViolationNs, violation(sample, value(kThermal), kViolationThermal));
  const double hardware = value(kHwSlow), brake = value(kBrake);
  sample.set(GpusField::swThermalSlowdownNs, value(kSwSlow));
  sample.set(GpusField::hwThermalSlowdownNs, hardware);
  sample.set(GpusField::hwSlowdownNs,
             hardware >= 0 || brake >= 0 ? (hardware >= 0 ? hardware : 0) + (brake >= 0 ? brake : 0) : kAbsent);
  if (is_read) sample.set(GpusField::recoveryAction, value(kAction));
  sample_nvlink(sample, value(kLinks));
}

}  // namespace

void sample_medium(DriverCalls& driver, GpuDevice& device, std::int32_t slot, double now_ms) {
  Sample sample{driver, device, slot};
  sample_batch(sample);
  sample_ecc(sample);
  sample.set(GpusField::retiredPending, sample.number<Symbol::retired_pending, int>());
  sample.set(GpusField::pcieGeneration, sample.number<Symbol::pcie_generation>());
  sample.set(GpusField::pcieWidth, sample.number<Symbol::pcie_width>());
  sample.set(GpusField::pcieMaxWidth, sample.number<Symbol::pcie_max_width>());
  sample.set(GpusField::powerLimitMw, sample.number<Symbol::power_limit>());
  sample.set(GpusField::slowdownTemperatureC, sample.number<Symbol::temperature_threshold>(kThresholdSlowdown));
  nvml::MarginTemperature margin{nvml::version_word<nvml::MarginTemperature>(1), 0};
  sample.set(GpusField::marginC, sample.ok<Symbol::margin_temperature>(&margin) ? margin.margin : kAbsent);
  sample_fabric(sample);
  if (sample.worst != kSuccess && device[GpusField::lastReturn] == 0) sample.set(GpusField::lastReturn, sample.worst);
  sample.set(GpusField::mediumAtMs, now_ms);
}

void sample_recovery_action(DriverCalls& driver, GpuDevice& device, std::int32_t slot) {
  Sample sample{driver, device, slot};
  std::array<nvml::FieldValue, 1> fields{};
  fields[0].field = nvml::kFieldRecoveryAction;
  if (read_fields(sample, fields, 1)) sample.set(GpusField::recoveryAction, decode(fields[0]));
}

}  // namespace inference_health::gpu
