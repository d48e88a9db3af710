#include "gpu/inventory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace inference_health::gpu {
namespace {


template <std::size_t N>
void copy_text(char (&into)[N], const char* from) {
  const auto length = std::min(std::strlen(from), N - 1);
  std::memcpy(into, from, length);
  std::memset(into + length, 0, N - length);
}

double or_absent(std::uint32_t instance) { return instance == Address::kNoInstance ? kAbsent : instance; }

}  // namespace

std::int32_t Inventory::slot_of(DriverCalls& driver, nvml::Device handle, bool is_mig, std::int32_t parent,
                                bool& changed) {
  char uuid[96] = {};
  if (driver.call<Symbol::uuid>(-1, handle, uuid, std::uint32_t{sizeof uuid}) != nvml::kSuccess) return -1;
  uuid[sizeof uuid - 1] = '\0';
  const auto known = [&](const GpuDevice& device) { return std::string_view(device.texts.uuid) == uuid; };
  const auto found = std::find_if(devices_.begin(), devices_.begin() + static_cast<std::ptrdiff_t>(size_), known);
  const auto slot = static_cast<std::int32_t>(found - devices_.begin());
  if (static_cast<std::size_t>(slot) == size_) {
    if (size_ == kMaxGpus) return -1;
    ++size_;
    GpuDevice& device = devices_[static_cast<std::size_t>(slot)];
    device = {};
    device.row.fill(kAbsent);
    copy_text(device.texts.uuid, uuid);
    changed = true;
  }
  GpuDevice& device = devices_[static_cast<std::size_t>(slot)];
  changed = changed || device.handle != handle;
  device.handle = handle;
  device.is_mig = is_mig;
  device.parent = parent;
  return slot;
}

nvml::Return Inventory::enumerate(DriverCalls& driver, double now_ms, bool& changed) {
  std::uint32_t count = 0;
  if (const auto result = driver.call<Symbol::count>(-1, &count); result != nvml::kSuccess) return result;

  bool seen[kMaxGpus] = {};
  std::uint32_t unreadable = 0;
  for (std::uint32_t index = 0; index < std::min<std::uint32_t>(count, kMaxGpus); ++index) {
    nvml::Device handle = nullptr;
    const auto slot = driver.call<Symbol::handle_by_index>(-1, index, &handle) == nvml::kSuccess
                          ? slot_of(driver, handle, false, -1, changed)
                          : -1;
    if (driver.is_abandoned()) return kAbandoned;
    if (slot < 0) {
      ++unreadable;
      continue;
    }
    auto& device = devices_[static_cast<std::size_t>(slot)];
    seen[slot] = true;
    device.index = static_cast<std::int32_t>(index);
    char name[96] = {};
    if (driver.call<Symbol::name>(slot, handle, name, std::uint32_t{sizeof name}) == nvml::kSuccess) {
      name[sizeof name - 1] = '\0';
      copy_text(device.texts.name, name);
    }
    nvml::PciInfo pci{};
    if (driver.call<Symbol::pci_info>(slot, handle, &pci) == nvml::kSuccess) {
      pci.bus_id[sizeof pci.bus_id - 1] = '\0';
      copy_text(device.texts.bus_id, pci.bus_id);
      device.address = {pci.domain, pci.bus, pci.device};
    }
    enumerate_mig(driver, slot, changed, seen);
  }
  if (driver.is_abandoned()) return kAbandoned;

  for (std::size_t slot = 0; slot < size_; ++slot) {
    auto& device = devices_[slot];
    // The driver may still count a lost GPU and give no handle for it, so that its UUID cannot be asked.
    const bool is_counted = seen[slot] || (!device.is_mig && unreadable > 0 && unreadable-- > 0);
    if (!seen[slot] && device.is_mig && device.parent >= 0 && !seen[device.parent]) continue;
    if (device.is_present != is_counted) changed = true;
    device.is_present = is_counted;
    if (seen[slot]) continue;
    device.handle = nullptr;
    if (!device.is_mig) set_lost(slot, is_counted ? nvml::kGpuIsLost : nvml::kGpuNotFound, now_ms);
  }
  return nvml::kSuccess;
}

void Inventory::enumerate_mig(DriverCalls& driver, std::int32_t parent, bool& changed, bool (&seen)[kMaxGpus]) {
  const auto handle = devices_[static_cast<std::size_t>(parent)].handle;
  std::uint32_t current = 0, pending = 0, slots = 0;
  const bool is_known = driver.call<Symbol::mig_mode>(parent, handle, &current, &pending) == nvml::kSuccess;
  devices_[static_cast<std::size_t>(parent)][GpusField::migMode] = is_known ? current : kAbsent;
  if (!is_known || current == 0) return;
  if (driver.call<Symbol::mig_max_count>(parent, handle, &slots) != nvml::kSuccess) return;
  for (std::uint32_t i = 0; i < slots; ++i) {
    nvml::Device mig = nullptr;
    // A gap is NOT_FOUND; others may follow it.
    if (driver.call<Symbol::mig_by_index>(parent, handle, i, &mig) != nvml::kSuccess) continue;
    const auto slot = slot_of(driver, mig, true, parent, changed);
    if (slot < 0) continue;
    auto& device = devices_[static_cast<std::size_t>(slot)];
    const auto& whole = devices_[static_cast<std::size_t>(parent)];
    seen[slot] = true;
    device.index = static_cast<std::int32_t>(i);
    std::memcpy(device.texts.name, whole.texts.name, sizeof device.texts.name);
    std::memcpy(device.texts.bus_id, whole.texts.bus_id, sizeof device.texts.bus_id);
    device.address = whole.address;
    std::uint32_t instance = Address::kNoInstance;
    if (driver.call<Symbol::gpu_instance>(parent, mig, &instance) == nvml::kSuccess) device.address.gpu_instance = instance;
    if (driver.call<Symbol::compute_instance>(parent, mig, &instance) == nvml::kSuccess)
      device.address.compute_instance = instance;
  }
}

bool Inventory::find_again(DriverCalls& driver, std::size_t slot) {
  auto& device = devices_[slot];
  nvml::Device handle = nullptr;
  if (driver.call<Symbol::handle_by_uuid>(static_cast<std::int32_t>(slot), device.texts.uuid, &handle) != nvml::kSuccess)
    return false;
  device.handle = handle;
  device.is_present = true;
  return true;
}

void Inventory::set_lost(std::size_t slot, nvml::Return code, double now_ms) {
  auto& device = devices_[slot];
  device[GpusField::lastReturn] = code;
  if (device.is_lost) return;
  device.is_lost = true;
  device.lost_since_ms = now_ms;
  device.looked_for_at_ms = now_ms;
}

void Inventory::set_returned(std::size_t slot, double now_ms) {
  auto& device = devices_[slot];
  device.is_lost = false;
  device[GpusField::returnedAtMs] = now_ms;
}

void Inventory::forget_handles() {
  for (std::size_t slot = 0; slot < size_; ++slot) devices_[slot].handle = nullptr;
}

void Inventory::restore(const Lane& lane) {
  std::array<std::uint64_t, kTextWords> words;
  Texts texts;
  if (lane.texts.read(words) == 0) return;
  std::memcpy(&texts, words.data(), sizeof texts);
  size_ = 0;
  for (std::size_t slot = 0; slot < kMaxGpus; ++slot) {
    const auto packed = lane.addresses[slot].load(std::memory_order_acquire);
    if (packed == 0) break;
    auto& device = devices_[size_++];
    device = {};
    device.texts = texts.gpus[slot];
    device.address = Address::unpack(packed);
    lane.gpus[slot].read(device.row);
    device.is_present = device[GpusField::present] == 1;
    device.is_mig = device[GpusField::isMig] == 1;
    device.is_lost = device[GpusField::lost] == 1;
    device.lost_since_ms = device[GpusField::lostSinceMs];
    device.parent = device.is_mig ? static_cast<std::int32_t>(device[GpusField::parentSlot]) : -1;
  }
}

void Inventory::publish_texts(Lane& lane, Texts& texts) const {
  for (std::size_t slot = 0; slot < size_; ++slot) texts.gpus[slot] = devices_[slot].texts;
  std::array<std::uint64_t, kTextWords> words;
  std::memcpy(words.data(), &texts, sizeof texts);
  lane.texts.write(words);
}

void Inventory::publish_row(Lane& lane, std::size_t slot) {
  auto& device = devices_[slot];
  device[GpusField::present] = device.is_present;
  device[GpusField::lost] = device.is_lost;
  device[GpusField::index] = device.index < 0 ? kAbsent : device.index;
  device[GpusField::isMig] = device.is_mig;
  device[GpusField::parentSlot] = device.parent < 0 ? kAbsent : device.parent;
  device[GpusField::gpuInstance] = or_absent(device.address.gpu_instance);
  device[GpusField::computeInstance] = or_absent(device.address.compute_instance);
  device[GpusField::lostSinceMs] = device.is_lost ? device.lost_since_ms : kAbsent;
  device[GpusField::stuck] = device.is_excluded;
  lane.gpus[slot].write(device.row);
  // After the row: a slot with an address has a row.
  lane.addresses[slot].store(device.address.pack(), std::memory_order_release);
}

std::size_t Inventory::present_gpus() const {
  return static_cast<std::size_t>(std::count_if(devices_.begin(), devices_.begin() + static_cast<std::ptrdiff_t>(size_),
                                                [](const GpuDevice& d) { return d.is_present && !d.is_mig; }));
}

std::size_t Inventory::known_gpus() const {
  return static_cast<std::size_t>(std::count_if(devices_.begin(), devices_.begin() + static_cast<std::ptrdiff_t>(size_),
                                                [](const GpuDevice& d) { return !d.is_mig; }));
}

}  // namespace inference_health::gpu
